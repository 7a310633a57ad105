package dev.vesper.machine.memory;

/**
 * The reverse map table as a hypervisor has it: RMPUPDATE, PSMASH and RMPREAD, which it executes at
 * CPL 0 in 64-bit mode, so that none raises an exception here (spec: snp 1.4). The table has one
 * entry for each page of system memory; guest memory lies at its guest physical addresses.
 */
public interface HostRmp {
  /** EXITINFO1 of #NPF: the table refuses the access (AMD APM volume 2, 15.36.10). */
  long VIOLATION = 1L << 31;

  /** EXITINFO1 of #NPF: the access is one with the C-bit, as fetches and walks are. */
  long ENCRYPTED = 1L << 34;

  /** EXITINFO1 of #NPF: PVALIDATE or RMPADJUST of 4 KiB meets an entry of 2 MiB. */
  long SIZE_MISMATCH = 1L << 35;

  /** EXITINFO1 of #NPF: the privilege level lacks the permission. */
  long PRIVILEGE_LEVEL = 1L << 36;

  /**
   * RMPUPDATE. Refuses, in this order: {@link RmpResult#FAIL_INPUT} for addresses that the table
   * does not cover or that are no multiple of the page size, and for entries that only the firmware
   * makes; {@link RmpResult#FAIL_INUSE} for the VMCB or the save area of a processor that runs;
   * {@link RmpResult#FAIL_PERMISSION} for immutable entries; {@link RmpResult#FAIL_OVERLAP} where
   * entries of the other size are.
   *
   * <p>A page that becomes a guest's has zero bytes; one that is to be launched keeps what the host
   * wrote. A page that becomes the hypervisor's has zero bytes too.
   *
   * @param address of the page in system memory
   * @param e what the entry shall be; VMSA, validated and permissions are not taken from it
   */
  RmpResult update(long address, RmpEntry e);

  /**
   * PSMASH: makes an entry of 2 MiB 512 of 4 KiB, all else unchanged.
   *
   * @param address of 2 MiB
   */
  RmpResult psmash(long address);

  /**
   * RMPREAD.
   *
   * @return the entry of a page, which in one of 2 MiB has the page's own address; that of a
   *     hypervisor's page where the table covers none
   */
  RmpEntry read(long address);

  /**
   * Does to a page what the guest must notice. The next successful RMPUPDATE or PSMASH of the page
   * is the end of it, as far as that is allowed to hosts.
   *
   * @param address of the page in system memory, which is a guest's
   * @return as RMPUPDATE does
   */
  RmpResult inject(long address, RmpFault fault);

  /** {@return whether a page of the 2 MiB around an address is assigned (RMPREAD, size bit 1)} */
  boolean assignedNear(long address);
}
