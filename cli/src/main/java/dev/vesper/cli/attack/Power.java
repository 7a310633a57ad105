package dev.vesper.cli.attack;

/** What a host must be able to do for an attack. */
public enum Power {
  /**
   * What every host can: VMCB, permission maps, nested page tables, shared pages, devices,
   * scheduling and the order of a launch. A guest is expected to withstand it where anything can.
   */
  LAWFUL_HOST("lawful host"),
  /**
   * The processor or its firmware breaks a rule of the architecture. Nothing that a guest does is
   * expected to help.
   */
  BROKEN_SILICON("broken silicon");

  private final String words;

  Power(String words) {
    this.words = words;
  }

  @Override
  public String toString() {
    return words;
  }
}
