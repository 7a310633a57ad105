package dev.vesper.machine.launch;

/** Kinds of pages that SNP_LAUNCH_UPDATE takes (spec: snp 6.3), at their numbers from 1 on. */
public enum SnpPageType {
  /** Encrypted, and its contents measured. */
  NORMAL,
  /** The save area of a vCPU, measured. */
  VMSA,
  /** Filled with zeros, of which only the place is measured. */
  ZERO,
  /** Encrypted; of it too only the place is measured. */
  UNMEASURED,
  /** Filled with the keys and words that the guest gets. */
  SECRETS,
  /** Checked, and only its place measured. */
  CPUID;

  private static final SnpPageType[] ALL = values();

  /** {@return the number in a command's buffer and in PAGE_INFO} */
  public int code() {
    return ordinal() + 1;
  }

  /**
   * {@return the type of a number}
   *
   * @throws IllegalArgumentException if there is none
   */
  public static SnpPageType of(int code) {
    if (code < 1 || code > ALL.length) {
      throw new IllegalArgumentException("there is no page type " + code);
    }
    return ALL[code - 1];
  }

  /** {@return whether one command can take 2 MiB of it} */
  public boolean mayBeLarge() {
    return this == NORMAL || this == ZERO || this == UNMEASURED;
  }

  /** {@return whether the page's contents are measured} */
  public boolean measured() {
    return this == NORMAL || this == VMSA;
  }
}
