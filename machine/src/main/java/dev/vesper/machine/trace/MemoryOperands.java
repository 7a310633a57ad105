package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandSpec;
import java.util.HexFormat;
import java.util.Map;

/** Where the memory operands of an instruction lie, looked at without touching anything. */
final class MemoryOperands {
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

  /** Adds {@code operand}, {@code source} and {@code dest} as far as the instruction has them. */
  static void describe(Cpu c, Insn in, Map<String, Object> to) {
    if (in.mem) {
      to.put("operand", place(c, linear(c, in.segment(), offset(c, in), in)));
    } else if (absolute(in)) {
      to.put("operand", place(c, linear(c, segment(in), in.imm, in)));
    }
    if (isString(in)) {
      String m = in.mnemonic();
      if (!m.equals("ins") && !m.equals("stos")) {
        to.put("source", place(c, source(c, in)));
      }
      if (!m.equals("outs") && !m.equals("lods")) {
        to.put("dest", place(c, destination(c, in)));
      }
    }
  }

  private static boolean absolute(Insn in) {
    for (OperandSpec o :
        in.opcode == null ? java.util.List.<OperandSpec>of() : in.form().operands) {
      if (o.kind() == 'O') {
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

  private static long source(Cpu c, Insn in) {
    return linear(c, segment(in), c.r[6], in);
  }

  private static long destination(Cpu c, Insn in) {
    return linear(c, CpuState.ES, c.r[7], in);
  }

  /** {@return linear address, guest physical address, C-bit and user bit of a place} */
  static String place(Cpu c, long la) {
    long gpa = c.translateQuietly(la);
    String at = "0x" + Long.toHexString(la);
    return gpa < 0
        ? at + " unmapped"
        : at
            + " 0x"
            + Long.toHexString(gpa)
            + " c="
            + (c.quietPrivate() ? 1 : 0)
            + " u="
            + (c.quietUser() ? 1 : 0);
  }

  /**
   * {@return in hex the bytes that OUTS is about to send, in the order in which it does}
   *
   * @param elements at most this many
   */
  static String sent(Cpu c, Insn in, int bytes, long elements) {
    return elements(c, source(c, in), bytes, elements, (c.flags() & CpuState.DF) != 0);
  }

  /** {@return in hex the elements of memory from an address on} */
  static String elements(Cpu c, long first, int bytes, long elements, boolean down) {
    int n = (int) Math.min(elements, MOST_BYTES / bytes);
    byte[] out = new byte[Math.max(n, 0) * bytes];
    for (int i = 0; i < out.length; i++) {
      int e = i / bytes;
      long la = first + (down ? -(long) e * bytes : (long) e * bytes) + i % bytes;
      long gpa = c.translateQuietly(la & c.linearMask());
      if (gpa < 0 || gpa >>> 12 >= c.memory.guestPages()) {
        return "";
      }
      int domain = c.quietPrivate() ? c.key : Page.SHARED;
      int at = (int) gpa & 0xFFF;
      out[i] = (byte) (c.memory.peekLong((int) (gpa >>> 12), domain, at & ~7) >>> 8 * (at & 7));
    }
    return HexFormat.of().formatHex(out);
  }

  /** {@return the linear address that INS writes to first} */
  static long received(Cpu c, Insn in) {
    return destination(c, in);
  }

  /** {@return whether the I/O map of the TSS and IOPL let the current code use ports} */
  static boolean portsAllowed(Cpu c, int port, int bytes) {
    if (c.protectedMode() && c.cpl <= (c.eflags >> 12 & 3)) {
      return true;
    }
    int map = (int) quiet(c, c.segBase[CpuState.TR] + 0x66, 2);
    long at = map + (port >> 3);
    if (at + 1 > c.segLimit[CpuState.TR]) {
      return false;
    }
    int bits = (int) quiet(c, c.segBase[CpuState.TR] + at, 2);
    return (bits >> (port & 7) & (1 << bytes) - 1) == 0;
  }

  /**
   * {@return a little-endian number of at most 8 bytes from linear memory, 0 where it is not there}
   */
  static long quiet(Cpu c, long la, int bytes) {
    if ((la & 7) + bytes <= 8) {
      // The IDT is looked at for every #VC: one translation will do.
      long gpa = c.translateQuietly(la & c.linearMask());
      return gpa < 0 || gpa >>> 12 >= c.memory.guestPages()
          ? 0
          : c.memory.peekLong((int) (gpa >>> 12), c.key, (int) gpa & 0xFF8) >>> 8 * (gpa & 7)
              & -1L >>> 64 - 8 * bytes;
    }
    long v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      long gpa = c.translateQuietly(la + i & c.linearMask());
      if (gpa < 0 || gpa >>> 12 >= c.memory.guestPages()) {
        return 0;
      }
      int at = (int) gpa & 0xFFF;
      v = v << 8 | c.memory.peekLong((int) (gpa >>> 12), c.key, at & ~7) >>> 8 * (at & 7) & 0xFF;
    }
    return v;
  }
}
