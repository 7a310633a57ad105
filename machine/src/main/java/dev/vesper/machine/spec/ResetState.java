package dev.vesper.machine.spec;

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
  GCE
}
