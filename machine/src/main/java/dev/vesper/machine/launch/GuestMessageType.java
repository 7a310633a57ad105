package dev.vesper.machine.launch;

import org.jspecify.annotations.Nullable;

/** Types of messages between a guest and the secure processor, at their numbers from 1 on. */
public enum GuestMessageType {
  CPUID_REQ,
  CPUID_RSP,
  KEY_REQ,
  KEY_RSP,
  REPORT_REQ,
  REPORT_RSP,
  EXPORT_REQ,
  EXPORT_RSP,
  IMPORT_REQ,
  IMPORT_RSP,
  ABSORB_REQ,
  ABSORB_RSP,
  VMRK_REQ,
  VMRK_RSP,
  ABSORB_NOMA_REQ,
  ABSORB_NOMA_RSP,
  TSC_INFO_REQ,
  TSC_INFO_RSP;

  /** {@return the number that a header has} */
  public int number() {
    return ordinal() + 1;
  }

  /** {@return the type of a number, or null if it is none} */
  public static @Nullable GuestMessageType of(int number) {
    return number < 1 || number > values().length ? null : values()[number - 1];
  }
}
