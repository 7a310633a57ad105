package dev.vesper.junit;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.Outcome;

/**
 * Assertions about a machine in hand. What it has not done yet it is given the time to do: it runs,
 * through breakpoints of its own, until that has happened, or to its end or its limits. Assertions
 * that something has not happened do not run it.
 */
public final class MachineAssert extends AbstractGuestAssert<MachineAssert, Machine> {
  MachineAssert(Machine actual) {
    super(actual, MachineAssert.class);
  }

  @Override
  Recording recording() {
    isNotNull();
    return Recording.of(actual);
  }

  @Override
  boolean goOn(Until until) {
    return switch (actual.run(until)) {
      case Stop.Ended e -> false;
      case Stop.Limit l -> false;
      case Stop.Requested r -> false;
      case Stop.Breakpoint b -> true;
      case Stop.Watchpoint w -> true;
      case Stop.Happened h -> true;
      case Stop.Printed p -> true;
      case Stop.Stepped s -> true;
    };
  }

  @Override
  Outcome end() {
    isNotNull();
    return actual.run();
  }
}
