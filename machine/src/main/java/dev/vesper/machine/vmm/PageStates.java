package dev.vesper.machine.vmm;

import dev.vesper.ghcb.PageStateEntry;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;

/**
 * What KVM and QEMU do with the reverse map table when a guest under SEV-SNP asks for a page to be
 * private or shared, or touches it as what it is not (spec: snp 3.3).
 */
final class PageStates {
  private static final int ASID = 1;
  private static final long LARGE = 2 << 20;

  private final HostView memory;
  private final HostRmp rmp;

  PageStates(HostView memory, HostRmp rmp) {
    this.memory = memory;
    this.rmp = rmp;
  }

  /** {@return whether a page is private} */
  boolean isPrivate(long gpa) {
    return rmp.read(gpa).assigned();
  }

  /**
   * Changes a page of 4 KiB.
   *
   * @param operation of {@link PageStateEntry}'s; what is neither private nor shared does nothing
   * @return whether it can be done
   */
  boolean change(long gpa, int operation) {
    return switch (operation) {
      case PageStateEntry.PRIVATE -> memory.ram().hasPage(gpa >>> 12) && assign(gpa);
      // What is no memory is shared anyway.
      case PageStateEntry.SHARED -> !isPrivate(gpa) || release(gpa);
      default -> true;
    };
  }

  /** Makes a page private, invalid, zero; one that is private stays as it is. */
  private boolean assign(long gpa) {
    return isPrivate(gpa) || rmp.update(gpa, RmpEntry.guest(gpa, ASID)) == RmpResult.SUCCESS;
  }

  private boolean release(long gpa) {
    smash(gpa);
    return rmp.update(gpa, RmpEntry.HYPERVISOR) == RmpResult.SUCCESS;
  }

  /** Splits an entry of 2 MiB, if there is one. */
  void smash(long gpa) {
    if (rmp.read(gpa).large()) {
      rmp.psmash(gpa & -LARGE);
    }
  }

  /** {@return the table's entry of a page, for messages} */
  RmpEntry entry(long gpa) {
    return rmp.read(gpa);
  }
}
