package dev.vesper.cli;

import dev.vesper.machine.spec.ConsoleInput;

/**
 * The console of a command that a guest runs, where nobody sits at a terminal: it begins with a NUL
 * of the guest's. What comes before is the kernel's, and nothing is heard before, because it would
 * be echoed.
 */
final class CommandConsole implements ConsoleInput {
  private final ConsoleInput input;
  private volatile boolean begun;

  /**
   * @param input what the command hears
   */
  CommandConsole(ConsoleInput input) {
    this.input = input;
  }

  /** {@return whether a byte that the guest has written is the command's} */
  boolean takes(int b) {
    boolean taken = begun;
    begun |= b == 0;
    return taken;
  }

  @Override
  public int poll() {
    return begun ? input.poll() : -1;
  }

  @Override
  public boolean closed() {
    return begun && input.closed();
  }

  @Override
  public void await(long nanos) {
    if (begun) {
      input.await(nanos);
    }
  }

  @Override
  public boolean wakes() {
    return input.wakes();
  }

  @Override
  public void wake() {
    input.wake();
  }
}
