package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.launch.CpuidPage;
import dev.vesper.machine.memory.ExternalBus;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.spec.Outcome;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What KVM does at exits (spec: hypervisor-behaviour section 1). */
final class KvmHandlers implements Handlers {
  private static final int DB = 1;
  private static final int GP = 13;
  private static final int UD = 6;

  /** A #VC that a more privileged VMPL serves: it finds what for in the save area. */
  private static final int REFLECTED_VC = ExitCode.EXCP0 + 29;

  private final Hypervisor host;
  private final CpuidService cpuid;
  private final KvmMsrs msrs;
  private final KvmHypercalls hypercalls;
  private final GhcbService ghcb;
  private final @Nullable SnpService snp;

  KvmHandlers(Hypervisor host) {
    this.host = host;
    cpuid = new CpuidService(host.model, host.mode, host.processors(), host.localApics);
    msrs = new KvmMsrs(host);
    hypercalls = new KvmHypercalls(host, msrs.clock);
    HostRmp rmp = host.memory.rmp();
    snp = rmp == null ? null : new SnpService(host, rmp);
    ghcb = new GhcbService(host, cpuid, msrs, hypercalls, snp);
    ghcb.jumpTable(host.platform.apJumpTable());
  }

  @Override
  public void created(HostVcpu v) {
    msrs.created(v, !host.platform.hasFirmware());
    ghcb.created(v);
  }

  @Override
  public List<CpuidPage.Entry> cpuidPage(HostVcpu v) {
    return SnpCpuid.entries(host.model, cpuid, v);
  }

  @Override
  public void entering(HostVcpu v) {
    // nothing to prepare
  }

  @Override
  public long ghcb(long msr) {
    return msr;
  }

  @Override
  public void vmgexit(HostVcpu v) {
    ghcb.vmgexit(v);
  }

  @Override
  public void released(HostVcpu v) {
    ghcb.released(v);
  }

  @Override
  public String haltedForGood() {
    return "guest halted before it ever enabled interrupts: nothing can wake it";
  }

  @Override
  public void exit(HostVcpu hv, int code, long info1, long info2) {
    switch (code) {
      case ExitCode.EFER_WRITE_TRAP, ExitCode.CR0_WRITE_TRAP -> {
        // The write has happened; nothing that this host does depends on the new value.
      }
      case ExitCode.CR4_WRITE_TRAP -> hv.shadowCr4 = info1;
      case ExitCode.CR8_WRITE_TRAP -> {
        if (hv.apic != null && !hv.level().alternate()) {
          hv.apic.setTaskPriority((int) info1 & 15);
        }
      }
      case ExitCode.NPF -> nestedPageFault(hv, info1, info2);
      default -> {
        if (hv.cpu instanceof PlainVcpu p) {
          plain(hv, p, code, info1);
        } else if (code == ExitCode.HLT) {
          host.halt(hv);
        } else if (code != REFLECTED_VC || !Vmpls.runHigher(hv)) {
          host.end(Outcome.GAVE_UP, "no handler for " + ExitCode.name(code));
        }
      }
    }
  }

  private void nestedPageFault(HostVcpu hv, long info1, long gpa) {
    SnpService s = snp;
    if (s != null && SnpService.isOurs(info1)) {
      s.fault(info1, gpa);
      return;
    }
    if (!host.memory.ram().hasPage(gpa >>> 12) && !host.mmio.installed(gpa >>> 12)) {
      // The first touch of an address without memory: mark it as emulated MMIO and let it fault
      // again.
      host.mmio.install(gpa >>> 12);
      return;
    }
    if (hv.cpu instanceof PlainVcpu p) {
      emulate(hv, p);
      return;
    }
    host.end(
        Outcome.GAVE_UP,
        "nested page fault at GPA 0x"
            + Long.toHexString(gpa)
            + " (0x"
            + Long.toHexString(info1)
            + ")");
  }

  private void plain(HostVcpu hv, PlainVcpu v, int code, long info1) {
    switch (code) {
      case ExitCode.CPUID -> cpuid(hv, v);
      case ExitCode.IOIO -> ioio(hv, v, info1);
      case ExitCode.MSR -> msr(hv, v, info1 != 0);
      case ExitCode.HLT -> {
        // A single step ends the wait at once.
        if (!skip(hv, v)) {
          host.halt(hv);
        }
      }
      case ExitCode.RDTSC, ExitCode.RDTSCP -> rdtsc(hv, v, code == ExitCode.RDTSCP);
      case ExitCode.WBINVD, ExitCode.INVD, ExitCode.MONITOR, ExitCode.MWAIT -> skip(hv, v);
      case ExitCode.IRET, ExitCode.DR7_READ, ExitCode.DR7_WRITE -> emulate(hv, v);
      case ExitCode.RDPMC -> rdpmc(hv, v);
      case ExitCode.RDPRU -> host.interrupts.injectException(hv, UD, false);
      case ExitCode.VMMCALL -> {
        v.setGpr(
            0,
            hypercalls.serve(
                hv, v.cpl(), v.wide(), v.gpr(0), v.gpr(3), v.gpr(1), v.gpr(2), v.gpr(6)));
        skip(hv, v);
      }
      case ExitCode.INVLPGA,
          ExitCode.VMRUN,
          ExitCode.VMLOAD,
          ExitCode.VMSAVE,
          ExitCode.STGI,
          ExitCode.CLGI,
          ExitCode.SKINIT,
          ExitCode.RSM ->
          host.interrupts.injectException(hv, UD, false);
      case ExitCode.TASK_SWITCH -> emulate(hv, v);
      default -> host.end(Outcome.GAVE_UP, "no handler for " + ExitCode.name(code));
    }
  }

  /**
   * Goes on behind an instruction that was emulated. It single-steps like any other.
   *
   * @return whether it did, so that #DB comes next
   */
  private boolean skip(HostVcpu hv, PlainVcpu v) {
    boolean stepped = v.skip();
    if (stepped) {
      v.reportStep();
      host.interrupts.injectException(hv, DB, false);
    }
    return stepped;
  }

  private void rdpmc(HostVcpu hv, PlainVcpu v) {
    var count = hv.counters.counter((int) v.gpr(1), v);
    if (count.isEmpty()) {
      host.interrupts.injectException(hv, GP, true);
      return;
    }
    v.setGpr(0, count.getAsLong() & 0xFFFF_FFFFL);
    v.setGpr(2, count.getAsLong() >>> 32);
    skip(hv, v);
  }

  private void rdtsc(HostVcpu hv, PlainVcpu v, boolean withAux) {
    long t = Hypervisor.guestTsc(hv);
    v.setGpr(0, t & 0xFFFF_FFFFL);
    v.setGpr(2, t >>> 32);
    if (withAux) {
      v.setGpr(1, v.tscAux());
    }
    skip(hv, v);
  }

  private void cpuid(HostVcpu hv, PlainVcpu v) {
    if (v.cpl() != 0 && KvmMsrs.cpuidFaults(hv)) {
      host.interrupts.injectException(hv, GP, true);
      return;
    }
    CpuModel.Leaf l = cpuid.answer(hv, (int) v.gpr(0), (int) v.gpr(1), v.xcr0(), v.xss());
    CpuidService.give(l, v);
    skip(hv, v);
  }

  private void msr(HostVcpu hv, PlainVcpu v, boolean write) {
    int n = (int) v.gpr(1);
    if (write) {
      if (!msrs.write(hv, n, v.gpr(2) << 32 | v.gpr(0) & 0xFFFF_FFFFL)) {
        host.noSuchMsr(n, true);
        host.interrupts.injectException(hv, GP, true);
        return;
      }
    } else {
      var r = msrs.read(hv, n);
      if (r.isEmpty()) {
        host.noSuchMsr(n, false);
        host.interrupts.injectException(hv, GP, true);
        return;
      }
      v.setGpr(0, r.getAsLong() & 0xFFFF_FFFFL);
      v.setGpr(2, r.getAsLong() >>> 32);
    }
    skip(hv, v);
  }

  private void ioio(HostVcpu hv, PlainVcpu v, long info) {
    boolean in = (info & 1) != 0;
    int bytes = (int) (info >> 4) & 7;
    int port = (int) (info >> 16) & 0xFFFF;
    if ((info & 4) != 0) {
      emulate(hv, v);
      return;
    }
    if (in) {
      v.setRaxPart(bytes, host.access.readPort(hv, port, bytes));
    } else {
      host.access.writePort(hv, port, bytes, (int) v.gpr(0));
    }
    skip(hv, v);
  }

  /** MMIO and string I/O: the host emulates the instruction. */
  private void emulate(HostVcpu hv, PlainVcpu v) {
    if (!v.emulate(bus(hv))) {
      host.end(
          Outcome.GAVE_UP,
          "cannot emulate the instruction at RIP 0x"
              + Long.toHexString(v.rip())
              + ": it, or a page table, lies where there is no memory");
    }
  }

  private ExternalBus bus(HostVcpu hv) {
    return new ExternalBus() {
      @Override
      public long readMemory(long address, int bytes) {
        return host.access.readMmio(hv, address, bytes);
      }

      @Override
      public void writeMemory(long address, int bytes, long value) {
        host.access.writeMmio(hv, address, bytes, value);
      }

      @Override
      public int readPort(int port, int bytes) {
        return host.access.readPort(hv, port, bytes);
      }

      @Override
      public void writePort(int port, int bytes, int value) {
        host.access.writePort(hv, port, bytes, value);
      }
    };
  }
}
