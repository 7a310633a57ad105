package dev.vesper.machine.spec;

/** How much of the guest is protected. */
public enum SevMode {
  /** An ordinary guest. */
  OFF,
  /** Encrypted memory. */
  SEV,
  /** Encrypted memory and registers. */
  ES
}
