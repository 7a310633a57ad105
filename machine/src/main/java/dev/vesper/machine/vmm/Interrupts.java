package dev.vesper.machine.vmm;

import dev.vesper.machine.device.IoApic;
import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.device.Timed;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.sev.VmsaField;
import java.util.function.Predicate;

/**
 * Interrupts on their way to vCPUs: messages and interrupt commands find their local APICs, what is
 * due is injected, INIT and SIPI start and stop processors.
 */
final class Interrupts {
  static final long EVENT_VALID = 1L << 31;

  /** #VC, which its instruction raises anew when its delivery was interrupted. */
  static final int VC = 29;

  // Delivery modes of interrupt commands and messages.
  private static final int FIXED = 0;
  private static final int LOWEST_PRIORITY = 1;
  private static final int NMI = 4;
  private static final int INIT = 5;
  private static final int STARTUP = 6;

  private static final int NMI_EVENT = 2;
  private static final int TYPE_NMI = NMI_EVENT << 8;
  private static final int TYPE_EXCEPTION = 3 << 8;

  private final Hypervisor host;
  private boolean externalUp;

  Interrupts(Hypervisor host) {
    this.host = host;
  }

  private boolean externalRequest(HostVcpu v) {
    return v.id == 0
        && (v.apic == null || v.apic.acceptsExternal())
        && host.platform.pic.requesting();
  }

  boolean requesting(HostVcpu v) {
    return v.apic != null && v.apic.requesting() || externalRequest(v);
  }

  void prepare(HostVcpu hv) {
    RestrictedInjection restricted = host.restricted;
    if (restricted != null && hv.level().restricted()) {
      restricted.prepare(hv);
      return;
    }
    Vmcb v = hv.cpu.vmcb();
    if (hv.level().alternate()) {
      // Nothing here would be looked at, and what is lost to an exit is a more privileged level's.
      v.set(Vmcb.EXITINTINFO, 0);
      v.setInt(
          Vmcb.INTERCEPT_VECTOR3,
          v.getInt(Vmcb.INTERCEPT_VECTOR3) & ~(Intercept.VINTR | Intercept.IRET));
      return;
    }
    boolean window = false;
    // An event that a delivery lost to an exit comes first; #VC is raised anew by its instruction.
    long lost = v.get(Vmcb.EXITINTINFO);
    if ((lost & EVENT_VALID) != 0
        && (lost & 0xFF) != VC
        && (v.get(Vmcb.EVENTINJ) & EVENT_VALID) == 0) {
      v.set(Vmcb.EVENTINJ, lost);
    }
    v.set(Vmcb.EXITINTINFO, 0);
    if (hv.nmiDue() && !v.interruptShadow() && (v.get(Vmcb.EVENTINJ) & EVENT_VALID) == 0) {
      hv.nmis--;
      hv.nmiMasked = true;
      inject(hv, 2 | TYPE_NMI);
    }
    if (requesting(hv)) {
      boolean free = (v.get(Vmcb.EVENTINJ) & EVENT_VALID) == 0;
      if (free && hv.interruptsEnabled() && !v.interruptShadow()) {
        LocalApic own = hv.apic;
        inject(
            hv,
            own != null && own.requesting() ? own.acknowledge() : host.platform.pic.acknowledge());
      } else {
        window = true;
      }
    }
    // An NMI that waits behind another one follows its IRET. Of an SEV-ES guest's IRET a host can
    // see nothing: the guest says itself when it is ready.
    boolean awaitsIret = hv.nmis > 0 && hv.cpu instanceof PlainVcpu;
    int vector3 = v.getInt(Vmcb.INTERCEPT_VECTOR3) & ~(Intercept.VINTR | Intercept.IRET);
    v.setInt(
        Vmcb.INTERCEPT_VECTOR3,
        vector3 | (window ? Intercept.VINTR : 0) | (awaitsIret ? Intercept.IRET : 0));
    long tpr = hv.apic == null ? v.get(Vmcb.V_INTR) & 15 : hv.apic.taskPriority();
    v.set(Vmcb.V_INTR, tpr | 1L << 24 | (window ? Vmcb.V_IRQ | 1L << 20 : 0));
  }

  /** Injects an external interrupt, or an exception given in EVENTINJ format. */
  void inject(HostVcpu v, long event) {
    long e = event | EVENT_VALID;
    v.cpu.vmcb().set(Vmcb.EVENTINJ, e);
    if (host.observer != null) {
      host.observer.inject(e);
    }
  }

  /** Injects an exception. */
  void injectException(HostVcpu v, int vector, boolean errorCode) {
    inject(v, vector | TYPE_EXCEPTION | (errorCode ? 0x800 : 0));
  }

  /**
   * {@return until when a vCPU may run before it can take an NMI that it is ready for} Another
   * event is delivered before it, or a shadow ends with the next instruction.
   */
  static long nmiWindow(HostVcpu v, long now) {
    Vmcb b = v.cpu.vmcb();
    long event = b.get(Vmcb.EVENTINJ);
    boolean delivers = (event & EVENT_VALID) != 0;
    boolean blocks = delivers && (event >>> 8 & 7) == NMI_EVENT;
    return v.nmiDue() && !blocks && v.cpu instanceof PlainVcpu
        ? now + (delivers ? 0 : 1)
        : Timed.NEVER;
  }

  /** A level-triggered interrupt has ended at some local APIC. */
  void ended(int vector) {
    IoApic a = host.platform.ioApic;
    if (a != null) {
      a.endOfInterrupt(vector);
    }
  }

  /** A device or I/O APIC writes a message (AMD APM volume 2, 16.10). */
  void message(long address, int data) {
    int destination = (int) (address >>> 12) & 0xFF;
    boolean logical = (address & 4) != 0;
    boolean redirected = (address & 8) != 0;
    boolean level = (data >> 15 & 1) != 0;
    int delivery = data >> 8 & 7;
    // No message starts a processor.
    if (address >>> 20 == LocalApic.BASE >>> 20 && delivery != STARTUP) {
      deliver(
          a -> a.addressedBy(destination, logical, true),
          delivery == FIXED && redirected ? LOWEST_PRIORITY : delivery,
          data & 0xFF,
          level);
    }
  }

  /** An interrupt command of a local APIC (AMD APM volume 2, 16.5). */
  void command(int from, int command, int destination) {
    int delivery = command >> 8 & 7;
    boolean logical = (command >> 11 & 1) != 0;
    boolean assertion = (command >> 14 & 1) != 0;
    boolean level = (command >> 15 & 1) != 0;
    if (!assertion && (level || delivery == INIT)) {
      return;
    }
    LocalApic own = host.vcpus.get(from).apic;
    Predicate<LocalApic> meant =
        switch (command >> 18 & 3) {
          case 0 -> a -> a.addressedBy(destination, logical, false);
          case 1 -> a -> a == own;
          case 2 -> a -> true;
          default -> a -> a != own;
        };
    deliver(meant, delivery, command & 0xFF, level);
  }

  /** Hands an interrupt to the processors whose local APICs are meant; {@return to how many} */
  int deliver(Predicate<LocalApic> meant, int delivery, int vector, boolean level) {
    if (delivery == LOWEST_PRIORITY) {
      return deliverLowest(meant, vector, level);
    }
    int n = 0;
    for (HostVcpu v : host.vcpus) {
      LocalApic a = v.apic;
      if (a == null || !a.enabled() || !meant.test(a)) {
        continue;
      }
      n++;
      switch (delivery) {
        case FIXED -> a.request(vector, level);
        case NMI -> v.nonMaskable();
        case INIT -> init(v);
        case STARTUP -> startup(v, vector);
        default -> {
          // SMI and ExtINT: there is no SMM, and nobody answers an acknowledge cycle
        }
      }
    }
    return n;
  }

  /** The processor that has least to do takes it, of several the lowest-numbered one. */
  private int deliverLowest(Predicate<LocalApic> meant, int vector, boolean level) {
    LocalApic best = null;
    for (HostVcpu v : host.vcpus) {
      LocalApic a = v.apic;
      if (a != null
          && a.accepts()
          && meant.test(a)
          && (best == null || a.arbitrationPriority() < best.arbitrationPriority())) {
        best = a;
      }
    }
    if (best == null) {
      return 0;
    }
    best.request(vector, level);
    return 1;
  }

  /** INIT: an application processor waits for SIPI. The VMSA of an SEV-ES guest stays as it is. */
  private void init(HostVcpu v) {
    if (v.id == 0) {
      return;
    }
    if (v.apic != null) {
      v.apic.init();
    }
    if (v.cpu instanceof PlainVcpu) {
      if (host.observer != null) {
        host.observer.resets(v.id);
      }
      v.state = HostVcpu.State.WAIT_FOR_SIPI;
      v.nmis = 0;
    } else if (v.saveAreaAtInit != 0) {
      Vmpls.give(v, v.vmplAtInit, v.saveAreaAtInit, v.featuresAtInit);
      v.nextVmpl = v.vmplAtInit;
      v.saveAreaAtInit = 0;
      v.state = HostVcpu.State.WAIT_FOR_SIPI;
    }
  }

  /**
   * SIPI. The first one of an SEV-ES guest's vCPU runs its launch state, whatever the vector; later
   * ones release it from AP reset hold (spec: hypervisor-behaviour 1.7).
   */
  void startup(HostVcpu v, int vector) {
    if (host.program().platform().skipsStartup(v.id)) {
      return;
    }
    switch (v.state) {
      case WAIT_FOR_SIPI -> {
        if (v.cpu instanceof PlainVcpu p) {
          p.launch(
              new LaunchState()
                  .segment(VmsaField.CS, vector << 8, 0x9B, 0xFFFF, (long) vector << 12)
                  .set(VmsaField.RIP, 0));
        }
        host.wake(v);
        started(v, "SIPI, vector 0x" + Integer.toHexString(vector));
      }
      case RESET_HOLD_EVENT, RESET_HOLD_MSR -> {
        host.handlers.released(v);
        host.wake(v);
        started(v, "released from AP reset hold");
      }
      case RUNNABLE, HALTED, DESTROYED -> {
        // A running processor ignores it, and one without a save area cannot run.
      }
    }
  }

  void started(HostVcpu v, String how) {
    if (host.observer != null) {
      host.observer.started(v.id, how);
    }
  }

  /** Counters that have overflowed interrupt where they are told to. */
  static void lookAtCounters(HostVcpu v) {
    if (v.counters.overflows(v.cpu) && v.apic != null) {
      v.apic.performanceCounter();
    }
  }

  /** The 8259 pair's output goes to every processor's LINT0. */
  void lookAtExternal() {
    boolean up = host.platform.pic.requesting();
    if (up && !externalUp) {
      for (HostVcpu v : host.vcpus) {
        if (v.apic != null) {
          v.apic.externalRises();
        }
      }
    }
    externalUp = up;
  }
}
