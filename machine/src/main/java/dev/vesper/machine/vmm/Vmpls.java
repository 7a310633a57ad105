package dev.vesper.machine.vmm;

import dev.vesper.ghcb.HvDoorbell;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.sev.Vmcb;

/**
 * Which VMPL of an SEV-SNP guest a vCPU runs (spec: snp 3.7). A level has a save area if AP
 * creation has given it one; level 0 has the launched one. A request to run another level is
 * answered at once, and the vCPU goes over to it before its next VMRUN, so that whoever answers
 * finishes with the level that has asked.
 */
final class Vmpls {
  private Vmpls() {}

  /** Has a vCPU run a level next; {@return whether the level has a save area} */
  static boolean run(HostVcpu v, long level) {
    if (level < 0 || level >= RmpEntry.LEVELS) {
      return false;
    }
    VmplState s = v.vmpls[(int) level];
    if (s == null || s.saveArea == 0) {
      return false;
    }
    v.nextVmpl = (int) level;
    return true;
  }

  /** Has a vCPU run the next more privileged level that there is; {@return whether one is} */
  static boolean runHigher(HostVcpu v) {
    for (int level = v.vmpl - 1; level >= 0; level--) {
      if (run(v, level)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Gives a level of a vCPU a save area. The level that runs goes on with it from the next VMRUN
   * on, with no event on its way.
   *
   * @param features SEV_FEATURES that the area has, as the guest says
   */
  static void give(HostVcpu v, int level, long area, long features) {
    if (level != v.vmpl) {
      VmplState old = v.vmpls[level];
      VmplState s = VmplState.of(area, v.createdGhcbMsr, features);
      if (old != null) {
        // Pages of the guest's stay registered.
        s.registeredGhcb = old.registeredGhcb;
        s.doorbell = old.doorbell;
        s.lightEoi = old.lightEoi;
      }
      v.vmpls[level] = s;
      return;
    }
    v.level().saveArea = area;
    v.level().features = features;
    Vmcb b = v.cpu.vmcb();
    b.set(Vmcb.VMSA_PTR, area);
    b.set(Vmcb.EVENTINJ, 0);
    b.set(Vmcb.EXITINTINFO, 0);
    b.set(Vmcb.INTERRUPT_SHADOW, 0);
    v.nmis = 0;
    v.nmiMasked = false;
    v.shadowCr4 = 0;
  }

  /** Takes a level's save area away; a vCPU that runs it, or would run it next, stops. */
  static void take(HostVcpu v, int level) {
    VmplState s = v.vmpls[level];
    if (s != null) {
      s.saveArea = 0;
    }
    if (level == v.nextVmpl) {
      v.state = HostVcpu.State.DESTROYED;
    }
  }

  /**
   * {@return the level that takes an interrupt instead of the next one to run, which takes none
   * from the host, or -1} Only one that had interrupts enabled when it ran last is not surprised by
   * them.
   */
  static int receiver(HostVcpu v) {
    VmplState next = v.vmpls[v.nextVmpl];
    if (next == null || !next.alternate()) {
      return -1;
    }
    for (int level = v.nextVmpl - 1; level >= 0; level--) {
      VmplState s = v.vmpls[level];
      if (s != null && s.saveArea != 0 && !s.alternate()) {
        boolean takes =
            s.restricted()
                ? s.doorbell != HvDoorbell.NONE
                : level == v.vmpl ? v.cpu.vmcb().interruptsEnabled() : s.interruptsEnabled();
        return takes ? level : -1;
      }
    }
    return -1;
  }

  /**
   * An interrupt is there: has a level run that takes it, if the next one does not; {@return
   * whether another level runs so}
   */
  static boolean interrupted(HostVcpu v) {
    int receiver = receiver(v);
    if (receiver >= 0) {
      v.nextVmpl = receiver;
    }
    return receiver >= 0;
  }

  /** Goes over to the level that was asked for. */
  static void entering(HostVcpu v) {
    if (v.nextVmpl == v.vmpl) {
      return;
    }
    VmplState next = v.vmpls[v.nextVmpl];
    assert next != null;
    v.level().save(v);
    v.vmpl = v.nextVmpl;
    next.restore(v);
  }
}
