package dev.vesper.machine.memory;

/** What instructions of SEV-SNP leave in EAX (spec: snp 1.4). */
public enum RmpResult {
  SUCCESS(0),
  /** An operand has no meaning. */
  FAIL_INPUT(1),
  /** The page is not the caller's to change so. */
  FAIL_PERMISSION(2),
  /** A processor uses the page. */
  FAIL_INUSE(3),
  /** An entry of the other size is in the way. */
  FAIL_OVERLAP(4),
  /** The entry has not the size that was asked for. */
  FAIL_SIZEMISMATCH(6),
  /** There is no entry of 2 MiB to break up. */
  FAIL_NOT_LARGE(7);

  /** The value of EAX. */
  public final int eax;

  RmpResult(int eax) {
    this.eax = eax;
  }
}
