package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.cpu.fp.SoftFloat;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import java.util.List;

/** x87 loads, stores, arithmetic and comparisons. */
final class X87Ops {
  private X87Ops() {}

  static void register(Families f) {
    String[] names = {"add", "mul", "", "", "sub", "subr", "div", "divr"};
    for (int i = 0; i < 8; i++) {
      int op = i;
      if (!names[i].isEmpty()) {
        X87.add(f, "f" + names[i], (o, c) -> arithmetic(o, c, op, false));
        X87.add(f, "f" + names[i] + "p", (o, c) -> arithmetic(o, c, op, true));
        X87.add(f, "fi" + names[i], (o, c) -> arithmetic(o, c, op, false));
      }
    }
    for (String n : List.of("fcom", "ficom", "fucom")) {
      boolean quiet = n.equals("fucom");
      X87.add(f, n, (o, c) -> compare(o, c, quiet, 0));
      X87.add(f, n + "p", (o, c) -> compare(o, c, quiet, 1));
      if (!n.equals("ficom")) {
        X87.add(f, n + "pp", (o, c) -> compare(o, c, quiet, 2));
        X87.add(f, n + "i", (o, c) -> compareFlags(o, c, quiet, false));
        X87.add(f, n + "ip", (o, c) -> compareFlags(o, c, quiet, true));
      }
    }
    X87.add(f, "ftst", X87Ops::ftst);
    X87.add(f, "fxam", X87Ops::fxam);
    X87.add(f, "fld", X87Ops::fld);
    X87.add(f, "fild", X87Ops::fild);
    X87.add(f, "fst", (o, c) -> fst(o, c, false));
    X87.add(f, "fstp", (o, c) -> fst(o, c, true));
    X87.add(f, "fstpnce", X87Ops::storeQuietly);
    X87.add(f, "fist", (o, c) -> fist(o, c, false, false));
    X87.add(f, "fistp", (o, c) -> fist(o, c, true, false));
    X87.add(f, "fisttp", (o, c) -> fist(o, c, true, true));
    X87.add(f, "fbld", X87Ops::fbld);
    X87.add(f, "fbstp", X87Ops::fbstp);
    X87.add(f, "fxch", X87Ops::fxch);
    X87.add(f, "fabs", (o, c) -> sign(o, c, true));
    X87.add(f, "fchs", (o, c) -> sign(o, c, false));
    String[] cc = {"b", "e", "be", "u"};
    int[] codes = {2, 4, 6, 10};
    for (int i = 0; i < 4; i++) {
      int code = codes[i];
      X87.add(f, "fcmov" + cc[i], (o, c) -> fcmov(o, c, code));
      X87.add(f, "fcmovn" + cc[i], (o, c) -> fcmov(o, c, code + 1));
    }
    constant(f, "fld1", 1L << 63, 0x3FFF, 0);
    constant(f, "fldl2t", 0xD49A_784B_CD1B_8AFEL, 0x4000, 2);
    constant(f, "fldl2e", 0xB8AA_3B29_5C17_F0BCL, 0x3FFF, -1);
    constant(f, "fldpi", 0xC90F_DAA2_2168_C235L, 0x4000, -1);
    constant(f, "fldlg2", 0x9A20_9A84_FBCF_F799L, 0x3FFD, -1);
    constant(f, "fldln2", 0xB172_17F7_D1CF_79ACL, 0x3FFE, -1);
    constant(f, "fldz", 0, 0, 0);
    X87Control.register(f);
    X87Functions.register(f);
  }

  private static void constant(Families f, String name, long mantissa, int exp, int adjust) {
    f.add(
        name,
        (o, c) -> {
          X87.enter(o, c);
          if (!pushReady(c)) {
            return;
          }
          int rc = c.fcw >> 10 & 3;
          // The stored constants are rounded to nearest; directed rounding moves the last bit.
          long m = mantissa;
          if (adjust > 0 && rc == 2) {
            m++;
          } else if (adjust < 0 && (rc == 1 || rc == 3)) {
            m--;
          }
          X87.putRaw(c, 0, m, exp);
          X87.c1(c, false);
        });
  }

  /** Makes room for a push; on a stack fault the default result is pushed if masked. */
  static boolean pushReady(Cpu c) {
    if (!X87.empty(c, -1)) {
      if (X87.stackFault(c, true)) {
        c.ftop = c.ftop - 1 & 7;
        X87.indefinite(c, 0);
      }
      return false;
    }
    c.ftop = c.ftop - 1 & 7;
    return true;
  }

  /** Loads the memory operand; integers by the mnemonic, reals by size. Returns DE and IE due. */
  private static int loadMemory(MemOp o, Cpu c, Num n) {
    int bytes = IntegerOps.size(o);
    boolean integer = o.insn.mnemonic().startsWith("fi");
    long v = c.rd(o.la(c, bytes, false), bytes);
    if (integer) {
      n.fromLong(MemOp.signExtend(v, bytes));
    } else if (bytes == 4) {
      n.fromFloat((int) v);
    } else {
      n.fromDouble(v);
    }
    return 0;
  }

  private static void arithmetic(MemOp o, Cpu c, int op, boolean pop) {
    X87.enter(o, c);
    List<OperandSpec> specs = o.insn.form().operands;
    int dst = 0;
    boolean under;
    if (o.mem) {
      loadMemory(o, c, c.nb);
      under = X87.empty(c, 0);
      if (!under) {
        X87.get(c, 0, c.na);
      }
    } else {
      boolean toSti = specs.get(0).kind() == OperandKind.STI;
      int i = o.rm & 7;
      dst = toSti ? i : 0;
      under = X87.empty(c, 0) || X87.empty(c, i);
      if (!under) {
        X87.get(c, dst, c.na);
        X87.get(c, toSti ? 0 : i, c.nb);
      }
    }
    if (under) {
      if (X87.stackFault(c, false)) {
        X87.indefinite(c, dst);
        if (pop) {
          X87.pop(c);
        }
      }
      return;
    }
    SoftFloat s = X87.soft(c);
    X87.arithmetic(s, op, c.na, c.nb, c.nz, X87.precision(c));
    if (X87.finish(c, s, dst, c.nz) && pop) {
      X87.pop(c);
    }
  }

  private static int compareCodes(SoftFloat s, Num a, Num b, boolean quiet) {
    if (a.kind == Num.UNSUPPORTED || b.kind == Num.UNSUPPORTED) {
      s.flags |= X87.IE;
      return X87.C3 | X87.C2 | X87.C0;
    }
    if (a.isNan() || b.isNan()) {
      if (!quiet || a.kind == Num.SNAN || b.kind == Num.SNAN) {
        s.flags |= X87.IE;
      }
      return X87.C3 | X87.C2 | X87.C0;
    }
    if (a.denormal || b.denormal) {
      s.flags |= X87.DE;
    }
    int r = SoftFloat.compare(a, b);
    return r == 0 ? X87.C3 : r < 0 ? X87.C0 : 0;
  }

  private static void compare(MemOp o, Cpu c, boolean quiet, int pops) {
    X87.enter(o, c);
    int i = o.mem ? 0 : pops == 2 ? 1 : o.rm & 7;
    if (o.mem) {
      loadMemory(o, c, c.nb);
    }
    SoftFloat s = X87.soft(c);
    int codes;
    X87.c1(c, false);
    if (X87.empty(c, 0) || !o.mem && X87.empty(c, i)) {
      boolean masked = X87.stackFault(c, false);
      setCodes(c, X87.C3 | X87.C2 | X87.C0);
      if (!masked) {
        return;
      }
    } else {
      X87.get(c, 0, c.na);
      if (!o.mem) {
        X87.get(c, i, c.nb);
      }
      codes = compareCodes(s, c.na, c.nb, quiet);
      setCodes(c, codes);
      if (X87.raise(c, s.flags)) {
        return;
      }
    }
    for (int k = 0; k < pops; k++) {
      X87.pop(c);
    }
  }

  private static void setCodes(Cpu c, int codes) {
    c.fsw = c.fsw & ~(X87.C3 | X87.C2 | X87.C0) | codes;
  }

  private static void compareFlags(MemOp o, Cpu c, boolean quiet, boolean pop) {
    X87.enter(o, c);
    int i = o.rm & 7;
    int codes;
    if (X87.empty(c, 0) || X87.empty(c, i)) {
      boolean masked = X87.stackFault(c, false);
      codes = X87.C3 | X87.C2 | X87.C0;
      flags(c, codes);
      if (!masked) {
        return;
      }
    } else {
      X87.get(c, 0, c.na);
      X87.get(c, i, c.nb);
      SoftFloat s = X87.soft(c);
      codes = compareCodes(s, c.na, c.nb, quiet);
      boolean stop = X87.raise(c, s.flags);
      flags(c, codes);
      if (stop) {
        return;
      }
    }
    if (pop) {
      X87.pop(c);
    }
  }

  private static void flags(Cpu c, int codes) {
    c.setArith(
        ((codes & X87.C3) != 0 ? CpuState.ZF : 0)
            | ((codes & X87.C2) != 0 ? CpuState.PF : 0)
            | ((codes & X87.C0) != 0 ? CpuState.CF : 0));
  }

  private static void ftst(MemOp o, Cpu c) {
    X87.enter(o, c);
    X87.c1(c, false);
    if (X87.empty(c, 0)) {
      X87.stackFault(c, false);
      setCodes(c, X87.C3 | X87.C2 | X87.C0);
      return;
    }
    X87.get(c, 0, c.na);
    c.nb.setZero(false);
    SoftFloat s = X87.soft(c);
    setCodes(c, compareCodes(s, c.na, c.nb, false));
    X87.raise(c, s.flags);
  }

  private static void fxam(MemOp o, Cpu c) {
    X87.enter(o, c);
    int p = c.ftop;
    X87.c1(c, (c.fpExp[p] & 0x8000) != 0);
    if (X87.empty(c, 0)) {
      setCodes(c, X87.C3 | X87.C0);
      return;
    }
    X87.get(c, 0, c.na);
    setCodes(
        c,
        switch (c.na.kind) {
          case Num.ZERO -> X87.C3;
          case Num.INF -> X87.C2 | X87.C0;
          case Num.QNAN, Num.SNAN -> X87.C0;
          case Num.UNSUPPORTED -> 0;
          default -> c.na.denormal ? X87.C3 | X87.C2 : X87.C2;
        });
  }

  private static void fld(MemOp o, Cpu c) {
    X87.enter(o, c);
    if (!o.mem) {
      int i = o.rm & 7;
      boolean under = X87.empty(c, i);
      int p = X87.phys(c, i);
      long m = c.fpMant[p];
      int e = c.fpExp[p];
      if (under) {
        if (X87.stackFault(c, false)) {
          c.ftop = c.ftop - 1 & 7;
          X87.indefinite(c, 0);
        }
        return;
      }
      if (pushReady(c)) {
        X87.putRaw(c, 0, m, e);
        X87.c1(c, false);
      }
      return;
    }
    int bytes = IntegerOps.size(o);
    long la = o.la(c, bytes, false);
    if (bytes == 10) {
      long m = c.rd64(la);
      int e = c.rd16(la + 8);
      if (pushReady(c)) {
        X87.putRaw(c, 0, m, e);
        X87.c1(c, false);
      }
      return;
    }
    loadMemory(o, c, c.na);
    boolean full = !X87.empty(c, -1);
    if (full) {
      pushReady(c);
      return;
    }
    int flags = c.na.kind == Num.SNAN ? X87.IE : c.na.denormal ? X87.DE : 0;
    X87.c1(c, false);
    // An unmasked denormal exception is reported with the number loaded, as AMD processors do.
    if (X87.raise(c, flags) && flags == X87.IE) {
      return;
    }
    if (c.na.kind == Num.SNAN) {
      c.na.kind = Num.QNAN;
      c.na.sig |= 1L << 62;
    }
    c.ftop = c.ftop - 1 & 7;
    X87.put(c, 0, c.na);
  }

  private static void fild(MemOp o, Cpu c) {
    X87.enter(o, c);
    int bytes = IntegerOps.size(o);
    c.na.fromLong(MemOp.signExtend(c.rd(o.la(c, bytes, false), bytes), bytes));
    if (pushReady(c)) {
      X87.put(c, 0, c.na);
      X87.c1(c, false);
    }
  }

  private static void fst(MemOp o, Cpu c, boolean pop) {
    X87.enter(o, c);
    if (!o.mem) {
      int i = o.rm & 7;
      if (X87.empty(c, 0)) {
        if (X87.stackFault(c, false)) {
          X87.indefinite(c, i);
          if (pop) {
            X87.pop(c);
          }
        }
        return;
      }
      X87.putRaw(c, i, c.fpMant[c.ftop], c.fpExp[c.ftop]);
      X87.c1(c, false);
      if (pop) {
        X87.pop(c);
      }
      return;
    }
    int bytes = IntegerOps.size(o);
    long la = o.la(c, bytes, true);
    c.probeWrite(la, bytes);
    boolean under = X87.empty(c, 0);
    if (bytes == 10) {
      long m = c.fpMant[c.ftop];
      int e = c.fpExp[c.ftop];
      X87.c1(c, false);
      if (under) {
        if (!X87.stackFault(c, false)) {
          return;
        }
        m = 3L << 62;
        e = 0xFFFF;
      }
      c.wr64(la, m);
      c.wr16(la + 8, e);
      X87.pop(c);
      return;
    }
    if (under) {
      if (!X87.stackFault(c, false)) {
        return;
      }
      c.wr(la, bytes, bytes == 4 ? 0xFFC0_0000L : 0xFFF8_0000_0000_0000L);
    } else {
      X87.get(c, 0, c.na);
      SoftFloat s = X87.soft(c);
      s.scaleUnmasked = false;
      if (c.na.kind == Num.UNSUPPORTED) {
        s.flags |= X87.IE;
        c.na.setIndefinite();
      } else if (c.na.kind == Num.SNAN) {
        s.flags |= X87.IE;
        c.na.kind = Num.QNAN;
        c.na.sig |= 1L << 62;
      } else {
        s.round(c.na, bytes == 4 ? SoftFloat.SINGLE : SoftFloat.DOUBLE);
      }
      int stop = s.flags & ~c.fcw & 0x1F & ~X87.DE;
      if (stop != 0) {
        // Memory stays as it was; an inexact flag is not reported with overflow or underflow.
        X87.c1(c, false);
        X87.raise(c, s.flags & (stop | ((stop & 0x18) != 0 ? 0 : 0x3F)));
        return;
      }
      X87.c1(c, s.roundedUp);
      c.wr(la, bytes, bytes == 4 ? c.na.toFloat() : c.na.toDouble());
      X87.raise(c, s.flags);
    }
    if (pop) {
      X87.pop(c);
    }
  }

  /** FSTPNCE: FSTP of a register, but an empty ST(0) is popped without an exception. */
  private static void storeQuietly(MemOp o, Cpu c) {
    if (!X87.empty(c, 0)) {
      fst(o, c, true);
      return;
    }
    X87.enter(o, c);
    X87.c1(c, false);
    X87.pop(c);
  }

  private static void fist(MemOp o, Cpu c, boolean pop, boolean truncate) {
    X87.enter(o, c);
    int bytes = IntegerOps.size(o);
    long la = o.la(c, bytes, true);
    c.probeWrite(la, bytes);
    if (X87.empty(c, 0)) {
      if (!X87.stackFault(c, false)) {
        return;
      }
      c.wr(la, bytes, -1L << 8 * bytes - 1);
    } else {
      X87.get(c, 0, c.na);
      SoftFloat s = X87.soft(c);
      if (truncate) {
        s.rounding = 3;
      }
      long v = s.toInteger(c.na, 8 * bytes);
      X87.c1(c, s.roundedUp);
      if ((s.flags & X87.IE & ~c.fcw) != 0) {
        X87.raise(c, s.flags);
        return;
      }
      c.wr(la, bytes, v);
      X87.raise(c, s.flags);
    }
    if (pop) {
      X87.pop(c);
    }
  }

  private static void fbld(MemOp o, Cpu c) {
    X87.enter(o, c);
    long la = o.la(c, 10, false);
    long low = c.rd64(la);
    int high = c.rd16(la + 8);
    long v = (high >> 4 & 15) * 10L + (high & 15);
    for (int i = 15; i >= 0; i--) {
      v = v * 10 + (low >>> 4 * i & 15);
    }
    c.na.fromLong(v);
    c.na.sign = (high & 0x8000) != 0;
    if (pushReady(c)) {
      X87.put(c, 0, c.na);
      X87.c1(c, false);
    }
  }

  private static void fbstp(MemOp o, Cpu c) {
    X87.enter(o, c);
    long la = o.la(c, 10, true);
    c.probeWrite(la, 10);
    boolean bad = X87.empty(c, 0);
    SoftFloat s = X87.soft(c);
    long v = 0;
    boolean negative = false;
    if (bad) {
      if (!X87.stackFault(c, false)) {
        return;
      }
    } else {
      X87.get(c, 0, c.na);
      negative = c.na.sign;
      v = Math.abs(s.toInteger(c.na, 64));
      bad = (s.flags & X87.IE) != 0 || v > 999_999_999_999_999_999L || v < 0;
      if (bad) {
        s.flags = X87.IE;
        s.roundedUp = false;
      }
      X87.c1(c, s.roundedUp);
      if (X87.raise(c, s.flags) && bad) {
        return;
      }
    }
    long low = 0;
    int high = negative ? 0x8000 : 0;
    if (bad) {
      low = 0xC000L << 48;
      high = 0xFFFF;
    } else {
      for (int i = 0; i < 16; i++) {
        low |= v % 10 << 4 * i;
        v /= 10;
      }
      high |= (int) (v % 10 | v / 10 % 10 << 4);
    }
    c.wr64(la, low);
    c.wr16(la + 8, high);
    X87.pop(c);
  }

  private static void fxch(MemOp o, Cpu c) {
    X87.enter(o, c);
    int i = o.rm & 7;
    X87.c1(c, false);
    if (X87.empty(c, 0) || X87.empty(c, i)) {
      if (!X87.stackFault(c, false)) {
        return;
      }
      if (X87.empty(c, 0)) {
        X87.indefinite(c, 0);
      }
      if (X87.empty(c, i)) {
        X87.indefinite(c, i);
      }
    }
    int p = c.ftop;
    int q = X87.phys(c, i);
    long m = c.fpMant[p];
    int e = c.fpExp[p];
    c.fpMant[p] = c.fpMant[q];
    c.fpExp[p] = c.fpExp[q];
    c.fpMant[q] = m;
    c.fpExp[q] = e;
  }

  private static void sign(MemOp o, Cpu c, boolean absolute) {
    X87.enter(o, c);
    X87.c1(c, false);
    if (X87.empty(c, 0)) {
      if (X87.stackFault(c, false)) {
        X87.indefinite(c, 0);
      }
      return;
    }
    c.fpExp[c.ftop] = absolute ? c.fpExp[c.ftop] & 0x7FFF : c.fpExp[c.ftop] ^ 0x8000;
  }

  private static void fcmov(MemOp o, Cpu c, int cc) {
    X87.enter(o, c);
    int i = o.rm & 7;
    if (X87.empty(c, 0) || X87.empty(c, i)) {
      if (X87.stackFault(c, false)) {
        X87.indefinite(c, 0);
      }
      return;
    }
    if (c.cond(cc)) {
      int q = X87.phys(c, i);
      X87.putRaw(c, 0, c.fpMant[q], c.fpExp[q]);
    }
  }
}
