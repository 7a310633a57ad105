package dev.vesper.machine.sev;

/**
 * What hypervisors put into a save area for a processor that starts at the reset vector (spec:
 * launch, section 5). All of it is measured.
 */
public enum ResetState {
  /** QEMU with KVM_SEV_INIT2 (Linux 6.10, QEMU 9.1): MXCSR and FCW as after RESET. */
  QEMU,
  /** QEMU with the older KVM_SEV_ES_INIT: MXCSR and FCW are 0. */
  QEMU_INIT,
  /** Amazon EC2. */
  EC2,
  /** Google Compute Engine. */
  GCE;

  private static final int UNKNOWN_SIGNATURE = 0x600;
  private static final int MCE = 0x40;

  /**
   * {@return the state of the boot processor}
   *
   * @param signature CPUID Fn1 EAX, of which QEMU alone tells the guest
   */
  public LaunchState of(int signature) {
    LaunchState s = new LaunchState().set(LaunchState.CR4, MCE);
    s.set(LaunchState.RDX, this == QEMU || this == QEMU_INIT ? signature : UNKNOWN_SIGNATURE);
    if (this != QEMU) {
      s.fpu(0, 0);
    }
    switch (this) {
      case EC2 ->
          s.attributes(LaunchState.CS, 0x9A)
              .attributes(LaunchState.SS, 0x92)
              .attributes(LaunchState.TR, 0x83);
      case GCE -> s.set(LaunchState.G_PAT, 0x0007_0106L);
      case QEMU, QEMU_INIT -> {
        // as after RESET
      }
    }
    return s;
  }

  /** {@return the state of an application processor, still at the reset vector} */
  public LaunchState ofAp(int signature) {
    LaunchState s = of(signature);
    return this == EC2 ? s.attributes(LaunchState.CS, 0x9B) : s;
  }
}
