package dev.vesper.machine.vmm;

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

  private long ghcbMsr;
  private long interruptShadow;
  private boolean nmiMasked;
  private long shadowCr4;
  private long guestXcr0 = 1;
  private long guestXss;

  /**
   * @param ghcbMsr what the GHCB MSR reads as before the level writes it
   */
  VmplState(long saveArea, long ghcbMsr) {
    this.saveArea = saveArea;
    this.ghcbMsr = ghcbMsr;
  }

  /** Takes what is to be had again when the level runs next. */
  void save(HostVcpu v) {
    Vmcb b = v.cpu.vmcb();
    ghcbMsr = b.get(Vmcb.GHCB_GPA);
    interruptShadow = b.get(Vmcb.INTERRUPT_SHADOW);
    nmiMasked = v.nmiMasked;
    shadowCr4 = v.shadowCr4;
    guestXcr0 = v.guestXcr0;
    guestXss = v.guestXss;
  }

  /** Has a vCPU run the level from its next VMRUN on, with no event on its way. */
  void restore(HostVcpu v) {
    Vmcb b = v.cpu.vmcb();
    b.set(Vmcb.VMSA_PTR, saveArea);
    b.set(Vmcb.GHCB_GPA, ghcbMsr);
    b.set(Vmcb.INTERRUPT_SHADOW, interruptShadow);
    b.set(Vmcb.EVENTINJ, 0);
    b.set(Vmcb.EXITINTINFO, 0);
    v.nmiMasked = nmiMasked;
    v.shadowCr4 = shadowCr4;
    v.guestXcr0 = guestXcr0;
    v.guestXss = guestXss;
  }
}
