package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ApCreation;
import dev.vesper.machine.sev.Vmcb;

/**
 * AP creation as KVM does it (spec: snp 3.5): a guest gives a processor a save area of its own, or
 * takes it away.
 */
final class ApCreator {
  private static final long LARGE = 2 << 20;
  private static final int PAGE = 0x1000;

  private final Hypervisor host;

  ApCreator(Hypervisor host) {
    this.host = host;
  }

  /**
   * Serves the event; {@return why it cannot be, empty if it is}
   *
   * @param info1 request, VMPL and APIC ID
   * @param area the save area, guest physical
   * @param features SEV_FEATURES as the guest says them
   */
  String serve(HostVcpu from, long info1, long area, long features) {
    ApCreation asked = ApCreation.of(info1);
    HostVcpu target = null;
    for (HostVcpu v : host.vcpus) {
      target = v.id == asked.apicId() ? v : target;
    }
    // KVM takes all of the low half for the request, and so knows no VMPL but 0.
    int request = (int) info1;
    if (target == null) {
      return "no processor has that APIC ID";
    }
    switch (request) {
      case ApCreation.CREATE, ApCreation.CREATE_ON_INIT -> {
        String wrong = wrong(from, area, features);
        if (!wrong.isEmpty()) {
          return wrong;
        }
        if (request == ApCreation.CREATE_ON_INIT) {
          target.saveAreaAtInit = area;
        } else {
          give(target, area);
          host.wake(target);
          host.interrupts.started(target, "AP creation, save area 0x" + Long.toHexString(area));
        }
      }
      case ApCreation.DESTROY -> {
        target.state = HostVcpu.State.DESTROYED;
        target.saveAreaAtInit = 0;
      }
      default -> {
        return "there is no such request";
      }
    }
    return "";
  }

  private String wrong(HostVcpu from, long area, long features) {
    if (features != from.cpu.vmcb().get(Vmcb.GUEST_SEV_FEATURES)) {
      return "SEV_FEATURES are not those of the processor that asks";
    }
    if ((area & PAGE - 1) != 0) {
      return "the save area is no whole page";
    }
    if ((area & LARGE - 1) == 0) {
      // The processor's own erratum: it may be taken for a large page.
      return "the save area is at a multiple of 2 MiB";
    }
    return host.memory.ram().hasPage(area >>> 12) ? "" : "the save area is where no memory is";
  }

  /** Has a processor run another save area from its next VMRUN on, with no event on its way. */
  static void give(HostVcpu v, long area) {
    Vmcb b = v.cpu.vmcb();
    b.set(Vmcb.VMSA_PTR, area);
    b.set(Vmcb.EVENTINJ, 0);
    b.set(Vmcb.EXITINTINFO, 0);
    b.set(Vmcb.INTERRUPT_SHADOW, 0);
    v.nmis = 0;
    v.nmiMasked = false;
    v.shadowCr4 = 0;
  }
}
