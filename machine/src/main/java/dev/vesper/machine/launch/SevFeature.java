package dev.vesper.machine.launch;

import java.util.ArrayList;
import java.util.List;

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
        why.add(f.title + " (0x" + Long.toHexString(f.mask) + ") is not supported");
      } else if (!SNP_ACTIVE.in(features) && f != DEBUG_SWAP && f != PREVENT_HOST_IBS) {
        why.add(f.title + " (0x" + Long.toHexString(f.mask) + ") needs SNPActive");
      }
    }
    if (RESTRICTED_INJECTION.in(features) && ALTERNATE_INJECTION.in(features)) {
      why.add(
          "%s (0x%x) and %s (0x%x) exclude each other"
              .formatted(
                  RESTRICTED_INJECTION.title,
                  RESTRICTED_INJECTION.mask,
                  ALTERNATE_INJECTION.title,
                  ALTERNATE_INJECTION.mask));
    }
    if (unknown != 0) {
      why.add("bits 0x" + Long.toHexString(unknown) + " are reserved");
    }
    return why;
  }

  /** {@return whether VMRUN takes features} */
  public static boolean accepts(long features) {
    return refused(features).isEmpty();
  }
}
