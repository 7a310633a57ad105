package dev.vesper.ghcb;

import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;

/**
 * Every exit code by name: {@code SVM_VMEXIT_*} of AMD APM volume 2, appendix C, and the
 * software-defined {@code SVM_VMGEXIT_*} of the GHCB standard.
 */
public final class ExitCode {
  public static final int RDTSC = 0x6E;
  public static final int RDPMC = 0x6F;
  public static final int CPUID = 0x72;
  public static final int IRET = 0x74;
  public static final int INVD = 0x76;
  public static final int HLT = 0x78;
  public static final int IOIO = 0x7B;
  public static final int MSR = 0x7C;
  public static final int TASK_SWITCH = 0x7D;
  public static final int SHUTDOWN = 0x7F;
  public static final int VMMCALL = 0x81;
  public static final int RDTSCP = 0x87;
  public static final int WBINVD = 0x89;
  public static final int MONITOR = 0x8A;
  public static final int MWAIT = 0x8B;
  public static final int RDPRU = 0x8E;
  public static final int XSETBV = 0x8D;
  public static final int EFER_WRITE_TRAP = 0x8F;
  public static final int CR0_WRITE_TRAP = 0x90;
  public static final int DR7_READ = 0x27;
  public static final int DR7_WRITE = 0x37;
  public static final int INTR = 0x60;
  public static final int VINTR = 0x64;
  public static final int NPF = 0x400;
  public static final int VMGEXIT = 0x403;
  public static final int INVALID = -1;

  public static final int MMIO_READ = 0x8000_0001;
  public static final int MMIO_WRITE = 0x8000_0002;
  public static final int NMI_COMPLETE = 0x8000_0003;
  public static final int AP_RESET_HOLD = 0x8000_0004;
  public static final int AP_JUMP_TABLE = 0x8000_0005;
  public static final int SNP_PAGE_STATE_CHANGE = 0x8000_0010;
  public static final int SNP_GUEST_REQUEST = 0x8000_0011;
  public static final int SNP_EXTENDED_GUEST_REQUEST = 0x8000_0012;
  public static final int SNP_AP_CREATION = 0x8000_0013;
  public static final int HV_FEATURES = 0x8000_FFFD;
  public static final int TERMINATION = 0x8000_FFFE;
  public static final int UNSUPPORTED_EVENT = 0x8000_FFFF;

  private static final String[] VECTOR3 = {
    "INTR",
    "NMI",
    "SMI",
    "INIT",
    "VINTR",
    "CR0_SEL_WRITE",
    "IDTR_READ",
    "GDTR_READ",
    "LDTR_READ",
    "TR_READ",
    "IDTR_WRITE",
    "GDTR_WRITE",
    "LDTR_WRITE",
    "TR_WRITE",
    "RDTSC",
    "RDPMC",
    "PUSHF",
    "POPF",
    "CPUID",
    "RSM",
    "IRET",
    "SWINT",
    "INVD",
    "PAUSE",
    "HLT",
    "INVLPG",
    "INVLPGA",
    "IOIO",
    "MSR",
    "TASK_SWITCH",
    "FERR_FREEZE",
    "SHUTDOWN",
    "VMRUN",
    "VMMCALL",
    "VMLOAD",
    "VMSAVE",
    "STGI",
    "CLGI",
    "SKINIT",
    "RDTSCP",
    "ICEBP",
    "WBINVD",
    "MONITOR",
    "MWAIT",
    "MWAIT_CONDITIONAL",
    "XSETBV",
    "RDPRU",
    "EFER_WRITE_TRAP"
  };
  private static final Map<Integer, String> OTHERS = new HashMap<>();

  static {
    OTHERS.put(0xA0, "SVM_VMEXIT_INVLPGB");
    OTHERS.put(0xA1, "SVM_VMEXIT_INVLPGB_ILLEGAL");
    OTHERS.put(0xA2, "SVM_VMEXIT_INVPCID");
    OTHERS.put(0xA3, "SVM_VMEXIT_MCOMMIT");
    OTHERS.put(0xA4, "SVM_VMEXIT_TLBSYNC");
    OTHERS.put(0xA5, "SVM_VMEXIT_BUSLOCK");
    OTHERS.put(0xA6, "SVM_VMEXIT_IDLE_HLT");
    OTHERS.put(NPF, "SVM_VMEXIT_NPF");
    OTHERS.put(0x401, "SVM_VMEXIT_AVIC_INCOMPLETE_IPI");
    OTHERS.put(0x402, "SVM_VMEXIT_AVIC_NOACCEL");
    OTHERS.put(VMGEXIT, "SVM_VMEXIT_VMGEXIT");
    OTHERS.put(0x404, "SVM_VMEXIT_PAGE_NOT_VALIDATED");
    OTHERS.put(INVALID, "SVM_VMEXIT_INVALID");
    OTHERS.put(-2, "SVM_VMEXIT_BUSY");
    OTHERS.put(MMIO_READ, "SVM_VMGEXIT_MMIO_READ");
    OTHERS.put(MMIO_WRITE, "SVM_VMGEXIT_MMIO_WRITE");
    OTHERS.put(NMI_COMPLETE, "SVM_VMGEXIT_NMI_COMPLETE");
    OTHERS.put(AP_RESET_HOLD, "SVM_VMGEXIT_AP_RESET_HOLD");
    OTHERS.put(AP_JUMP_TABLE, "SVM_VMGEXIT_AP_JUMP_TABLE");
    OTHERS.put(SNP_PAGE_STATE_CHANGE, "SVM_VMGEXIT_SNP_PAGE_STATE_CHANGE");
    OTHERS.put(SNP_GUEST_REQUEST, "SVM_VMGEXIT_SNP_GUEST_REQUEST");
    OTHERS.put(SNP_EXTENDED_GUEST_REQUEST, "SVM_VMGEXIT_SNP_EXTENDED_GUEST_REQUEST");
    OTHERS.put(SNP_AP_CREATION, "SVM_VMGEXIT_SNP_AP_CREATION");
    OTHERS.put(HV_FEATURES, "SVM_VMGEXIT_HYPERVISOR_FEATURES");
    OTHERS.put(TERMINATION, "SVM_VMGEXIT_TERMINATION");
    OTHERS.put(UNSUPPORTED_EVENT, "SVM_VMGEXIT_UNSUPPORTED_EVENT");
  }

  private ExitCode() {}

  /** {@return the name of an exit code, its number in hex if it has none} */
  public static String name(int code) {
    if (code >= 0 && code < 0x20) {
      return "SVM_VMEXIT_CR" + (code & 15) + (code < 0x10 ? "_READ" : "_WRITE");
    }
    if (code >= 0x20 && code < 0x40) {
      return "SVM_VMEXIT_DR" + (code & 15) + (code < 0x30 ? "_READ" : "_WRITE");
    }
    if (code >= 0x40 && code < 0x60) {
      return "SVM_VMEXIT_EXCP" + (code - 0x40);
    }
    if (code >= 0x60 && code < 0x90) {
      return "SVM_VMEXIT_" + VECTOR3[code - 0x60];
    }
    if (code >= 0x90 && code < 0xA0) {
      return "SVM_VMEXIT_CR" + (code - 0x90) + "_WRITE_TRAP";
    }
    String n = OTHERS.get(code);
    return n != null ? n : "0x" + Integer.toHexString(code);
  }

  /** Codes by the names that are words. */
  private static final Map<String, Integer> BY_NAME = new HashMap<>();

  static {
    for (int code = 0; code < 0xA0; code++) {
      BY_NAME.put(name(code), code);
    }
    OTHERS.forEach((code, name) -> BY_NAME.put(name, code));
  }

  /**
   * {@return the exit code that {@link #name} gives a name, or nothing if it gives that to none}
   */
  public static OptionalInt of(String name) {
    Integer code = BY_NAME.get(name);
    if (code != null) {
      return OptionalInt.of(code);
    }
    if (!name.matches("0x[0-9a-f]{1,8}")) {
      return OptionalInt.empty();
    }
    int number = Integer.parseUnsignedInt(name, 2, name.length(), 16);
    return name.equals(name(number)) ? OptionalInt.of(number) : OptionalInt.empty();
  }
}
