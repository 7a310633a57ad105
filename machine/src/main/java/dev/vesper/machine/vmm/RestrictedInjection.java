package dev.vesper.machine.vmm;

import dev.vesper.ghcb.HvDoorbell;
import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.Outcome;
import org.jspecify.annotations.Nullable;

/**
 * How a host brings events to a guest whose processor lets it inject nothing but #HV (spec: snp
 * section 2, RestrictedInjection, and 3.6): it writes them into the doorbell page of the level that
 * runs, and rings if the guest does not know yet that there is something. One interrupt and one NMI
 * are there at a time; what comes meanwhile waits until the guest has taken them. RFLAGS.IF and
 * shadows mean nothing to #HV: guests that cannot be interrupted leave the events where they are.
 *
 * <p>The host lets the guest end an interrupt without an exit where nothing depends on when it
 * ends: it is edge-triggered, and no other one waits or is in service.
 *
 * <p>A level without a page is told nothing. What is meant for the vCPU waits until it has one, or
 * until a level that has one runs.
 */
final class RestrictedInjection {
  private static final int HV = 28;
  private static final int TYPE_EXCEPTION = 3;
  private static final int PAGE = 0x1000;

  private final Hypervisor host;

  RestrictedInjection(Hypervisor host) {
    this.host = host;
  }

  /** {@return whether guests with features are to be reached so} */
  static boolean in(long features) {
    return SevFeature.RESTRICTED_INJECTION.in(features);
  }

  /**
   * Serves the event by which a guest speaks of its page.
   *
   * @param info2 the page, where one is set
   * @return SW_EXITINFO2, or null if the request makes none
   */
  @Nullable Long request(HostVcpu v, long request, long info2) {
    VmplState s = v.level();
    if (request < HvDoorbell.GET_PREFERRED || request > HvDoorbell.CLEAR) {
      return null;
    }
    switch ((int) request) {
      case HvDoorbell.SET -> {
        if ((info2 & PAGE - 1) != 0 || !host.memory.contains(info2, PAGE) || isPrivate(info2)) {
          return null;
        }
        forget(v);
        s.doorbell = info2;
        look(v);
        return info2;
      }
      case HvDoorbell.QUERY -> {
        return s.doorbell;
      }
      case HvDoorbell.CLEAR -> {
        forget(v);
        s.doorbell = HvDoorbell.NONE;
        v.doorbellFree = false;
        return 0L;
      }
      default -> {
        return HvDoorbell.NONE;
      }
    }
  }

  private boolean isPrivate(long gpa) {
    return !host.memory.mayWrite(gpa, PAGE);
  }

  /** An EOI that the page would have told of has to come as others do. */
  private void forget(HostVcpu v) {
    exited(v);
    VmplState s = v.level();
    if (s.doorbell != HvDoorbell.NONE) {
      withdrawEoi(s);
    }
  }

  private int read(VmplState s, int offset) {
    return (int) host.memory.read(s.doorbell + offset, 1);
  }

  private void write(VmplState s, int offset, int value) {
    host.memory.write(s.doorbell + offset, 1, value);
  }

  /** {@return whether the level that runs has a page}; one that is private ends the run. */
  private boolean reachable(HostVcpu v) {
    long page = v.level().doorbell;
    if (page == HvDoorbell.NONE) {
      v.doorbellFree = false;
      return false;
    }
    if (isPrivate(page)) {
      host.end(
          Outcome.GAVE_UP,
          "the #HV doorbell page at GPA 0x"
              + Long.toHexString(page)
              + " is a private page: nobody can tell the guest of events");
      return false;
    }
    return true;
  }

  /** {@return whether there is an interrupt in the page that the guest has not taken} */
  boolean isUnseen(HostVcpu v) {
    return v.level().doorbell != HvDoorbell.NONE && !v.doorbellFree;
  }

  /** An exit: sees what the guest has taken, and what it has ended. */
  void exited(HostVcpu v) {
    VmplState s = v.level();
    if (s.doorbell == HvDoorbell.NONE || isPrivate(s.doorbell)) {
      v.doorbellFree = false;
      return;
    }
    if (s.lightEoi >= 0 && (read(s, HvDoorbell.NO_EOI_REQUIRED) & 1) == 0) {
      s.lightEoi = -1;
      if (v.apic != null) {
        v.apic.endOfInterrupt();
      }
    }
    look(v);
  }

  private void look(HostVcpu v) {
    VmplState s = v.level();
    v.doorbellFree = read(s, HvDoorbell.VECTOR) == 0;
    v.nmiMasked = (read(s, HvDoorbell.FLAGS) & HvDoorbell.NMI) != 0;
  }

  /** Before VMRUN: puts what is due into the page. */
  void prepare(HostVcpu v) {
    Vmcb b = v.cpu.vmcb();
    // A #HV whose delivery was lost comes again. Exceptions come again by themselves, and nobody
    // may inject them.
    long lost = b.get(Vmcb.EXITINTINFO);
    if ((lost & Interrupts.EVENT_VALID) != 0
        && (lost & 0xFF) == HV
        && (lost >>> 8 & 7) == TYPE_EXCEPTION) {
      b.set(Vmcb.EVENTINJ, lost);
    }
    b.set(Vmcb.EXITINTINFO, 0);
    b.setInt(
        Vmcb.INTERCEPT_VECTOR3,
        b.getInt(Vmcb.INTERCEPT_VECTOR3) & ~(Intercept.VINTR | Intercept.IRET));
    long priority = v.apic == null ? b.get(Vmcb.V_INTR) & 15 : v.apic.taskPriority();
    b.set(Vmcb.V_INTR, priority | 1L << 24);
    if (reachable(v)) {
      fill(v);
    }
  }

  private void fill(HostVcpu v) {
    look(v);
    VmplState s = v.level();
    int flags = read(s, HvDoorbell.FLAGS);
    int before = flags;
    boolean interrupt = v.doorbellFree && host.interrupts.requesting(v);
    if (v.nmiDue()) {
      v.nmis--;
      v.nmiMasked = true;
      flags |= HvDoorbell.NMI;
    }
    if (interrupt) {
      withdrawEoi(s);
      write(s, HvDoorbell.VECTOR, acknowledge(v, s));
      v.doorbellFree = false;
    } else if (s.lightEoi >= 0 && v.apic != null && !v.apic.serves(s.lightEoi)) {
      // Something waits for its end, which the host must see.
      withdrawEoi(s);
    }
    boolean rings = (interrupt || flags != before) && (before & HvDoorbell.NO_FURTHER_SIGNAL) == 0;
    if (rings) {
      host.interrupts.injectException(v, HV, false);
      flags |= HvDoorbell.NO_FURTHER_SIGNAL;
    }
    if (flags != before) {
      write(s, HvDoorbell.FLAGS, flags);
    }
  }

  private void withdrawEoi(VmplState s) {
    if (s.lightEoi >= 0) {
      if (!isPrivate(s.doorbell)) {
        write(s, HvDoorbell.NO_EOI_REQUIRED, 0);
      }
      s.lightEoi = -1;
    }
  }

  /** {@return the vector of the interrupt that is due, which is in service from now on} */
  private int acknowledge(HostVcpu v, VmplState s) {
    LocalApic own = v.apic;
    if (own == null || !own.requesting()) {
      return host.platform.pic.acknowledge();
    }
    int vector = own.acknowledge();
    if (own.serves(vector)) {
      write(s, HvDoorbell.NO_EOI_REQUIRED, 1);
      s.lightEoi = vector;
    }
    return vector;
  }
}
