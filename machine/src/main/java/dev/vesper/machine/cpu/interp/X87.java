package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Signal;
import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.cpu.fp.SoftFloat;

/** The x87 register stack, its exceptions and the common steps of its instructions. */
final class X87 {
  static final int IE = 1;
  static final int DE = 2;
  static final int ZE = 4;
  static final int SF = 0x40;
  static final int ES = 0x80;
  static final int C0 = 0x100;
  static final int C1 = 0x200;
  static final int C2 = 0x400;
  static final int C3 = 0x4000;
  static final int BUSY = 0x8000;

  private X87() {}

  /** Checks that every waiting instruction makes: device available, no pending exception. */
  static void enter(MemOp o, Cpu c) {
    if ((c.cr0 & (CpuState.CR0_EM | CpuState.CR0_TS)) != 0) {
      c.fault(7, -1);
    }
    pending(c);
    if (o.insn.mem) {
      c.fdp = o.ea(c);
      c.fds = c.selector[o.seg];
    }
    c.fip = o.thisRip(c);
    c.fcs = c.selector[CpuState.CS];
    c.fop = (o.insn.bytes[opcodeAt(o)] & 7) << 8 | o.insn.modrm & 0xFF;
  }

  /**
   * Registers an instruction that {@link #enter enters} the unit and may access memory: where an
   * access fails, the pointers to the last instruction and the status word are as before.
   */
  static void add(Families f, String mnemonic, Semantics s) {
    f.add(
        mnemonic,
        (o, c) -> {
          if (!o.insn.mem) {
            s.run(o, c);
            return;
          }
          long fip = c.fip;
          long fdp = c.fdp;
          int fcs = c.fcs;
          int fds = c.fds;
          int fop = c.fop;
          int fsw = c.fsw;
          try {
            s.run(o, c);
          } catch (Signal again) {
            c.fip = fip;
            c.fdp = fdp;
            c.fcs = fcs;
            c.fds = fds;
            c.fop = fop;
            c.fsw = fsw;
            throw again;
          }
        });
  }

  private static int opcodeAt(MemOp o) {
    byte[] b = o.insn.bytes;
    int i = 0;
    while ((b[i] & 0xF8) != 0xD8 && i < b.length - 1) {
      i++;
    }
    return i;
  }

  /** Raises #MF for a pending exception. */
  static void pending(Cpu c) {
    if ((c.fsw & ES) != 0 && (c.cr0 & CpuState.CR0_NE) != 0) {
      c.fault(16, -1);
    }
  }

  static int phys(Cpu c, int i) {
    return c.ftop + i & 7;
  }

  static boolean empty(Cpu c, int i) {
    return (c.fvalid >> phys(c, i) & 1) == 0;
  }

  static void get(Cpu c, int i, Num n) {
    int p = phys(c, i);
    n.fromExtended(c.fpMant[p], c.fpExp[p]);
  }

  static void put(Cpu c, int i, Num n) {
    int p = phys(c, i);
    c.fpMant[p] = n.toMantissa();
    c.fpExp[p] = n.toSignExp();
    c.fvalid |= 1 << p;
  }

  static void putRaw(Cpu c, int i, long mantissa, int signExp) {
    int p = phys(c, i);
    c.fpMant[p] = mantissa;
    c.fpExp[p] = signExp;
    c.fvalid |= 1 << p;
  }

  static void pop(Cpu c) {
    c.fvalid &= ~(1 << c.ftop);
    c.ftop = c.ftop + 1 & 7;
  }

  static void indefinite(Cpu c, int i) {
    putRaw(c, i, 3L << 62, 0xFFFF);
  }

  static void c1(Cpu c, boolean on) {
    c.fsw = on ? c.fsw | C1 : c.fsw & ~C1;
  }

  /** Records exceptions; returns whether any of them is unmasked. */
  static boolean raise(Cpu c, int flags) {
    c.fsw |= flags;
    if ((flags & ~c.fcw & 0x3F) != 0) {
      c.fsw |= ES | BUSY;
      return true;
    }
    return false;
  }

  /**
   * Records a stack fault.
   *
   * @param overflow else underflow
   * @return whether the invalid exception is masked and a default result is due
   */
  static boolean stackFault(Cpu c, boolean overflow) {
    c1(c, overflow);
    return !raise(c, IE | SF);
  }

  /** Prepares the arithmetic for the control word. */
  static SoftFloat soft(Cpu c) {
    SoftFloat s = c.soft;
    s.flags = 0;
    s.roundedUp = false;
    s.rounding = c.fcw >> 10 & 3;
    s.masks = c.fcw & 0x3F;
    s.flushToZero = false;
    s.scaleUnmasked = true;
    return s;
  }

  /** {@return the format that precision control asks for} */
  static SoftFloat.Format precision(Cpu c) {
    return switch (c.fcw >> 8 & 3) {
      case 0 -> SoftFloat.EXTENDED24;
      case 2 -> SoftFloat.EXTENDED53;
      default -> SoftFloat.EXTENDED;
    };
  }

  /**
   * Resolves operands that no arithmetic is done on.
   *
   * @param z gets the result if there is one
   * @return whether z is the result; IE is raised in {@code s.flags} where due
   */
  static boolean special(SoftFloat s, Num a, Num b, Num z) {
    if (a.kind == Num.UNSUPPORTED || b.kind == Num.UNSUPPORTED) {
      s.flags |= IE;
      z.setIndefinite();
      return true;
    }
    if (!a.isNan() && !b.isNan()) {
      return false;
    }
    if (a.kind == Num.SNAN || b.kind == Num.SNAN) {
      s.flags |= IE;
    }
    Num pick;
    if (!b.isNan()) {
      pick = a;
    } else if (!a.isNan()) {
      pick = b;
    } else if (a.kind != b.kind) {
      pick = a.kind == Num.QNAN ? a : b;
    } else {
      int cmp = Long.compareUnsigned(a.sig, b.sig);
      pick = cmp != 0 ? (cmp > 0 ? a : b) : !a.sign ? a : b;
    }
    z.set(pick);
    z.kind = Num.QNAN;
    z.sig |= 1L << 62;
    z.low = 0;
    return true;
  }

  /**
   * Ends an operation whose result goes to a register.
   *
   * @return whether the result was stored
   */
  static boolean finish(Cpu c, SoftFloat s, int dst, Num z) {
    int early = s.flags & (IE | DE | ZE);
    if ((early & ~c.fcw & 0x3F) != 0) {
      // Unmasked exceptions that come before the computation leave the operands alone.
      raise(c, early);
      c1(c, false);
      return false;
    }
    c1(c, s.roundedUp);
    raise(c, s.flags);
    put(c, dst, z);
    return true;
  }

  /** Operations of {@link #arithmetic}. */
  static final int ADD = 0;

  static final int MUL = 1;
  static final int SUB = 4;
  static final int SUBR = 5;
  static final int DIV = 6;
  static final int DIVR = 7;

  /** z := a op b, rounded, with all exceptions in {@code s.flags}. */
  static void arithmetic(SoftFloat s, int op, Num a, Num b, Num z, SoftFloat.Format f) {
    if (special(s, a, b, z)) {
      return;
    }
    boolean denormal = a.denormal || b.denormal;
    switch (op) {
      case ADD -> s.add(a, b, false, z);
      case MUL -> s.mul(a, b, z);
      case SUB -> s.add(a, b, true, z);
      case SUBR -> s.add(b, a, true, z);
      case DIV -> s.div(a, b, z);
      default -> s.div(b, a, z);
    }
    if (denormal && (s.flags & (IE | ZE)) == 0) {
      s.flags |= DE;
      if ((s.masks & DE) == 0) {
        return;
      }
    }
    z.denormal = false;
    s.round(z, f);
  }
}
