package dev.vesper.machine;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.spec.Outcome;

/** Why {@link Machine#run(Until)} or {@link Machine#step} came back. */
public sealed interface Stop {
  /** {@return for people, in one line} */
  String description();

  /** What kind of measure is full. */
  enum Measure {
    INSTRUCTIONS,
    VIRTUAL_TIME,
    REAL_TIME
  }

  /** So much was executed, or so much time has passed. */
  record Limit(Measure measure) implements Stop {
    @Override
    public String description() {
      return switch (measure) {
        case INSTRUCTIONS -> "the instructions asked for are executed";
        case VIRTUAL_TIME -> "the virtual time asked for has passed";
        case REAL_TIME -> "the real time allowed has passed";
      };
    }
  }

  /**
   * An instruction that was asked for is next.
   *
   * @param vcpu that is about to execute it
   * @param address linear
   * @param symbol its name, or empty
   */
  record Breakpoint(int vcpu, long address, String symbol) implements Stop {
    @Override
    public String description() {
      return "vCPU "
          + vcpu
          + " is at 0x"
          + Long.toHexString(address)
          + (symbol.isEmpty() ? "" : " <" + Visible.of(symbol) + ">");
    }
  }

  /**
   * Data that was asked for was accessed; the instruction that did it is complete.
   *
   * @param address linear, of the first byte that was accessed
   * @param bytes how many were
   * @param rip of the instruction
   */
  record Watchpoint(int vcpu, long address, int bytes, boolean write, long rip) implements Stop {
    @Override
    public String description() {
      return "vCPU "
          + vcpu
          + " has "
          + (write ? "written " : "read ")
          + bytes
          + " bytes at 0x"
          + Long.toHexString(address)
          + ", RIP 0x"
          + Long.toHexString(rip);
    }
  }

  /** An event that was asked for has happened. */
  record Happened(Event event) implements Stop {
    @Override
    public String description() {
      return event.getClass().getSimpleName() + " at " + event.at().place();
    }
  }

  /**
   * The console has written what was asked for.
   *
   * @param line the line as far as it is written
   */
  record Printed(String line) implements Stop {
    @Override
    public String description() {
      return "the console says: " + Visible.of(line);
    }
  }

  /** A vCPU has executed its one instruction. */
  record Stepped(int vcpu) implements Stop {
    @Override
    public String description() {
      return "vCPU " + vcpu + " has executed one instruction";
    }
  }

  /** Another thread has asked for it. */
  record Requested() implements Stop {
    @Override
    public String description() {
      return "the run was asked to stop";
    }
  }

  /** The run is over and cannot go on. */
  record Ended(Outcome outcome) implements Stop {
    @Override
    public String description() {
      return outcome.reason();
    }
  }
}
