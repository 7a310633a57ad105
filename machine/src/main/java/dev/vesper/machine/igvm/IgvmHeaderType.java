package dev.vesper.machine.igvm;

import org.jspecify.annotations.Nullable;

/**
 * Headers of an IGVM file by the names and numbers of its specification (igvm_defs,
 * IgvmVariableHeaderType), and how many bytes the content of each has.
 */
public enum IgvmHeaderType {
  SUPPORTED_PLATFORM(0x1, 16),
  GUEST_POLICY(0x101, 16),
  RELOCATABLE_REGION(0x102, 48),
  PAGE_TABLE_RELOCATION_REGION(0x103, 32),
  /** What a measurement should be, for verifiers; CORIM_SIGNATURE signs it. */
  CORIM_DOCUMENT(0x104, 16),
  CORIM_SIGNATURE(0x105, 16),
  CCA_POLICY(0x106, 32),
  PARAMETER_AREA(0x301, 16),
  PAGE_DATA(0x302, 24),
  PARAMETER_INSERT(0x303, 16),
  VP_CONTEXT(0x304, 20),
  REQUIRED_MEMORY(0x305, 24),
  VP_COUNT_PARAMETER(0x307, 8),
  SRAT(0x308, 8),
  MADT(0x309, 8),
  MMIO_RANGES(0x30A, 8),
  SNP_ID_BLOCK(0x30B, 0x2B8),
  MEMORY_MAP(0x30C, 8),
  ERROR_RANGE(0x30D, 16),
  COMMAND_LINE(0x30E, 8),
  SLIT(0x30F, 8),
  PPTT(0x310, 8),
  VBS_MEASUREMENT(0x311, 864),
  DEVICE_TREE(0x312, 8),
  ENVIRONMENT_INFO_PARAMETER(0x313, 8);

  /** Bit of a type that a loader may pass over if it does not know it. */
  static final long OPTIONAL = 1L << 31;

  final int code;
  final int bytes;

  IgvmHeaderType(int code, int bytes) {
    this.code = code;
    this.bytes = bytes;
  }

  /** {@return the type of a number, or null if there is none here} */
  static @Nullable IgvmHeaderType of(long code) {
    for (IgvmHeaderType t : values()) {
      if (t.code == code) {
        return t;
      }
    }
    return null;
  }

  /**
   * {@return which of the file's parts a number belongs to, which follow each other: 0 platforms, 1
   * initialization, 2 directives; -1 if to none}
   */
  static int part(long code) {
    return code >= 1 && code <= 0x100
        ? 0
        : code > 0x100 && code <= 0x200 ? 1 : code > 0x300 && code <= 0x400 ? 2 : -1;
  }

  /** {@return its name and its number in the file, for messages} */
  public String words() {
    return name() + " (0x" + Integer.toHexString(code) + ")";
  }
}
