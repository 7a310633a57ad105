package dev.vesper.ghcb;

/**
 * An entry of the list of a page state change (spec: snp 3.3): bits 11 to 0 say how many of its
 * pages are done, 51 to 12 are the GFN, 55 to 52 the operation, 56 the size, the others reserved.
 *
 * @param raw 8 bytes
 */
public record PageStateEntry(long raw) {
  /** The page becomes private, and invalid. */
  public static final int PRIVATE = 1;

  /** The page becomes shared. */
  public static final int SHARED = 2;

  /** The host splits a large page of its table. */
  public static final int PSMASH = 3;

  /** The host puts small ones together. */
  public static final int UNSMASH = 4;

  private static final int SMALL_IN_LARGE = 512;
  private static final long GFN = (1L << 40) - 1;

  /** {@return an entry of which nothing is done} */
  public static PageStateEntry of(long gfn, int operation, boolean large) {
    return new PageStateEntry((gfn & GFN) << 12 | (long) operation << 52 | (large ? 1L << 56 : 0));
  }

  /** {@return how many pages of 4 KiB are done} */
  public int done() {
    return (int) raw & 0xFFF;
  }

  /** {@return the number of the first page} */
  public long gfn() {
    return raw >>> 12 & GFN;
  }

  /** {@return what is asked for} */
  public int operation() {
    return (int) (raw >>> 52) & 15;
  }

  /** {@return whether it is about 2 MiB} */
  public boolean large() {
    return (raw >>> 56 & 1) != 0;
  }

  /** {@return pages of 4 KiB that it is about} */
  public int pages() {
    return large() ? SMALL_IN_LARGE : 1;
  }

  /** {@return whether it can be served: progress within the page, and a large page aligned} */
  public boolean wellFormed() {
    return done() <= pages() && !(large() && (gfn() & SMALL_IN_LARGE - 1) != 0);
  }

  /** {@return the entry with progress} */
  public PageStateEntry withDone(int pages) {
    return new PageStateEntry(raw & ~0xFFFL | pages & 0xFFF);
  }

  /** {@return the name of an operation, or its number} */
  public static String operation(int operation) {
    return switch (operation) {
      case PRIVATE -> "private";
      case SHARED -> "shared";
      case PSMASH -> "psmash";
      case UNSMASH -> "unsmash";
      default -> "operation " + operation;
    };
  }

  @Override
  public String toString() {
    return "0x"
        + Long.toHexString(gfn() << 12)
        + (large() ? " 2M " : " ")
        + operation(operation())
        + (done() == 0 ? "" : ", " + done() + " done");
  }
}
