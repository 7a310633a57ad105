package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;

/** Moves, shuffles and logic of XMM registers, and moves between MMX, XMM and general registers. */
final class SseMoves {
  private SseMoves() {}

  static void register(Families f) {
    for (String m : new String[] {"movaps", "movapd", "movdqa", "movntps", "movntpd", "movntdq"}) {
      f.add(m, (o, c) -> move(o, c, false));
    }
    for (String m : new String[] {"movups", "movupd", "movdqu", "lddqu"}) {
      f.add(m, (o, c) -> move(o, c, true));
    }
    f.add("movss", (o, c) -> moveScalar(o, c, 4));
    f.add("movsd", (o, c) -> moveScalar(o, c, 8));
    f.add("movq", SseMoves::movq);
    f.add("movd", SseMoves::movd);
    f.add("movlps", (o, c) -> half(o, c, 0));
    f.add("movlpd", (o, c) -> half(o, c, 0));
    f.add("movhps", (o, c) -> half(o, c, 1));
    f.add("movhpd", (o, c) -> half(o, c, 1));
    f.add("movhlps", (o, c) -> between(o, c, 1, 0));
    f.add("movlhps", (o, c) -> between(o, c, 0, 1));
    f.add("movq2dq", SseMoves::movq2dq);
    f.add("movdq2q", SseMoves::movdq2q);
    f.add("movntq", SseMoves::movntq);
    f.add("movddup", SseMoves::movddup);
    f.add("movsldup", (o, c) -> duplicate(o, c, false));
    f.add("movshdup", (o, c) -> duplicate(o, c, true));
    f.add("movmskps", (o, c) -> signMask(o, c, true));
    f.add("movmskpd", (o, c) -> signMask(o, c, false));
    for (String t : new String[] {"ps", "pd"}) {
      logic(f, "and" + t, 0);
      logic(f, "andn" + t, 1);
      logic(f, "or" + t, 2);
      logic(f, "xor" + t, 3);
    }
    f.add("unpcklps", (o, c) -> unpackSingles(o, c, false));
    f.add("unpckhps", (o, c) -> unpackSingles(o, c, true));
    f.add("unpcklpd", (o, c) -> unpackDoubles(o, c, 0));
    f.add("unpckhpd", (o, c) -> unpackDoubles(o, c, 1));
    f.add("shufps", SseMoves::shufps);
    f.add("shufpd", SseMoves::shufpd);
    f.add("ldmxcsr", SseMoves::ldmxcsr);
    f.add("stmxcsr", SseMoves::stmxcsr);
  }

  private static boolean toMemoryForm(MemOp o) {
    char k = o.insn.form().operands.get(0).kind();
    return k == 'W' || k == 'M' || k == 'Q' || k == 'E';
  }

  private static void move(MemOp o, Cpu c, boolean unaligned) {
    Sse.enter(c);
    int d = 2 * o.reg;
    if (toMemoryForm(o)) {
      if (o.mem) {
        long la = unaligned ? o.la(c, 16, true) : Sse.aligned(o, c, true);
        Sse.store(c, la, c.xmm[d], c.xmm[d + 1]);
      } else {
        c.xmm[2 * o.rm] = c.xmm[d];
        c.xmm[2 * o.rm + 1] = c.xmm[d + 1];
      }
      return;
    }
    if (o.mem) {
      long la = unaligned ? o.la(c, 16, false) : Sse.aligned(o, c, false);
      long lo = c.rd64(la);
      c.xmm[d + 1] = c.rd64(la + 8);
      c.xmm[d] = lo;
    } else {
      c.xmm[d] = c.xmm[2 * o.rm];
      c.xmm[d + 1] = c.xmm[2 * o.rm + 1];
    }
  }

  private static void moveScalar(MemOp o, Cpu c, int bytes) {
    Sse.enter(c);
    long m = bytes == 4 ? 0xFFFF_FFFFL : -1L;
    if (toMemoryForm(o)) {
      long v = c.xmm[2 * o.reg] & m;
      if (o.mem) {
        c.wr(o.la(c, bytes, true), bytes, v);
      } else {
        c.xmm[2 * o.rm] = c.xmm[2 * o.rm] & ~m | v;
      }
      return;
    }
    long v = Sse.scalar(o, c, bytes);
    if (o.mem) {
      c.xmm[2 * o.reg] = v;
      c.xmm[2 * o.reg + 1] = 0;
    } else {
      c.xmm[2 * o.reg] = c.xmm[2 * o.reg] & ~m | v & m;
    }
  }

  private static void movq(MemOp o, Cpu c) {
    char a = o.insn.form().operands.get(0).kind();
    char b = o.insn.form().operands.get(1).kind();
    if (a == 'V' || b == 'V') {
      Sse.enter(c);
      if (a == 'V') {
        c.xmm[2 * o.reg] = b == 'E' ? o.readRm(c, 8) : Sse.scalar(o, c, 8);
        c.xmm[2 * o.reg + 1] = 0;
      } else if (a == 'E') {
        o.writeRm(c, 8, c.xmm[2 * o.reg]);
      } else if (o.mem) {
        c.wr64(o.la(c, 8, true), c.xmm[2 * o.reg]);
      } else {
        c.xmm[2 * o.rm] = c.xmm[2 * o.reg];
        c.xmm[2 * o.rm + 1] = 0;
      }
      return;
    }
    MmxOps.enter(c);
    if (a == 'P') {
      long v = b == 'E' ? o.readRm(c, 8) : MmxOps.mmx(o, c, 8);
      MmxOps.put(c, o.reg & 7, v);
      return;
    }
    long v = c.fpMant[o.reg & 7];
    if (a == 'E') {
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
    char a = o.insn.form().operands.get(0).kind();
    char b = o.insn.form().operands.get(1).kind();
    if (a == 'V') {
      Sse.enter(c);
      c.xmm[2 * o.reg] = o.readRm(c, 4);
      c.xmm[2 * o.reg + 1] = 0;
    } else if (b == 'V') {
      Sse.enter(c);
      o.writeRm(c, 4, c.xmm[2 * o.reg]);
    } else {
      MmxOps.enter(c);
      if (a == 'P') {
        MmxOps.put(c, o.reg & 7, o.readRm(c, 4));
      } else {
        o.writeRm(c, 4, c.fpMant[o.reg & 7]);
        MmxOps.touch(c);
      }
    }
  }

  private static void half(MemOp o, Cpu c, int which) {
    Sse.enter(c);
    if (toMemoryForm(o)) {
      c.wr64(o.la(c, 8, true), c.xmm[2 * o.reg + which]);
    } else {
      c.xmm[2 * o.reg + which] = c.rd64(o.la(c, 8, false));
    }
  }

  private static void between(MemOp o, Cpu c, int from, int to) {
    Sse.enter(c);
    c.xmm[2 * o.reg + to] = c.xmm[2 * o.rm + from];
  }

  private static void movq2dq(MemOp o, Cpu c) {
    Sse.enter(c);
    X87.pending(c);
    c.xmm[2 * o.reg] = c.fpMant[o.rm & 7];
    c.xmm[2 * o.reg + 1] = 0;
    MmxOps.touch(c);
  }

  private static void movdq2q(MemOp o, Cpu c) {
    Sse.enter(c);
    X87.pending(c);
    MmxOps.put(c, o.reg & 7, c.xmm[2 * o.rm]);
  }

  private static void movntq(MemOp o, Cpu c) {
    MmxOps.enter(c);
    c.wr64(o.la(c, 8, true), c.fpMant[o.reg & 7]);
    MmxOps.touch(c);
  }

  private static void movddup(MemOp o, Cpu c) {
    Sse.enter(c);
    long v = Sse.scalar(o, c, 8);
    c.xmm[2 * o.reg] = v;
    c.xmm[2 * o.reg + 1] = v;
  }

  private static void duplicate(MemOp o, Cpu c, boolean high) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    for (int i = 0; i < 2; i++) {
      long v = high ? b[i] >>> 32 : b[i] & 0xFFFF_FFFFL;
      c.xmm[2 * o.reg + i] = v | v << 32;
    }
  }

  private static void signMask(MemOp o, Cpu c, boolean singles) {
    Sse.enter(c);
    long a = c.xmm[2 * o.rm];
    long b = c.xmm[2 * o.rm + 1];
    c.r[o.reg] =
        singles
            ? a >>> 31 & 1 | a >>> 62 & 2 | (b >>> 31 & 1) << 2 | b >>> 63 << 3
            : a >>> 63 | b >>> 63 << 1;
  }

  private static void logic(Families f, String name, int op) {
    f.add(
        name,
        (o, c) -> {
          Sse.enter(c);
          long[] b = new long[2];
          Sse.load(o, c, b, false);
          for (int i = 0; i < 2; i++) {
            long a = c.xmm[2 * o.reg + i];
            c.xmm[2 * o.reg + i] =
                switch (op) {
                  case 0 -> a & b[i];
                  case 1 -> ~a & b[i];
                  case 2 -> a | b[i];
                  default -> a ^ b[i];
                };
          }
        });
  }

  private static void unpackSingles(MemOp o, Cpu c, boolean high) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    long x = c.xmm[2 * o.reg + (high ? 1 : 0)];
    long y = b[high ? 1 : 0];
    c.xmm[2 * o.reg] = x & 0xFFFF_FFFFL | y << 32;
    c.xmm[2 * o.reg + 1] = x >>> 32 | y & 0xFFFF_FFFF_0000_0000L;
  }

  private static void unpackDoubles(MemOp o, Cpu c, int which) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    c.xmm[2 * o.reg] = c.xmm[2 * o.reg + which];
    c.xmm[2 * o.reg + 1] = b[which];
  }

  private static long single(long lo, long hi, int i) {
    return ((i & 2) != 0 ? hi : lo) >>> 32 * (i & 1) & 0xFFFF_FFFFL;
  }

  private static void shufps(MemOp o, Cpu c) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    int s = (int) o.insn.imm;
    long lo = c.xmm[2 * o.reg];
    long hi = c.xmm[2 * o.reg + 1];
    c.xmm[2 * o.reg] = single(lo, hi, s & 3) | single(lo, hi, s >> 2 & 3) << 32;
    c.xmm[2 * o.reg + 1] = single(b[0], b[1], s >> 4 & 3) | single(b[0], b[1], s >> 6 & 3) << 32;
  }

  private static void shufpd(MemOp o, Cpu c) {
    Sse.enter(c);
    long[] b = new long[2];
    Sse.load(o, c, b, false);
    int s = (int) o.insn.imm;
    c.xmm[2 * o.reg] = c.xmm[2 * o.reg + (s & 1)];
    c.xmm[2 * o.reg + 1] = b[s >> 1 & 1];
  }

  private static void ldmxcsr(MemOp o, Cpu c) {
    Sse.enter(c);
    int v = c.rd32(o.la(c, 4, false));
    if ((v & ~SseArithmetic.MXCSR_MASK) != 0) {
      c.gp(0);
    }
    c.mxcsr = v;
  }

  private static void stmxcsr(MemOp o, Cpu c) {
    Sse.enter(c);
    c.wr32(o.la(c, 4, true), c.mxcsr);
  }
}
