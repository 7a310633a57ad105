package dev.vesper.ghcb;

/**
 * The GHCB MSR protocol: requests and responses in the value of MSR C001_0130. {@code GHCBInfo} is
 * bits 11:0, {@code GHCBData} bits 63:12.
 */
public final class MsrRequest {
  public static final int SEV_INFO = 0x001;
  public static final int SEV_INFO_REQ = 0x002;
  public static final int CPUID_REQ = 0x004;
  public static final int CPUID_RESP = 0x005;
  public static final int AP_RESET_HOLD_REQ = 0x006;
  public static final int AP_RESET_HOLD_RESP = 0x007;
  public static final int PREFERRED_GHCB_REQ = 0x010;
  public static final int PREFERRED_GHCB_RESP = 0x011;
  public static final int REGISTER_GHCB_REQ = 0x012;
  public static final int REGISTER_GHCB_RESP = 0x013;
  public static final int SNP_PAGE_STATE_REQ = 0x014;
  public static final int HV_FEATURES_REQ = 0x080;
  public static final int HV_FEATURES_RESP = 0x081;
  public static final int TERM_REQ = 0x100;

  /** Data of a PREFERRED_GHCB response that names no page. */
  public static final long NO_PREFERENCE = 0xFFFF_FFFF_FFFF_F011L;

  private MsrRequest() {}

  /** {@return GHCBInfo} */
  public static int info(long msr) {
    return (int) msr & 0xFFF;
  }

  /** {@return the SEV_INFO value: versions and C-bit position} */
  public static long sevInfo(int max, int min, int cBit) {
    return (long) max << 48 | (long) min << 32 | (long) cBit << 24 | SEV_INFO;
  }

  /** {@return a CPUID request; register 0 EAX .. 3 EDX} */
  public static long cpuidRequest(int leaf, int register) {
    return (long) leaf << 32 | (long) register << 30 | CPUID_REQ;
  }

  /** {@return the name of a request or response without its data} */
  public static String name(long msr) {
    String s = explain(msr);
    int space = s.indexOf(' ');
    return s.startsWith("unknown") || space < 0 ? s : s.substring(0, space);
  }

  /** {@return what a protocol value says, for people} */
  public static String explain(long msr) {
    long data = msr >>> 12;
    return switch (info(msr)) {
      case 0 -> "GHCB GPA 0x" + Long.toHexString(msr);
      case SEV_INFO ->
          "SEV_INFO max="
              + (msr >>> 48)
              + " min="
              + (msr >>> 32 & 0xFFFF)
              + " C-bit="
              + (msr >>> 24 & 0xFF);
      case SEV_INFO_REQ -> "SEV_INFO_REQ";
      case CPUID_REQ -> "CPUID_REQ leaf=0x" + Long.toHexString(msr >>> 32) + " " + register(msr);
      case CPUID_RESP -> "CPUID_RESP " + register(msr) + "=0x" + Long.toHexString(msr >>> 32);
      case AP_RESET_HOLD_REQ -> "AP_RESET_HOLD_REQ";
      case AP_RESET_HOLD_RESP -> "AP_RESET_HOLD_RESP " + data;
      case PREFERRED_GHCB_REQ -> "PREFERRED_GHCB_REQ";
      case PREFERRED_GHCB_RESP -> "PREFERRED_GHCB_RESP 0x" + Long.toHexString(data);
      case REGISTER_GHCB_REQ -> "REGISTER_GHCB_REQ 0x" + Long.toHexString(data);
      case REGISTER_GHCB_RESP -> "REGISTER_GHCB_RESP 0x" + Long.toHexString(data);
      case HV_FEATURES_REQ -> "HV_FEATURES_REQ";
      case HV_FEATURES_RESP -> "HV_FEATURES_RESP 0x" + Long.toHexString(data);
      case TERM_REQ ->
          "TERM_REQ " + Termination.explain((int) (msr >>> 12) & 15, (int) (msr >>> 16) & 0xFF);
      default -> "unknown request 0x" + Long.toHexString(msr);
    };
  }

  private static String register(long msr) {
    return new String[] {"EAX", "EBX", "ECX", "EDX"}[(int) (msr >>> 30) & 3];
  }
}
