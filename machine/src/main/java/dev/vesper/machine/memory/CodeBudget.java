package dev.vesper.machine.memory;

/**
 * How much memory decoded code may take, of all pages and processors together. A guest can have any
 * amount of code; what is decoded of it is a cache.
 */
public final class CodeBudget {
  /** System property that sets the bytes of every machine's budget. */
  public static final String PROPERTY = "vesper.code";

  private static final long MOST = 160L << 20;
  private static final long LEAST = 16L << 20;

  private final long limit;
  private long bytes;

  /**
   * @param limit bytes
   */
  CodeBudget(long limit) {
    this.limit = limit;
  }

  /**
   * {@return the budget that the property says, or one that leaves room in this Java runtime's heap
   * for what the machine keeps of each page}
   *
   * @param guestBytes what a guest may touch of its memory
   */
  static CodeBudget standard(long guestBytes) {
    long spare = Runtime.getRuntime().maxMemory() - (guestBytes >> 5);
    return new CodeBudget(Long.getLong(PROPERTY, Math.clamp(spare / 3, LEAST, MOST)));
  }

  /** Counts what is decoded in addition, or no longer. */
  public void add(long more) {
    bytes += more;
  }

  /** Says what there is after all. */
  public void set(long all) {
    bytes = all;
  }

  /** {@return whether something must go} */
  public boolean exceeded() {
    return bytes > limit;
  }

  /** {@return bytes down to which to make room, so that there is no need of it again soon} */
  public long target() {
    return limit / 2;
  }
}
