package dev.vesper.fuzz;

import dev.vesper.machine.observe.flow.FlowOptions;
import org.jspecify.annotations.Nullable;

/**
 * What a campaign looks for besides guests that fail. What a guest does whose host tells no lie is
 * no finding of any.
 *
 * @param cBit memory that is used with the C-bit where it is shared, or without where it is private
 * @param rip code that a kernel executes where none was when executions began
 * @param flow private bytes that reach the host, and values of the host's that are used unchecked;
 *     of executions that reach something new alone, because each takes a hundred times as long.
 *     Null for neither
 */
public record Oracles(boolean cBit, boolean rip, @Nullable FlowOptions flow) {
  /** None of them. */
  public static final Oracles NONE = new Oracles(false, false, null);

  /** {@return whether it is looked at how pages are used} */
  boolean looksAtPages() {
    return cBit || rip;
  }
}
