package dev.vesper.machine.cpu;

/** Stackless control transfer out of an instruction; details are in the processor's fields. */
public final class Signal extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** An exception of the guest: {@link Mmu#faultVector} and its companions say which. */
  public static final Signal FAULT = new Signal("guest exception");

  /** A world switch to the host: {@link CpuState#exitCode} says why. */
  public static final Signal EXIT = new Signal("#VMEXIT");

  /** A store hit code of the page being executed; the instruction restarts on its own. */
  public static final Signal SELF_MODIFYING = new Signal("self-modifying code");

  /** The instruction is complete, with RIP behind it, and a single-step trap follows. */
  public static final Signal STEPPED = new Signal("single-step trap");

  /**
   * An observer waits for this access, or the processor is to stop: the instruction is executed
   * anew, by itself, and then it pauses.
   */
  public static final Signal WATCHED = new Signal("watched access");

  private Signal(String name) {
    super(name, null, false, false);
  }
}
