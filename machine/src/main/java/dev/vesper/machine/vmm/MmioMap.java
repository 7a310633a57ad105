package dev.vesper.machine.vmm;

import dev.vesper.machine.device.ParallelFlash;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The host's nested page table: guest RAM is present from the start, other pages become emulated
 * MMIO when they are first touched, as KVM installs its MMIO entries.
 */
public final class MmioMap {
  /** A hostile guest may touch any number of pages; beyond this the oldest ones are forgotten. */
  private static final int MOST = 1 << 16;

  private final Set<Long> pages = new HashSet<>();

  /** One of them: a driver goes on with the page that it has. */
  private long recent = -1;

  private long romFirst;
  private long romLast = -1;
  private @Nullable ParallelFlash flash;
  private long flashFirst;
  private long flashLast;
  private long windowFirst;
  private long windowLast = -1;
  private long memoryFirst;
  private long memoryLast = -1;
  private long videoFirst;
  private long videoLast = -1;
  private Runnable listener = () -> {};

  /** {@return whether a page is marked as MMIO} */
  public boolean installed(long frame) {
    if (frame == recent || window(frame) || commands(frame)) {
      return true;
    }
    if (!pages.contains(frame)) {
      return false;
    }
    recent = frame;
    return true;
  }

  /** Puts memory into the map that writes do not change. */
  void rom(long base, long length) {
    romFirst = base >>> 12;
    romLast = base + length - 1 >>> 12;
  }

  /** Puts memory into the map besides RAM. */
  void memory(long base, long length) {
    memoryFirst = base >>> 12;
    memoryLast = base + length - 1 >>> 12;
  }

  /** Takes RAM out of the map where a device answers instead. */
  void window(long base, long length) {
    windowFirst = base >>> 12;
    windowLast = base + length - 1 >>> 12;
  }

  /** {@return whether a device answers for a page that would be RAM} */
  public boolean window(long frame) {
    return frame >= windowFirst && frame <= windowLast;
  }

  /** Puts video memory into the map, or takes it away if {@code base} is -1. */
  void video(long base, long length) {
    videoFirst = base < 0 ? 0 : base >>> 12;
    videoLast = base < 0 ? -1 : base + length - 1 >>> 12;
    changed();
  }

  /** {@return whether a page outside RAM is memory all the same} */
  public boolean backed(long frame) {
    return frame >= videoFirst && frame <= videoLast || frame >= memoryFirst && frame <= memoryLast;
  }

  /** Puts a flash into the map. */
  void flash(ParallelFlash f, long base, long length) {
    flash = f;
    flashFirst = base >>> 12;
    flashLast = base + length - 1 >>> 12;
  }

  /** {@return whether a page can be read as memory and not written: ROM, or flash at rest} */
  public boolean readOnly(long frame) {
    return frame >= romFirst && frame <= romLast
        || flash != null && frame >= flashFirst && frame <= flashLast && flash.arrayMode();
  }

  /** {@return whether a page is flash that answers commands} */
  boolean commands(long frame) {
    return flash != null && frame >= flashFirst && frame <= flashLast && !flash.arrayMode();
  }

  /** Calls back when present pages of the map change: translations must be forgotten. */
  public void onChange(Runnable r) {
    listener = r;
  }

  /** Present pages have changed. */
  void changed() {
    listener.run();
  }

  void install(long frame) {
    if (pages.size() >= MOST) {
      pages.clear();
      recent = -1;
    }
    pages.add(frame);
  }
}
