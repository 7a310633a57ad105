package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ApCreation;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.sev.Vmcb;

/**
 * AP creation as KVM does it (spec: snp 3.5): a guest gives a processor a save area of its own, or
 * takes it away.
 */
final class ApCreator {
  private static final long LARGE = 2 << 20;
  private static final int PAGE = 0x1000;

  /** Where the VMPL is in the request. */
  private static final int VMPL_AT = 16;

  private final Hypervisor host;
  private final boolean severalLevels;

  /**
   * @param severalLevels a processor has save areas of several VMPLs
   */
  ApCreator(Hypervisor host, boolean severalLevels) {
    this.host = host;
    this.severalLevels = severalLevels;
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
    // A host of one VMPL takes all of the low half for the request, as KVM does.
    int level = severalLevels ? asked.vmpl() : 0;
    int request = (int) info1 & ~(level << VMPL_AT);
    if (target == null) {
      return "no processor has that APIC ID";
    }
    if (level >= RmpEntry.LEVELS) {
      return "there is no such VMPL";
    }
    switch (request) {
      case ApCreation.CREATE, ApCreation.CREATE_ON_INIT -> {
        String wrong = wrong(from, level, area, features);
        if (!wrong.isEmpty()) {
          return wrong;
        }
        if (request == ApCreation.CREATE) {
          start(target, level, area, features);
        } else if (level == 0 || level == target.vmpl) {
          target.saveAreaAtInit = area;
          target.vmplAtInit = level;
          target.featuresAtInit = features;
        } else {
          // Nobody sends INIT for a level that does not run: it is run when it is asked for.
          Vmpls.give(target, level, area, features);
        }
      }
      case ApCreation.DESTROY -> {
        Vmpls.take(target, level);
        target.saveAreaAtInit = level == target.vmplAtInit ? 0 : target.saveAreaAtInit;
      }
      default -> {
        return "there is no such request";
      }
    }
    return "";
  }

  private String wrong(HostVcpu from, int level, long area, long features) {
    if (level == from.vmpl) {
      if (features != from.cpu.vmcb().get(Vmcb.GUEST_SEV_FEATURES)) {
        return "SEV_FEATURES are not those of the processor that asks";
      }
    } else if (!SevFeature.SNP_ACTIVE.in(features) || !SevFeature.accepts(features)) {
      // Another level may have others: injection and #VC are mostly a more privileged one's.
      return "SEV_FEATURES are none that a processor takes";
    } else if (SevFeature.RESTRICTED_INJECTION.in(features) && host.restricted == null) {
      return "the host offers no #HV doorbell";
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

  /** Has a processor run a level's new save area from its next VMRUN on. */
  private void start(HostVcpu v, int level, long area, long features) {
    Vmpls.give(v, level, area, features);
    v.nextVmpl = level;
    host.wake(v);
    host.interrupts.started(
        v,
        "AP creation, save area 0x"
            + Long.toHexString(area)
            + (level == 0 ? "" : ", VMPL" + level));
  }
}
