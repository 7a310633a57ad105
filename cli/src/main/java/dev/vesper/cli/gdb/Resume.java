package dev.vesper.cli.gdb;

/**
 * How a client has the guest go on.
 *
 * @param step the vCPU that executes one instruction, or -1 if all run
 * @param from the first address of the code that is stepped through at once
 * @param to the address behind it; no further than from: one instruction
 * @param back into the past
 */
record Resume(int step, long from, long to, boolean back) {
  /** All run. */
  static final Resume ON = new Resume(-1, 0, 0, false);

  /** All run, backwards. */
  static final Resume BACK = new Resume(-1, 0, 0, true);

  static Resume step(int vcpu) {
    return new Resume(vcpu, 0, 0, false);
  }

  static Resume stepBack(int vcpu) {
    return new Resume(vcpu, 0, 0, true);
  }

  boolean isStep() {
    return step >= 0;
  }

  /** {@return whether a step that has come to an address goes on} */
  boolean within(long address) {
    return Long.compareUnsigned(address, from) >= 0 && Long.compareUnsigned(address, to) < 0;
  }
}
