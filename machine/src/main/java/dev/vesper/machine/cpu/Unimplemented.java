package dev.vesper.machine.cpu;

/** An instruction that the table knows and the processor does not do: ends the run by name. */
public final class Unimplemented extends RuntimeException {
  private static final long serialVersionUID = 1;

  /**
   * @param what bytes, disassembly and RIP
   */
  public Unimplemented(String what) {
    super(what, null, false, false);
  }
}
