package dev.vesper.machine.observe;

/** Why the host changes an entry of the reverse map table. */
public enum RmpCause {
  /** SNP_LAUNCH_UPDATE, before the guest runs. */
  LAUNCH("launch"),
  /** The guest has asked by the MSR protocol, code 014. */
  MSR_PROTOCOL("MSR protocol"),
  /** The guest has asked by a page state change in its GHCB. */
  PAGE_STATE_CHANGE("page state change"),
  /** The guest has touched the page as what it was not. */
  IMPLICIT("implicit conversion"),
  /** The guest has asked for 4K of an entry of 2M. */
  SIZE_CONFLICT("size conflict"),
  /** The host has done so of itself. */
  HOST("host");

  private final String words;

  RmpCause(String words) {
    this.words = words;
  }

  /** {@return the cause in words} */
  @Override
  public String toString() {
    return words;
  }
}
