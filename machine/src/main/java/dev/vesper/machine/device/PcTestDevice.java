package dev.vesper.machine.device;

/**
 * QEMU's {@code pc-testdev} (hw/misc/pc-testdev.c), with which kvm-unit-tests look at device
 * accesses: four bytes of ports at E0h that keep what is written, a port at E4h whose write only
 * exits, interrupt lines at 2000h to 2017h, and 64 KiB of memory that a device answers for.
 */
public final class PcTestDevice implements PortDevice {
  /** Where the memory lies. */
  public static final long MEMORY = 0xFF00_0000L;

  /** Bytes of the memory. */
  public static final int MEMORY_BYTES = 64 << 10;

  /** First port of what keeps a number. */
  public static final int DATA = 0xE0;

  /** First port of the page flush. */
  public static final int FLUSH = 0xE4;

  /** First port of the interrupt lines, one a port. */
  public static final int LINES = 0x2000;

  private static final int DATA_BYTES = 4;

  private final InterruptLines lines;
  private final byte[] memory = new byte[MEMORY_BYTES];
  private int data;

  private final MmioDevice window =
      new MmioDevice() {
        @Override
        public long read(long offset, int bytes) {
          long v = 0;
          for (int i = bytes - 1; i >= 0; i--) {
            v = v << 8 | memory[(int) (offset + i) % MEMORY_BYTES] & 0xFF;
          }
          return v;
        }

        @Override
        public void write(long offset, int bytes, long value) {
          for (int i = 0; i < bytes; i++) {
            memory[(int) (offset + i) % MEMORY_BYTES] = (byte) (value >>> 8 * i);
          }
        }
      };

  /**
   * @param lines interrupts 0 to 23
   */
  public PcTestDevice(InterruptLines lines) {
    this.lines = lines;
  }

  /** Puts it where QEMU has it. */
  public void attach(PortBus ports, MmioBus mmio) {
    ports.attach(this, DATA, FLUSH + 3);
    ports.attach(this, LINES, LINES + IoApic.INPUTS - 1);
    mmio.attach(window, MEMORY, MEMORY_BYTES);
  }

  @Override
  public int read(int port, int bytes) {
    return port >= DATA && port < DATA + DATA_BYTES ? data >>> 8 * (port - DATA) : 0;
  }

  @Override
  public void write(int port, int bytes, int value) {
    if (port >= LINES) {
      lines.line(port - LINES, (value & 0xFF) != 0);
    } else if (port < DATA + DATA_BYTES) {
      int shift = 8 * (port - DATA);
      int mask = -1 >>> 32 - 8 * bytes << shift;
      data = data & ~mask | value << shift & mask;
    }
  }
}
