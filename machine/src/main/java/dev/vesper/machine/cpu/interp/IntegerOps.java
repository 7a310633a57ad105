package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Segmentation;
import dev.vesper.machine.cpu.fp.SoftFloat;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;

/** Integer instructions outside the hot templates. */
final class IntegerOps {
  private static final int RAX = 0;
  private static final int RCX = 1;
  private static final int RDX = 2;
  private static final int RBX = 3;

  private IntegerOps() {}

  /** {@return the size of the first operand} */
  static int size(MemOp op) {
    OperandSpec s = op.insn.form().operands.get(0);
    return s.bytes(op.insn);
  }

  static void register(Families f) {
    f.add("xchg", IntegerOps::xchg);
    f.add("xadd", IntegerOps::xadd);
    f.add("cmpxchg", IntegerOps::cmpxchg);
    f.add("cmpxchg8b", IntegerOps::cmpxchg8b);
    f.add("cmpxchg16b", IntegerOps::cmpxchg16b);
    f.add("bswap", IntegerOps::bswap);
    f.add("mul", IntegerOps::mul);
    f.add("imul", IntegerOps::imul);
    f.add("div", IntegerOps::div);
    f.add("idiv", IntegerOps::idiv);
    f.add("bsf", (o, c) -> bitScan(o, c, false));
    f.add("bsr", (o, c) -> bitScan(o, c, true));
    f.add("popcnt", IntegerOps::popcnt);
    f.add("movbe", IntegerOps::movbe);
    f.add("adcx", (o, c) -> addCarry(o, c, CpuState.CF));
    f.add("adox", (o, c) -> addCarry(o, c, CpuState.OF));
    f.add("bt", (o, c) -> bitTest(o, c, 0));
    f.add("bts", (o, c) -> bitTest(o, c, 1));
    f.add("btr", (o, c) -> bitTest(o, c, 2));
    f.add("btc", (o, c) -> bitTest(o, c, 3));
    f.add("shld", (o, c) -> doubleShift(o, c, true));
    f.add("shrd", (o, c) -> doubleShift(o, c, false));
    f.add("cbw", (o, c) -> c.setReg16(RAX, (byte) c.r[RAX]));
    f.add("cwde", (o, c) -> c.r[RAX] = (short) c.r[RAX] & 0xFFFF_FFFFL);
    f.add("cdqe", (o, c) -> c.r[RAX] = (int) c.r[RAX]);
    f.add("cwd", (o, c) -> c.setReg16(RDX, (short) c.r[RAX] >> 15));
    f.add("cdq", (o, c) -> c.r[RDX] = (int) c.r[RAX] >> 31 & 0xFFFF_FFFFL);
    f.add("cqo", (o, c) -> c.r[RDX] = c.r[RAX] >> 63);
    f.add("lahf", (o, c) -> c.setReg8(32 + RAX, c.flags() & 0xD5 | 2));
    f.add("sahf", IntegerOps::sahf);
    f.add("cmc", (o, c) -> c.setCf(!c.cf()));
    f.add("clc", (o, c) -> c.setCf(false));
    f.add("stc", (o, c) -> c.setCf(true));
    f.add("cld", (o, c) -> c.eflags &= ~CpuState.DF);
    f.add("std", (o, c) -> c.eflags |= CpuState.DF);
    f.add("aaa", (o, c) -> adjust(c, true));
    f.add("aas", (o, c) -> adjust(c, false));
    f.add("daa", (o, c) -> decimal(c, true));
    f.add("das", (o, c) -> decimal(c, false));
    f.add("aam", IntegerOps::aam);
    f.add("aad", IntegerOps::aad);
    f.add("xlat", IntegerOps::xlat);
    f.add("salc", (o, c) -> c.setReg8(RAX, c.cf() ? 0xFF : 0));
    f.add("bound", IntegerOps::bound);
    f.add("movnti", (o, c) -> o.writeRm(c, size(o), o.readReg(c, size(o))));
    f.add("clflush", IntegerOps::clflush);
    f.add("clflushopt", IntegerOps::clflush);
  }

  private static void clflush(MemOp o, Cpu c) {
    // Memory is always coherent here; faults and watchpoints are those of a load.
    c.rd8(o.la(c, 1, false));
  }

  private static void xchg(MemOp o, Cpu c) {
    if (o.insn.modrm < 0) {
      int n = o.insn.osize;
      long v = c.reg(o.rm, n);
      c.setReg(o.rm, n, c.reg(RAX, n));
      c.setReg(RAX, n, v);
      return;
    }
    int n = size(o);
    long b = o.readReg(c, n);
    if (o.mem) {
      long la = o.la(c, n, true);
      long a = c.rdw(la, n);
      c.wr(la, n, b);
      o.writeReg(c, n, a);
    } else {
      long a = o.readRm(c, n);
      o.writeRm(c, n, b);
      o.writeReg(c, n, a);
    }
  }

  private static void flagsAdd(Cpu c, long a, long b, long v, int n) {
    int s = 64 - 8 * n;
    c.fRes = v << s >> s;
    c.fCv = (a & b | (a | b) & ~v) << s;
    c.fAx = (a ^ b ^ v) & 0x10;
  }

  private static void flagsSub(Cpu c, long a, long b, long v, int n) {
    int s = 64 - 8 * n;
    c.fRes = v << s >> s;
    c.fCv = (~a & b | (~a | b) & v) << s;
    c.fAx = (a ^ b ^ v) & 0x10;
  }

  private static void xadd(MemOp o, Cpu c) {
    int n = size(o);
    long b = o.readReg(c, n);
    long la = o.mem ? o.la(c, n, true) : 0;
    long a = o.mem ? c.rdw(la, n) : o.readRm(c, n);
    long v = a + b;
    if (o.mem) {
      c.wr(la, n, v);
      o.writeReg(c, n, a);
    } else {
      o.writeReg(c, n, a);
      o.writeRm(c, n, v);
    }
    flagsAdd(c, a, b, v, n);
  }

  private static void cmpxchg(MemOp o, Cpu c) {
    int n = size(o);
    long la = o.mem ? o.la(c, n, true) : 0;
    long a = o.mem ? c.rdw(la, n) : o.readRm(c, n);
    long acc = c.reg(RAX, n);
    long v = acc - a;
    int s = 64 - 8 * n;
    boolean equal = v << s == 0;
    long store = equal ? o.readReg(c, n) : a;
    if (o.mem) {
      c.wr(la, n, store);
    } else if (equal) {
      o.writeRm(c, n, store);
    }
    // An unequal 32-bit comparison leaves the whole destination register alone on AMD processors.
    if (!equal) {
      c.setReg(RAX, n, a);
    }
    flagsSub(c, acc, a, v, n);
  }

  private static void setZf(Cpu c, boolean z) {
    c.setArith(c.flags() & ~CpuState.ZF | (z ? CpuState.ZF : 0));
  }

  private static void cmpxchg8b(MemOp o, Cpu c) {
    long la = o.la(c, 8, true);
    long a = c.rdw(la, 8);
    long acc = c.r[RDX] << 32 | c.r[RAX] & 0xFFFF_FFFFL;
    if (a == acc) {
      c.wr64(la, c.r[RCX] << 32 | c.r[RBX] & 0xFFFF_FFFFL);
      setZf(c, true);
    } else {
      c.wr64(la, a);
      c.r[RAX] = a & 0xFFFF_FFFFL;
      c.r[RDX] = a >>> 32;
      setZf(c, false);
    }
  }

  private static void cmpxchg16b(MemOp o, Cpu c) {
    long la = o.la(c, 16, true);
    if ((la & 15) != 0) {
      c.gp(0);
    }
    long lo = c.rdw(la, 8);
    long hi = c.rdw(la + 8, 8);
    boolean equal = lo == c.r[RAX] && hi == c.r[RDX];
    c.wr64(la, equal ? c.r[RBX] : lo);
    c.wr64(la + 8, equal ? c.r[RCX] : hi);
    if (!equal) {
      c.r[RAX] = lo;
      c.r[RDX] = hi;
    }
    setZf(c, equal);
  }

  private static void bswap(MemOp o, Cpu c) {
    int n = o.insn.osize;
    switch (n) {
      case 8 -> c.r[o.rm] = Long.reverseBytes(c.r[o.rm]);
      case 4 -> c.r[o.rm] = Integer.reverseBytes((int) c.r[o.rm]) & 0xFFFF_FFFFL;
      // Undefined by the manual; AMD processors clear the word.
      default -> c.setReg16(o.rm, 0);
    }
  }

  private static void mul(MemOp o, Cpu c) {
    int n = size(o);
    long b = o.readRm(c, n);
    long a = c.reg(RAX, n);
    boolean wide;
    if (n == 8) {
      long hi = Math.unsignedMultiplyHigh(a, b);
      c.r[RAX] = a * b;
      c.r[RDX] = hi;
      wide = hi != 0;
    } else {
      long v = a * b;
      wide = v >>> 8 * n != 0;
      storeWide(c, n, v);
    }
    c.setCfOf(wide, wide);
  }

  private static void storeWide(Cpu c, int n, long v) {
    if (n == 1) {
      c.setReg16(RAX, v);
    } else {
      c.setReg(RAX, n, v);
      c.setReg(RDX, n, v >> 8 * n);
    }
  }

  private static void imul(MemOp o, Cpu c) {
    int operands = o.insn.form().operands.size();
    int n = size(o);
    if (operands == 1) {
      long b = MemOp.signExtend(o.readRm(c, n), n);
      long a = MemOp.signExtend(c.reg(RAX, n), n);
      boolean wide;
      if (n == 8) {
        long lo = a * b;
        long hi = Math.multiplyHigh(a, b);
        c.r[RAX] = lo;
        c.r[RDX] = hi;
        wide = hi != lo >> 63;
      } else {
        long v = a * b;
        wide = MemOp.signExtend(v, n) != v;
        storeWide(c, n, v);
      }
      c.setCfOf(wide, wide);
      return;
    }
    long a = MemOp.signExtend(o.readRm(c, n), n);
    long b = operands == 3 ? o.insn.imm : MemOp.signExtend(o.readReg(c, n), n);
    long v = a * b;
    boolean wide = n == 8 ? Math.multiplyHigh(a, b) != v >> 63 : MemOp.signExtend(v, n) != v;
    o.writeReg(c, n, v);
    c.setCfOf(wide, wide);
  }

  private static void div(MemOp o, Cpu c) {
    int n = size(o);
    long d = o.readRm(c, n);
    if (d == 0) {
      c.fault(0, -1);
    }
    long q;
    long rem;
    if (n == 8) {
      long hi = c.r[RDX];
      long lo = c.r[RAX];
      if (Long.compareUnsigned(hi, d) >= 0) {
        c.fault(0, -1);
      }
      if (hi == 0) {
        q = Long.divideUnsigned(lo, d);
        rem = Long.remainderUnsigned(lo, d);
      } else {
        long[] qr = SoftFloat.divide(hi, lo, d);
        q = qr[0];
        rem = qr[1];
      }
      storeQuotient(c, n, q, rem);
      return;
    }
    long a = n == 1 ? c.r[RAX] & 0xFFFF : c.reg(RDX, n) << 8 * n | c.reg(RAX, n);
    q = Long.divideUnsigned(a, d);
    rem = Long.remainderUnsigned(a, d);
    if (q >>> 8 * n != 0) {
      c.fault(0, -1);
    }
    storeQuotient(c, n, q, rem);
  }

  private static void storeQuotient(Cpu c, int n, long q, long rem) {
    if (n == 1) {
      c.setReg16(RAX, q & 0xFF | rem << 8);
    } else {
      c.setReg(RAX, n, q);
      c.setReg(RDX, n, rem);
    }
    // Undefined by the manual: AMD processors set AF, clear SF, ZF and PF, and leave CF and OF.
    c.setArith(c.flags() & (CpuState.CF | CpuState.OF) | CpuState.AF);
  }

  private static void idiv(MemOp o, Cpu c) {
    int n = size(o);
    long d = MemOp.signExtend(o.readRm(c, n), n);
    if (d == 0) {
      c.fault(0, -1);
    }
    if (n == 8) {
      long hi = c.r[RDX];
      long lo = c.r[RAX];
      boolean negative = hi < 0;
      if (negative) {
        lo = -lo;
        hi = ~hi + (lo == 0 ? 1 : 0);
      }
      long ad = Math.abs(d);
      if (Long.compareUnsigned(hi, ad) >= 0) {
        c.fault(0, -1);
      }
      long[] qr = SoftFloat.divide(hi, lo, ad);
      long q = qr[0];
      boolean qNegative = negative != d < 0;
      if (q < 0 && !(qNegative && q == Long.MIN_VALUE)) {
        c.fault(0, -1);
      }
      storeQuotient(c, n, qNegative ? -q : q, negative ? -qr[1] : qr[1]);
      return;
    }
    long a =
        n == 1 ? (short) c.r[RAX] : MemOp.signExtend(c.reg(RDX, n), n) << 8 * n | c.reg(RAX, n);
    if (a == Long.MIN_VALUE && d == -1) {
      c.fault(0, -1);
    }
    long q = a / d;
    long rem = a % d;
    if (MemOp.signExtend(q, n) != q) {
      c.fault(0, -1);
    }
    storeQuotient(c, n, q, rem);
  }

  private static void bitScan(MemOp o, Cpu c, boolean reverse) {
    int n = o.insn.osize;
    long v = o.readRm(c, n);
    if (v != 0) {
      o.writeReg(c, n, reverse ? 63 - Long.numberOfLeadingZeros(v) : Long.numberOfTrailingZeros(v));
    }
    // With a zero source AMD processors leave the whole destination alone.
    setZf(c, v == 0);
  }

  private static void movbe(MemOp o, Cpu c) {
    int n = o.insn.osize;
    if (o.insn.form().operands.get(0).kind() == OperandKind.REG) {
      o.writeReg(c, n, Long.reverseBytes(o.readRm(c, n)) >>> 64 - 8 * n);
    } else {
      o.writeRm(c, n, Long.reverseBytes(o.readReg(c, n)) >>> 64 - 8 * n);
    }
  }

  /** ADCX and ADOX: an addition with one flag as carry in and out, the others untouched. */
  private static void addCarry(MemOp o, Cpu c, int flag) {
    int n = o.insn.osize == 8 ? 8 : 4;
    long b = o.readRm(c, n);
    long a = o.readReg(c, n);
    int old = c.flags() & CpuState.ARITH;
    long in = (old & flag) != 0 ? 1 : 0;
    long sum = a + b + in;
    boolean carry =
        n == 4
            ? sum >>> 32 != 0
            : Long.compareUnsigned(sum, a) < 0 || in != 0 && sum == a && b == -1;
    o.writeReg(c, n, sum);
    c.setArith(carry ? old | flag : old & ~flag);
  }

  private static void popcnt(MemOp o, Cpu c) {
    int n = o.insn.osize;
    long v = o.readRm(c, n);
    o.writeReg(c, n, Long.bitCount(v));
    c.setArith(v == 0 ? CpuState.ZF : 0);
  }

  private static void bitTest(MemOp o, Cpu c, int op) {
    int n = o.insn.osize;
    boolean immediate = o.insn.form().operands.get(1).kind() == OperandKind.IMMEDIATE;
    long index = immediate ? o.insn.imm : MemOp.signExtend(o.readReg(c, n), n);
    int bit = (int) index & 8 * n - 1;
    long la = 0;
    long a;
    if (o.mem) {
      long ea = o.ea(c);
      if (!immediate) {
        ea = ea + (index >> (n == 8 ? 6 : n == 4 ? 5 : 4)) * n & o.mask();
      }
      la = o.segKind == Segmentation.SEG_NONE ? ea : c.linear(o.segKind, o.seg, ea, n, op != 0);
      a = op == 0 ? c.rd(la, n) : c.rdw(la, n);
    } else {
      a = o.readRm(c, n);
    }
    boolean cf = (a >>> bit & 1) != 0;
    if (op != 0) {
      long m = 1L << bit;
      long v = op == 1 ? a | m : op == 2 ? a & ~m : a ^ m;
      if (o.mem) {
        c.wr(la, n, v);
      } else {
        o.writeRm(c, n, v);
      }
    }
    c.setCf(cf);
  }

  private static void doubleShift(MemOp o, Cpu c, boolean left) {
    int n = o.insn.osize;
    boolean immediate = o.insn.form().operands.get(2).kind() == OperandKind.IMMEDIATE;
    int count = (int) (immediate ? o.insn.imm : c.r[RCX]) & (n == 8 ? 63 : 31);
    long la = o.mem ? o.la(c, n, true) : 0;
    long a = o.mem ? c.rdw(la, n) : o.readRm(c, n);
    if (count == 0) {
      if (!o.mem) {
        o.writeRm(c, n, a);
      }
      return;
    }
    long b = o.readReg(c, n);
    int bits = 8 * n;
    long v;
    boolean cf;
    if (n == 8) {
      v = left ? a << count | b >>> 64 - count : a >>> count | b << 64 - count;
      cf = (left ? a >>> 64 - count : a >>> count - 1) << 63 != 0;
    } else if (n == 4) {
      long wide = left ? a << 32 | b : b << 32 | a;
      v = left ? wide << count >>> 32 : wide >>> count;
      cf = (left ? a >>> 32 - count & 1 : a >>> count - 1 & 1) != 0;
    } else {
      // Counts above 16 shift the source in once more on AMD processors.
      long wide = left ? a << 32 | b << 16 | b : b << 32 | b << 16 | a;
      v = left ? wide << count >>> 32 : wide >>> count;
      cf = count <= 16 && (left ? a >>> 16 - count & 1 : a >>> count - 1 & 1) != 0;
    }
    v &= -1L >>> 64 - bits;
    // Undefined for counts other than one: AMD processors see only the last step.
    boolean of =
        left
            ? (count < bits && (v >>> bits - 1 & 1) != 0) != cf
            : ((v ^ v << 1) >>> bits - 1 & 1) != 0;
    if (o.mem) {
      c.wr(la, n, v);
    } else {
      o.writeRm(c, n, v);
    }
    c.setLogic(MemOp.signExtend(v, n));
    c.fAx = CpuState.AF;
    c.setCfOf(cf, of);
  }

  private static void sahf(MemOp o, Cpu c) {
    int f = (int) (c.r[RAX] >>> 8) & 0xD5;
    c.setArith(f | (c.of() ? CpuState.OF : 0));
  }

  /** AAA and AAS: SF, ZF, PF and OF are those of the 16-bit step, as AMD processors leave them. */
  private static void adjust(Cpu c, boolean add) {
    boolean need = (c.r[RAX] & 15) > 9 || c.af();
    long ax = c.r[RAX] & 0xFFFF;
    long by = need ? 0x106 : 0;
    long v = add ? ax + by : ax - by;
    if (add) {
      flagsAdd(c, ax, by, v, 2);
    } else {
      flagsSub(c, ax, by, v, 2);
    }
    c.setCf(need);
    c.fAx = need ? CpuState.AF : 0;
    c.setReg16(RAX, v & 0xFF0F);
  }

  /** DAA and DAS: OF is that of one addition of both corrections, as AMD processors leave it. */
  private static void decimal(Cpu c, boolean add) {
    int al = c.reg8(RAX);
    boolean low = (al & 15) > 9 || c.af();
    boolean high = al > 0x99 || c.cf();
    int by = (low ? 6 : 0) + (high ? 0x60 : 0);
    int v = add ? al + by : al - by;
    boolean borrow = low && (add ? al + 6 > 0xFF : al < 6);
    if (add) {
      flagsAdd(c, al, by, v, 1);
    } else {
      flagsSub(c, al, by, v, 1);
    }
    c.setCf(high || borrow);
    c.fAx = low ? CpuState.AF : 0;
    c.setReg8(RAX, v);
  }

  private static void aam(MemOp o, Cpu c) {
    int d = (int) o.insn.imm & 0xFF;
    if (d == 0) {
      c.fault(0, -1);
    }
    int al = c.reg8(RAX);
    c.setReg16(RAX, al / d << 8 | al % d);
    c.setLogic((byte) (al % d));
  }

  private static void aad(MemOp o, Cpu c) {
    int al = c.reg8(RAX);
    int by = c.reg8(32) * ((int) o.insn.imm & 0xFF) & 0xFF;
    c.setReg16(RAX, al + by & 0xFF);
    flagsAdd(c, al, by, al + by, 1);
  }

  private static void xlat(MemOp o, Cpu c) {
    int seg = o.insn.segOverride >= 0 ? o.insn.segOverride : CpuState.DS;
    int kind = MemOp.segmentKind(seg, c.codeMode());
    long a = c.r[RBX] + c.reg8(RAX) & o.mask();
    long la = kind == Segmentation.SEG_NONE ? a : c.linear(kind, seg, a, 1, false);
    c.setReg8(RAX, c.rd8(la));
  }

  private static void bound(MemOp o, Cpu c) {
    int n = o.insn.osize;
    long la = o.la(c, 2 * n, false);
    long low = MemOp.signExtend(c.rd(la, n), n);
    long high = MemOp.signExtend(c.rd(la + n, n), n);
    long v = MemOp.signExtend(o.readReg(c, n), n);
    if (v < low || v > high) {
      c.fault(5, -1);
    }
  }
}
