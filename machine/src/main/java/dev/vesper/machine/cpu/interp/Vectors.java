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

  private Vectors() {}

  /** Checks that the instruction may run. */
  static void enter(MemOp o, Cpu c) {
    boolean ready =
        o.insn.vex
            ? c.protectedMode()
                && !c.v86()
                && (c.cr4 & CpuState.CR4_OSXSAVE) != 0
                && (c.xcr0 & SSE_AND_AVX) == SSE_AND_AVX
            : (c.cr0 & CpuState.CR0_EM) == 0 && (c.cr4 & CpuState.CR4_OSFXSR) != 0;
    if (!ready) {
      c.ud();
    }
    if ((c.cr0 & CpuState.CR0_TS) != 0) {
      c.fault(7, -1);
    }
  }

  /** {@return a copy of a register's low quadwords} */
  static long[] register(Cpu c, int n, int quads) {
    long[] v = new long[quads];
    v[0] = c.xmm[2 * n];
    v[1] = c.xmm[2 * n + 1];
    if (quads == 4) {
      v[2] = c.ymmh[2 * n];
      v[3] = c.ymmh[2 * n + 1];
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

  /** {@return the r/m operand in the form's vector length} */
  static long[] second(MemOp o, Cpu c) {
    return source(o, c, 8 * o.quads);
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

  /** {@return the low 8 or 4 bytes of the r/m operand} */
  static long scalar(MemOp o, Cpu c, int bytes) {
    if (o.mem) {
      return c.rd(o.la(c, bytes, false), bytes);
    }
    long v = c.xmm[2 * o.rm];
    return bytes == 4 ? v & 0xFFFF_FFFFL : v;
  }

  /** Writes a register as the form does: VEX clears what lies above. */
  static void put(MemOp o, Cpu c, int n, long[] v) {
    c.xmm[2 * n] = v[0];
    c.xmm[2 * n + 1] = v[1];
    if (v.length == 4) {
      c.ymmh[2 * n] = v[2];
      c.ymmh[2 * n + 1] = v[3];
    } else if (o.insn.vex) {
      c.ymmh[2 * n] = 0;
      c.ymmh[2 * n + 1] = 0;
    }
  }

  /** Writes the reg operand. */
  static void put(MemOp o, Cpu c, long[] v) {
    put(o, c, o.reg, v);
  }

  /** Writes the reg operand: the first source with its low 4 or 8 bytes replaced. */
  static void putScalar(MemOp o, Cpu c, int bytes, long low) {
    long[] v = register(c, firstRegister(o), 2);
    v[0] = bytes == 4 ? v[0] & ~0xFFFF_FFFFL | low : low;
    put(o, c, v);
  }
}
