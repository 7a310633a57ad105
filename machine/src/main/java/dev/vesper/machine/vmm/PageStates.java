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
  private static final int PAGE = 0x1000;
  private static final int ASID = 1;
  private static final long LARGE = 2 << 20;

  private final HostView memory;
  private final HostRmp rmp;

  PageStates(HostView memory, HostRmp rmp) {
    this.memory = memory;
    this.rmp = rmp;
  }

  /** {@return whether there is a page of memory that the host can read and write} */
  boolean isShared(long gpa) {
    return memory.contains(gpa, PAGE) && !isPrivate(gpa);
  }

  /** {@return whether a page is private} */
  boolean isPrivate(long gpa) {
    return rmp.read(gpa).assigned();
  }

  /**
   * Changes a page of 4 KiB.
   *
   * @param operation of {@link PageStateEntry}'s; what is neither private nor shared does nothing
   * @return why it cannot be done, empty if it is
   */
  String change(long gpa, int operation) {
    return switch (operation) {
      case PageStateEntry.PRIVATE ->
          memory.ram().hasPage(gpa >>> 12) ? assign(gpa) : "the guest has no memory there";
      // What is no memory is shared anyway.
      case PageStateEntry.SHARED -> isPrivate(gpa) ? release(gpa) : "";
      default -> "";
    };
  }

  /** Makes a page private, invalid, zero; one that is private stays as it is. */
  private String assign(long gpa) {
    return isPrivate(gpa) ? "" : refusal(rmp.update(gpa, RmpEntry.guest(gpa, ASID)));
  }

  private String release(long gpa) {
    smash(gpa);
    return refusal(rmp.update(gpa, RmpEntry.HYPERVISOR));
  }

  private static String refusal(RmpResult r) {
    return r == RmpResult.SUCCESS ? "" : "RMPUPDATE says " + r;
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
