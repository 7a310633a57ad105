package dev.vesper.machine.vmm;

import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What the host keeps of one vCPU besides its VMCB. */
final class HostVcpu {
  /** Whether a vCPU can run, and what it waits for if not. */
  enum State {
    RUNNABLE,
    /** HLT: an interrupt wakes it. */
    HALTED,
    /** An application processor after reset or INIT. */
    WAIT_FOR_SIPI,
    /** AP_RESET_HOLD asked for by a GHCB event; the answer is given at SIPI. */
    RESET_HOLD_EVENT,
    /** AP_RESET_HOLD asked for by the MSR protocol. */
    RESET_HOLD_MSR,
    /** Its save area was taken away by AP creation: it runs when it is given another. */
    DESTROYED
  }

  final int id;
  final VirtualCpu cpu;
  final @Nullable LocalApic apic;
  State state;

  boolean everEnabledInterrupts;

  final MachineCheckBanks machineChecks;
  final PerformanceCounters counters;

  /** What KVM keeps of its MSRs. */
  final KvmVcpu kvm = new KvmVcpu();

  /** With Secure TSC: how the guest's time was to be counted when it was launched. */
  final @Nullable SecureTsc secureTsc;

  /** Another vCPU has woken it before it halted. */
  boolean kicked;

  /** CR4 as the last write trap of an SEV-ES guest showed it. */
  long shadowCr4;

  /** XCR0 and XSS as an SEV-ES guest has said them last. */
  long guestXcr0 = 1;

  long guestXss;

  /** Exits in a row without an instruction between them. */
  int stuck;

  /** When it last read ACPI's timer, and what that took. */
  long timerRead = Long.MIN_VALUE / 2;

  long timerWait;

  /**
   * @param features SEV_FEATURES of the launched save area, 0 but under SEV-SNP
   * @param secureTsc how the guest has its time counted if the host does not, or null
   */
  HostVcpu(
      int id,
      VirtualCpu cpu,
      @Nullable LocalApic apic,
      CpuModel model,
      long features,
      @Nullable SecureTsc secureTsc) {
    this.secureTsc = secureTsc;
    vmpls[0] = VmplState.of(cpu.vmcb().get(Vmcb.VMSA_PTR), 0, features);
    machineChecks = new MachineCheckBanks(model.has("mce") && model.has("mca"));
    counters = new PerformanceCounters(model);
    this.id = id;
    this.cpu = cpu;
    this.apic = apic;
    state = id == 0 ? State.RUNNABLE : State.WAIT_FOR_SIPI;
  }

  /** The GHCB that an AP reset hold event is answered in. */
  long holdGhcb;

  /** What is kept of each VMPL, null for one that has never had a save area. */
  final @Nullable VmplState[] vmpls = new VmplState[RmpEntry.LEVELS];

  /** The VMPL whose save area the VMCB names. */
  int vmpl;

  /** The one that the next VMRUN runs. */
  int nextVmpl;

  /** What the GHCB MSR reads as before the guest writes it. */
  long createdGhcbMsr;

  /** With restricted injection: the guest can be told of an interrupt. */
  boolean doorbellFree;

  /** The save area that the next INIT gives it, or 0. */
  long saveAreaAtInit;

  /** The VMPL that it is for. */
  int vmplAtInit;

  /** SEV_FEATURES that it has. */
  long featuresAtInit;

  /** NMIs that wait to be injected: at most two, one while another is in delivery or blocks. */
  int nmis;

  /** The guest has not said yet that its NMI handler is done. */
  boolean nmiMasked;

  /** {@return what is kept of the VMPL that runs} */
  VmplState level() {
    return Objects.requireNonNull(vmpls[vmpl]);
  }

  /** {@return CR4 as far as the host can know it} */
  long cr4() {
    return cpu instanceof PlainVcpu p ? p.cr4() : shadowCr4;
  }

  /** {@return whether another NMI must wait} */
  boolean nmiBlocked() {
    return switch (cpu) {
      // The host cannot see IRET: the guest reports it by the NMI-complete event.
      case EncryptedVcpu e -> nmiMasked;
      case PlainVcpu p -> p.nmiBlocked();
    };
  }

  /** An NMI arrives. */
  void nonMaskable() {
    nmis = Math.min(nmis + 1, nmiBlocked() ? 1 : 2);
  }

  /** {@return whether it halts and an interrupt could end that} */
  boolean canWake() {
    return state == State.HALTED && (interruptsEnabled() || nmiDue());
  }

  /** {@return whether an NMI waits that nothing but another event or a shadow can hold up} */
  boolean nmiDue() {
    return nmis > 0 && !nmiBlocked() && (!level().alternate() || Vmpls.receiver(this) >= 0);
  }

  /**
   * {@return RFLAGS.IF as far as the host can know it; with restricted injection whether the guest
   * can be told of an interrupt, with alternate injection whether a more privileged level can be
   * interrupted}
   */
  boolean interruptsEnabled() {
    if (level().restricted()) {
      return doorbellFree;
    }
    if (level().alternate()) {
      return Vmpls.receiver(this) >= 0;
    }
    return switch (cpu) {
      case EncryptedVcpu e -> e.vmcb().interruptsEnabled();
      case PlainVcpu p -> p.interruptsEnabled();
    };
  }
}
