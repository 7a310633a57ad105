package dev.vesper.machine.cpu.interp;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Signal;
import dev.vesper.x86.Msr;
import org.jspecify.annotations.Nullable;

/**
 * Privileged and virtualisation-sensitive instructions. The order of checks against intercepts is
 * that of spec sev-es-architecture 6.1.
 */
final class SystemOps {
  private SystemOps() {}

  static void register(Families f) {
    f.leave("cpuid", (o, c) -> c.leaving(ExitCode.CPUID, 0, 0));
    f.add("rdtsc", SystemOps::rdtsc);
    f.add("rdtscp", SystemOps::rdtscp);
    f.add("rdpmc", SystemOps::rdpmc);
    f.leave("rdmsr", SystemOps::rdmsr);
    f.leave("wrmsr", SystemOps::wrmsr);
    f.add("rdrand", SystemOps::rdrand);
    f.add("rdseed", SystemOps::rdrand);
    f.add("hlt", SystemOps::hlt);
    f.add("pause", SystemOps::pause);
    f.add("cli", (o, c) -> c.setInterruptFlag(false));
    f.add("sti", (o, c) -> c.setInterruptFlag(true));
    f.add("clts", SystemOps::clts);
    f.add("lmsw", SystemOps::lmsw);
    f.add("smsw", SystemOps::smsw);
    f.add("invd", (o, c) -> cache(c, ExitCode.INVD));
    f.add("wbinvd", (o, c) -> cache(c, ExitCode.WBINVD));
    f.add("wbnoinvd", (o, c) -> cache(c, ExitCode.WBINVD));
    f.add("clwb", SystemOps::writeBack);
    f.add("clzero", SystemOps::clearLine);
    f.add("invpcid", SystemOps::invpcid);
    f.add("stac", (o, c) -> alignmentCheck(c, true));
    f.add("clac", (o, c) -> alignmentCheck(c, false));
    f.add("rdpid", (o, c) -> c.setReg(o.rm, c.mode64() ? 8 : 4, c.tscAux));
    f.add("rdpru", SystemOps::rdpru);
    f.add("invlpg", SystemOps::invlpg);
    f.add("lgdt", (o, c) -> loadTable(o, c, true));
    f.add("lidt", (o, c) -> loadTable(o, c, false));
    f.add("sgdt", (o, c) -> storeTable(o, c, true));
    f.add("sidt", (o, c) -> storeTable(o, c, false));
    f.add("swapgs", SystemOps::swapgs);
    f.add("rdfsbase", (o, c) -> readBase(o, c, CpuState.FS));
    f.add("rdgsbase", (o, c) -> readBase(o, c, CpuState.GS));
    f.add("wrfsbase", (o, c) -> writeBase(o, c, CpuState.FS));
    f.add("wrgsbase", (o, c) -> writeBase(o, c, CpuState.GS));
    f.add("monitor", (o, c) -> monitor(o, c, false));
    f.add("mwait", (o, c) -> mwait(c, false));
    f.add("monitorx", (o, c) -> monitor(o, c, true));
    f.add("mwaitx", (o, c) -> mwait(c, true));
    f.leave("vmmcall", SystemOps::vmmcall);
    f.leave("vmgexit", SystemOps::vmgexit);
    svm(f, "vmrun", ExitCode.VMRUN);
    svm(f, "vmload", ExitCode.VMLOAD);
    svm(f, "vmsave", ExitCode.VMSAVE);
    svm(f, "stgi", ExitCode.STGI);
    svm(f, "clgi", ExitCode.CLGI);
    svm(f, "skinit", ExitCode.SKINIT);
    svm(f, "invlpga", ExitCode.INVLPGA);
    f.add("rsm", SystemOps::rsm);
    f.add("ud0", (o, c) -> c.ud());
    f.add("ud1", (o, c) -> c.ud());
    f.add("ud2", (o, c) -> c.ud());
  }

  private static void svm(Families f, String name, int code) {
    f.add(
        name,
        (o, c) -> {
          // Nested virtualisation is not offered: without an intercept the instruction is
          // undefined.
          if ((c.efer & CpuState.EFER_SVME) == 0 || !c.protectedMode()) {
            c.ud();
          }
          ring0(c);
          c.intercept(code);
          c.ud();
        });
  }

  static void ring0(Cpu c) {
    if (c.cpl != 0) {
      c.gp(0);
    }
  }

  private static void rsm(MemOp o, Cpu c) {
    c.intercept(ExitCode.RSM);
    c.ud();
  }

  private static void rdtsc(MemOp o, Cpu c) {
    if ((c.cr4 & CpuState.CR4_TSD) != 0) {
      ring0(c);
    }
    c.intercept(ExitCode.RDTSC);
    long t = c.tsc();
    c.r[0] = t & 0xFFFF_FFFFL;
    c.r[2] = t >>> 32;
  }

  private static void rdtscp(MemOp o, Cpu c) {
    if ((c.cr4 & CpuState.CR4_TSD) != 0) {
      ring0(c);
    }
    c.intercept(ExitCode.RDTSCP);
    long t = c.tsc();
    c.r[0] = t & 0xFFFF_FFFFL;
    c.r[2] = t >>> 32;
    c.r[1] = c.tscAux;
  }

  private static void rdpmc(MemOp o, Cpu c) {
    if ((c.cr4 & CpuState.CR4_PCE) == 0) {
      ring0(c);
    }
    c.intercept(ExitCode.RDPMC);
    c.gp(0);
  }

  private static @Nullable Signal rdmsr(MemOp o, Cpu c) {
    ring0(c);
    int msr = (int) c.r[1];
    // SEV_STATUS cannot be intercepted.
    if (msr != Msr.SEV_STATUS && c.intercepts.wantsMsr(msr, false)) {
      return c.leaving(ExitCode.MSR, 0, 0);
    }
    long v = c.readMsr(msr);
    c.r[0] = v & 0xFFFF_FFFFL;
    c.r[2] = v >>> 32;
    return null;
  }

  private static @Nullable Signal wrmsr(MemOp o, Cpu c) {
    ring0(c);
    int msr = (int) c.r[1];
    if (msr != Msr.SEV_STATUS && c.intercepts.wantsMsr(msr, true)) {
      return c.leaving(ExitCode.MSR, 1, 0);
    }
    c.writeMsr(msr, c.r[2] << 32 | c.r[0] & 0xFFFF_FFFFL);
    return null;
  }

  private static void rdrand(MemOp o, Cpu c) {
    c.setReg(o.rm, o.insn.osize, c.nextRandom());
    c.setArith(CpuState.CF);
  }

  private static void hlt(MemOp o, Cpu c) {
    ring0(c);
    if (c.intercepts.wants(ExitCode.HLT)) {
      c.exitAfter(ExitCode.HLT, 0, 0);
    }
    throw new dev.vesper.machine.cpu.Unimplemented("HLT that no host intercepts");
  }

  private static void pause(MemOp o, Cpu c) {
    if (c.intercepts.wants(ExitCode.PAUSE)) {
      c.exitAfter(ExitCode.PAUSE, 0, 0);
    }
  }

  private static void crIntercept(Cpu c, int number, boolean write) {
    int bit = number + (write ? 16 : 0);
    if ((c.intercepts.cr >>> bit & 1) != 0) {
      c.exit(bit, 0, 0);
    }
  }

  private static void clts(MemOp o, Cpu c) {
    ring0(c);
    crIntercept(c, 0, true);
    c.writeCr0(c.cr0 & ~CpuState.CR0_TS);
  }

  private static void lmsw(MemOp o, Cpu c) {
    ring0(c);
    crIntercept(c, 0, true);
    long v = o.readRm(c, 2);
    // LMSW can set PE but not clear it.
    c.writeCr0(c.cr0 & ~0xEL | v & 0xF);
  }

  /** UMIP keeps what describes the system from user code. */
  static void userModeInstructionPrevention(Cpu c) {
    if (c.cpl != 0 && (c.cr4 & CpuState.CR4_UMIP) != 0) {
      c.gp(0);
    }
  }

  private static void smsw(MemOp o, Cpu c) {
    userModeInstructionPrevention(c);
    crIntercept(c, 0, false);
    o.writeRm(c, o.mem ? 2 : o.insn.osize, c.cr0);
  }

  private static void cache(Cpu c, int code) {
    ring0(c);
    c.intercept(code);
  }

  private static void invlpg(MemOp o, Cpu c) {
    ring0(c);
    c.intercept(ExitCode.INVLPG);
    long a = o.ea(c);
    if (o.segKind != 0) {
      a = a + c.segBase[o.seg] & c.linearMask();
    }
    c.flushTlbPage(a);
  }

  private static void loadTable(MemOp o, Cpu c, boolean gdt) {
    ring0(c);
    c.intercept(gdt ? ExitCode.GDTR_WRITE : ExitCode.IDTR_WRITE);
    boolean wide = c.mode64();
    int n = wide ? 8 : 4;
    long la = o.la(c, n + 2, false);
    int limit = c.rd16(la);
    long base = c.rd(la + 2, n);
    if (wide && !c.canonicalBase(base)) {
      c.gp(0);
    }
    if (!wide && o.insn.osize == 2) {
      base &= 0xFF_FFFF;
    }
    if (gdt) {
      c.gdtLimit = limit;
      c.gdtBase = base;
    } else {
      c.idtLimit = limit;
      c.idtBase = base;
    }
  }

  private static void storeTable(MemOp o, Cpu c, boolean gdt) {
    userModeInstructionPrevention(c);
    c.intercept(gdt ? ExitCode.GDTR_READ : ExitCode.IDTR_READ);
    int n = c.mode64() ? 8 : 4;
    long la = o.la(c, n + 2, true);
    c.probeWrite(la, n + 2);
    c.wr16(la, gdt ? c.gdtLimit : c.idtLimit);
    c.wr(la + 2, n, gdt ? c.gdtBase : c.idtBase);
  }

  private static void swapgs(MemOp o, Cpu c) {
    ring0(c);
    long t = c.segBase[CpuState.GS];
    c.segBase[CpuState.GS] = c.kernelGsBase;
    c.kernelGsBase = t;
  }

  private static void requireFsGsBase(Cpu c) {
    if ((c.cr4 & CpuState.CR4_FSGSBASE) == 0) {
      c.ud();
    }
  }

  private static void readBase(MemOp o, Cpu c, int seg) {
    requireFsGsBase(c);
    c.setReg(o.rm, o.insn.osize == 8 ? 8 : 4, c.segBase[seg]);
  }

  private static void writeBase(MemOp o, Cpu c, int seg) {
    requireFsGsBase(c);
    long v = c.reg(o.rm, o.insn.osize == 8 ? 8 : 4);
    if (!c.canonicalBase(v)) {
      c.gp(0);
    }
    c.segBase[seg] = v;
  }

  /**
   * MONITOR and MONITORX: rAX is a linear address, ECX must hold no extension. What they watch is
   * of no consequence, since MWAIT may end at any time.
   *
   * @param user the instruction is for every privilege
   */
  private static void monitor(MemOp o, Cpu c, boolean user) {
    if (c.cpl != 0 && !user) {
      c.ud();
    }
    if ((int) c.r[1] != 0) {
      c.gp(0);
    }
    c.intercept(ExitCode.MONITOR);
    int seg = o.insn.segOverride >= 0 ? o.insn.segOverride : CpuState.DS;
    c.rd8(implicit(o, c, seg, 1, false));
  }

  private static void mwait(Cpu c, boolean user) {
    if (c.cpl != 0 && !user) {
      c.ud();
    }
    // Bit 0 lets masked interrupts end the wait; MWAITX has a timer in bit 1.
    if (((int) c.r[1] & (user ? ~3 : ~1)) != 0) {
      c.gp(0);
    }
    c.intercept(ExitCode.MWAIT);
  }

  /** {@return the linear address of an operand at rAX} */
  static long implicit(MemOp o, Cpu c, int seg, int bytes, boolean write) {
    int kind = MemOp.segmentKind(seg, c.codeMode());
    long a = c.r[0] & o.mask();
    return kind == 0 ? a : c.linear(kind, seg, a, bytes, write);
  }

  /** CLWB: nothing is cached, but the address is checked as that of a load. */
  private static void writeBack(MemOp o, Cpu c) {
    c.rd8(o.la(c, 1, false));
  }

  /** CLZERO: the 64-byte line of rAX becomes zero. */
  private static void clearLine(MemOp o, Cpu c) {
    int seg = o.insn.segOverride >= 0 ? o.insn.segOverride : CpuState.DS;
    long la = implicit(o, c, seg, 1, true) & -64L;
    c.probeWrite(la, 64);
    for (int i = 0; i < 64; i += 8) {
      c.wr64(la + i, 0);
    }
  }

  /** INVPCID: more than is asked for may be flushed. */
  private static void invpcid(MemOp o, Cpu c) {
    ring0(c);
    if (c.intercepts.wants(ExitCode.INVPCID)) {
      c.exit(ExitCode.INVPCID, 0, 0);
    }
    long type = c.reg(o.reg, c.mode64() ? 8 : 4);
    long la = o.la(c, 16, false);
    long pcid = c.rd64(la);
    long address = c.rd64(la + 8);
    if (Long.compareUnsigned(type, 3) > 0
        || type < 2 && (pcid >>> 12 != 0 || pcid != 0 && (c.cr4 & CpuState.CR4_PCIDE) == 0)
        || type == 0 && !c.canonicalBase(address)) {
      c.gp(0);
    }
    if (type == 0) {
      c.flushTlbPage(address);
    } else {
      c.flushTlb(type == 2);
    }
  }

  private static void alignmentCheck(Cpu c, boolean on) {
    if (c.cpl != 0) {
      c.ud();
    }
    c.eflags = on ? c.eflags | CpuState.AC : c.eflags & ~CpuState.AC;
    c.modeChanged();
  }

  /** RDPRU: ECX 0 is MPERF, 1 is APERF; further registers read as zero with CF clear. */
  private static void rdpru(MemOp o, Cpu c) {
    if ((c.cr4 & CpuState.CR4_TSD) != 0 && c.cpl != 0) {
      c.ud();
    }
    c.intercept(ExitCode.RDPRU);
    boolean known = Integer.compareUnsigned((int) c.r[1], 1) <= 0;
    long v = known ? c.cycles() : 0;
    c.r[0] = v & 0xFFFF_FFFFL;
    c.r[2] = v >>> 32;
    c.setArith(known ? CpuState.CF : 0);
  }

  private static Signal vmmcall(MemOp o, Cpu c) {
    return c.intercepts.wants(ExitCode.VMMCALL) ? c.leaving(ExitCode.VMMCALL, 0, 0) : c.ud();
  }

  private static Signal vmgexit(MemOp o, Cpu c) {
    // Outside an SEV-ES guest the prefix means nothing.
    return c.intercepts.es ? c.leavingAfter(ExitCode.VMGEXIT, 0, 0) : vmmcall(o, c);
  }

  /** MOV to and from CR0..CR8. */
  static void movCr(MemOp o, Cpu c, boolean write) {
    // LOCK before an access to CR0 means CR8: it has no other encoding outside 64-bit mode.
    boolean cr8 = o.insn.lock && o.reg == 0 && c.features.has("cr8legacy");
    if (o.insn.lock && !cr8) {
      c.ud();
    }
    int n = cr8 ? 8 : o.reg;
    if (n != 0 && n != 2 && n != 3 && n != 4 && n != 8) {
      c.ud();
    }
    ring0(c);
    crIntercept(c, n, write);
    int bytes = c.mode64() ? 8 : 4;
    if (!write) {
      long v =
          switch (n) {
            case 0 -> c.cr0;
            case 2 -> c.cr2;
            case 3 -> c.cr3;
            case 4 -> c.cr4;
            default -> c.cr8;
          };
      c.setReg(o.rm, bytes, v);
      return;
    }
    long v = c.reg(o.rm, bytes);
    switch (n) {
      case 0 -> c.writeCr0(v);
      case 2 -> c.cr2 = v;
      case 3 -> c.writeCr3(v);
      case 4 -> c.writeCr4(v);
      default -> c.writeCr8(v);
    }
  }

  /** MOV to and from DR0..DR7. */
  static void movDr(MemOp o, Cpu c, boolean write) {
    int n = o.reg;
    if (n > 7) {
      c.ud();
    }
    ring0(c);
    if ((c.intercepts.dr >>> n + (write ? 16 : 0) & 1) != 0) {
      c.exit((write ? ExitCode.DR0_WRITE : ExitCode.DR0_READ) + n, 0, 0);
    }
    int bytes = c.mode64() ? 8 : 4;
    if (write) {
      c.writeDr(n, c.reg(o.rm, bytes));
    } else {
      c.setReg(o.rm, bytes, c.readDr(n));
    }
  }

  /** MOV to and from segment registers. */
  static void movSegment(MemOp o, Cpu c, boolean load) {
    int seg = o.reg & 7;
    if (seg > 5 || load && seg == CpuState.CS) {
      c.ud();
    }
    if (load) {
      c.loadSegment(seg, (int) o.readRm(c, 2) & 0xFFFF);
      c.loadedStackSegment(seg);
    } else {
      o.writeRm(c, o.mem ? 2 : o.insn.osize, c.selector[seg]);
    }
  }
}
