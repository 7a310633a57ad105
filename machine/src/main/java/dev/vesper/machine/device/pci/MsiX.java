package dev.vesper.machine.device.pci;

import dev.vesper.machine.device.InterruptMessages;
import dev.vesper.machine.device.MmioDevice;

/**
 * Table and pending bits of MSI-X (PCI Local Bus 3.0, 6.8.2): 16 bytes a vector from offset 0,
 * pending bits at {@link #PENDING}.
 */
final class MsiX implements MmioDevice {
  static final int PENDING = 0x800;
  private static final int MASKED = 1;

  private final int[] table;
  private final int vectors;
  private long pending;
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

  void fire(int vector, boolean allMasked) {
    if (vector < 0 || vector >= vectors) {
      return;
    }
    if (allMasked || (table[4 * vector + 3] & MASKED) != 0) {
      pending |= 1L << vector;
      return;
    }
    messages.send(table[4 * vector] & 0xFFFF_FFFFL, table[4 * vector + 2]);
  }

  /** The function as a whole is unmasked: what has waited is sent. */
  void unmasked() {
    for (int i = 0; i < vectors; i++) {
      deliver(i);
    }
  }

  private void deliver(int vector) {
    if ((pending >> vector & 1) != 0 && (table[4 * vector + 3] & MASKED) == 0) {
      pending &= ~(1L << vector);
      fire(vector, false);
    }
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
