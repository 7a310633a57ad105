package dev.vesper.machine.hostile;

import dev.vesper.machine.host.Exit;
import org.jspecify.annotations.Nullable;

/**
 * When a rule fires, as its host has it.
 *
 * @param exit what the host was told, or an appointment
 * @param event the same if it is a request in a GHCB page
 * @param msr the same if it is one of the MSR protocol
 */
record Moment(Exit exit, Exit.@Nullable Event event, Exit.@Nullable Msr msr) {
  static Moment of(Exit e) {
    return new Moment(
        e, e instanceof Exit.Event event ? event : null, e instanceof Exit.Msr m ? m : null);
  }
}
