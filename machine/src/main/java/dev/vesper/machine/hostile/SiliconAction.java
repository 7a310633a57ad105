package dev.vesper.machine.hostile;

/** How the machine itself breaks a rule. No guest can be expected to withstand it. */
public sealed interface SiliconAction extends Action {
  /**
   * Dirty lines of a range are written back: what is stored from now on can be dropped.
   *
   * @param name of what memory has now
   * @param where plaintext of the guest's own
   * @param length 1 to 1 MiB
   */
  record WriteBack(String name, Place where, int length) implements SiliconAction {
    /** Makes an action. */
    public WriteBack {
      if (length < 1 || length > LawfulAction.Capture.MOST) {
        throw new IllegalArgumentException(
            "1 to " + LawfulAction.Capture.MOST + " bytes are kept, not " + length);
      }
    }
  }

  /** Stores since a {@link WriteBack} never were, as INVD drops them (CVE-2023-20592). */
  record DropStores(String since) implements SiliconAction {}

  /**
   * Moves RSP of the vCPU for some instructions (CVE-2025-29943).
   *
   * @param by in bytes
   * @param instructions after so many RSP is moved back; 0 for never
   */
  record MoveRsp(long by, long instructions) implements SiliconAction {
    /** Makes an action. */
    public MoveRsp {
      if (instructions < 0) {
        throw new IllegalArgumentException("RSP is moved back after 0 or more instructions");
      }
    }
  }

  /** Has processors ignore what is to flush their TLBs, or no longer. */
  record KeepTlb(boolean on) implements SiliconAction {}

  /**
   * Has a page of the memory modules appear at a second address for the host, past encryption's
   * owner and reverse map table: what lawful rules do to the second they do to the first
   * (CVE-2024-21944).
   *
   * @param page system physical address of the page
   * @param second the other
   */
  record AliasFrames(long page, long second) implements SiliconAction {}

  /**
   * Writes an entry of the reverse map table as no RMPUPDATE would: a guest's page that stays
   * validated and has another guest physical address.
   *
   * @param page system physical address of the page
   * @param gpa that its entry has then
   */
  record RmpEntry(long page, long gpa) implements SiliconAction {}

  /**
   * Has RDRAND and RDSEED give one number from now on, and say that it is good
   * (GHSA-4xq7-4mgh-gp6w).
   *
   * @param number 64 bits
   */
  record ConstantRandom(HostValue number) implements SiliconAction {}

  /** Writes a register of the vCPU. */
  record SetRegister(String name, HostValue value) implements SiliconAction {}
}
