package dev.vesper.machine.boot;

import dev.vesper.machine.spec.BootException;

/**
 * What firmware has a hypervisor launch besides itself (spec: snp 6.6): an entry of its SNP
 * metadata, GPA u32, size u32 and type u32.
 *
 * @param address guest physical, of a page
 * @param length bytes, whole pages
 */
record SnpSection(long address, long length, Kind kind) {
  /** What a section is for. */
  enum Kind {
    /** Memory of the firmware's first phase. */
    SEC_MEM(1, "firmware memory"),
    SECRETS(2, "secrets"),
    CPUID(3, "CPUID page"),
    /** The calling area of an SVSM, which there is none of. */
    SVSM_CAA(4, "SVSM calling area"),
    KERNEL_HASHES(0x10, FirmwareImage.HASHES);

    final int code;

    /** What it is called in a launch. */
    final String what;

    Kind(int code, String what) {
      this.code = code;
      this.what = what;
    }
  }

  static SnpSection of(long address, long length, int type) throws BootException {
    for (Kind k : Kind.values()) {
      if (k.code == type) {
        if ((address & 0xFFF) != 0 || (length & 0xFFF) != 0 || length == 0) {
          break;
        }
        return new SnpSection(address, length, k);
      }
    }
    throw new BootException(
        "the firmware's SNP metadata ask for a section of type "
            + type
            + " at 0x"
            + Long.toHexString(address)
            + ", 0x"
            + Long.toHexString(length)
            + " bytes: there are whole pages of types 1 to 4 and 16");
  }
}
