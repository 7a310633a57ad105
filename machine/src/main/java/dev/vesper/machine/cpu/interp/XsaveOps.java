package dev.vesper.machine.cpu.interp;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.model.XsaveLayout;

/**
 * XCR0, protection-key rights, and the XSAVE family (AMD APM volume 4; XSETBV is intercepted before
 * any other check: spec sev-es-architecture 6.1).
 */
final class XsaveOps {
  private static final long COMPACTED = 1L << 63;
  private static final int MXCSR_RESET = 0x1F80;

  private XsaveOps() {}

  static void register(Families f) {
    f.add("xgetbv", XsaveOps::xgetbv);
    f.add("xsetbv", XsaveOps::xsetbv);
    f.add("xsave", (o, c) -> save(o, c, false));
    f.add("xsaveopt", (o, c) -> save(o, c, true));
    f.add("xsavec", XsaveOps::saveCompacted);
    f.add("xsaves", (o, c) -> supervisor(o, c, XsaveOps::saveCompacted));
    f.add("xrstor", (o, c) -> restore(o, c, false));
    f.add("xrstors", (o, c) -> supervisor(o, c, (p, q) -> restore(p, q, true)));
    f.add("rdpkru", XsaveOps::rdpkru);
    f.add("wrpkru", XsaveOps::wrpkru);
  }

  private static void enabled(Cpu c) {
    if ((c.cr4 & CpuState.CR4_OSXSAVE) == 0) {
      c.ud();
    }
  }

  private static void supervisor(MemOp o, Cpu c, Semantics s) {
    enabled(c);
    if (c.cpl != 0) {
      c.gp(0);
    }
    s.run(o, c);
  }

  private static void xgetbv(MemOp o, Cpu c) {
    enabled(c);
    int which = (int) c.r[1];
    if (which != 0 && !(which == 1 && c.features.has("xgetbv1"))) {
      c.gp(0);
    }
    // A changed MXCSR counts here, though not in what the XSAVE family stores.
    long mxcsr = c.mxcsr == MXCSR_RESET ? 0 : 1 << XsaveLayout.SSE;
    long v = which == 0 ? c.xcr0 : c.xcr0 & (inUse(c) | mxcsr);
    c.r[0] = v & 0xFFFF_FFFFL;
    c.r[2] = v >>> 32;
  }

  private static void xsetbv(MemOp o, Cpu c) {
    c.intercept(ExitCode.XSETBV);
    enabled(c);
    if (c.cpl != 0 || (int) c.r[1] != 0) {
      c.gp(0);
    }
    c.writeXcr0(edxEax(c));
  }

  private static long edxEax(Cpu c) {
    return c.r[2] << 32 | c.r[0] & 0xFFFF_FFFFL;
  }

  private static boolean zero(long[] v) {
    long all = 0;
    for (long x : v) {
      all |= x;
    }
    return all == 0;
  }

  /** {@return the components that are not in their initial state: XINUSE} */
  private static long inUse(Cpu c) {
    boolean x87 = c.fcw != 0x37F || c.fsw != 0 || c.ftop != 0 || c.fvalid != 0 || !zero(c.fpMant);
    return (x87 ? 1 : 0)
        | (zero(c.xmm) ? 0 : 1 << XsaveLayout.SSE)
        | (zero(c.ymmh) ? 0 : 1 << XsaveLayout.AVX)
        | (zero(c.k) ? 0 : 1 << XsaveLayout.OPMASK)
        | (zero(c.zmmh) ? 0 : 1 << XsaveLayout.ZMM_HI256)
        | (zero(c.zmm16) ? 0 : 1 << XsaveLayout.HI16_ZMM)
        | (c.pkru == 0 ? 0 : 1 << XsaveLayout.PKRU);
  }

  private static boolean has(long set, int component) {
    return (set >>> component & 1) != 0;
  }

  private static long area(MemOp o, Cpu c, int bytes, boolean write) {
    enabled(c);
    if ((c.cr0 & CpuState.CR0_TS) != 0) {
      c.fault(7, -1);
    }
    long la = o.la(c, bytes, write);
    if ((la & 63) != 0) {
      c.gp(0);
    }
    return la;
  }

  /** XSAVE and XSAVEOPT; the latter leaves out what is in its initial state. */
  private static void save(MemOp o, Cpu c, boolean optimised) {
    long wanted = c.xcr0 & edxEax(c);
    int bytes = XsaveLayout.standardBytes(wanted);
    long la = area(o, c, bytes, true);
    c.probeWrite(la, 1);
    c.probeWrite(la + bytes - 1, 1);
    long used = inUse(c);
    long stored = optimised ? wanted & used : wanted;
    storeLegacy(o, c, la, stored);
    if ((wanted & 6) != 0) {
      X87Control.storeMxcsr(c, la);
    }
    for (int i = XsaveLayout.AVX; i <= XsaveLayout.PKRU; i++) {
      if (has(stored, i)) {
        store(c, i, la + XsaveLayout.offset(i));
      }
    }
    long at = la + XsaveLayout.HEADER;
    c.wr64(at, c.rd64(at) & ~wanted | wanted & used);
  }

  private static void saveCompacted(MemOp o, Cpu c) {
    long wanted = c.xcr0 & edxEax(c);
    int bytes = XsaveLayout.compactBytes(wanted);
    long la = area(o, c, bytes, true);
    c.probeWrite(la, 1);
    c.probeWrite(la + bytes - 1, 1);
    long stored = wanted & inUse(c);
    if (has(wanted, XsaveLayout.SSE) && c.mxcsr != MXCSR_RESET) {
      stored |= 1 << XsaveLayout.SSE;
    }
    storeLegacy(o, c, la, stored);
    if (has(stored, XsaveLayout.SSE)) {
      X87Control.storeMxcsr(c, la);
    }
    for (int i = XsaveLayout.AVX; i <= XsaveLayout.PKRU; i++) {
      if (has(stored, i)) {
        store(c, i, la + XsaveLayout.compactOffset(wanted, i));
      }
    }
    c.wr64(la + XsaveLayout.HEADER, stored);
    c.wr64(la + XsaveLayout.HEADER + 8, wanted | COMPACTED);
  }

  private static void storeLegacy(MemOp o, Cpu c, long la, long stored) {
    if (has(stored, XsaveLayout.X87)) {
      X87Control.storeX87(c, la, o.insn.osize == 8);
    }
    if (has(stored, XsaveLayout.SSE)) {
      X87Control.storeXmm(c, la);
    }
  }

  private static int vectorQuads(Cpu c) {
    return c.mode64() ? 32 : 16;
  }

  private static long[] state(Cpu c, int component) {
    return switch (component) {
      case XsaveLayout.AVX -> c.ymmh;
      case XsaveLayout.OPMASK -> c.k;
      case XsaveLayout.ZMM_HI256 -> c.zmmh;
      case XsaveLayout.HI16_ZMM -> c.zmm16;
      default -> new long[0];
    };
  }

  /** {@return how many quadwords of a component the mode can reach} */
  private static int reachable(Cpu c, int component, int quads) {
    if (c.mode64() || component == XsaveLayout.OPMASK) {
      return quads;
    }
    return component == XsaveLayout.HI16_ZMM ? 0 : quads / 2;
  }

  private static void store(Cpu c, int component, long la) {
    if (component == XsaveLayout.PKRU) {
      c.wr64(la, c.pkru & 0xFFFF_FFFFL);
      return;
    }
    long[] v = state(c, component);
    for (int i = 0; i < reachable(c, component, v.length); i++) {
      c.wr64(la + 8L * i, v[i]);
    }
  }

  private static void load(Cpu c, int component, long la) {
    if (component == XsaveLayout.PKRU) {
      c.writePkru(c.rd32(la));
      return;
    }
    long[] v = state(c, component);
    for (int i = 0; i < reachable(c, component, v.length); i++) {
      v[i] = c.rd64(la + 8L * i);
    }
  }

  private static void initialise(Cpu c, int component) {
    if (component == XsaveLayout.PKRU) {
      c.writePkru(0);
    } else {
      long[] v = state(c, component);
      java.util.Arrays.fill(v, 0, reachable(c, component, v.length), 0);
    }
  }

  /** XRSTOR, and XRSTORS, which takes the compacted form only. */
  private static void restore(MemOp o, Cpu c, boolean onlyCompacted) {
    long la = area(o, c, XsaveLayout.LEGACY_BYTES, false);
    long at = la + XsaveLayout.HEADER;
    c.probeRead(la, 1);
    c.probeRead(at, 1);
    long present = c.rd64(at);
    long form = c.rd64(at + 8);
    boolean compacted = form < 0;
    boolean bad =
        compacted
            ? !c.features.has("xsavec")
                || (form & ~COMPACTED & ~c.xcr0) != 0
                || (present & ~(form & ~COMPACTED)) != 0
            : onlyCompacted || form != 0 || (present & ~c.xcr0) != 0;
    bad |= c.rd64(at + 16) != 0;
    for (int i = 24; i < 64 && compacted; i += 8) {
      bad |= c.rd64(at + i) != 0;
    }
    if (bad) {
      c.gp(0);
    }
    long wanted = c.xcr0 & edxEax(c);
    int bytes =
        compacted ? XsaveLayout.compactBytes(form & ~COMPACTED) : XsaveLayout.standardBytes(wanted);
    c.probeRead(la + bytes - 1, 1);
    restoreLegacy(o, c, la, wanted, present, compacted);
    for (int i = XsaveLayout.AVX; i <= XsaveLayout.PKRU; i++) {
      if (has(wanted & present, i)) {
        load(c, i, la + (compacted ? XsaveLayout.compactOffset(form, i) : XsaveLayout.offset(i)));
      } else if (has(wanted, i)) {
        initialise(c, i);
      }
    }
  }

  private static void restoreLegacy(
      MemOp o, Cpu c, long la, long wanted, long present, boolean compacted) {
    if (compacted ? has(wanted & present, XsaveLayout.SSE) : (wanted & 6) != 0) {
      c.mxcsr = X87Control.readMxcsr(c, la);
    } else if (has(wanted, XsaveLayout.SSE)) {
      c.mxcsr = MXCSR_RESET;
    }
    if (has(wanted & present, XsaveLayout.SSE)) {
      X87Control.loadXmm(c, la);
    } else if (has(wanted, XsaveLayout.SSE)) {
      java.util.Arrays.fill(c.xmm, 0, vectorQuads(c), 0);
    }
    if (has(wanted & present, XsaveLayout.X87)) {
      X87Control.loadX87(c, la, o.insn.osize == 8);
    } else if (has(wanted, XsaveLayout.X87)) {
      X87Control.reset(c);
      java.util.Arrays.fill(c.fpMant, 0);
      java.util.Arrays.fill(c.fpExp, 0);
    }
  }

  private static void protectionKeys(Cpu c) {
    if ((c.cr4 & CpuState.CR4_PKE) == 0) {
      c.ud();
    }
    if ((int) c.r[1] != 0) {
      c.gp(0);
    }
  }

  private static void rdpkru(MemOp o, Cpu c) {
    protectionKeys(c);
    c.r[0] = c.pkru & 0xFFFF_FFFFL;
    c.r[2] = 0;
  }

  private static void wrpkru(MemOp o, Cpu c) {
    protectionKeys(c);
    if ((int) c.r[2] != 0) {
      c.gp(0);
    }
    c.writePkru((int) c.r[0]);
  }
}
