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
  public static final int SNP_PAGE_STATE_RESP = 0x015;
  public static final int RUN_VMPL_REQ = 0x016;
  public static final int RUN_VMPL_RESP = 0x017;
  public static final int HV_FEATURES_REQ = 0x080;
  public static final int HV_FEATURES_RESP = 0x081;
  public static final int TERM_REQ = 0x100;

  /** Data of a PREFERRED_GHCB response that names no page. */
  public static final long NO_PREFERENCE = 0xFFFF_FFFF_FFFF_F011L;

  private static final long GFN = (1L << 40) - 1;

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

  /** {@return a request to change the state of a page of 4 KiB} */
  public static long pageState(long gfn, int operation) {
    return (long) operation << 52 | (gfn & GFN) << 12 | SNP_PAGE_STATE_REQ;
  }

  /** {@return the GFN of a request to change the state of a page} */
  public static long pageStateGfn(long msr) {
    return msr >>> 12 & GFN;
  }

  /** {@return what is asked of the page: see {@link PageStateEntry}} */
  public static int pageStateOperation(long msr) {
    return (int) (msr >>> 52) & 15;
  }

  /** {@return the response to it, or to a request to run a VMPL; 0 is success} */
  public static long result(int response, int error) {
    return (long) error << 32 | response;
  }

  /** {@return a request to run another VMPL} */
  public static long runVmpl(int vmpl) {
    return (long) vmpl << 32 | RUN_VMPL_REQ;
  }

  /** {@return a response that says what the hypervisor can do: see {@link HvFeatures}} */
  public static long features(long bits) {
    return bits << 12 | HV_FEATURES_RESP;
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
      case SNP_PAGE_STATE_REQ ->
          "SNP_PAGE_STATE_REQ 0x"
              + Long.toHexString(pageStateGfn(msr) << 12)
              + " "
              + PageStateEntry.operation(pageStateOperation(msr));
      case SNP_PAGE_STATE_RESP -> "SNP_PAGE_STATE_RESP " + error(msr);
      case RUN_VMPL_REQ -> "RUN_VMPL_REQ " + (msr >>> 32 & 0xFF);
      case RUN_VMPL_RESP -> "RUN_VMPL_RESP " + error(msr);
      case HV_FEATURES_REQ -> "HV_FEATURES_REQ";
      case HV_FEATURES_RESP -> "HV_FEATURES_RESP " + HvFeatures.explain(data);
      case TERM_REQ ->
          "TERM_REQ " + Termination.explain((int) (msr >>> 12) & 15, (int) (msr >>> 16) & 0xFF);
      default -> "unknown request 0x" + Long.toHexString(msr);
    };
  }

  private static String error(long msr) {
    long error = msr >>> 32;
    return error == 0 ? "ok" : "error 0x" + Long.toHexString(error);
  }

  private static String register(long msr) {
    return new String[] {"EAX", "EBX", "ECX", "EDX"}[(int) (msr >>> 30) & 3];
  }
}
