package dev.vesper.machine.launch;

/** Fields of an attestation report, at their offsets (spec: snp 7.4). */
public enum ReportField {
  VERSION(0, 4),
  GUEST_SVN(4, 4),
  POLICY(8, 8),
  FAMILY_ID(0x10, 16),
  IMAGE_ID(0x20, 16),
  /** Privilege level of who asked; all ones if the host did. */
  VMPL(0x30, 4),
  SIGNATURE_ALGO(0x34, 4),
  CURRENT_TCB(0x38, 8),
  PLATFORM_INFO(0x40, 8),
  /** Bit 0: the author key signed; bit 1: the chip's key is masked; bits 4 to 2: who signs. */
  KEY_INFO(0x48, 4),
  REPORT_DATA(0x50, 64),
  MEASUREMENT(0x90, 48),
  HOST_DATA(0xC0, 32),
  ID_KEY_DIGEST(0xE0, 48),
  AUTHOR_KEY_DIGEST(0x110, 48),
  REPORT_ID(0x140, 32),
  REPORT_ID_MA(0x160, 32),
  REPORTED_TCB(0x180, 8),
  /** Family, model and stepping of the processor, from version 3 on. */
  CPUID_FAMILY(0x188, 1),
  CPUID_MODEL(0x189, 1),
  CPUID_STEPPING(0x18A, 1),
  CHIP_ID(0x1A0, 64),
  COMMITTED_TCB(0x1E0, 8),
  CURRENT_BUILD(0x1E8, 1),
  CURRENT_MINOR(0x1E9, 1),
  CURRENT_MAJOR(0x1EA, 1),
  COMMITTED_BUILD(0x1EC, 1),
  COMMITTED_MINOR(0x1ED, 1),
  COMMITTED_MAJOR(0x1EE, 1),
  LAUNCH_TCB(0x1F0, 8),
  /** Mitigations of the firmware that launched, and of the one that reports: from version 5 on. */
  LAUNCH_MIT_VECTOR(0x1F8, 8),
  CURRENT_MIT_VECTOR(0x200, 8),
  /** R and S, 72 bytes each, little endian, then zeros. */
  SIGNATURE(0x2A0, 512);

  private final int offset;
  private final int bytes;

  ReportField(int offset, int bytes) {
    this.offset = offset;
    this.bytes = bytes;
  }

  /** {@return where it lies in a report} */
  public int offset() {
    return offset;
  }

  /** {@return how long it is} */
  public int bytes() {
    return bytes;
  }
}
