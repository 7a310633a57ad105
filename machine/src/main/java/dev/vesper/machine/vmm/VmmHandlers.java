package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.model.XsaveLayout;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.Outcome;

/** What vmm(4) does at exits, and vmd(8) behind it (spec: openbsd sections 3.3 and 4.4). */
final class VmmHandlers implements Handlers {
  private static final int DB = 1;
  private static final int GP = 13;
  private static final int UD = 6;
  private static final int SHADOW_EFER = Vmcb.SAVE_AREA + VmsaField.EFER.offset;
  private static final int SHADOW_CR0 = Vmcb.SAVE_AREA + VmsaField.CR0.offset;
  private static final int SHADOW_CR4 = Vmcb.SAVE_AREA + VmsaField.CR4.offset;
  private static final long SVME = 0x1000;

  /** RAX of the hypercall by which a guest ends itself: HVCALL_FORCED_ABORT. */
  private static final long FORCED_ABORT = 0x1234;

  private final Hypervisor host;
  private final OpenBsdProfile profile;
  private final VmmCpuid cpuid;
  private final VmmMsrs msrs;
  private final VmmGhcb ghcb;

  VmmHandlers(Hypervisor host, OpenBsdProfile profile) {
    this.host = host;
    this.profile = profile;
    cpuid = new VmmCpuid(profile, host.model, host.mode);
    long booted = host.platform.startSeconds();
    msrs = new VmmMsrs(profile, this, cpuid.knowsTscFrequency(), booted);
    ghcb = new VmmGhcb(host, profile, this);
  }

  @Override
  public void created(HostVcpu v) {
    // vmm leaves the GHCB MSR zero: no unsolicited SEV information.
    v.cpu.vmcb().set(Vmcb.GHCB_GPA, 0);
  }

  @Override
  public void entering(HostVcpu v) {
    msrs.update(v);
  }

  @Override
  public long ghcb(long msr) {
    return ghcb.page(msr);
  }

  @Override
  public void vmgexit(HostVcpu v) {
    ghcb.vmgexit(v);
  }

  @Override
  public void released(HostVcpu v) {
    throw new AssertionError("vmm has no AP reset hold");
  }

  @Override
  public String haltedForGood() {
    return "guest halted with interrupts disabled before it ever enabled them: vmm(4) answers EIO"
        + " and vmd(8) ends the VM";
  }

  /** EINVAL: vmd ends the VM, the guest is told nothing. */
  void einval(String why) {
    host.end(Outcome.GAVE_UP, "vmm(4) answers EINVAL and vmd(8) ends the VM: " + why);
  }

  // ---- services that exits and GHCB events share

  /** {@return CPUID as vmm answers it} */
  CpuModel.Leaf cpuid(HostVcpu v, int leaf, int subleaf) {
    long xcr0 = v.cpu instanceof PlainVcpu p ? p.xcr0() : 1;
    return cpuid.answer(v, leaf, subleaf, xcr0);
  }

  /**
   * RDMSR. An unknown register raises #GP by EVENTINJ.
   *
   * @param stale what the answer is then
   */
  long readMsr(HostVcpu v, long msr, long stale) {
    var r = msrs.read(msr);
    if (r.isEmpty()) {
      host.noSuchMsr(msr, false);
      host.interrupts.injectException(v, GP, true);
      return stale;
    }
    return r.getAsLong();
  }

  /** WRMSR. A value that is refused raises #GP by EVENTINJ. */
  boolean writeMsr(HostVcpu v, long msr, long value) {
    boolean accepted = msrs.write(v, msr, value);
    if (!accepted) {
      host.noSuchMsr(msr, true);
      injectGeneralProtection(v);
    }
    return accepted;
  }

  /** #GP. */
  void injectGeneralProtection(HostVcpu v) {
    host.interrupts.injectException(v, GP, true);
  }

  /** {@return guest memory as the host sees it} */
  HostView memory() {
    return host.memory;
  }

  /** #UD; until 2026 with an error code that no #UD has. */
  void injectUndefined(HostVcpu v) {
    host.interrupts.injectException(v, UD, !profile.since(OpenBsdProfile.State.YEAR_2026));
  }

  /** {@return whether vmd(8) survives a port access: it has no string I/O} */
  boolean portAccess(long info1) {
    if ((info1 & 12) != 0) {
      host.end(
          Outcome.GAVE_UP,
          "vmd(8) aborts: string I/O at port 0x"
              + Long.toHexString(info1 >>> 16 & 0xFFFF)
              + " is not supported");
      return false;
    }
    return true;
  }

  // ---- exits

  /** EFER, CR0 and CR4 write traps: the shadow in the VMCB follows, nothing else happens. */
  private void svmHandleEfercr(HostVcpu v, int code, long value) {
    Vmcb b = v.cpu.vmcb();
    switch (code) {
      case ExitCode.EFER_WRITE_TRAP -> b.set(SHADOW_EFER, value);
      case ExitCode.CR0_WRITE_TRAP -> b.set(SHADOW_CR0, value);
      case ExitCode.CR4_WRITE_TRAP -> {
        b.set(SHADOW_CR4, value);
        v.shadowCr4 = value;
      }
      case ExitCode.CR8_WRITE_TRAP -> {
        // The thread's handler: there is no state for CR8 here, V_TPR holds it already.
      }
      default -> einval("no state for " + ExitCode.name(code));
    }
  }

  @Override
  public void exit(HostVcpu hv, int code, long info1, long info2) {
    if (code >= ExitCode.EFER_WRITE_TRAP && code <= ExitCode.CR15_WRITE_TRAP) {
      svmHandleEfercr(hv, code, info1);
    } else if (code == ExitCode.NPF) {
      host.end(
          Outcome.GAVE_UP,
          "vmd(8) does not emulate MMIO: nested page fault at GPA 0x" + Long.toHexString(info2));
    } else if (hv.cpu instanceof PlainVcpu p) {
      plain(hv, p, code, info1);
    } else if (code == ExitCode.HLT) {
      host.halt(hv);
    } else {
      einval("unknown exit " + ExitCode.name(code));
    }
    if (!(hv.cpu instanceof PlainVcpu)) {
      Vmcb b = hv.cpu.vmcb();
      b.set(SHADOW_EFER, b.get(SHADOW_EFER) | SVME);
    }
  }

  private void plain(HostVcpu hv, PlainVcpu v, int code, long info1) {
    switch (code) {
      case ExitCode.HLT -> {
        skip(hv, v);
        host.halt(hv);
      }
      case ExitCode.CPUID -> {
        CpuidService.give(cpuid(hv, (int) v.gpr(0), (int) v.gpr(1)), v);
        skip(hv, v);
      }
      case ExitCode.MSR -> msr(hv, v, info1 != 0);
      case ExitCode.IOIO -> ioio(hv, v, info1);
      case ExitCode.XSETBV -> xsetbv(hv, v);
      case ExitCode.VMMCALL -> {
        if (v.cpl() == 0
            && v.gpr(0) == FORCED_ABORT
            && profile.since(OpenBsdProfile.State.YEAR_2026)) {
          einval("the guest asked for it (forced abort by VMMCALL)");
        } else {
          injectUndefined(hv);
        }
      }
      // INVLPGA, SVM instructions, RDTSCP, ICEBP, MONITOR, MWAIT
      default -> injectUndefined(hv);
    }
  }

  /** Goes on behind an instruction; vmm injects #DB for a single step and leaves DR6 alone. */
  private void skip(HostVcpu hv, PlainVcpu v) {
    if (v.skip()) {
      host.interrupts.injectException(hv, DB, false);
    }
  }

  private void msr(HostVcpu hv, PlainVcpu v, boolean write) {
    // All of RCX counts: with anything above ECX the register is an unknown one.
    long n = v.gpr(1);
    if (write) {
      if (writeMsr(hv, n, v.gpr(2) << 32 | v.gpr(0) & 0xFFFF_FFFFL)) {
        skip(hv, v);
      }
      return;
    }
    long old = v.gpr(2) << 32 | v.gpr(0) & 0xFFFF_FFFFL;
    long r = readMsr(hv, n, old);
    if (hv.cpu.vmcb().get(Vmcb.EVENTINJ) == 0) {
      v.setGpr(0, r & 0xFFFF_FFFFL);
      v.setGpr(2, r >>> 32);
      skip(hv, v);
    }
  }

  private void ioio(HostVcpu hv, PlainVcpu v, long info) {
    if (!portAccess(info)) {
      return;
    }
    int bytes = (int) (info >> 4) & 7;
    int port = (int) (info >> 16) & 0xFFFF;
    if ((info & 1) != 0) {
      v.setRaxPart(bytes, host.access.readPort(hv, port, bytes));
    } else {
      host.access.writePort(hv, port, bytes, (int) v.gpr(0));
    }
    // vmd moves RIP on here and knows nothing of single steps.
    v.skip();
  }

  private void xsetbv(HostVcpu hv, PlainVcpu v) {
    // What is above EAX counts too.
    long value = v.gpr(0) + (v.gpr(2) << 32);
    long mask = cpuid.xcr0Mask();
    if (v.cpl() != 0 || v.gpr(1) != 0 || (value & ~mask) != 0) {
      injectGeneralProtection(hv);
      return;
    }
    if (!XsaveLayout.legal(value, mask)) {
      einval("XSETBV with a value that faults in vmm_fpurestore: 0x" + Long.toHexString(value));
      return;
    }
    v.setXcr0(value);
    skip(hv, v);
  }
}
