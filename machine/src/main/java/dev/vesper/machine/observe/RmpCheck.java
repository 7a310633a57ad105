package dev.vesper.machine.observe;

/**
 * The checks that the reverse map table and the instructions of SEV-SNP make, as the reason why an
 * access or an instruction is refused, or changes nothing (AMD APM volume 2, 15.36.10).
 */
public enum RmpCheck {
  /** None has failed. */
  NONE(""),
  CPL("CPL is not 0"),
  VMPL("PVALIDATE is for VMPL0 alone"),
  VMSA_BELOW_VMPL0("the VMSA bit of RDX is obeyed at VMPL0 alone"),
  OPERAND_SIZE("the size in RCX is neither 0 (4K) nor 1 (2M)"),
  RESERVED("RDX has reserved bits set, or there is no such VMPL"),
  TARGET_VMPL("the target VMPL is not below the caller's"),
  SHARED_MAPPING("the page tables map the address without the C-bit"),
  ALIGNMENT("2M are asked for, and the address is not a multiple of 2M"),
  SMALL_ENTRY("2M are asked for, and the entry is for 4K"),
  UNCHANGED("the page was so already"),
  GRANTED_PERMISSIONS("the caller's VMPL lacks a permission that it would give"),
  IN_USE("a processor runs with the page as its save area"),
  COVERED("the reverse map table does not cover the page"),
  ASSIGNED("the page is not assigned: it is the hypervisor's"),
  FIRMWARE("the page is the firmware's"),
  ASID("the page is another guest's"),
  GPA("the page was assigned at another guest physical address: the host has moved it"),
  IMMUTABLE("the entry is immutable: only the firmware may change it"),
  MAPPING_SIZE("nested paging maps the page with another size than its entry has"),
  LARGE_ENTRY("4K are asked for, and the entry is for 2M: the host must split it by PSMASH"),
  VALIDATED("the page is not validated"),
  PERMISSIONS("the VMPL lacks the permission"),
  HYPERVISOR_OWNED("the access is one without the C-bit, and the page is not the hypervisor's");

  private final String words;

  RmpCheck(String words) {
    this.words = words;
  }

  /** {@return what is wrong, in words; empty for {@link #NONE}} */
  @Override
  public String toString() {
    return words;
  }
}
