package dev.vesper.machine.vmm;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.SevMode;

/**
 * The hypervisor to behave as: which intercepts it sets, what it answers, which devices it has and
 * how it launches a kernel.
 */
public sealed interface Profile permits KvmProfile, OpenBsdProfile {
  /**
   * {@return the profile of a name: {@code kvm}, {@code openbsd}, {@code openbsd:2025-06}, {@code
   * openbsd:2025-09}, {@code openbsd:2026} or {@code openbsd:2026-08}; {@code ,cr8=trap} or {@code
   * ,cr8=native} after an OpenBSD one chooses whether writes of CR8 trap}
   *
   * @throws IllegalArgumentException if there is none of that name
   */
  static Profile named(String name) {
    if (name.equals("kvm")) {
      return new KvmProfile();
    }
    if (name.equals("openbsd") || name.startsWith("openbsd:") || name.startsWith("openbsd,")) {
      return OpenBsdProfile.parse(name);
    }
    throw new IllegalArgumentException(
        "no profile named '"
            + name
            + "': there are kvm, openbsd (the same as openbsd:2026-08), openbsd:2025-06,"
            + " openbsd:2025-09, openbsd:2026 and openbsd:2026-08");
  }

  /** {@return the name that chooses this profile} */
  String name();

  /** {@return the most vCPUs that it gives a guest} */
  int mostVcpus();

  /**
   * Fills in the control area of a vCPU.
   *
   * @param features SEV_FEATURES of a guest under SEV-SNP, else 0
   * @param host the processor that the host runs on
   * @param maps physical address of five host pages: two for the MSR and three for the I/O
   *     permission map
   */
  void configure(
      VirtualCpu vcpu, SevMode mode, long features, CpuModel host, HostView memory, long maps);

  /** {@return the guest policy of LAUNCH_START} */
  int policy(SevMode mode);

  /** {@return how it starts an OpenBSD kernel} */
  OpenBsdLaunch openBsdLaunch();

  /**
   * {@return whether vmd(8) runs the guest: every ELF image is an OpenBSD kernel to it, it asks for
   * GUEST_STATUS between the commands of a launch, and takes a shutdown for a reset}
   */
  boolean isVmd();

  /** {@return the board that a guest gets, which is never {@link Hardware.Board#AUTO}} */
  Hardware.Board board(Hardware.Board asked);

  /**
   * {@return where it puts a guest's RAM}
   *
   * @param board the guest's, never {@link Hardware.Board#AUTO}
   */
  GuestRam ram(Hardware.Board board, long bytes);

  /** {@return the machine's devices} */
  Platform platform(Platform.Parts parts);

  /** {@return the handlers of a host that behaves this way} */
  Handlers handlers(Hypervisor host);
}
