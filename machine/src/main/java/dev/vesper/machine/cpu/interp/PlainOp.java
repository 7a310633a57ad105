package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;

/** An instruction executed by a method of its family. */
final class PlainOp extends MemOp {
  private final Semantics semantics;
  private final boolean transfers;

  /**
   * @param transfers whether the semantics set RIP on every path
   */
  PlainOp(Semantics semantics, boolean transfers) {
    this.semantics = semantics;
    this.transfers = transfers;
  }

  /** {@return whether a method is what executes this} */
  boolean is(Semantics s) {
    return semantics == s;
  }

  @Override
  public void exec(Cpu c) {
    semantics.run(this, c);
  }

  @Override
  public boolean setsRip() {
    return transfers;
  }
}
