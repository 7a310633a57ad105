package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;

/**
 * Operands of vector instructions, SSE and VEX forms alike. A VEX form takes its first source from
 * VEX.vvvv where it has one, reads memory at any alignment, and clears the destination above its
 * length (AMD APM volume 4, 1.2.4).
 */
final class Vectors {
  private static final long SSE_AND_AVX = 6;

  /** And opmasks, the upper halves of ZMM0 to ZMM15, ZMM16 to ZMM31. */
  private static final long AVX512 = 0xE6;

  private Vectors() {}

  /** Checks that the instruction may run. */
  static void enter(MemOp o, Cpu c) {
    boolean ready =
        o.insn.vex
            ? c.protectedMode()
                && !c.v86()
                && (c.cr4 & CpuState.CR4_OSXSAVE) != 0
                && (c.xcr0 & needed(o)) == needed(o)
            : (c.cr0 & CpuState.CR0_EM) == 0 && (c.cr4 & CpuState.CR4_OSFXSR) != 0;
    if (!ready) {
      c.ud();
    }
    if ((c.cr0 & CpuState.CR0_TS) != 0) {
      c.fault(7, -1);
    }
  }

  private static long needed(MemOp o) {
    return o.insn.evex || o.insn.form().namesOpmask() ? AVX512 : SSE_AND_AVX;
  }

  /** {@return a copy of a register's low quadwords} */
  static long[] register(Cpu c, int n, int quads) {
    long[] v = new long[quads];
    if (n >= 16) {
      System.arraycopy(c.zmm16, 8 * (n - 16), v, 0, quads);
      return v;
    }
    v[0] = c.xmm[2 * n];
    v[1] = c.xmm[2 * n + 1];
    if (quads >= 4) {
      v[2] = c.ymmh[2 * n];
      v[3] = c.ymmh[2 * n + 1];
    }
    if (quads == 8) {
      System.arraycopy(c.zmmh, 4 * n, v, 4, 4);
    }
    return v;
  }

  /** {@return the number of the register that holds the first source} */
  static int firstRegister(MemOp o) {
    return o.insn.form().usesVvvv() ? o.insn.vvvv : o.reg;
  }

  /** {@return the first source: VEX.vvvv, or the destination of an SSE form} */
  static long[] first(MemOp o, Cpu c) {
    return register(c, firstRegister(o), o.quads);
  }

  /** {@return the elements that EVEX.aaa lets through, one bit each; all without a mask} */
  static long active(MemOp o, Cpu c) {
    return o.insn.mask == 0 ? -1L : c.k[o.insn.mask];
  }

  /** {@return the r/m operand in the form's vector length, one element of it repeated if asked} */
  static long[] second(MemOp o, Cpu c) {
    if (o.insn.broadcast) {
      int bytes = o.insn.form().broadcastBytes;
      long[] v = new long[o.quads];
      if (active(o, c) != 0 || !o.insn.form().suppressesFaults()) {
        long e = c.rd(o.la(c, bytes, false), bytes);
        java.util.Arrays.fill(v, bytes == 4 ? e | e << 32 : e);
      }
      return v;
    }
    int bytes = 8 * o.quads;
    return o.mem && o.insn.mask != 0 && o.insn.form().suppressesFaults()
        ? masked(o, c, bytes, o.insn.form().elementBytes)
        : source(o, c, bytes);
  }

  /**
   * {@return the r/m operand of a conversion}
   *
   * @param bytes of it that are read
   * @param n bytes of an element of it
   */
  static long[] elements(MemOp o, Cpu c, int bytes, int n) {
    if (o.insn.broadcast) {
      long[] v = new long[Math.max(2, bytes / 8)];
      if (active(o, c) != 0) {
        long e = c.rd(o.la(c, n, false), n);
        java.util.Arrays.fill(v, n == 4 ? e | e << 32 : e);
      }
      return v;
    }
    return o.mem && o.insn.mask != 0 ? masked(o, c, bytes, n) : source(o, c, bytes);
  }

  /**
   * Reads a vector of which masked elements may lie where there is no memory.
   *
   * @param n bytes of an element in memory
   */
  static long[] masked(MemOp o, Cpu c, int bytes, int n) {
    long la = o.la(c, bytes, false);
    long[] v = new long[Math.max(2, bytes / 8)];
    long on = active(o, c);
    for (int i = 0; i < bytes / n; i++) {
      if ((on >>> i & 1) != 0) {
        PackedShuffles.set(v, i, 8 * n, c.rd(la + (long) i * n, n));
      }
    }
    return v;
  }

  /**
   * {@return the r/m operand}
   *
   * @param bytes of it that are read: 1, 2, 4, 8, 16 or 32; the rest of the array is zero if they
   *     come from memory
   */
  static long[] source(MemOp o, Cpu c, int bytes) {
    return source(o, c, bytes, o.insn.vex || (c.mxcsr & SseArithmetic.MXCSR_MM) != 0);
  }

  /**
   * {@return the r/m operand}
   *
   * @param anyAlignment a 16-byte operand may lie anywhere
   */
  static long[] source(MemOp o, Cpu c, int bytes, boolean anyAlignment) {
    int quads = bytes <= 16 ? 2 : bytes / 8;
    if (!o.mem) {
      return register(c, o.rm, quads);
    }
    return load(c, o.la(c, bytes, false), bytes, anyAlignment ? 1 : bytes);
  }

  /** Reads a vector from memory. */
  static long[] load(Cpu c, long la, int bytes, int alignment) {
    long[] v = new long[bytes <= 16 ? 2 : bytes / 8];
    if (bytes <= 8) {
      v[0] = c.rd(la, bytes);
      return v;
    }
    if ((la & alignment - 1) != 0) {
      c.gp(0);
    }
    if ((la & 0xFFF) > 0x1000 - bytes) {
      c.probeRead(la, bytes);
    }
    for (int i = 0; i < bytes / 8; i++) {
      v[i] = c.rd64(la + 8 * i);
    }
    return v;
  }

  /** Stores a vector; nothing is stored if any byte faults. */
  static void store(Cpu c, long la, long[] v, int alignment) {
    int bytes = 8 * v.length;
    if ((la & alignment - 1) != 0) {
      c.gp(0);
    }
    if ((la & 0xFFF) > 0x1000 - bytes) {
      c.probeWrite(la, bytes);
    }
    c.rdw(la, 8);
    for (int i = 0; i < v.length; i++) {
      c.wr64(la + 8 * i, v[i]);
    }
  }

  /** {@return the low 8 or 4 bytes of the r/m operand; zero if it is masked} */
  static long scalar(MemOp o, Cpu c, int bytes) {
    if (o.mem) {
      boolean off = o.insn.mask != 0 && (c.k[o.insn.mask] & 1) == 0;
      return off ? 0 : c.rd(o.la(c, bytes, false), bytes);
    }
    long v = low(c, o.rm);
    return bytes == 4 ? v & 0xFFFF_FFFFL : v;
  }

  /** {@return the low quadword of a register} */
  static long low(Cpu c, int n) {
    return n < 16 ? c.xmm[2 * n] : c.zmm16[8 * (n - 16)];
  }

  /** Writes a register without a mask: VEX and EVEX clear what lies above. */
  static void putAll(MemOp o, Cpu c, int n, long[] v) {
    if (n >= 16) {
      java.util.Arrays.fill(c.zmm16, 8 * (n - 16), 8 * (n - 15), 0);
      System.arraycopy(v, 0, c.zmm16, 8 * (n - 16), v.length);
      return;
    }
    c.xmm[2 * n] = v[0];
    c.xmm[2 * n + 1] = v[1];
    if (!o.insn.vex) {
      return;
    }
    c.ymmh[2 * n] = v.length >= 4 ? v[2] : 0;
    c.ymmh[2 * n + 1] = v.length >= 4 ? v[3] : 0;
    for (int i = 0; i < 4; i++) {
      c.zmmh[4 * n + i] = v.length == 8 ? v[4 + i] : 0;
    }
  }

  /** Writes a register as the form does: masked elements stay or become zero. */
  static void put(MemOp o, Cpu c, int n, long[] v) {
    put(o, c, n, v, o.insn.mask == 0 ? 0 : 8 * v.length / o.insn.form().elementBytes);
  }

  /**
   * Writes a register of which the form has fewer elements than fit.
   *
   * @param elements what lies above them becomes zero
   */
  static void put(MemOp o, Cpu c, int n, long[] v, int elements) {
    if (o.insn.mask != 0) {
      int w = 8 * o.insn.form().elementBytes;
      long on = c.k[o.insn.mask];
      long[] old = register(c, n, v.length);
      for (int i = 0; i < elements; i++) {
        if ((on >>> i & 1) == 0) {
          PackedShuffles.clear(v, i, w);
          if (!o.insn.zeroing) {
            PackedShuffles.set(v, i, w, PackedShuffles.element(old, i, w));
          }
        }
      }
    }
    putAll(o, c, n, v);
  }

  /** Writes the reg operand. */
  static void put(MemOp o, Cpu c, long[] v) {
    put(o, c, o.reg, v);
  }

  /** Writes the reg operand: the first source with its low 4 or 8 bytes replaced. */
  static void putScalar(MemOp o, Cpu c, int bytes, long low) {
    long[] v = register(c, firstRegister(o), 2);
    long e = low;
    if (o.insn.mask != 0 && (c.k[o.insn.mask] & 1) == 0) {
      e = o.insn.zeroing ? 0 : low(c, o.reg);
    }
    v[0] = bytes == 4 ? v[0] & ~0xFFFF_FFFFL | e & 0xFFFF_FFFFL : e;
    putAll(o, c, o.reg, v);
  }

  /** Stores a vector but for its masked elements, or writes it to a register. */
  static void putRm(MemOp o, Cpu c, long[] v, int bytes) {
    if (!o.mem) {
      put(o, c, o.rm, v);
      return;
    }
    long la = o.la(c, bytes, true);
    if (o.insn.mask == 0) {
      if (bytes >= 16) {
        store(c, la, v, 1);
      } else {
        c.wr(la, bytes, v[0]);
      }
      return;
    }
    probeRm(o, c, bytes);
    int n = o.insn.form().elementBytes;
    long on = c.k[o.insn.mask];
    for (int i = 0; i < bytes / n; i++) {
      if ((on >>> i & 1) != 0) {
        c.wr(la + (long) i * n, n, PackedShuffles.element(v, i, 8 * n));
      }
    }
  }

  /** Raises the fault that a store of a vector, but for its masked elements, would raise. */
  static void probeRm(MemOp o, Cpu c, int bytes) {
    long la = o.la(c, bytes, true);
    if (o.insn.mask == 0) {
      c.probeWrite(la, bytes);
      return;
    }
    int n = o.insn.form().elementBytes;
    long on = c.k[o.insn.mask];
    for (int i = 0; i < bytes / n; i++) {
      if ((on >>> i & 1) != 0) {
        c.probeWrite(la + (long) i * n, n);
      }
    }
  }
}
