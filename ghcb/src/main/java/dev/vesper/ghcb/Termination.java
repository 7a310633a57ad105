package dev.vesper.ghcb;

/** Reasons of termination requests in words. */
public final class Termination {
  /** Code of the standard's set: the guest lacks support for an SEV feature. */
  public static final int SNP_FEATURES = 2;

  private static final String[] GENERAL = {
    "general termination request", "GHCB protocol range not supported", "SNP features not supported"
  };
  private static final String[] LINUX = {
    "GHCB registration refused", "page state change failed", "PVALIDATE failed", "not at VMPL0",
    "CPUID failed", "CPUID failed: hypervisor", "no secrets page", "SVSM at VMPL0 not found",
    "SVSM at VMPL0", "SVSM calling area address", "Secure TSC failed",
        "SVSM calling area remap failed",
    "Secure AVIC failed"
  };

  private Termination() {}

  /** {@return set and code with their meaning} Set 0 is the standard's, set 1 Linux'. */
  public static String explain(int set, int code) {
    String[] names = set == 0 ? GENERAL : set == 1 ? LINUX : new String[0];
    String meaning = code < names.length ? names[code] : "no name known";
    return "reason set " + set + (set == 1 ? " (Linux)" : "") + " code " + code + ": " + meaning;
  }
}
