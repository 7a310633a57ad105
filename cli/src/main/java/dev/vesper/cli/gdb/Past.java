package dev.vesper.cli.gdb;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Timeline;
import dev.vesper.machine.Until;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A machine's past, as far as a debugger can have it gone back to: from when the first one comes
 * until none is there. Without one the machine only goes on, and nothing is kept.
 */
final class Past {
  private final Machine machine;

  /** Nobody wants to go back: nothing is kept. */
  private final boolean unwanted;

  private @Nullable Timeline line;

  /** A client has changed the machine where its past begins. */
  private boolean cut;

  Past(Machine machine, boolean wanted) {
    this.machine = machine;
    unwanted = !wanted;
  }

  /** A debugger is there. */
  void begin() {
    if (line == null && !unwanted && machine.canGoBack()) {
      line = new Timeline(machine);
    }
  }

  /** None is there any more. */
  void end() {
    Timeline t = line;
    if (t != null) {
      t.close();
      line = null;
      cut = false;
    }
  }

  /** {@return whether the machine can go back} */
  boolean reaches() {
    return line != null;
  }

  /** {@return why it cannot, in words for a user} */
  String lack() {
    return unwanted
        ? "nothing is kept of the past (--reverse off)"
        : "this run cannot be gone back in: what it is given is written to a recording; replay"
            + " that, and go back there";
  }

  /** {@return why the past begins where it does, in words for a user, or empty if that is plain} */
  String beginning() {
    return cut ? "the past begins where the debugger has changed the guest" : "";
  }

  /** Runs the machine on. */
  Stop run(Until until) {
    Timeline t = line;
    return t == null ? machine.run(until) : t.run(until);
  }

  /** Has a vCPU execute an instruction. */
  Stop step(int vcpu) {
    Timeline t = line;
    return t == null ? machine.step(vcpu) : t.step(vcpu);
  }

  /**
   * Takes the machine back.
   *
   * @param vcpu that goes back by one instruction, or -1: to whatever stops it
   * @param counts whether something does
   */
  Stop back(int vcpu, Until until, Predicate<Stop> counts) {
    Timeline t = line;
    if (t == null) {
      throw new AssertionError("a machine without a past goes back");
    }
    return vcpu >= 0 ? t.stepBack(vcpu) : t.back(until, counts);
  }

  /** Somebody has changed the machine: its past leads to another present. */
  void changed() {
    Timeline t = line;
    if (t != null) {
      t.changed();
      cut = true;
    }
  }
}
