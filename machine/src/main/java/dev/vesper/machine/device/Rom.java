package dev.vesper.machine.device;

import dev.vesper.machine.memory.HostView;

/**
 * Read-only memory on the bus, for a guest that asks its host for what it could read by itself. It
 * gets what the host sees, so private contents are ciphertext. Writes are lost.
 */
public final class Rom implements MmioDevice {
  private final HostView memory;
  private final long base;
  private final int length;

  /**
   * @param base where its contents lie in memory
   */
  public Rom(HostView memory, long base, int length) {
    this.memory = memory;
    this.base = base;
    this.length = length;
  }

  @Override
  public long read(long offset, int bytes) {
    return memory.read(base + offset, (int) Math.min(bytes, length - offset));
  }

  @Override
  public void write(long offset, int bytes, long value) {
    // nobody is there to take it
  }
}
