package dev.vesper.machine;

import dev.vesper.machine.flow.FlowTracker;
import dev.vesper.machine.observe.flow.FlowReport;

/**
 * Follows values through a guest: which private bytes reach the host, and which values of the
 * host's are used unchecked. {@link Machine#oracle} gives one.
 */
public final class Oracle {
  private final FlowTracker tracker;

  Oracle(FlowTracker tracker) {
    this.tracker = tracker;
  }

  /** {@return what was found so far; once for each kind, instruction, origin and sink} */
  public FlowReport report() {
    return tracker.report();
  }

  FlowTracker tracker() {
    return tracker;
  }
}
