package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuObserver;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.observe.OperandListener;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Reg;
import java.util.List;

/** Tells of operands before instructions are executed, for so many of a processor's. */
public final class OperandWatch implements CpuObserver {
  private static final int WORD = 8;

  /** Pieces of a repeated string instruction that are told of. */
  private static final int MOST_PIECES = 64;

  private final OperandListener to;
  private final PhysicalMemory memory;
  private long left;

  /**
   * @param most instructions that are looked at
   */
  public OperandWatch(OperandListener to, PhysicalMemory memory, long most) {
    this.to = to;
    this.memory = memory;
    left = most;
  }

  @Override
  public void onVc(Cpu cpu, int code) {
    // What is compared tells more than that something was intercepted.
  }

  @Override
  public void onInstruction(Cpu c, Insn in) {
    if (left-- <= 0) {
      c.watch(false);
      return;
    }
    if (in.opcode == null) {
      return;
    }
    switch (in.mnemonic()) {
      case "cmp", "test", "sub" -> {
        readsOperand(c, in);
        List<OperandSpec> o = in.form().operands;
        compares(c, in, o.get(0), o.get(1));
      }
      case "cmpxchg" -> {
        readsOperand(c, in);
        List<OperandSpec> o = in.form().operands;
        int n = size(in, o.get(0));
        tell(c, mask(c.r[0], n), value(c, in, o.get(0), n), n);
      }
      case "scas", "cmps" -> strings(c, in);
      case "movs", "lods", "outs" -> pieces(c, in, MemoryOperands.sourceAddress(c, in));
      default -> readsOperand(c, in);
    }
  }

  private void compares(Cpu c, Insn in, OperandSpec first, OperandSpec second) {
    int n = size(in, first);
    if (isKnown(first) && isKnown(second)) {
      tell(c, value(c, in, first, n), value(c, in, second, n), n);
    }
  }

  private void tell(Cpu c, long a, long b, int n) {
    to.compares(c.rip, a, b, n);
  }

  private static boolean isKnown(OperandSpec s) {
    return switch (s.kind()) {
      case RM, REG, IMMEDIATE -> true;
      case FIXED -> isAccumulator(s.reg());
      default -> false;
    };
  }

  private static boolean isAccumulator(Reg r) {
    return r.index() == 0;
  }

  private static int size(Insn in, OperandSpec s) {
    int n = s.width(in);
    return n == 1 || n == 2 || n == 4 ? n : WORD;
  }

  private long value(Cpu c, Insn in, OperandSpec s, int n) {
    return switch (s.kind()) {
      case RM ->
          in.mem ? mask(peek(c, MemoryOperands.address(c, in), n), n) : register(c, in, in.rm, n);
      case REG -> register(c, in, in.reg, n);
      case IMMEDIATE -> mask(in.imm, n);
      default -> mask(c.r[0], n);
    };
  }

  private static long register(Cpu c, Insn in, int number, int n) {
    boolean high = n == 1 && in.rex == 0 && number >= 4 && number < 8;
    return high ? c.r[number - 4] >>> 8 & 0xFF : mask(c.r[number & 15], n);
  }

  private static long mask(long v, int n) {
    return n == WORD ? v : v & (1L << 8 * n) - 1;
  }

  // ---- memory

  /** Tells of the operand that an instruction names, unless it only writes it. */
  private void readsOperand(Cpu c, Insn in) {
    if (!in.mem || in.form().operands.isEmpty()) {
      return;
    }
    OperandSpec first = in.form().operands.get(0);
    boolean stores =
        (first.kind() == OperandKind.RM || first.kind() == OperandKind.MEMORY)
            && switch (in.mnemonic()) {
              case "mov", "movnti", "pop" -> true;
              default -> false;
            };
    if (stores || in.mnemonic().startsWith("set") || isNoAccess(in.mnemonic())) {
      return;
    }
    int n = in.form().memBytes;
    for (OperandSpec s : in.form().operands) {
      if (n == 0 && isMemory(s)) {
        n = s.width(in);
      }
    }
    reads(c, MemoryOperands.address(c, in), n == 0 ? WORD : Math.min(n, 64));
  }

  /** {@return whether an instruction has an address without reading there} */
  private static boolean isNoAccess(String mnemonic) {
    return mnemonic.equals("lea")
        || mnemonic.equals("invlpg")
        || mnemonic.equals("nop")
        || mnemonic.startsWith("prefetch")
        || mnemonic.startsWith("clflush");
  }

  private static boolean isMemory(OperandSpec s) {
    return switch (s.kind()) {
      case RM, MEMORY, MMX_RM, VECTOR_RM, MASK_RM -> true;
      default -> false;
    };
  }

  private void strings(Cpu c, Insn in) {
    int n = size(in, in.form().operands.get(0));
    long to = MemoryOperands.destinationAddress(c, in);
    if (in.mnemonic().equals("scas")) {
      pieces(c, in, to);
      tell(c, mask(c.r[0], n), mask(peek(c, to, n), n), n);
    } else {
      long from = MemoryOperands.sourceAddress(c, in);
      pieces(c, in, from);
      pieces(c, in, to);
      tell(c, mask(peek(c, from, n), n), mask(peek(c, to, n), n), n);
    }
  }

  /** Tells of what a string instruction is about to read, as long as it goes upwards. */
  private void pieces(Cpu c, Insn in, long from) {
    int n = size(in, in.form().operands.get(0));
    boolean up = (c.flags() & 1 << 10) == 0;
    long count = (in.rep || in.repne) && up ? c.r[1] & in.addressMask() : 1;
    long bytes = Long.compareUnsigned(count, MOST_PIECES) > 0 ? MOST_PIECES * n : count * n;
    reads(c, from, (int) bytes);
  }

  /** Tells of bytes that are shared, in pieces that lie in one word. */
  private void reads(Cpu c, long la, int bytes) {
    for (int done = 0; done < bytes; ) {
      long a = la + done & c.linearMask();
      int n = Integer.highestOneBit(Math.min(bytes - done, WORD - ((int) a & WORD - 1)));
      int frame = frame(c, a);
      if (frame >= 0 && !c.quietPrivate()) {
        long gpa = ((long) frame << 12) + (a & Page.SIZE - 1);
        to.reads(c.rip, gpa, n, mask(word(frame, a), n));
      }
      done += n;
    }
  }

  /** {@return where a linear address lies in memory, or -1 if it does in none} */
  private static int frame(Cpu c, long la) {
    long gpa = c.translateQuietly(la);
    return gpa < 0 || !c.nested.readable(gpa >>> 12) ? -1 : (int) c.nested.backing(gpa >>> 12);
  }

  /** {@return the bytes from an address to the end of its word, and none behind it} */
  private long word(int frame, long la) {
    int in = (int) la & Page.SIZE - 1;
    return memory.peekLong(frame, memory.domain(frame), in & -WORD) >>> 8 * (in & WORD - 1);
  }

  /** {@return a number in memory, 0 where there is none} */
  private long peek(Cpu c, long la, int n) {
    long v = 0;
    for (int done = 0; done < n; ) {
      long a = la + done & c.linearMask();
      int k = Math.min(n - done, WORD - ((int) a & WORD - 1));
      int frame = frame(c, a);
      v |= frame < 0 ? 0 : mask(word(frame, a), k) << 8 * done;
      done += k;
    }
    return v;
  }
}
