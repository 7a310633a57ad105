package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;

/** Checks and operand access common to SSE instructions. */
final class Sse {
  private Sse() {}

  /** Checks that SSE instructions may run. */
  static void enter(Cpu c) {
    if ((c.cr0 & CpuState.CR0_EM) != 0 || (c.cr4 & CpuState.CR4_OSFXSR) == 0) {
      c.ud();
    }
    if ((c.cr0 & CpuState.CR0_TS) != 0) {
      c.fault(7, -1);
    }
  }

  /** {@return the address of a 16-byte operand that must be aligned} */
  static long aligned(MemOp o, Cpu c, boolean write) {
    long la = o.la(c, 16, write);
    if ((la & 15) != 0) {
      c.gp(0);
    }
    return la;
  }

  /** Reads a 16-byte r/m operand into {@code to}, low quadword first. */
  static void load(MemOp o, Cpu c, long[] to, boolean unaligned) {
    if (!o.mem) {
      to[0] = c.xmm[2 * o.rm];
      to[1] = c.xmm[2 * o.rm + 1];
      return;
    }
    long la = unaligned ? o.la(c, 16, false) : aligned(o, c, false);
    if (unaligned && (la & 0xFFF) > 0xFF0) {
      c.probeRead(la, 16);
    }
    to[0] = c.rd64(la);
    to[1] = c.rd64(la + 8);
  }

  /** Stores 16 bytes; nothing is stored if any byte faults. */
  static void store(Cpu c, long la, long low, long high) {
    if ((la & 0xFFF) > 0xFF0) {
      c.probeWrite(la, 16);
    }
    c.rdw(la, 8);
    c.wr64(la, low);
    c.wr64(la + 8, high);
  }

  /** {@return the low 8 or 4 bytes of an r/m operand} */
  static long scalar(MemOp o, Cpu c, int bytes) {
    if (o.mem) {
      return c.rd(o.la(c, bytes, false), bytes);
    }
    long v = c.xmm[2 * o.rm];
    return bytes == 4 ? v & 0xFFFF_FFFFL : v;
  }
}
