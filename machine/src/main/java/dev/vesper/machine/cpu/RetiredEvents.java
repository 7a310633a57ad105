package dev.vesper.machine.cpu;

import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What a processor's performance counters can tell of the instructions that it retires (AMD PPR for
 * family 19h, 2.1.17): how many branches of which kind, how many instructions of which kind, in
 * which half of the privilege levels. While it counts, instructions are executed one by one.
 *
 * <p>A branch is mispredicted when it does not go where it went the last time, or for the first
 * time goes anywhere but on; a near return when the call that it answers is not among the last 32.
 */
public final class RetiredEvents {
  /** What is counted, each with its number in a counter's event select field. */
  public enum Kind {
    INSTRUCTIONS(0xC0),
    /** All kinds, and exceptions and interrupts. */
    BRANCHES(0xC2),
    BRANCHES_MISPREDICTED(0xC3),
    BRANCHES_TAKEN(0xC4),
    BRANCHES_TAKEN_MISPREDICTED(0xC5),
    /** With exceptions and interrupts. */
    FAR_TRANSFERS(0xC6),
    NEAR_RETURNS(0xC8),
    NEAR_RETURNS_MISPREDICTED(0xC9),
    INDIRECT_BRANCHES_MISPREDICTED(0xCA),
    INDIRECT_BRANCHES(0xCC),
    CONDITIONAL_BRANCHES(0xD1),
    CACHE_LINE_FLUSHES(0x26),
    CPUID(0x27),
    INTERRUPTS(0x2C);

    private final int select;

    Kind(int select) {
      this.select = select;
    }

    /** {@return the kind with a number, or null if it is not counted} */
    public static @Nullable Kind of(int select) {
      for (Kind k : values()) {
        if (k.select == select) {
          return k;
        }
      }
      return null;
    }
  }

  private static final int TARGETS = 4096;
  private static final int RETURNS = 32;

  private static final int KINDS = Kind.values().length;

  private final long[] supervisor = new long[KINDS];
  private final long[] user = new long[KINDS];

  // How often there was one where the instruction before had none.
  private final long[] supervisorEdges = new long[KINDS];
  private final long[] userEdges = new long[KINDS];

  /** The instruction that had one last. */
  private final long[] last = new long[KINDS];

  private long instruction;

  // The predictor: where a branch went, and what calls return to.
  private long[] branch = {};
  private long[] target = {};
  private final long[] returns = new long[RETURNS];
  private int depth;

  /**
   * {@return how many there were so far}
   *
   * @param edges count only those without one at the instruction before
   */
  public long count(Kind k, boolean inSupervisor, boolean inUser, boolean edges) {
    return (inSupervisor ? (edges ? supervisorEdges : supervisor)[k.ordinal()] : 0)
        + (inUser ? (edges ? userEdges : user)[k.ordinal()] : 0);
  }

  /** An indirect branch prediction barrier: nothing is known of any branch. */
  void forget() {
    if (branch.length == 0) {
      branch = new long[TARGETS];
      target = new long[TARGETS];
    }
    Arrays.fill(branch, -1);
    Arrays.fill(returns, -1);
    depth = 0;
  }

  private void count(Kind k, boolean inUser) {
    int i = k.ordinal();
    (inUser ? user : supervisor)[i]++;
    if (last[i] < instruction - 1) {
      (inUser ? userEdges : supervisorEdges)[i]++;
    }
    last[i] = instruction;
  }

  /** An exception or interrupt has been delivered. */
  void delivered(boolean interrupt, boolean inUser) {
    count(Kind.FAR_TRANSFERS, inUser);
    branch(inUser, true, false);
    if (interrupt) {
      count(Kind.INTERRUPTS, inUser);
    }
  }

  /** An instruction is executed by the host instead of the processor, which skips it. */
  void emulated(boolean inUser, boolean cpuid) {
    instruction++;
    count(Kind.INSTRUCTIONS, inUser);
    if (cpuid) {
      count(Kind.CPUID, inUser);
    }
  }

  /**
   * An instruction has retired.
   *
   * @param start its address
   * @param next address of the instruction behind it
   * @param to where execution goes on
   */
  void retired(Insn in, boolean inUser, long start, long next, long to) {
    instruction++;
    count(Kind.INSTRUCTIONS, inUser);
    switch (in.operation()) {
      case RET -> {
        count(Kind.NEAR_RETURNS, inUser);
        depth = depth - 1 & RETURNS - 1;
        boolean missed = returns[depth] != to;
        if (missed) {
          count(Kind.NEAR_RETURNS_MISPREDICTED, inUser);
        }
        branch(inUser, true, missed);
      }
      case CALL -> {
        returns[depth] = next;
        depth = depth + 1 & RETURNS - 1;
        near(in, inUser, start, next, to);
      }
      case JMP -> near(in, inUser, start, next, to);
      case JCC, JCXZ, LOOP, LOOPE, LOOPNE -> {
        count(Kind.CONDITIONAL_BRANCHES, inUser);
        branch(inUser, to != next, missed(start, next, to));
      }
      default -> {
        switch (in.mnemonic()) {
          case "clflush", "clflushopt" -> count(Kind.CACHE_LINE_FLUSHES, inUser);
          case "callf", "jmpf", "retf", "iret", "syscall", "sysret", "sysenter", "sysexit" -> {
            count(Kind.FAR_TRANSFERS, inUser);
            branch(inUser, true, false);
          }
          default -> {
            // counted above, with all others
          }
        }
      }
    }
  }

  private void near(Insn in, boolean inUser, long start, long next, long to) {
    boolean indirect = in.form().operands.get(0).kind() != OperandKind.RELATIVE;
    // A direct target is known as soon as the instruction is decoded.
    boolean missed = indirect && missed(start, next, to);
    if (indirect) {
      count(Kind.INDIRECT_BRANCHES, inUser);
      if (missed) {
        count(Kind.INDIRECT_BRANCHES_MISPREDICTED, inUser);
      }
    }
    branch(inUser, true, missed);
  }

  private void branch(boolean inUser, boolean taken, boolean missed) {
    count(Kind.BRANCHES, inUser);
    if (missed) {
      count(Kind.BRANCHES_MISPREDICTED, inUser);
    }
    if (taken) {
      count(Kind.BRANCHES_TAKEN, inUser);
      if (missed) {
        count(Kind.BRANCHES_TAKEN_MISPREDICTED, inUser);
      }
    }
  }

  private boolean missed(long start, long next, long to) {
    int at = (int) (start ^ start >>> 12) & TARGETS - 1;
    long expected = branch[at] == start ? target[at] : next;
    branch[at] = start;
    target[at] = to;
    return expected != to;
  }
}
