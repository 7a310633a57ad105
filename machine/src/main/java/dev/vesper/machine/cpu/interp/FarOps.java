package dev.vesper.machine.cpu.interp;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Segmentation;

/** Far transfers, software interrupts, system calls and segment loads. */
final class FarOps {
  private FarOps() {}

  static void register(Families f) {
    f.transfer("jmpf", (o, c) -> far(o, c, false));
    f.transfer("callf", (o, c) -> far(o, c, true));
    f.transfer("retf", FarOps::retf);
    f.transfer("iret", FarOps::iret);
    f.transfer("int", FarOps::intN);
    f.transfer("int3", (o, c) -> software(o, c, 3, true));
    f.transfer("int1", FarOps::int1);
    f.transfer("into", FarOps::into);
    f.transfer("syscall", (o, c) -> c.syscall(o.nextRip(c)));
    f.transfer("sysret", (o, c) -> c.sysret(o.insn.osize));
    f.transfer("sysenter", (o, c) -> c.sysenter());
    f.transfer("sysexit", (o, c) -> c.sysexit());
    f.add("les", (o, c) -> loadFar(o, c, CpuState.ES));
    f.add("lds", (o, c) -> loadFar(o, c, CpuState.DS));
    f.add("lss", (o, c) -> loadFar(o, c, CpuState.SS));
    f.add("lfs", (o, c) -> loadFar(o, c, CpuState.FS));
    f.add("lgs", (o, c) -> loadFar(o, c, CpuState.GS));
    f.add("lar", FarOps::lar);
    f.add("lsl", FarOps::lsl);
    f.add("verr", (o, c) -> verify(o, c, false));
    f.add("verw", (o, c) -> verify(o, c, true));
    f.add("arpl", FarOps::arpl);
    f.add("sldt", (o, c) -> storeSelector(o, c, CpuState.LDTR));
    f.add("str", (o, c) -> storeSelector(o, c, CpuState.TR));
    f.add("lldt", FarOps::lldt);
    f.add("ltr", FarOps::ltr);
  }

  /**
   * Offset bytes of a far pointer in memory: with REX.W AMD processors still take 32 bits. A host
   * that emulates the instruction since the pointer lies in a device takes 64, as KVM does.
   */
  private static int pointerBytes(MemOp o, Cpu c) {
    return o.insn.osize == 8 && c.bus == null ? 4 : o.insn.osize;
  }

  private static void far(MemOp o, Cpu c, boolean call) {
    int n = o.insn.osize;
    long ip;
    int sel;
    if (o.insn.modrm >= 0) {
      int k = pointerBytes(o, c);
      long la = o.la(c, k + 2, false);
      ip = c.rd(la, k);
      sel = (int) c.rd(la + k, 2);
    } else {
      ip = o.insn.imm & (n == 2 ? 0xFFFFL : 0xFFFF_FFFFL);
      sel = o.insn.imm2;
    }
    c.rip = o.thisRip(c);
    if (call) {
      c.callFar(sel, ip, n, o.nextRip(c));
    } else {
      c.jumpFar(sel, ip, n, o.nextRip(c));
    }
  }

  private static void retf(MemOp o, Cpu c) {
    c.returnFar(o.insn.osize, (int) o.insn.imm & 0xFFFF);
  }

  private static void iret(MemOp o, Cpu c) {
    c.intercept(ExitCode.IRET);
    c.interruptReturn(o.insn.osize, o.nextRip(c));
    if (c.observer != null) {
      c.observer.onReturn(c);
    }
  }

  private static void intN(MemOp o, Cpu c) {
    c.intercept(ExitCode.SWINT);
    int vector = (int) o.insn.imm & 0xFF;
    c.rip = o.thisRip(c);
    if (!c.redirectedInterrupt(vector, o.nextRip(c))) {
      software(o, c, vector, false);
    }
  }

  private static void into(MemOp o, Cpu c) {
    if (c.of()) {
      software(o, c, 4, true);
    } else {
      c.rip = o.nextRip(c);
    }
  }

  private static void int1(MemOp o, Cpu c) {
    c.intercept(ExitCode.ICEBP);
    long next = o.nextRip(c);
    c.rip = next;
    c.raise(1, -1, false);
  }

  private static void software(MemOp o, Cpu c, int vector, boolean exception) {
    if (exception && (c.intercepts.exceptions >>> vector & 1) != 0) {
      c.exit(ExitCode.EXCP0 + vector, 0, 0);
    }
    c.rip = o.nextRip(c);
    // A fault on the way is one of the INT instruction itself: the run loop puts RIP back.
    c.deliverSoftware(vector, o.thisRip(c));
  }

  private static void loadFar(MemOp o, Cpu c, int seg) {
    int n = o.insn.osize;
    int k = pointerBytes(o, c);
    long la = o.la(c, k + 2, false);
    long off = c.rd(la, k);
    int sel = (int) c.rd(la + k, 2);
    c.loadSegment(seg, sel);
    c.setReg(o.reg, n, off);
  }

  private static void requireProtected(Cpu c) {
    if (!c.protectedMode() || c.v86()) {
      c.ud();
    }
  }

  private static void setZf(Cpu c, boolean z) {
    c.setArith(c.flags() & ~CpuState.ZF | (z ? CpuState.ZF : 0));
  }

  private static boolean visible(Cpu c, int sel, int attr) {
    boolean conforming = (attr & 0x1C) == 0x1C;
    return conforming || (attr >> 5 & 3) >= Math.max(c.cpl, sel & 3);
  }

  private static void lar(MemOp o, Cpu c) {
    requireProtected(c);
    int sel = (int) o.readRm(c, 2);
    long d = c.queryDescriptor(sel);
    int a = Segmentation.attributesOf(d);
    int type = a & 0x1F;
    boolean known =
        type >= 16
            || (c.longMode()
                ? type == 2 || type == 9 || type == 11 || type == 12
                : type == 1
                    || type == 2
                    || type == 3
                    || type == 4
                    || type == 5
                    || type == 9
                    || type == 11
                    || type == 12);
    boolean ok = d != 0 && known && visible(c, sel, a);
    if (ok) {
      o.writeReg(c, o.insn.osize, d >>> 32 & 0xFFFF00);
    }
    setZf(c, ok);
  }

  private static void lsl(MemOp o, Cpu c) {
    requireProtected(c);
    int sel = (int) o.readRm(c, 2);
    long d = c.queryDescriptor(sel);
    int a = Segmentation.attributesOf(d);
    int type = a & 0x1F;
    boolean known =
        type >= 16
            || type == 2
            || type == 9
            || type == 11
            || !c.longMode() && (type == 1 || type == 3);
    boolean ok = d != 0 && known && visible(c, sel, a);
    if (ok) {
      o.writeReg(c, o.insn.osize, Segmentation.limitOfDescriptor(d));
    }
    setZf(c, ok);
  }

  private static void verify(MemOp o, Cpu c, boolean write) {
    requireProtected(c);
    int sel = (int) o.readRm(c, 2);
    long d = c.queryDescriptor(sel);
    int a = Segmentation.attributesOf(d);
    boolean code = (a & 8) != 0;
    boolean rw = (a & 2) != 0;
    boolean can = write ? !code && rw : !code || rw;
    setZf(c, d != 0 && (a & 0x10) != 0 && can && visible(c, sel, a));
  }

  private static void arpl(MemOp o, Cpu c) {
    requireProtected(c);
    // Unlike other read-modify-write instructions it asks for the right to write only to write.
    int a = (int) o.readRm(c, 2);
    int b = (int) o.readReg(c, 2);
    boolean less = (a & 3) < (b & 3);
    if (less) {
      o.writeRm(c, 2, a & ~3 | b & 3);
    }
    setZf(c, less);
  }

  private static void storeSelector(MemOp o, Cpu c, int seg) {
    requireProtected(c);
    SystemOps.userModeInstructionPrevention(c);
    c.intercept(seg == CpuState.LDTR ? ExitCode.LDTR_READ : ExitCode.TR_READ);
    o.writeRm(c, o.mem ? 2 : o.insn.osize, c.selector[seg]);
  }

  private static void requireRing0(Cpu c) {
    requireProtected(c);
    if (c.cpl != 0) {
      c.gp(0);
    }
  }

  private static void lldt(MemOp o, Cpu c) {
    requireRing0(c);
    c.intercept(ExitCode.LDTR_WRITE);
    c.loadLdt((int) o.readRm(c, 2));
  }

  private static void ltr(MemOp o, Cpu c) {
    requireRing0(c);
    c.intercept(ExitCode.TR_WRITE);
    c.loadTaskRegister((int) o.readRm(c, 2));
  }
}
