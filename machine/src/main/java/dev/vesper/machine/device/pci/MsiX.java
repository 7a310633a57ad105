package dev.vesper.machine.device.pci;

import dev.vesper.machine.device.InterruptMessages;
import dev.vesper.machine.device.MmioDevice;

/**
 * Table and pending bits of MSI-X (PCI Local Bus 3.0, 6.8.2): 16 bytes a vector from offset 0,
 * pending bits at {@link #PENDING}.
 */
final class MsiX implements MmioDevice {
  static final int PENDING = 0x800;

  /** Message control: MSI-X is in use. */
  static final int ENABLE = 0x8000;

  /** Message control: all vectors are masked. */
  static final int FUNCTION_MASK = 0x4000;

  private static final int MASKED = 1;

  private final int[] table;
  private final int vectors;
  private long pending;

  /** MSI-X is in use and not masked as a whole. */
  private boolean open;

  private int at;
  private InterruptMessages messages = (address, data) -> {};

  MsiX(int vectors) {
    this.vectors = vectors;
    table = new int[4 * vectors];
    for (int i = 0; i < vectors; i++) {
      table[4 * i + 3] = MASKED;
    }
  }

  void place(int offset) {
    at = offset;
  }

  /** {@return offset of the capability} */
  int at() {
    return at;
  }

  void connect(InterruptMessages m) {
    messages = m;
  }

  /** Message control is written: what has waited for the function as a whole is sent. */
  void control(int bits) {
    open = (bits & (ENABLE | FUNCTION_MASK)) == ENABLE;
    for (int i = 0; i < vectors; i++) {
      deliver(i);
    }
  }

  /** Sends the message of a vector, or keeps it while that is masked. */
  void fire(int vector) {
    if (vector >= 0 && vector < vectors) {
      pending |= 1L << vector;
      deliver(vector);
    }
  }

  private void deliver(int vector) {
    boolean waits = (pending >> vector & 1) != 0;
    if (!waits || !open || (table[4 * vector + 3] & MASKED) != 0) {
      return;
    }
    pending &= ~(1L << vector);
    long address = (long) table[4 * vector + 1] << 32 | table[4 * vector] & 0xFFFF_FFFFL;
    messages.send(address, table[4 * vector + 2]);
  }

  private long word(int offset) {
    if (offset >= PENDING) {
      return offset == PENDING
          ? pending & 0xFFFF_FFFFL
          : offset == PENDING + 4 ? pending >>> 32 : 0;
    }
    return offset / 4 < table.length ? table[offset / 4] & 0xFFFF_FFFFL : 0;
  }

  @Override
  public int width(long offset) {
    return 4;
  }

  @Override
  public long read(long offset, int bytes) {
    return word((int) offset & ~3) >>> 8 * ((int) offset & 3);
  }

  @Override
  public void write(long offset, int bytes, long value) {
    int n = (int) offset / 4;
    // Only whole words can be written.
    if (bytes == 4 && n < table.length) {
      table[n] = (int) value & ((n & 3) == 3 ? MASKED : -1);
      if ((n & 3) == 3) {
        deliver(n / 4);
      }
    }
  }
}
