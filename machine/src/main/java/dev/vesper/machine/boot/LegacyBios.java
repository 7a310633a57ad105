package dev.vesper.machine.boot;

import dev.vesper.machine.memory.HostView;

/**
 * Firmware of a BIOS, which runs below 1 MiB: the last 128 KiB of its ROM appear there as well.
 * What chipsets do by registers, memory does here from the start: the copy can be written, so that
 * a BIOS finds it unlocked.
 */
public final class LegacyBios {
  private static final int COPY = 128 << 10;
  private static final long END = 1 << 20;

  private LegacyBios() {}

  /** Writes the copy, where there is memory for it. */
  public static void place(byte[] image, HostView view) {
    int n = Math.min(COPY, image.length);
    if (view.contains(END - n, n)) {
      view.write(END - n, image, image.length - n, n);
    }
  }
}
