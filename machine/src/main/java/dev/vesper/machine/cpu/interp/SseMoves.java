package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.x86.OperandKind;

/** Moves, shuffles and logic of vector registers, and moves between MMX, XMM and others. */
final class SseMoves {
  private SseMoves() {}

  static void register(Families f) {
    for (String m : new String[] {"movaps", "movapd", "movdqa", "movntps", "movntpd", "movntdq"}) {
      f.both(m, (o, c) -> move(o, c, true));
    }
    for (String m : new String[] {"movups", "movupd", "movdqu", "lddqu"}) {
      f.both(m, (o, c) -> move(o, c, false));
    }
    for (int w = 8; w <= 64; w *= 2) {
      f.add("vmovdqu" + w, (o, c) -> move(o, c, false));
    }
    f.add("vmovdqa32", (o, c) -> move(o, c, true));
    f.add("vmovdqa64", (o, c) -> move(o, c, true));
    f.both("movss", (o, c) -> moveScalar(o, c, 4));
    f.both("movsd", (o, c) -> moveScalar(o, c, 8));
    f.both("movq", SseMoves::movq);
    f.both("movd", SseMoves::movd);
    f.both("movlps", (o, c) -> half(o, c, 0));
    f.both("movlpd", (o, c) -> half(o, c, 0));
    f.both("movhps", (o, c) -> half(o, c, 1));
    f.both("movhpd", (o, c) -> half(o, c, 1));
    f.both("movhlps", (o, c) -> between(o, c, 1, 0));
    f.both("movlhps", (o, c) -> between(o, c, 0, 1));
    f.add("movq2dq", SseMoves::movq2dq);
    f.add("movdq2q", SseMoves::movdq2q);
    f.add("movntq", SseMoves::movntq);
    f.both("movddup", SseMoves::movddup);
    f.both("movsldup", (o, c) -> duplicate(o, c, false));
    f.both("movshdup", (o, c) -> duplicate(o, c, true));
    f.both("movmskps", (o, c) -> signMask(o, c, 32));
    f.both("movmskpd", (o, c) -> signMask(o, c, 64));
    for (String t : new String[] {"ps", "pd"}) {
      MmxOps.lanes(f, "and" + t, (a, b) -> a & b);
      MmxOps.lanes(f, "andn" + t, (a, b) -> ~a & b);
      MmxOps.lanes(f, "or" + t, (a, b) -> a | b);
      MmxOps.lanes(f, "xor" + t, (a, b) -> a ^ b);
    }
    PackedShuffles.vector(f, "unpcklps", (a, b, z) -> PackedShuffles.unpack(a, b, z, 32, false));
    PackedShuffles.vector(f, "unpckhps", (a, b, z) -> PackedShuffles.unpack(a, b, z, 32, true));
    PackedShuffles.vector(f, "unpcklpd", (a, b, z) -> PackedShuffles.unpack(a, b, z, 64, false));
    PackedShuffles.vector(f, "unpckhpd", (a, b, z) -> PackedShuffles.unpack(a, b, z, 64, true));
    f.both("shufps", SseMoves::shufps);
    f.both("shufpd", SseMoves::shufpd);
    f.both("ldmxcsr", SseMoves::ldmxcsr);
    f.both("stmxcsr", SseMoves::stmxcsr);
  }

  private static boolean toMemoryForm(MemOp o) {
    OperandKind k = o.insn.form().operands.get(0).kind();
    return k == OperandKind.VECTOR_RM
        || k == OperandKind.MEMORY
        || k == OperandKind.MMX_RM
        || k == OperandKind.RM
        || k == OperandKind.VECTOR_RM_REGISTER;
  }

  private static void move(MemOp o, Cpu c, boolean aligned) {
    Vectors.enter(o, c);
    int bytes = 8 * o.quads;
    int alignment = aligned ? bytes : 1;
    boolean store = toMemoryForm(o);
    if (!o.mem) {
      Vectors.put(o, c, store ? o.rm : o.reg, Vectors.register(c, store ? o.reg : o.rm, o.quads));
      return;
    }
    if (o.insn.mask != 0) {
      long all = -1L >>> 64 - bytes / o.insn.form().elementBytes;
      boolean none = (Vectors.active(o, c) & all) == 0;
      if (!none && (o.la(c, bytes, store) & alignment - 1) != 0) {
        c.gp(0);
      }
      if (store) {
        Vectors.putRm(o, c, Vectors.register(c, o.reg, o.quads), bytes);
      } else {
        Vectors.put(o, c, Vectors.masked(o, c, bytes, o.insn.form().elementBytes));
      }
    } else if (store) {
      long la = o.la(c, bytes, true);
      Vectors.store(c, la, Vectors.register(c, o.reg, o.quads), alignment);
    } else {
      Vectors.put(o, c, Vectors.load(c, o.la(c, bytes, false), bytes, alignment));
    }
  }

  /** MOVSS and MOVSD: from memory the rest is cleared, between registers it is kept. */
  private static void moveScalar(MemOp o, Cpu c, int bytes) {
    Vectors.enter(o, c);
    long m = bytes == 4 ? 0xFFFF_FFFFL : -1L;
    boolean store = toMemoryForm(o);
    boolean off = (Vectors.active(o, c) & 1) == 0;
    int to = store ? o.rm : o.reg;
    if (store && o.mem) {
      long la = o.la(c, bytes, true);
      if (!off) {
        c.wr(la, bytes, Vectors.low(c, o.reg) & m);
      }
    } else if (o.mem) {
      long v = Vectors.scalar(o, c, bytes);
      if (off && !o.insn.zeroing) {
        v = Vectors.low(c, to) & m;
      }
      Vectors.putAll(o, c, to, new long[] {v, 0});
    } else {
      long[] v = Vectors.register(c, o.insn.vex ? o.insn.vvvv : to, 2);
      long e = Vectors.low(c, store ? o.reg : o.rm);
      if (off) {
        e = o.insn.zeroing ? 0 : Vectors.low(c, to);
      }
      v[0] = v[0] & ~m | e & m;
      Vectors.putAll(o, c, to, v);
    }
  }

  private static void movq(MemOp o, Cpu c) {
    OperandKind a = o.insn.form().operands.get(0).kind();
    OperandKind b = o.insn.form().operands.get(1).kind();
    if (a == OperandKind.VECTOR || b == OperandKind.VECTOR) {
      Vectors.enter(o, c);
      if (a == OperandKind.VECTOR) {
        long v = b == OperandKind.RM ? o.readRm(c, 8) : Vectors.scalar(o, c, 8);
        Vectors.put(o, c, new long[] {v, 0});
      } else if (a == OperandKind.RM) {
        o.writeRm(c, 8, Vectors.low(c, o.reg));
      } else if (o.mem) {
        c.wr64(o.la(c, 8, true), Vectors.low(c, o.reg));
      } else {
        Vectors.put(o, c, o.rm, new long[] {Vectors.low(c, o.reg), 0});
      }
      return;
    }
    MmxOps.enter(c);
    if (a == OperandKind.MMX) {
      long v = b == OperandKind.RM ? o.readRm(c, 8) : MmxOps.mmx(o, c, 8);
      MmxOps.put(c, o.reg & 7, v);
      return;
    }
    long v = c.fpMant[o.reg & 7];
    if (a == OperandKind.RM) {
      o.writeRm(c, 8, v);
      MmxOps.touch(c);
    } else if (o.mem) {
      c.wr64(o.la(c, 8, true), v);
      MmxOps.touch(c);
    } else {
      MmxOps.put(c, o.rm & 7, v);
    }
  }

  private static void movd(MemOp o, Cpu c) {
    OperandKind a = o.insn.form().operands.get(0).kind();
    OperandKind b = o.insn.form().operands.get(1).kind();
    if (a == OperandKind.VECTOR) {
      Vectors.enter(o, c);
      Vectors.put(o, c, new long[] {o.readRm(c, 4), 0});
    } else if (b == OperandKind.VECTOR) {
      Vectors.enter(o, c);
      o.writeRm(c, 4, Vectors.low(c, o.reg));
    } else {
      MmxOps.enter(c);
      if (a == OperandKind.MMX) {
        MmxOps.put(c, o.reg & 7, o.readRm(c, 4));
      } else {
        o.writeRm(c, 4, c.fpMant[o.reg & 7]);
        MmxOps.touch(c);
      }
    }
  }

  private static void half(MemOp o, Cpu c, int which) {
    Vectors.enter(o, c);
    if (toMemoryForm(o)) {
      c.wr64(o.la(c, 8, true), Vectors.register(c, o.reg, 2)[which]);
    } else {
      long v = c.rd64(o.la(c, 8, false));
      long[] z = Vectors.first(o, c);
      z[which] = v;
      Vectors.put(o, c, z);
    }
  }

  private static void between(MemOp o, Cpu c, int from, int to) {
    Vectors.enter(o, c);
    long[] z = Vectors.first(o, c);
    z[to] = Vectors.register(c, o.rm, 2)[from];
    Vectors.put(o, c, z);
  }

  private static void movq2dq(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    X87.pending(c);
    c.xmm[2 * o.reg] = c.fpMant[o.rm & 7];
    c.xmm[2 * o.reg + 1] = 0;
    MmxOps.touch(c);
  }

  private static void movdq2q(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    X87.pending(c);
    MmxOps.put(c, o.reg & 7, c.xmm[2 * o.rm]);
  }

  private static void movntq(MemOp o, Cpu c) {
    MmxOps.enter(c);
    c.wr64(o.la(c, 8, true), c.fpMant[o.reg & 7]);
    MmxOps.touch(c);
  }

  /** The low quadword of each lane, twice; a 128-bit form reads 8 bytes. */
  private static void movddup(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] v = Vectors.source(o, c, o.quads >= 4 ? 8 * o.quads : 8);
    for (int i = 0; i < v.length; i += 2) {
      v[i + 1] = v[i];
    }
    Vectors.put(o, c, v);
  }

  private static void duplicate(MemOp o, Cpu c, boolean high) {
    Vectors.enter(o, c);
    long[] v = Vectors.second(o, c);
    for (int i = 0; i < v.length; i++) {
      long e = high ? v[i] >>> 32 : v[i] & 0xFFFF_FFFFL;
      v[i] = e | e << 32;
    }
    Vectors.put(o, c, v);
  }

  private static void signMask(MemOp o, Cpu c, int width) {
    Vectors.enter(o, c);
    long[] v = Vectors.register(c, o.rm, o.quads);
    long z = 0;
    for (int i = 0; i < 64 * o.quads / width; i++) {
      z |= PackedShuffles.element(v, i, width) >>> width - 1 << i;
    }
    c.r[o.reg] = z;
  }

  private static void shufps(MemOp o, Cpu c) {
    int s = (int) o.insn.imm;
    PackedShuffles.binary(
        o,
        c,
        (a, b, z) -> {
          for (int i = 0; i < 4; i++) {
            long e = PackedShuffles.element(i < 2 ? a : b, s >> 2 * i & 3, 32);
            PackedShuffles.set(z, i, 32, e);
          }
        });
  }

  private static void shufpd(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    long[] a = Vectors.first(o, c);
    for (int i = 0; i < b.length; i += 2) {
      int s = (int) o.insn.imm >> i;
      long high = b[i + (s >> 1 & 1)];
      b[i] = a[i + (s & 1)];
      b[i + 1] = high;
    }
    Vectors.put(o, c, b);
  }

  private static void ldmxcsr(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    int v = c.rd32(o.la(c, 4, false));
    if ((v & ~SseArithmetic.mxcsrMask(c)) != 0) {
      c.gp(0);
    }
    c.mxcsr = v;
  }

  private static void stmxcsr(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    c.wr32(o.la(c, 4, true), c.mxcsr);
  }
}
