package dev.vesper.machine.device.virtio;

/** virtio entropy: bytes that the run's seed decides, as everything else. */
public final class VirtioEntropy implements VirtioDevice {
  /** More than this is not given at once. */
  private static final int MOST = 1 << 16;

  // The generator that java.util.Random is specified to be, whose state can be kept.
  private static final long MULTIPLIER = 0x5_DEEC_E66DL;
  private static final long INCREMENT = 0xB;
  private static final long STATE = (1L << 48) - 1;

  private long random;

  public VirtioEntropy(long seed) {
    random = (seed ^ 0x5EED_0E47L ^ MULTIPLIER) & STATE;
  }

  @Override
  public int type() {
    return 4;
  }

  @Override
  public int classCode() {
    return 0xFF00_0000;
  }

  @Override
  public int queues() {
    return 1;
  }

  @Override
  public int process(int queue, VirtioRequest r) {
    byte[] b = new byte[(int) Math.min(MOST, r.writableBytes())];
    for (int i = 0; i < b.length; i++) {
      if ((i & 3) == 0) {
        random = random * MULTIPLIER + INCREMENT & STATE;
      }
      b[i] = (byte) (random >>> 16 + 8 * (i & 3));
    }
    r.write(0, b, b.length);
    return b.length;
  }
}
