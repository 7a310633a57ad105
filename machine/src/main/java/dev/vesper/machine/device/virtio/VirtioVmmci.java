package dev.vesper.machine.device.virtio;

import dev.vesper.machine.device.Timed;
import java.util.function.LongSupplier;

/**
 * The control interface of vmd(8), which OpenBSD's vmmci(4) drives: the host's time, and the
 * guest's word that it shuts down. No queues; a guest that has announced its shutdown and does not
 * reset itself within three seconds is switched off.
 */
public final class VirtioVmmci implements VirtioDevice, Timed {
  /** The subsystem ID by which the driver knows it. */
  private static final int TYPE = 0xFFFF;

  private static final int PRODUCT = 0x0777;
  private static final int OPENBSD = 0x0B5D;

  /** Communications, other. */
  private static final int CLASS = 0x0780_0000;

  /** Time, acknowledged commands, and a word when the host's clock is set. */
  private static final int FEATURES = 7;

  private static final int COMMAND = 0;
  private static final int SECONDS = 4;
  private static final int MICROSECONDS = 12;
  private static final int SHUTDOWN = 1;
  private static final long PATIENCE = 3_000_000_000L;
  private static final long SECOND = 1_000_000_000L;

  private final LongSupplier clock;
  private final long startSeconds;
  private final Runnable powerOff;
  private long now;
  private long due = NEVER;

  /**
   * @param clock virtual time in nanoseconds
   * @param startSeconds what the host's clock said when that was 0, in seconds since 1970
   * @param powerOff switches the machine off
   */
  public VirtioVmmci(LongSupplier clock, long startSeconds, Runnable powerOff) {
    this.clock = clock;
    this.startSeconds = startSeconds;
    this.powerOff = powerOff;
  }

  @Override
  public int type() {
    return TYPE;
  }

  @Override
  public int classCode() {
    return CLASS;
  }

  @Override
  public int legacyId() {
    return PRODUCT << 16 | OPENBSD;
  }

  @Override
  public long features() {
    return FEATURES;
  }

  @Override
  public int queues() {
    return 0;
  }

  private static int octet(long v, int n) {
    return (int) (v >>> 8 * n) & 0xFF;
  }

  @Override
  public int config(int offset) {
    if (offset == SECONDS) {
      // The first byte of the time fixes all of it.
      now = clock.getAsLong();
    }
    if (offset >= SECONDS && offset < SECONDS + 4) {
      return octet(startSeconds + now / SECOND, offset - SECONDS);
    }
    return offset >= MICROSECONDS && offset < MICROSECONDS + 4
        ? octet(now % SECOND / 1000, offset - MICROSECONDS)
        : 0;
  }

  @Override
  public void configure(int offset, int value) {
    if (offset == COMMAND && value == SHUTDOWN && due == NEVER) {
      due = clock.getAsLong() + PATIENCE;
    }
  }

  @Override
  public int process(int queue, VirtioRequest request) {
    return 0;
  }

  @Override
  public long nextEvent() {
    return due;
  }

  @Override
  public void advance(long time) {
    if (time >= due) {
      due = NEVER;
      powerOff.run();
    }
  }
}
