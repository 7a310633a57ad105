package dev.vesper.machine.launch;

/** The bits of a guest's policy that are a permission or a demand each (spec: snp 6.3). */
public enum PolicyBit {
  SMT(16, true, "both threads of a core may be used"),
  MIGRATE_MA(18, true, "a migration agent may have the guest's secrets and move it"),
  DEBUG(19, true, "the host may have the guest's memory decrypted"),
  SINGLE_SOCKET(20, false, "the guest runs on one socket only"),
  CXL_ALLOW(21, true, "memory and devices behind CXL may be used"),
  MEM_AES_256_XTS(22, false, "memory is encrypted by AES-256 in XTS"),
  RAPL_DIS(23, false, "the host cannot measure power (RAPL)"),
  CIPHERTEXT_HIDING_DRAM(24, false, "the host cannot read the memory's ciphertext"),
  PAGE_SWAP_DISABLE(25, false, "the host cannot swap or move the guest's pages");

  private final int bit;
  private final boolean permits;
  private final String meaning;

  PolicyBit(int bit, boolean permits, String meaning) {
    this.bit = bit;
    this.permits = permits;
    this.meaning = meaning;
  }

  /** {@return whether a policy has it} */
  public boolean in(long policy) {
    return (policy & mask()) != 0;
  }

  /** {@return a policy with this bit alone} */
  public long mask() {
    return 1L << bit;
  }

  /** {@return whether a set bit gives the host more; otherwise it takes something from it} */
  public boolean permits() {
    return permits;
  }

  /** {@return what a set bit says} */
  public String meaning() {
    return meaning;
  }
}
