package dev.vesper.ghcb;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The feature bitmap of a hypervisor, which the MSR protocol (081h) and the event 8000_FFFDh give
 * (spec: snp 3.2).
 */
public final class HvFeatures {
  /** SEV-SNP. */
  public static final long SNP = 1;

  /** AP creation. */
  public static final long AP_CREATION = 1 << 1;

  /** Restricted injection: the doorbell page and inter-processor interrupts. */
  public static final long RESTRICTED_INJECTION = 1 << 2;

  /** A timer by #HV. */
  public static final long RESTRICTED_INJECTION_TIMER = 1 << 3;

  /** The list of APIC IDs. */
  public static final long APIC_ID_LIST = 1 << 4;

  /** Several VMPLs. */
  public static final long MULTI_VMPL = 1 << 5;

  private static final String[] NAMES = {
    "SNP",
    "AP_CREATION",
    "RESTRICTED_INJECTION",
    "RESTRICTED_INJECTION_TIMER",
    "APIC_ID_LIST",
    "MULTI_VMPL",
    "PAGE_STATE_CHANGE",
    "TIO",
    "GHCB_UNREGISTER",
    "EXTENDED_INTERRUPTS"
  };

  private HvFeatures() {}

  /** {@return the bit that has a name, in any case, with - or _ between words; 0 if none has} */
  public static long named(String name) {
    String wanted = name.replace('-', '_').toUpperCase(Locale.ROOT);
    for (int i = 0; i < NAMES.length; i++) {
      if (NAMES[i].equals(wanted)) {
        return 1L << i;
      }
    }
    return 0;
  }

  /** {@return the bits as a number and by name} */
  public static String explain(long bits) {
    List<String> set = new ArrayList<>();
    for (int i = 0; i < NAMES.length; i++) {
      if ((bits >>> i & 1) != 0) {
        set.add(NAMES[i]);
      }
    }
    String number = "0x" + Long.toHexString(bits);
    return set.isEmpty() ? number : number + " (" + String.join(" ", set) + ")";
  }
}
