package dev.vesper.machine.memory;

/** States of a page by its entry in the reverse map table (AMD APM volume 2, 15.36.3). */
public enum PageOwnership {
  /** Nobody's but the hypervisor's: shared with the guest. */
  HYPERVISOR,
  /** The hypervisor's for ever. */
  HV_FIXED,
  /** Let go by the firmware. */
  RECLAIM,
  /** The firmware's. */
  FIRMWARE,
  /** Holds what the firmware knows of a guest. */
  CONTEXT,
  /** Holds what the firmware knows of pages that were swapped out. */
  METADATA,
  /** A guest's, to be launched by the firmware. */
  PRE_GUEST,
  /** A guest's, which the firmware swaps. */
  PRE_SWAP,
  /** A guest's, which it has not accepted. */
  GUEST_INVALID,
  /** A guest's, which it has accepted. */
  GUEST_VALID
}
