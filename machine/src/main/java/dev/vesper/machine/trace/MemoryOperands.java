package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.Operand;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import org.jspecify.annotations.Nullable;

/** Where the memory operands of an instruction lie, looked at without touching anything. */
public final class MemoryOperands {
  /** Most bytes of memory that an event shows. */
  private static final int MOST_BYTES = 256;

  private MemoryOperands() {}

  /** {@return whether the operands are at rSI and rDI} */
  static boolean isString(Insn in) {
    return switch (in.mnemonic()) {
      case "ins", "outs", "movs", "stos", "lods" -> true;
      default -> false;
    };
  }

  /** {@return whether it is port I/O} */
  static boolean isPort(Insn in) {
    return switch (in.mnemonic()) {
      case "in", "ins", "out", "outs" -> true;
      default -> false;
    };
  }

  /** {@return whether port I/O is output} */
  static boolean isOutput(Insn in) {
    return in.mnemonic().startsWith("out");
  }

  /** {@return the size of a port access in bytes} */
  static int portBytes(Insn in) {
    return in.form().operands.get(isOutput(in) ? 1 : 0).width(in);
  }

  /** {@return the memory operand that an instruction names, or null} */
  static @Nullable Operand operand(Cpu c, Insn in) {
    if (in.mem) {
      return place(c, linear(c, in.segment(), offset(c, in), in));
    }
    return absolute(in) ? place(c, linear(c, segment(in), in.imm, in)) : null;
  }

  /** {@return the linear address of the memory operand that an instruction names, or -1} */
  public static long address(Cpu c, Insn in) {
    return in.mem
        ? linear(c, in.segment(), offset(c, in), in)
        : absolute(in) ? linear(c, segment(in), in.imm, in) : -1;
  }

  /** {@return what a string instruction reads, or null} */
  static @Nullable Operand source(Cpu c, Insn in) {
    return switch (in.mnemonic()) {
      case "outs", "movs", "lods" -> place(c, sourceAddress(c, in));
      default -> null;
    };
  }

  /** {@return what a string instruction writes, or null} */
  static @Nullable Operand destination(Cpu c, Insn in) {
    return switch (in.mnemonic()) {
      case "ins", "movs", "stos" -> place(c, destinationAddress(c, in));
      default -> null;
    };
  }

  private static boolean absolute(Insn in) {
    for (OperandSpec o :
        in.opcode == null ? java.util.List.<OperandSpec>of() : in.form().operands) {
      if (o.kind() == OperandKind.OFFSET) {
        return true;
      }
    }
    return false;
  }

  private static int segment(Insn in) {
    return in.segOverride >= 0 ? in.segOverride : CpuState.DS;
  }

  private static long offset(Cpu c, Insn in) {
    long a = in.disp;
    if (in.base == Insn.RIP) {
      a += c.rip + in.length;
    } else if (in.base != Insn.NO_REG) {
      a += c.r[in.base];
    }
    if (in.index != Insn.NO_REG && !in.form().hasVectorIndex()) {
      a += c.r[in.index] << in.scale;
    }
    return a;
  }

  private static long linear(Cpu c, int seg, long offset, Insn in) {
    long base = c.mode64() && seg < CpuState.FS ? 0 : c.segBase[seg];
    return (offset & in.addressMask()) + base & c.linearMask();
  }

  /** {@return the linear address of the first element that a string instruction reads} */
  public static long sourceAddress(Cpu c, Insn in) {
    return linear(c, segment(in), c.r[6], in);
  }

  /** {@return the linear address of the first element that a string instruction writes} */
  public static long destinationAddress(Cpu c, Insn in) {
    return linear(c, CpuState.ES, c.r[7], in);
  }

  private static Operand place(Cpu c, long la) {
    long gpa = c.translateQuietly(la);
    return gpa < 0
        ? Operand.unmapped(la)
        : new Operand(la, true, gpa, c.quietPrivate(), c.quietUser());
  }

  /**
   * {@return the elements of memory from an address on, nothing if one of them is not there}
   *
   * @param elements how many; the first ones if they are too many to show
   * @param down towards lower addresses
   */
  static Bytes elements(Cpu c, long first, int bytes, long elements, boolean down) {
    int n = (int) Math.min(elements, MOST_BYTES / bytes);
    byte[] out = new byte[Math.max(n, 0) * bytes];
    for (int i = 0; i < out.length; i++) {
      int e = i / bytes;
      long la = first + (down ? -(long) e * bytes : (long) e * bytes) + i % bytes;
      long gpa = c.translateQuietly(la & c.linearMask());
      if (!c.memory.ram().hasPage(gpa >> 12)) {
        return Bytes.NONE;
      }
      int domain = c.quietPrivate() ? c.key : Page.SHARED;
      int at = (int) gpa & 0xFFF;
      out[i] = (byte) (c.memory.peekLong((int) (gpa >>> 12), domain, at & ~7) >>> 8 * (at & 7));
    }
    return Bytes.of(out);
  }

  /** {@return whether the I/O map of the TSS and IOPL let the current code do port I/O} */
  static boolean portsAllowed(Cpu c, Insn in) {
    int port = hasImmediate(in) ? (int) in.imm & 0xFF : (int) c.r[2] & 0xFFFF;
    if (c.protectedMode() && c.cpl <= (c.eflags >> 12 & 3)) {
      return true;
    }
    int map = (int) quiet(c, c.segBase[CpuState.TR] + 0x66, 2);
    long at = map + (port >> 3);
    if (at + 1 > c.segLimit[CpuState.TR]) {
      return false;
    }
    int bits = (int) quiet(c, c.segBase[CpuState.TR] + at, 2);
    return (bits >> (port & 7) & (1 << portBytes(in)) - 1) == 0;
  }

  private static boolean hasImmediate(Insn in) {
    return in.form().operands.stream().anyMatch(o -> o.kind() == OperandKind.IMMEDIATE);
  }

  /**
   * {@return a little-endian number of at most 8 bytes from linear memory, 0 where it is not there}
   */
  static long quiet(Cpu c, long la, int bytes) {
    if ((la & 7) + bytes <= 8) {
      // The IDT is looked at for every #VC: one translation will do.
      long gpa = c.translateQuietly(la & c.linearMask());
      return !c.memory.ram().hasPage(gpa >> 12)
          ? 0
          : c.memory.peekLong((int) (gpa >>> 12), c.key, (int) gpa & 0xFF8) >>> 8 * (gpa & 7)
              & -1L >>> 64 - 8 * bytes;
    }
    long v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      long gpa = c.translateQuietly(la + i & c.linearMask());
      if (!c.memory.ram().hasPage(gpa >> 12)) {
        return 0;
      }
      int at = (int) gpa & 0xFFF;
      v = v << 8 | c.memory.peekLong((int) (gpa >>> 12), c.key, at & ~7) >>> 8 * (at & 7) & 0xFF;
    }
    return v;
  }
}
