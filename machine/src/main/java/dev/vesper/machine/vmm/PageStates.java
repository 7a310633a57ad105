package dev.vesper.machine.vmm;

import dev.vesper.ghcb.PageStateEntry;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;
import dev.vesper.machine.sev.Vmcb;

/**
 * What KVM and QEMU do with the reverse map table when a guest under SEV-SNP asks for a page to be
 * private or shared, or touches it as what it is not (spec: snp 1.5 and 3.3).
 */
final class PageStates {
  private static final int PAGE = 0x1000;

  /** Bytes of a large page. */
  static final long LARGE = 2 << 20;

  private final Hypervisor host;
  private final HostRmp rmp;

  PageStates(Hypervisor host, HostRmp rmp) {
    this.host = host;
    this.rmp = rmp;
  }

  /** {@return whether there is a page of memory that the host can read and write} */
  boolean isShared(long gpa) {
    return host.memory.contains(gpa, PAGE) && !isPrivate(gpa);
  }

  /** {@return whether a page is private} */
  boolean isPrivate(long gpa) {
    return entry(gpa).assigned();
  }

  /**
   * Changes a page of 4 KiB.
   *
   * @param operation of {@link PageStateEntry}'s; what is neither private nor shared does nothing
   * @return why it cannot be done, empty if it is
   */
  String change(long gpa, int operation) {
    return switch (operation) {
      case PageStateEntry.PRIVATE -> isMemory(gpa) ? assign(gpa) : "the guest has no memory there";
      // What is no memory is shared anyway.
      case PageStateEntry.SHARED -> isPrivate(gpa) ? release(gpa) : "";
      default -> "";
    };
  }

  /**
   * Changes 2 MiB at once, if the table may have an entry of that size and the whole of it is to
   * change.
   *
   * @param gpa a multiple of 2 MiB
   * @return whether it is done; if not it can still be done page by page
   */
  boolean changeLarge(long gpa, int operation) {
    return switch (operation) {
      case PageStateEntry.PRIVATE ->
          host.snp.host().largePages()
              && isMemory(gpa)
              && isMemory(gpa + LARGE - 1)
              && !rmp.assignedNear(gpa)
              && updated(gpa, RmpEntry.guest(gpa, asid()).ofTwoMebibytes());
      case PageStateEntry.SHARED ->
          rmp.read(gpa).large() && updated(gpa, RmpEntry.HYPERVISOR.ofTwoMebibytes());
      default -> false;
    };
  }

  /** Makes a page private, invalid, zero; one that is private stays as it is. */
  private String assign(long gpa) {
    return isPrivate(gpa) ? "" : refusal(rmp.update(gpa, RmpEntry.guest(gpa, asid())));
  }

  private String release(long gpa) {
    smash(gpa);
    return refusal(rmp.update(gpa, RmpEntry.HYPERVISOR));
  }

  private static String refusal(RmpResult r) {
    return r == RmpResult.SUCCESS ? "" : "RMPUPDATE says " + r;
  }

  private boolean updated(long gpa, RmpEntry e) {
    return rmp.update(gpa, e) == RmpResult.SUCCESS;
  }

  private boolean isMemory(long gpa) {
    return host.memory.ram().hasPage(gpa >>> 12);
  }

  /** {@return the ASID that the guest's vCPUs run with} */
  private int asid() {
    return (int) host.vcpus.get(0).cpu.vmcb().get(Vmcb.ASID);
  }

  /** Splits an entry of 2 MiB, if there is one. */
  void smash(long gpa) {
    if (rmp.read(gpa).large()) {
      rmp.psmash(gpa & -LARGE);
    }
  }

  /**
   * {@return the table's entry of a page} No guest physical address leads to the host's own pages,
   * which lie behind in system memory.
   */
  RmpEntry entry(long gpa) {
    return host.memory.isHosts(gpa) ? RmpEntry.HYPERVISOR : rmp.read(gpa);
  }
}
