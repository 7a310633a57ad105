package dev.vesper.machine.vmm;

import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.sev.SevMode;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;

/** QEMU and KVM: how KVM sets up a VMCB (spec: hypervisor-behaviour 1.2). */
public record KvmProfile() implements Profile {
  private static final int INTR = 1;
  private static final int NMI = 1 << 1;
  private static final int SMI = 1 << 2;
  private static final int INIT = 1 << 3;
  private static final int RDPMC = 1 << 15;
  private static final int CPUID = 1 << 18;
  private static final int RSM = 1 << 19;
  private static final int INVD = 1 << 22;
  private static final int HLT = 1 << 24;
  private static final int INVLPGA = 1 << 26;
  private static final int IOIO_PROT = 1 << 27;
  private static final int MSR_PROT = 1 << 28;
  private static final int TASK_SWITCH = 1 << 29;
  private static final int SHUTDOWN = 1 << 31;

  /** VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT. */
  private static final int SVM_INSTRUCTIONS = 0x7F;

  private static final int WBINVD = 1 << 9;
  private static final int MONITOR = 1 << 10;
  private static final int MWAIT = 3 << 11;
  private static final int RDPRU = 1 << 14;
  private static final int EFER_WRITE_TRAP = 1 << 15;
  private static final int CR0_WRITE_TRAP = 1 << 16;
  private static final int CR4_WRITE_TRAP = 1 << 20;
  private static final int CR8_WRITE_TRAP = 1 << 24;
  private static final int DB = 1 << 1;
  private static final int AC = 1 << 17;
  private static final int MC = 1 << 18;
  private static final int DR7 = 1 << 7 | 1 << 23;

  /** MSRs that a guest reaches without an exit. */
  private static final int[] PASS_THROUGH = {
    0x174,
    0x175,
    0x176,
    0x1D9,
    0x277,
    0xC000_0080,
    0xC000_0081,
    0xC000_0082,
    0xC000_0083,
    0xC000_0084,
    0xC000_0100,
    0xC000_0101,
    0xC000_0102,
    0xC000_0103,
    0xC001_0130,
    0xC001_0131
  };

  @Override
  public String name() {
    return "kvm";
  }

  @Override
  public int mostVcpus() {
    return 64;
  }

  @Override
  public int policy(SevMode mode) {
    // QEMU's default: no debugging.
    return mode == SevMode.ES ? 5 : 1;
  }

  @Override
  public Platform platform(Platform.Parts parts) {
    return Platform.minimal(parts);
  }

  @Override
  public Handlers handlers(Hypervisor host) {
    return new KvmHandlers(host);
  }

  @Override
  public void configure(VirtualCpu vcpu, SevMode mode, CpuModel host, HostView memory, long maps) {
    Vmcb v = vcpu.vmcb();
    boolean es = mode == SevMode.ES;
    v.setInt(Vmcb.INTERCEPT_EXCEPTIONS, es ? DB | AC | MC : MC);
    v.setInt(Vmcb.INTERCEPT_DR, es ? DR7 : 0);
    v.setInt(
        Vmcb.INTERCEPT_VECTOR3,
        INTR
            | NMI
            | SMI
            | INIT
            | RDPMC
            | CPUID
            | RSM
            | INVD
            | HLT
            | INVLPGA
            | IOIO_PROT
            | MSR_PROT
            | TASK_SWITCH
            | SHUTDOWN);
    int traps = EFER_WRITE_TRAP | CR0_WRITE_TRAP | CR4_WRITE_TRAP | CR8_WRITE_TRAP;
    v.setInt(
        Vmcb.INTERCEPT_VECTOR4,
        SVM_INSTRUCTIONS | WBINVD | MONITOR | MWAIT | RDPRU | (es ? traps : 0));
    v.set(Vmcb.ASID, 1);
    v.set(
        Vmcb.NESTED_CTL,
        VirtualCpu.NP_ENABLE
            | (mode == SevMode.OFF ? 0 : VirtualCpu.SEV_ENABLE)
            | (es ? VirtualCpu.SEV_ES_ENABLE : 0));
    v.set(Vmcb.VIRT_EXT, es ? 1 : 0);
    v.set(Vmcb.MSRPM_BASE, maps);
    v.set(Vmcb.IOPM_BASE, maps + 2 * Page.SIZE);
    PermissionMaps p = new PermissionMaps();
    for (int msr : PASS_THROUGH) {
      p.open(msr, true, true);
    }
    p.store(memory, maps);
  }
}
