package dev.vesper.machine.foreign;

/**
 * How much may be done for a file. Offsets may lead to the same bytes again and again, so that
 * bounds alone do not bound the work: whoever follows them pays for what is looked at, and a file
 * that asks for more than a multiple of its own size is damaged.
 */
public final class Allowance {
  /** Honest files are read a few times over: names share their endings. */
  private static final long TIMES = 8;

  /** A small file may be read some more times. */
  private static final long LEAST = 1 << 16;

  private long left;

  private Allowance(long left) {
    this.left = left;
  }

  /**
   * {@return what may be done for a file}
   *
   * @param bytes its size
   */
  public static Allowance of(long bytes) {
    return new Allowance(TIMES * bytes + LEAST);
  }

  /** {@return an allowance of units of any kind} */
  public static Allowance ofUnits(long units) {
    return new Allowance(units);
  }

  /**
   * Takes some of it.
   *
   * @param work bytes looked at or made, or anything else that takes about as long
   * @throws Damaged if there is not as much left
   */
  public void spend(long work) {
    assert work >= 0 : "work is not given back";
    left -= work;
    if (left < 0) {
      throw new Damaged("its parts are used so often that it would take too long to read");
    }
  }
}
