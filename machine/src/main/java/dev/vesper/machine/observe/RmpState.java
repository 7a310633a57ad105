package dev.vesper.machine.observe;

/**
 * What the reverse map table says of a page at one moment (AMD APM volume 2, 15.36.3).
 *
 * @param kind the state that the entry's fields make together
 * @param large the entry is for 2 MiB
 * @param vmsa VMRUN may take the page for a save area
 * @param asid whose the page is; 0 for the hypervisor's and the firmware's
 * @param gpa the guest physical address that the entry has, of a guest's page; 0 of others
 * @param permissions those of the privilege levels, eight bits each, of level 0 in bits 7:0
 */
public record RmpState(
    Kind kind, boolean large, boolean vmsa, int asid, long gpa, int permissions) {
  /** The state of what nobody but the hypervisor owns. */
  public static final RmpState HYPERVISOR = new RmpState(Kind.HYPERVISOR, false, false, 0, 0, 0);

  /** Page states by the names that the architecture has for them. */
  public enum Kind {
    HYPERVISOR("Hypervisor"),
    HV_FIXED("HV-Fixed"),
    RECLAIM("Reclaim"),
    FIRMWARE("Firmware"),
    CONTEXT("Context"),
    METADATA("Metadata"),
    PRE_GUEST("Pre-Guest"),
    PRE_SWAP("Pre-Swap"),
    GUEST_INVALID("Guest-Invalid"),
    GUEST_VALID("Guest-Valid");

    private final String word;

    Kind(String word) {
      this.word = word;
    }

    /** {@return the name in the architecture} */
    @Override
    public String toString() {
      return word;
    }
  }

  /** {@return whether a guest owns the page} */
  public boolean isGuests() {
    return kind == Kind.GUEST_VALID || kind == Kind.GUEST_INVALID;
  }

  /** {@return the state of the page that is so many bytes behind, if it is like this one} */
  public RmpState behind(long bytes) {
    return gpa == 0 && asid == 0
        ? this
        : new RmpState(kind, large, vmsa, asid, gpa + bytes, permissions);
  }

  /** {@return for people: the state, the size, and a save area if it is one} */
  public String brief() {
    return kind + (large ? " 2M" : "") + (vmsa && isGuests() ? " VMSA" : "");
  }
}
