package dev.vesper.junit;

import dev.vesper.machine.Until;
import dev.vesper.machine.spec.Outcome;

/** Assertions about a finished run. */
public final class GuestRunAssert extends AbstractGuestAssert<GuestRunAssert, GuestRun> {
  GuestRunAssert(GuestRun actual) {
    super(actual, GuestRunAssert.class);
  }

  @Override
  Recording recording() {
    isNotNull();
    return actual.recording();
  }

  @Override
  boolean goOn(Until until) {
    return false;
  }

  @Override
  Outcome end() {
    isNotNull();
    return actual.outcome();
  }
}
