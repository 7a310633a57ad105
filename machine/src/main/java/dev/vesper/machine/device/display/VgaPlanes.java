package dev.vesper.machine.device.display;

import dev.vesper.machine.device.MmioDevice;

/**
 * The four planes of a VGA behind the window at A0000h, with latches, write and read modes (IBM
 * Personal System/2 Display Adapter reference; FreeVGA, "Accessing the Display Memory"). A byte of
 * plane {@code p} at address {@code a} is at {@code 4 * a + p}, so that chain-4 addresses are plain
 * indices.
 */
final class VgaPlanes implements MmioDevice {
  /** Bytes of the window. */
  static final int WINDOW = 1 << 16;

  private static final int PLANES = 4;

  private final byte[] sequencer;
  private final byte[] graphics;
  private final byte[] memory = new byte[PLANES * WINDOW];
  private final byte[] latch = new byte[PLANES];

  /**
   * @param sequencer its registers, shared with the adapter
   * @param graphics those of the graphics controller
   */
  VgaPlanes(byte[] sequencer, byte[] graphics) {
    this.sequencer = sequencer;
    this.graphics = graphics;
  }

  /** {@return a byte of a plane; addresses wrap} */
  int get(int address, int plane) {
    return memory[PLANES * (address & WINDOW - 1) + plane] & 0xFF;
  }

  /** {@return a byte by its chain-4 address, which wraps} */
  int linear(int index) {
    return memory[index & memory.length - 1] & 0xFF;
  }

  private boolean chain4() {
    return (sequencer[4] & 8) != 0;
  }

  private boolean oddEven() {
    return (graphics[5] & 0x10) != 0;
  }

  private boolean selected() {
    return (graphics[6] >> 2 & 3) < 2;
  }

  @Override
  public long read(long offset, int bytes) {
    long v = 0;
    for (int i = 0; i < bytes; i++) {
      v |= (long) read((int) offset + i & WINDOW - 1) << 8 * i;
    }
    return v;
  }

  @Override
  public void write(long offset, int bytes, long value) {
    for (int i = 0; i < bytes; i++) {
      write((int) offset + i & WINDOW - 1, (int) (value >> 8 * i) & 0xFF);
    }
  }

  private int read(int a) {
    if (!selected()) {
      return 0xFF;
    }
    int address = chain4() ? a >> 2 : oddEven() ? a & -2 : a;
    System.arraycopy(memory, PLANES * address, latch, 0, PLANES);
    if (chain4()) {
      return latch[a & 3] & 0xFF;
    }
    if (oddEven()) {
      return latch[graphics[4] & 2 | a & 1] & 0xFF;
    }
    if ((graphics[5] & 8) == 0) {
      return latch[graphics[4] & 3] & 0xFF;
    }
    int same = 0xFF;
    for (int p = 0; p < PLANES; p++) {
      if ((graphics[7] >> p & 1) != 0) {
        same &= ~(latch[p] ^ spread(graphics[2], p));
      }
    }
    return same & 0xFF;
  }

  /** {@return bit {@code p} in all eight bits} */
  private static int spread(int bits, int p) {
    return -(bits >> p & 1) & 0xFF;
  }

  private void write(int a, int v) {
    if (!selected()) {
      return;
    }
    int mask = sequencer[2];
    int address = a;
    if (chain4()) {
      mask &= 1 << (a & 3);
      address = a >> 2;
    } else if (oddEven()) {
      mask &= 5 << (a & 1);
      address = a & -2;
    }
    for (int p = 0; p < PLANES; p++) {
      if ((mask >> p & 1) != 0) {
        memory[PLANES * address + p] = (byte) (chain4() || oddEven() ? v : result(v, p));
      }
    }
  }

  /** {@return what a write of a byte leaves in a plane} */
  private int result(int v, int p) {
    int count = graphics[3] & 7;
    int rotated = (v >> count | v << 8 - count) & 0xFF;
    int bits = graphics[8] & 0xFF;
    return switch (graphics[5] & 3) {
      case 0 ->
          merged((graphics[1] >> p & 1) != 0 ? spread(graphics[0], p) : rotated, bits, latch[p]);
      case 1 -> latch[p];
      case 2 -> merged(spread(v, p), bits, latch[p]);
      default -> spread(graphics[0], p) & rotated & bits | latch[p] & ~(rotated & bits);
    };
  }

  private int merged(int v, int bits, int latched) {
    int combined =
        switch (graphics[3] >> 3 & 3) {
          case 1 -> v & latched;
          case 2 -> v | latched;
          case 3 -> v ^ latched;
          default -> v;
        };
    return combined & bits | latched & ~bits;
  }
}
