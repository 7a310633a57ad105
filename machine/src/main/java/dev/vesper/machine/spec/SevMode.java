package dev.vesper.machine.spec;

/** How much of the guest is protected. */
public enum SevMode {
  /** An ordinary guest. */
  OFF,
  /** Encrypted memory. */
  SEV,
  /** Encrypted memory and registers. */
  ES,
  /** Encrypted memory and registers, and pages that nobody but the guest changes. */
  SNP;

  /** {@return whether registers are encrypted} */
  public boolean encryptsState() {
    return this == ES || this == SNP;
  }
}
