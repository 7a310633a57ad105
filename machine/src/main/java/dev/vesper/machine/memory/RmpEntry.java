package dev.vesper.machine.memory;

/**
 * An entry of the reverse map table, as RMPUPDATE takes and RMPREAD gives it (AMD APM volume 2,
 * 15.36.3; spec: snp 1.1).
 *
 * @param assigned the page is a guest's or the firmware's, not the hypervisor's
 * @param large the entry is for 2 MiB
 * @param immutable only the firmware may change the entry
 * @param gpa guest physical address that the page has, a multiple of its size
 * @param asid whose it is; 0 is the firmware
 * @param vmsa VMRUN may take the page for a save area
 * @param validated the guest has accepted the page
 * @param permissions those of the privilege levels, eight bits each, of level 0 in bits 7:0
 */
public record RmpEntry(
    boolean assigned,
    boolean large,
    boolean immutable,
    long gpa,
    int asid,
    boolean vmsa,
    boolean validated,
    int permissions) {
  /** An entry of a page that is the hypervisor's. */
  public static final RmpEntry HYPERVISOR =
      new RmpEntry(false, false, false, 0, 0, false, false, 0);

  /** Permission to read. */
  public static final int READ = 1;

  /** Permission to write, of no use without {@link #READ}. */
  public static final int WRITE = 2;

  /** Permission to fetch instructions at CPL 3. */
  public static final int EXECUTE_USER = 4;

  /** Permission to fetch instructions at CPL 0 to 2. */
  public static final int EXECUTE_SUPERVISOR = 8;

  /** Supervisor shadow stacks may lie in the page; of effect with VmplSSS only. */
  public static final int SHADOW_STACK = 16;

  /** All permissions. */
  public static final int ALL = 0x1F;

  /** How many privilege levels there are. */
  public static final int LEVELS = 4;

  /**
   * {@return what RMPUPDATE is given to assign a page of 4 KiB to a guest: Guest-Invalid}
   *
   * @param gpa the page's guest physical address
   */
  public static RmpEntry guest(long gpa, int asid) {
    return new RmpEntry(true, false, false, gpa, asid, false, false, 0);
  }

  /** {@return the same entry for 2 MiB} */
  public RmpEntry ofTwoMebibytes() {
    return new RmpEntry(assigned, true, immutable, gpa, asid, vmsa, validated, permissions);
  }

  /** {@return the same entry, which only the firmware may change: Pre-Guest, to be launched} */
  public RmpEntry forFirmware() {
    return new RmpEntry(assigned, large, true, gpa, asid, vmsa, validated, permissions);
  }

  /** {@return the permissions of a privilege level} */
  public int permissions(int level) {
    return permissions >>> 8 * level & 0xFF;
  }

  /** {@return the state that the fields make together} */
  public PageOwnership state() {
    if (!assigned) {
      return immutable ? PageOwnership.HV_FIXED : PageOwnership.HYPERVISOR;
    }
    if (asid == 0) {
      return !immutable
          ? PageOwnership.RECLAIM
          : vmsa
              ? PageOwnership.CONTEXT
              : gpa == 0 ? PageOwnership.FIRMWARE : PageOwnership.METADATA;
    }
    if (immutable) {
      return validated ? PageOwnership.PRE_SWAP : PageOwnership.PRE_GUEST;
    }
    return validated ? PageOwnership.GUEST_VALID : PageOwnership.GUEST_INVALID;
  }
}
