package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;

/** x87 control, environments, FXSAVE and FXRSTOR. */
final class X87Control {
  private X87Control() {}

  static void register(Families f) {
    f.add("fnop", (o, c) -> X87.enter(o, c));
    f.add("fwait", X87Control::fwait);
    f.add("fninit", X87Control::fninit);
    f.add("fnclex", X87Control::fnclex);
    for (String n : new String[] {"fneni", "fndisi", "fnsetpm"}) {
      f.add(n, (o, c) -> available(c));
    }
    f.add("ffree", (o, c) -> ffree(o, c, false));
    f.add("ffreep", (o, c) -> ffree(o, c, true));
    f.add("fincstp", (o, c) -> rotate(o, c, 1));
    f.add("fdecstp", (o, c) -> rotate(o, c, -1));
    X87.add(f, "fldcw", X87Control::fldcw);
    f.add("fnstcw", X87Control::fnstcw);
    f.add("fnstsw", X87Control::fnstsw);
    f.add("fnstenv", X87Control::fnstenv);
    f.add("fldenv", X87Control::fldenv);
    f.add("fnsave", X87Control::fnsave);
    f.add("frstor", X87Control::frstor);
    f.add("fxsave", X87Control::fxsave);
    f.add("fxrstor", X87Control::fxrstor);
    f.add("emms", X87Control::emms);
  }

  private static void available(Cpu c) {
    if ((c.cr0 & (CpuState.CR0_EM | CpuState.CR0_TS)) != 0) {
      c.fault(7, -1);
    }
  }

  private static void fwait(MemOp o, Cpu c) {
    long both = CpuState.CR0_MP | CpuState.CR0_TS;
    if ((c.cr0 & both) == both) {
      c.fault(7, -1);
    }
    X87.pending(c);
  }

  static void reset(Cpu c) {
    c.fcw = 0x37F;
    c.fsw = 0;
    c.ftop = 0;
    c.fvalid = 0;
    c.fip = 0;
    c.fdp = 0;
    c.fcs = 0;
    c.fds = 0;
    c.fop = 0;
  }

  private static void fninit(MemOp o, Cpu c) {
    available(c);
    reset(c);
  }

  private static void fnclex(MemOp o, Cpu c) {
    available(c);
    c.fsw &= 0x7F00;
  }

  private static void emms(MemOp o, Cpu c) {
    MmxOps.enter(c);
    c.fvalid = 0;
    c.ftop = 0;
  }

  private static void ffree(MemOp o, Cpu c, boolean pop) {
    X87.enter(o, c);
    c.fvalid &= ~(1 << X87.phys(c, o.rm & 7));
    X87.c1(c, false);
    if (pop) {
      X87.pop(c);
    }
  }

  private static void rotate(MemOp o, Cpu c, int by) {
    X87.enter(o, c);
    c.ftop = c.ftop + by & 7;
    X87.c1(c, false);
  }

  /** Recomputes the summary bit after flags or masks changed. */
  private static void summary(Cpu c) {
    boolean pending = (c.fsw & ~c.fcw & 0x3F) != 0;
    c.fsw = pending ? c.fsw | X87.ES | X87.BUSY : c.fsw & ~(X87.ES | X87.BUSY);
  }

  private static void fldcw(MemOp o, Cpu c) {
    available(c);
    X87.pending(c);
    c.fcw = c.rd16(o.la(c, 2, false)) & 0x1F7F | 0x40;
    summary(c);
  }

  private static void fnstcw(MemOp o, Cpu c) {
    available(c);
    c.wr16(o.la(c, 2, true), c.fcw);
  }

  private static void setStatusWord(Cpu c, int v) {
    c.ftop = v >> 11 & 7;
    c.fsw = v & 0x477F;
    summary(c);
  }

  private static void fnstsw(MemOp o, Cpu c) {
    available(c);
    if (o.mem) {
      c.wr16(o.la(c, 2, true), c.x87Status());
    } else {
      c.setReg16(0, c.x87Status());
    }
  }

  private static void setTagWord(Cpu c, int t) {
    c.fvalid = 0;
    for (int i = 0; i < 8; i++) {
      if ((t >> 2 * i & 3) != 3) {
        c.fvalid |= 1 << i;
      }
    }
  }

  private static int environmentBytes(MemOp o) {
    return o.insn.osize == 2 ? 14 : 28;
  }

  private static void storeEnvironment(MemOp o, Cpu c, long la) {
    int n = o.insn.osize == 2 ? 2 : 4;
    long pad = n == 4 ? 0xFFFF_0000L : 0;
    c.wr(la, n, c.fcw | pad);
    c.wr(la + n, n, c.x87Status() | pad);
    c.wr(la + 2L * n, n, c.x87Tags(c.na) | pad);
    boolean real = !c.protectedMode() || c.v86();
    long ip = real ? c.fip + ((long) c.fcs << 4) : c.fip;
    long dp = real ? c.fdp + ((long) c.fds << 4) : c.fdp;
    if (n == 4) {
      if (real) {
        c.wr32(la + 12, (int) ip & 0xFFFF);
        c.wr32(la + 16, (int) (ip >>> 4) & 0xFFFF000 | c.fop);
        c.wr32(la + 20, (int) dp & 0xFFFF);
        c.wr32(la + 24, (int) (dp >>> 4) & 0xFFFF000);
      } else {
        c.wr32(la + 12, (int) ip);
        c.wr32(la + 16, c.fcs | c.fop << 16);
        c.wr32(la + 20, (int) dp);
        c.wr32(la + 24, c.fds | 0xFFFF_0000);
      }
    } else {
      c.wr16(la + 6, (int) ip);
      c.wr16(la + 8, real ? (int) (ip >>> 4) & 0xF000 | c.fop : c.fcs);
      c.wr16(la + 10, (int) dp);
      c.wr16(la + 12, real ? (int) (dp >>> 4) & 0xF000 : c.fds);
    }
  }

  private static void loadEnvironment(MemOp o, Cpu c, long la) {
    int n = o.insn.osize == 2 ? 2 : 4;
    int cw = c.rd16(la);
    int sw = c.rd16(la + n);
    int tw = c.rd16(la + 2L * n);
    if (n == 4) {
      c.fip = c.rd32(la + 12) & 0xFFFF_FFFFL;
      int cs = c.rd32(la + 16);
      c.fcs = cs & 0xFFFF;
      c.fop = cs >>> 16 & 0x7FF;
      c.fdp = c.rd32(la + 20) & 0xFFFF_FFFFL;
      c.fds = c.rd32(la + 24) & 0xFFFF;
    } else {
      c.fip = c.rd16(la + 6);
      c.fcs = c.rd16(la + 8);
      c.fdp = c.rd16(la + 10);
      c.fds = c.rd16(la + 12);
      c.fop = 0;
    }
    c.fcw = cw & 0x1F7F | 0x40;
    setTagWord(c, tw);
    setStatusWord(c, sw);
  }

  private static void fnstenv(MemOp o, Cpu c) {
    available(c);
    long la = o.la(c, environmentBytes(o), true);
    c.probeWrite(la, environmentBytes(o));
    storeEnvironment(o, c, la);
    c.fcw |= 0x3F;
    summary(c);
  }

  private static void fldenv(MemOp o, Cpu c) {
    available(c);
    X87.pending(c);
    long la = o.la(c, environmentBytes(o), false);
    c.probeRead(la, environmentBytes(o));
    loadEnvironment(o, c, la);
  }

  private static void fnsave(MemOp o, Cpu c) {
    available(c);
    int env = environmentBytes(o);
    long la = o.la(c, env + 80, true);
    c.probeWrite(la, env + 80);
    storeEnvironment(o, c, la);
    for (int i = 0; i < 8; i++) {
      int p = X87.phys(c, i);
      c.wr64(la + env + 10L * i, c.fpMant[p]);
      c.wr16(la + env + 10L * i + 8, c.fpExp[p]);
    }
    reset(c);
  }

  private static void frstor(MemOp o, Cpu c) {
    available(c);
    X87.pending(c);
    int env = environmentBytes(o);
    long la = o.la(c, env + 80, false);
    c.probeRead(la, env + 80);
    loadEnvironment(o, c, la);
    for (int i = 0; i < 8; i++) {
      int p = X87.phys(c, i);
      c.fpMant[p] = c.rd64(la + env + 10L * i);
      c.fpExp[p] = c.rd16(la + env + 10L * i + 8);
    }
  }

  private static long fxArea(MemOp o, Cpu c, boolean write) {
    available(c);
    long la = o.la(c, 512, write);
    if ((la & 15) != 0) {
      c.gp(0);
    }
    return la;
  }

  /** {@return whether XMM registers take part: not with FFXSR in 64-bit mode at CPL 0} */
  private static boolean withXmm(Cpu c) {
    return (c.efer & CpuState.EFER_FFXSR) == 0 || !c.mode64() || c.cpl != 0;
  }

  private static void fxsave(MemOp o, Cpu c) {
    long la = fxArea(o, c, true);
    // The end first, as AMD processors do.
    c.probeWrite(la + 511, 1);
    c.probeWrite(la, 1);
    storeX87(c, la, o.insn.osize == 8);
    storeMxcsr(c, la);
    if (withXmm(c)) {
      storeXmm(c, la);
    }
  }

  /** Stores the x87 part of an FXSAVE or XSAVE area. */
  static void storeX87(Cpu c, long la, boolean wide) {
    c.wr16(la, c.fcw);
    c.wr16(la + 2, c.x87Status());
    c.wr8(la + 4, c.fvalid);
    c.wr8(la + 5, 0);
    // AMD processors show the pointers only while an exception is pending; where CPUID does not
    // say that error pointers are always saved, the area keeps what it has in their place.
    boolean pointers = (c.fsw & X87.ES) != 0;
    storeRegisters(c, la);
    if (!pointers && !c.features.has("xsaveerptr")) {
      return;
    }
    c.wr16(la + 6, pointers ? c.fop : 0);
    long ip = pointers ? c.fip : 0;
    long dp = pointers ? c.fdp : 0;
    if (wide) {
      c.wr64(la + 8, ip);
      c.wr64(la + 16, dp);
    } else {
      c.wr64(la + 8, ip & 0xFFFF_FFFFL | (pointers ? (long) c.fcs << 32 : 0));
      c.wr64(la + 16, dp & 0xFFFF_FFFFL | (pointers ? (long) c.fds << 32 : 0));
    }
  }

  private static void storeRegisters(Cpu c, long la) {
    for (int i = 0; i < 8; i++) {
      int p = X87.phys(c, i);
      c.wr64(la + 32 + 16L * i, c.fpMant[p]);
      c.wr64(la + 40 + 16L * i, c.fpExp[p] & 0xFFFFL);
    }
  }

  /** Stores MXCSR and its mask. */
  static void storeMxcsr(Cpu c, long la) {
    c.wr32(la + 24, c.mxcsr);
    c.wr32(la + 28, SseArithmetic.mxcsrMask(c));
  }

  /** Stores the XMM registers that the mode has. */
  static void storeXmm(Cpu c, long la) {
    for (int i = 0; i < (c.mode64() ? 32 : 16); i++) {
      c.wr64(la + 160 + 8L * i, c.xmm[i]);
    }
  }

  private static void fxrstor(MemOp o, Cpu c) {
    long la = fxArea(o, c, false);
    c.probeRead(la + 511, 1);
    c.probeRead(la, 1);
    int mx = readMxcsr(c, la);
    loadX87(c, la, o.insn.osize == 8);
    c.mxcsr = mx;
    if (withXmm(c)) {
      loadXmm(c, la);
    }
  }

  /** {@return MXCSR of an area} Reserved bits raise #GP. */
  static int readMxcsr(Cpu c, long la) {
    int mx = c.rd32(la + 24);
    if ((mx & ~SseArithmetic.mxcsrMask(c)) != 0) {
      c.gp(0);
    }
    return mx;
  }

  /** Loads the x87 part of an area. */
  static void loadX87(Cpu c, long la, boolean wide) {
    c.fcw = c.rd16(la) & 0x1F7F | 0x40;
    int sw = c.rd16(la + 2);
    c.fvalid = c.rd8(la + 4);
    c.fop = c.rd16(la + 6) & 0x7FF;
    if (wide) {
      c.fip = c.madeCanonical(c.rd64(la + 8));
      c.fdp = c.madeCanonical(c.rd64(la + 16));
      c.fcs = 0;
      c.fds = 0;
    } else {
      c.fip = c.rd32(la + 8) & 0xFFFF_FFFFL;
      c.fdp = c.rd32(la + 16) & 0xFFFF_FFFFL;
      c.fcs = c.rd16(la + 12);
      c.fds = c.rd16(la + 20);
    }
    setStatusWord(c, sw);
    for (int i = 0; i < 8; i++) {
      int p = X87.phys(c, i);
      c.fpMant[p] = c.rd64(la + 32 + 16L * i);
      c.fpExp[p] = c.rd16(la + 40 + 16L * i);
    }
  }

  /** Loads the XMM registers that the mode has. */
  static void loadXmm(Cpu c, long la) {
    for (int i = 0; i < (c.mode64() ? 32 : 16); i++) {
      c.xmm[i] = c.rd64(la + 160 + 8L * i);
    }
  }
}
