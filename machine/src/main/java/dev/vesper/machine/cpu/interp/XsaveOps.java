package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;

/**
 * XCR0 and the standard form of XSAVE and XRSTOR, for the components x87 (bit 0) and SSE (bit 1)
 * (AMD APM volume 4; XSETBV is intercepted before any other check: spec sev-es-architecture 6.1).
 */
final class XsaveOps {
  private static final int XSETBV_EXIT = 0x8D;
  private static final int HEADER = 512;
  private static final int SIZE = 576;

  private XsaveOps() {}

  static void register(Families f) {
    f.add("xgetbv", XsaveOps::xgetbv);
    f.add("xsetbv", XsaveOps::xsetbv);
    f.add("xsave", XsaveOps::xsave);
    f.add("xrstor", XsaveOps::xrstor);
  }

  private static void enabled(Cpu c) {
    if ((c.cr4 & CpuState.CR4_OSXSAVE) == 0) {
      c.ud();
    }
  }

  private static void xgetbv(MemOp o, Cpu c) {
    enabled(c);
    if ((int) c.r[1] != 0) {
      c.gp(0);
    }
    c.r[0] = c.xcr0 & 0xFFFF_FFFFL;
    c.r[2] = c.xcr0 >>> 32;
  }

  private static void xsetbv(MemOp o, Cpu c) {
    c.intercept(XSETBV_EXIT);
    enabled(c);
    long v = c.r[2] << 32 | c.r[0] & 0xFFFF_FFFFL;
    if (c.cpl != 0 || (int) c.r[1] != 0 || (v & 1) == 0 || (v & ~CpuState.XCR0_SUPPORTED) != 0) {
      c.gp(0);
    }
    c.xcr0 = v;
  }

  private static long area(MemOp o, Cpu c, boolean write) {
    enabled(c);
    if ((c.cr0 & CpuState.CR0_TS) != 0) {
      c.fault(7, -1);
    }
    long la = o.la(c, SIZE, write);
    if ((la & 63) != 0) {
      c.gp(0);
    }
    return la;
  }

  private static long requested(Cpu c) {
    return c.xcr0 & (c.r[2] << 32 | c.r[0] & 0xFFFF_FFFFL);
  }

  private static void xsave(MemOp o, Cpu c) {
    long la = area(o, c, true);
    c.probeWrite(la, SIZE);
    long mask = requested(c);
    if ((mask & 1) != 0) {
      X87Control.storeX87(c, la, o.insn.osize == 8);
    }
    if ((mask & 2) != 0) {
      X87Control.storeMxcsr(c, la);
      X87Control.storeXmm(c, la);
    }
    // Which components are in their initial state is not tracked: all count as in use.
    c.wr64(la + HEADER, c.rd64(la + HEADER) & ~mask | mask);
  }

  private static void xrstor(MemOp o, Cpu c) {
    long la = area(o, c, false);
    c.probeRead(la, SIZE);
    long present = c.rd64(la + HEADER);
    if ((present & ~c.xcr0) != 0 || c.rd64(la + HEADER + 8) != 0 || c.rd64(la + HEADER + 16) != 0) {
      c.gp(0);
    }
    long mask = requested(c);
    if ((mask & 2) != 0) {
      // MXCSR comes from memory whether the XMM registers do or not.
      c.mxcsr = X87Control.readMxcsr(c, la);
      if ((present & 2) != 0) {
        X87Control.loadXmm(c, la);
      } else {
        java.util.Arrays.fill(c.xmm, 0, c.mode64() ? 32 : 16, 0);
      }
    }
    if ((mask & 1) != 0) {
      if ((present & 1) != 0) {
        X87Control.loadX87(c, la, o.insn.osize == 8);
      } else {
        X87Control.reset(c);
        for (int i = 0; i < 8; i++) {
          c.fpMant[i] = 0;
          c.fpExp[i] = 0;
        }
      }
    }
  }
}
