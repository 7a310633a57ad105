package dev.vesper.machine.device.virtio;

import java.util.Random;

/** virtio entropy: bytes that the run's seed decides, as everything else. */
public final class VirtioEntropy implements VirtioDevice {
  /** More than this is not given at once. */
  private static final int MOST = 1 << 16;

  private final Random random;

  public VirtioEntropy(long seed) {
    random = new Random(seed ^ 0x5EED_0E47L);
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
    random.nextBytes(b);
    r.write(0, b, b.length);
    return b.length;
  }
}
