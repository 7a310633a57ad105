package dev.vesper.machine.vmm;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.x86.Msr;
import java.util.Arrays;

/**
 * OpenBSD's vmm(4) and vmd(8): what vcpu_reset_regs_svm makes of a VMCB (spec: openbsd section 3.2)
 * in one of four states of the source.
 *
 * @param state which state
 * @param cr8Trap writes of CR8 trap under SEV-ES
 */
public record OpenBsdProfile(State state, boolean cr8Trap) implements Profile {
  /** States of vmm, vmd and the kernel that differ (spec: openbsd section 5). */
  public enum State {
    /** The diff that the review thread discusses. */
    JUNE_2025("2025-06"),
    /** OpenBSD 7.8. */
    SEPTEMBER_2025("2025-09"),
    /** vmm_machdep.c 1.72 of February 2026. */
    YEAR_2026("2026"),
    /** The newest, and what {@code openbsd} alone means: vmm_machdep.c 1.74, trap.c 1.119. */
    AUGUST_2026("2026-08");

    /** What follows {@code openbsd:} in the profile's name. */
    final String label;

    State(String label) {
      this.label = label;
    }
  }

  private static final int LBR_VIRTUALIZATION = 1;
  private static final int VIRTUAL_VMLOAD_VMSAVE = 2;
  private static final long V_INTR_MASKING = 1L << 24;
  private static final long TLB_FLUSH_ALL = 1L << 32;

  /** MSRs that a guest reads and writes without an exit. */
  private static final int[] READ_WRITE = {
    Msr.FEATURE_CONTROL,
    Msr.SYSENTER_CS,
    Msr.SYSENTER_ESP,
    Msr.SYSENTER_EIP,
    Msr.STAR,
    Msr.LSTAR,
    Msr.CSTAR,
    Msr.SFMASK,
    Msr.FS_BASE,
    Msr.GS_BASE,
    Msr.KERNEL_GS_BASE,
    Msr.SEV_STATUS
  };

  /** MSRs that a guest reads without an exit. */
  private static final int[] READ_ONLY = {Msr.TSC, Msr.HWCR, Msr.PSTATE0};

  /** DEBUGCTL and the last branch and interrupt records: open in the June diff. */
  private static final int[] LBR = {
    Msr.DEBUGCTL,
    Msr.LAST_BRANCH_FROM_IP,
    Msr.LAST_BRANCH_TO_IP,
    Msr.LAST_INT_FROM_IP,
    Msr.LAST_INT_TO_IP
  };

  static OpenBsdProfile parse(String name) {
    String[] parts = name.split(",", -1);
    String label = parts[0].equals("openbsd") ? "2026-08" : parts[0].substring("openbsd:".length());
    State state =
        Arrays.stream(State.values())
            .filter(s -> s.label.equals(label))
            .findFirst()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "no state '"
                            + label
                            + "' of profile openbsd: there are 2025-06, 2025-09, 2026 and"
                            + " 2026-08"));
    boolean cr8 = state == State.JUNE_2025;
    for (int i = 1; i < parts.length; i++) {
      cr8 =
          switch (parts[i]) {
            case "cr8=trap" -> true;
            case "cr8=native" -> false;
            default ->
                throw new IllegalArgumentException(
                    "profile openbsd has no option '"
                        + parts[i]
                        + "': there are cr8=trap and cr8=native");
          };
    }
    return new OpenBsdProfile(state, cr8);
  }

  /** {@return whether this state is as new as another one} */
  public boolean since(State s) {
    return state.compareTo(s) >= 0;
  }

  @Override
  public String name() {
    return "openbsd:" + state.label;
  }

  @Override
  public int mostVcpus() {
    return 1;
  }

  @Override
  public void configure(
      VirtualCpu vcpu, SevMode mode, long features, CpuModel host, HostView memory, long maps) {
    Vmcb v = vcpu.vmcb();
    boolean es = mode.encryptsState();
    v.setInt(
        Vmcb.INTERCEPT_VECTOR3,
        Intercept.INTR
            | Intercept.NMI
            | Intercept.CPUID
            | Intercept.HLT
            | Intercept.INVLPGA
            | Intercept.IOIO_PROT
            | Intercept.MSR_PROT
            | Intercept.SHUTDOWN);
    int second =
        Intercept.SVM_INSTRUCTIONS
            | Intercept.RDTSCP
            | Intercept.ICEBP
            | Intercept.MONITOR
            | Intercept.MWAIT;
    if (es) {
      second |= Intercept.EFER_WRITE_TRAP | Intercept.CR0_WRITE_TRAP | Intercept.CR4_WRITE_TRAP;
      second |= cr8Trap ? Intercept.CR8_WRITE_TRAP : 0;
    } else if (host.hasXsave()) {
      // An SEV-ES guest's XCR0 is in its VMSA: nothing could be done at an exit.
      second |= Intercept.XSETBV;
    }
    v.setInt(Vmcb.INTERCEPT_VECTOR4, second);
    v.set(Vmcb.ASID, 1 | TLB_FLUSH_ALL);
    v.set(Vmcb.V_INTR, V_INTR_MASKING);
    v.set(
        Vmcb.NESTED_CTL,
        VirtualCpu.NP_ENABLE
            | (mode == SevMode.OFF ? 0 : VirtualCpu.SEV_ENABLE)
            | (es ? VirtualCpu.SEV_ES_ENABLE : 0));
    if (es) {
      v.set(
          Vmcb.VIRT_EXT,
          LBR_VIRTUALIZATION | (state == State.JUNE_2025 ? VIRTUAL_VMLOAD_VMSAVE : 0));
    }
    PermissionMaps p = new PermissionMaps();
    for (int msr : READ_WRITE) {
      p.open(msr, true, true);
    }
    for (int msr : READ_ONLY) {
      p.open(msr, true, false);
    }
    // The plain guest's EFER is read only, so that SVME can be forced. The June diff has no word on
    // EFER; its kernel writes EFER before it can take #VC 7Ch, so it must have been open there too.
    p.open(Msr.EFER, true, es);
    if (es) {
      p.open(Msr.SEV_GHCB, true, true);
      p.open(Msr.XSS, true, false);
      if (state == State.JUNE_2025) {
        for (int msr : LBR) {
          p.open(msr, true, true);
        }
      }
    }
    p.install(v, memory, maps);
  }

  @Override
  public int policy(SevMode mode) {
    // No debugging, no key sharing, no sending, domain, SEV.
    return mode == SevMode.ES ? 0x3F : 0x3B;
  }

  @Override
  public Platform platform(Platform.Parts parts) {
    return VmdBoard.of(parts);
  }

  @Override
  public OpenBsdLaunch openBsdLaunch() {
    return since(State.YEAR_2026) ? OpenBsdLaunch.VMD_LEGACY : OpenBsdLaunch.VMD_COMPATIBILITY;
  }

  @Override
  public boolean isVmd() {
    return true;
  }

  @Override
  public Hardware.Board board(Hardware.Board asked) {
    return asked == Hardware.Board.AUTO ? Hardware.Board.MINIMAL : asked;
  }

  @Override
  public GuestRam ram(Hardware.Board board, long bytes) {
    return VmdBoard.ram(bytes);
  }

  @Override
  public Handlers handlers(Hypervisor host) {
    return new VmmHandlers(host, this);
  }
}
