package dev.vesper.machine.launch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Bits of SEV_FEATURES in a save area, by the names of the manual (AMD APM volume 2, 15.36; spec:
 * snp section 2). Bit n is bit n + 2 of SEV_STATUS.
 */
public enum SevFeature {
  SNP_ACTIVE(0, "SNPActive", true),
  VTOM(1, "vTOM", true),
  REFLECT_VC(2, "ReflectVC", true),
  RESTRICTED_INJECTION(3, "RestrictedInjection", true),
  ALTERNATE_INJECTION(4, "AlternateInjection", true),
  DEBUG_SWAP(5, "DebugSwap", true),
  /** The host samples nothing here. */
  PREVENT_HOST_IBS(6, "PreventHostIBS", true),
  /** There are no predictors to keep apart. */
  BTB_ISOLATION(7, "SNPBTBIsolation", true),
  VMPL_SSS(8, "VmplSSS", false),
  SECURE_TSC(9, "SecureTSC", true),
  VMGEXIT_PARAMETER(10, "VmgexitParam", true),
  PMC_VIRTUALIZATION(11, "PmcVirtualization", false),
  IBS_VIRTUALIZATION(12, "IBSVirtualization", false),
  GUEST_INTERCEPT_CONTROL(13, "GuestInterceptCtl", false),
  VMSA_REG_PROT(14, "VmsaRegProt", false),
  /** No two vCPUs are threads of one core. */
  SMT_PROTECTION(15, "SmtProtection", true),
  SECURE_AVIC(16, "SecureAVIC", false),
  IBPB_ON_ENTRY(21, "IbpbOnEntry", false);

  /** From which bit on SEV_STATUS has them. */
  public static final int IN_STATUS = 2;

  /** The bit as a mask. */
  public final long mask;

  /** The name in the manual. */
  public final String title;

  /** Whether the processor has it. */
  public final boolean supported;

  SevFeature(int bit, String title, boolean supported) {
    mask = 1L << bit;
    this.title = title;
    this.supported = supported;
  }

  /** {@return whether the bit is set} */
  public boolean in(long features) {
    return (features & mask) != 0;
  }

  /**
   * {@return why VMRUN refuses features, one line for each bit, or nothing if it takes them}
   * Without SNPActive there are DebugSwap and PreventHostIBS alone.
   */
  public static List<String> refused(long features) {
    List<String> why = new ArrayList<>();
    long unknown = features;
    for (SevFeature f : values()) {
      unknown &= ~f.mask;
      if (!f.in(features)) {
        continue;
      }
      if (!f.supported) {
        why.add(f + " is not supported");
      } else if (!SNP_ACTIVE.in(features) && f != DEBUG_SWAP && f != PREVENT_HOST_IBS) {
        why.add(f + " needs SNPActive");
      }
    }
    if (RESTRICTED_INJECTION.in(features) && ALTERNATE_INJECTION.in(features)) {
      why.add(RESTRICTED_INJECTION + " and " + ALTERNATE_INJECTION + " exclude each other");
    }
    if (unknown != 0) {
      why.add("bits 0x" + Long.toHexString(unknown) + " are reserved");
    }
    return why;
  }

  /** {@return the names of the features whose bits are set, with the bits, or empty} */
  public static String names(long features) {
    return Arrays.stream(values())
        .filter(f -> f.in(features))
        .map(SevFeature::toString)
        .collect(Collectors.joining(", "));
  }

  @Override
  public String toString() {
    return title + " (0x" + Long.toHexString(mask) + ")";
  }

  /** {@return whether VMRUN takes features} */
  public static boolean accepts(long features) {
    return refused(features).isEmpty();
  }
}
