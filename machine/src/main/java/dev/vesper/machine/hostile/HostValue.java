package dev.vesper.machine.hostile;

import dev.vesper.ghcb.GhcbField;

/**
 * A number that a host can know. Lawful actions and conditions are made of these alone, so that no
 * secret of a guest gets into them but by way of the guest.
 */
public sealed interface HostValue extends Value {
  /** A number that the script gives. */
  record Constant(long value) implements HostValue {}

  /** What {@link LawfulAction.Let} has given a name to; 0 before. */
  record Variable(String name) implements HostValue {}

  /** A field of the request as the guest sent it. Triggers: {@link Trigger.Vmgexit}. */
  record Request(GhcbField field) implements HostValue {}

  /**
   * A field of the GHCB page as it is now, behind what was answered. Triggers: {@link
   * Trigger.Vmgexit}; it has no place in conditions, which are asked before.
   */
  record Answered(GhcbField field) implements HostValue {}

  /** The request of the MSR protocol. Triggers: {@link Trigger.Msr}. */
  record MsrRequested() implements HostValue {}

  /** What the guest will read from the GHCB MSR. Triggers: {@link Trigger.Msr}. */
  record MsrAnswered() implements HostValue {}

  /**
   * A little-endian number in memory as the bus carries it: plain in shared pages; 0 where there is
   * no memory.
   *
   * @param gpa guest physical address
   * @param bytes 1, 2, 4 or 8
   */
  record Bus(HostValue gpa, int bytes) implements HostValue {
    /** Makes a value. */
    public Bus {
      requireWidth(bytes);
    }
  }

  /**
   * A field of the VMCB.
   *
   * @param offset 0 to FF8, a multiple of 4
   */
  record Vmcb(int offset) implements HostValue {
    /** Makes a value. */
    public Vmcb {
      if (offset < 0 || offset > 0xFF8 || (offset & 3) != 0) {
        throw new IllegalArgumentException(
            "offsets in a VMCB are 0 to 0xff8 and multiples of 4, not 0x"
                + Integer.toHexString(offset));
      }
    }
  }

  /** Instructions that all vCPUs have executed. */
  record Instructions() implements HostValue {}

  /** Virtual time of the vCPU in nanoseconds. */
  record Time() implements HostValue {}

  /** Two values together. Arithmetic is modulo 2^64, without signs. */
  record Binary(Operator operator, HostValue left, HostValue right) implements HostValue {}

  /** What two values are put together by. */
  enum Operator {
    PLUS("+"),
    MINUS("-"),
    AND("&"),
    OR("|"),
    XOR("^"),
    /** To the left, by the low 6 bits of the other. */
    SHIFT_LEFT("<<"),
    SHIFT_RIGHT(">>");

    /** How it is written. */
    public final String sign;

    Operator(String sign) {
      this.sign = sign;
    }

    long apply(long a, long b) {
      return switch (this) {
        case PLUS -> a + b;
        case MINUS -> a - b;
        case AND -> a & b;
        case OR -> a | b;
        case XOR -> a ^ b;
        case SHIFT_LEFT -> a << b;
        case SHIFT_RIGHT -> a >>> b;
      };
    }
  }

  /** {@return a number} */
  static HostValue of(long value) {
    return new Constant(value);
  }

  /** {@return a variable} */
  static HostValue named(String name) {
    return new Variable(name);
  }

  /**
   * Refuses a width that no access has.
   *
   * @throws IllegalArgumentException if it is none of 1, 2, 4 and 8
   */
  static void requireWidth(int bytes) {
    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) {
      throw new IllegalArgumentException("numbers have 1, 2, 4 or 8 bytes, not " + bytes);
    }
  }
}
