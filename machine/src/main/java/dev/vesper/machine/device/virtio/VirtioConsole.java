package dev.vesper.machine.device.virtio;

import dev.vesper.machine.device.Uart16550;

/** virtio console, one port: queue 0 to the guest, which nobody types on, and queue 1 from it. */
public final class VirtioConsole implements VirtioDevice {
  /** More than this in one request is lost. */
  private static final int MOST = 1 << 16;

  /** A byte that is written out costs as much as this many that are moved in memory. */
  private static final long BYTE_COST = 64;

  private final Uart16550.Sink output;

  public VirtioConsole(Uart16550.Sink output) {
    this.output = output;
  }

  @Override
  public int type() {
    return 3;
  }

  @Override
  public int classCode() {
    return 0x0780_0000;
  }

  @Override
  public int queues() {
    return 2;
  }

  @Override
  public int process(int queue, VirtioRequest r) {
    if (queue == 0) {
      return KEPT;
    }
    byte[] b = new byte[(int) Math.min(MOST, r.readableBytes())];
    r.read(0, b, b.length);
    for (byte c : b) {
      output.put(c & 0xFF);
    }
    r.spend(BYTE_COST * b.length);
    return 0;
  }
}
