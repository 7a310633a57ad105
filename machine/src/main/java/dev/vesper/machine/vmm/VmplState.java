package dev.vesper.machine.vmm;

import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.sev.Vmcb;

/**
 * What the host keeps of a vCPU for one VMPL of an SEV-SNP guest: where its save area is, what the
 * guest has told of the level, and what the one VMCB cannot hold while another level runs.
 */
final class VmplState {
  /** The save area, guest physical, or 0 if the level has none. */
  long saveArea;

  /** The page that the guest has registered for its GHCB; none is at -1. */
  long registeredGhcb = -1;

  /** The #HV doorbell page; none is at -1. */
  long doorbell = -1;

  /** The vector whose EOI the guest gives by the doorbell page, or -1. */
  int lightEoi = -1;

  /** SEV_FEATURES, as far as the host has been told. */
  long features;

  private long ghcbMsr;
  private long interruptShadow;

  /** The event that the exit has interrupted which the level left by. */
  private long interrupted;

  private boolean nmiMasked;
  private long shadowCr4;
  private long guestXcr0 = 1;
  private long guestXss;

  /**
   * {@return a level that has not run}
   *
   * @param ghcbMsr what the GHCB MSR reads as before the level writes it
   * @param features SEV_FEATURES, as far as the host has been told
   */
  static VmplState of(long saveArea, long ghcbMsr, long features) {
    VmplState s = new VmplState();
    s.saveArea = saveArea;
    s.ghcbMsr = ghcbMsr;
    s.features = features;
    return s;
  }

  /** {@return whether the host can inject nothing but #HV} */
  boolean restricted() {
    return SevFeature.RESTRICTED_INJECTION.in(features);
  }

  /** {@return whether a more privileged level injects events, and the host none} */
  boolean alternate() {
    return SevFeature.ALTERNATE_INJECTION.in(features);
  }

  /** {@return whether the host can inject exceptions of its own} */
  boolean injectable() {
    return !restricted() && !alternate();
  }

  /** {@return whether the level would have taken an interrupt when it ran last} */
  boolean interruptsEnabled() {
    return (interruptShadow & 2) != 0;
  }

  /** Takes what is to be had again when the level runs next. */
  void save(HostVcpu v) {
    Vmcb b = v.cpu.vmcb();
    ghcbMsr = b.get(Vmcb.GHCB_GPA);
    interruptShadow = b.get(Vmcb.INTERRUPT_SHADOW);
    interrupted = b.get(Vmcb.EXITINTINFO);
    nmiMasked = v.nmiMasked;
    shadowCr4 = v.shadowCr4;
    guestXcr0 = v.guestXcr0;
    guestXss = v.guestXss;
  }

  /** Has a vCPU run the level from its next VMRUN on, with the event that was on its way to it. */
  void restore(HostVcpu v) {
    Vmcb b = v.cpu.vmcb();
    b.set(Vmcb.VMSA_PTR, saveArea);
    b.set(Vmcb.GHCB_GPA, ghcbMsr);
    b.set(Vmcb.INTERRUPT_SHADOW, interruptShadow);
    b.set(Vmcb.EVENTINJ, 0);
    b.set(Vmcb.EXITINTINFO, interrupted);
    v.nmiMasked = nmiMasked;
    v.shadowCr4 = shadowCr4;
    v.guestXcr0 = guestXcr0;
    v.guestXss = guestXss;
  }
}
