package dev.vesper.machine.vmm;

import dev.vesper.machine.launch.CpuidPage;
import java.util.List;

/** What differs between hypervisors when a guest exits. A handler speaks to one vCPU at a time. */
interface Handlers {
  /** A vCPU exists now: sets what its GHCB MSR reads as. */
  void created(HostVcpu v);

  /** Called before each VMRUN. */
  void entering(HostVcpu v);

  /**
   * {@return guest physical address of the page that a request is read from, 0 for none}
   *
   * @param msr the GHCB MSR, whose GHCBInfo is 0
   */
  long ghcb(long msr);

  /** #VMEXIT(VMGEXIT) of an SEV-ES guest. */
  void vmgexit(HostVcpu v);

  /**
   * Any other exit that is not an interrupt's.
   *
   * @param info1 EXITINFO1
   * @param info2 EXITINFO2
   */
  void exit(HostVcpu v, int code, long info1, long info2);

  /** A SIPI releases a vCPU from AP reset hold: gives the answer that it waits for. */
  void released(HostVcpu v);

  /**
   * {@return what the CPUID page of an SNP guest is filled with; nothing if the host launches none}
   *
   * @param v the boot processor
   */
  default List<CpuidPage.Entry> cpuidPage(HostVcpu v) {
    return List.of();
  }

  /** {@return why the run ends when a vCPU halts with interrupts disabled} */
  String haltedForGood();
}
