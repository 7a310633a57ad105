package dev.vesper.machine.vmm;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.x86.Msr;

/** QEMU and KVM: how KVM sets up a VMCB (spec: hypervisor-behaviour 1.2). */
public record KvmProfile() implements Profile {
  /** MSRs that a guest reaches without an exit. */
  private static final int[] PASS_THROUGH = {
    Msr.SYSENTER_CS,
    Msr.SYSENTER_ESP,
    Msr.SYSENTER_EIP,
    Msr.DEBUGCTL,
    Msr.PAT,
    Msr.EFER,
    Msr.STAR,
    Msr.LSTAR,
    Msr.CSTAR,
    Msr.SFMASK,
    Msr.FS_BASE,
    Msr.GS_BASE,
    Msr.KERNEL_GS_BASE,
    Msr.TSC_AUX,
    Msr.SEV_GHCB,
    Msr.SEV_STATUS
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
    return switch (mode) {
      case SNP -> 0x3_0000;
      case ES -> 5;
      case SEV, OFF -> 1;
    };
  }

  @Override
  public Platform platform(Platform.Parts parts) {
    return parts.board() == Hardware.Board.MINIMAL ? Platform.minimal(parts) : PcBoard.of(parts);
  }

  @Override
  public OpenBsdLaunch openBsdLaunch() {
    return OpenBsdLaunch.BOOTX64;
  }

  @Override
  public boolean isVmd() {
    return false;
  }

  @Override
  public Hardware.Board board(Hardware.Board asked) {
    return asked == Hardware.Board.AUTO ? Hardware.Board.PC : asked;
  }

  @Override
  public GuestRam ram(Hardware.Board board, long bytes) {
    return PcBoard.ram(board, bytes);
  }

  @Override
  public Handlers handlers(Hypervisor host) {
    return new KvmHandlers(host);
  }

  @Override
  public void configure(
      VirtualCpu vcpu, SevMode mode, long features, CpuModel host, HostView memory, long maps) {
    Vmcb v = vcpu.vmcb();
    boolean es = mode.encryptsState();
    v.setInt(
        Vmcb.INTERCEPT_EXCEPTIONS, es ? Intercept.DB | Intercept.AC | Intercept.MC : Intercept.MC);
    v.setInt(Vmcb.INTERCEPT_DR, es ? Intercept.DR7 : 0);
    v.setInt(
        Vmcb.INTERCEPT_VECTOR3,
        Intercept.INTR
            | Intercept.NMI
            | Intercept.SMI
            | Intercept.INIT
            | Intercept.RDPMC
            | Intercept.CPUID
            | Intercept.RSM
            | Intercept.INVD
            | Intercept.HLT
            | Intercept.INVLPGA
            | Intercept.IOIO_PROT
            | Intercept.MSR_PROT
            | Intercept.TASK_SWITCH
            | Intercept.SHUTDOWN);
    int traps =
        Intercept.EFER_WRITE_TRAP
            | Intercept.CR0_WRITE_TRAP
            | Intercept.CR4_WRITE_TRAP
            | Intercept.CR8_WRITE_TRAP;
    v.setInt(
        Vmcb.INTERCEPT_VECTOR4,
        Intercept.SVM_INSTRUCTIONS
            | Intercept.WBINVD
            | Intercept.MONITOR
            | Intercept.MWAIT
            | Intercept.RDPRU
            | (es ? traps : 0));
    v.set(Vmcb.ASID, 1);
    v.set(
        Vmcb.NESTED_CTL,
        VirtualCpu.NP_ENABLE
            | (mode == SevMode.OFF ? 0 : VirtualCpu.SEV_ENABLE)
            | (es ? VirtualCpu.SEV_ES_ENABLE : 0));
    v.set(Vmcb.VIRT_EXT, es ? 1 : 0);
    PermissionMaps p = new PermissionMaps();
    for (int msr : PASS_THROUGH) {
      p.open(msr, true, true);
    }
    // Supervisor states are switched with the guest; speculation controls are virtualised.
    if (host.has("xsaves")) {
      p.open(Msr.XSS, true, true);
    }
    if (host.has("pks")) {
      p.open(Msr.PKRS, true, true);
    }
    if (host.features().contains("spec-ctrl")) {
      p.open(Msr.SPEC_CTRL, true, true);
    }
    if (host.has("ibpb")) {
      p.open(Msr.PRED_CMD, false, true);
    }
    if (SevFeature.SECURE_TSC.in(features)) {
      p.open(Msr.GUEST_TSC_FREQ, true, true);
    }
    p.install(v, memory, maps);
  }
}
