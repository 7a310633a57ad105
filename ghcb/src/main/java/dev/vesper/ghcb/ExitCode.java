package dev.vesper.ghcb;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;

/**
 * Every exit code by name: {@code SVM_VMEXIT_*} of AMD APM volume 2, appendix C, and the
 * software-defined {@code SVM_VMGEXIT_*} of the GHCB standard.
 */
public final class ExitCode {
  /** Read of CR0; those of CR1 to CR15 follow. */
  public static final int CR0_READ = 0x00;

  /** Write of CR0; those of CR1 to CR15 follow. */
  public static final int CR0_WRITE = 0x10;

  /** Read of DR0; those of DR1 to DR15 follow. */
  public static final int DR0_READ = 0x20;

  public static final int DR7_READ = 0x27;

  /** Write of DR0; those of DR1 to DR15 follow. */
  public static final int DR0_WRITE = 0x30;

  public static final int DR7_WRITE = 0x37;

  /** Exception 0; those of the other vectors to 31 follow. */
  public static final int EXCP0 = 0x40;

  public static final int INTR = 0x60;
  public static final int NMI = 0x61;
  public static final int SMI = 0x62;
  public static final int INIT = 0x63;
  public static final int VINTR = 0x64;
  public static final int CR0_SEL_WRITE = 0x65;
  public static final int IDTR_READ = 0x66;
  public static final int GDTR_READ = 0x67;
  public static final int LDTR_READ = 0x68;
  public static final int TR_READ = 0x69;
  public static final int IDTR_WRITE = 0x6A;
  public static final int GDTR_WRITE = 0x6B;
  public static final int LDTR_WRITE = 0x6C;
  public static final int TR_WRITE = 0x6D;
  public static final int RDTSC = 0x6E;
  public static final int RDPMC = 0x6F;
  public static final int PUSHF = 0x70;
  public static final int POPF = 0x71;
  public static final int CPUID = 0x72;
  public static final int RSM = 0x73;
  public static final int IRET = 0x74;
  public static final int SWINT = 0x75;
  public static final int INVD = 0x76;
  public static final int PAUSE = 0x77;
  public static final int HLT = 0x78;
  public static final int INVLPG = 0x79;
  public static final int INVLPGA = 0x7A;
  public static final int IOIO = 0x7B;
  public static final int MSR = 0x7C;
  public static final int TASK_SWITCH = 0x7D;
  public static final int FERR_FREEZE = 0x7E;
  public static final int SHUTDOWN = 0x7F;
  public static final int VMRUN = 0x80;
  public static final int VMMCALL = 0x81;
  public static final int VMLOAD = 0x82;
  public static final int VMSAVE = 0x83;
  public static final int STGI = 0x84;
  public static final int CLGI = 0x85;
  public static final int SKINIT = 0x86;
  public static final int RDTSCP = 0x87;
  public static final int ICEBP = 0x88;
  public static final int WBINVD = 0x89;
  public static final int MONITOR = 0x8A;
  public static final int MWAIT = 0x8B;
  public static final int MWAIT_CONDITIONAL = 0x8C;
  public static final int XSETBV = 0x8D;
  public static final int RDPRU = 0x8E;
  public static final int EFER_WRITE_TRAP = 0x8F;

  /** Write of CR0, told when it has happened; those of CR1 to CR15 follow. */
  public static final int CR0_WRITE_TRAP = 0x90;

  public static final int CR4_WRITE_TRAP = 0x94;
  public static final int CR8_WRITE_TRAP = 0x98;
  public static final int CR15_WRITE_TRAP = 0x9F;
  public static final int INVLPGB = 0xA0;
  public static final int INVLPGB_ILLEGAL = 0xA1;
  public static final int INVPCID = 0xA2;
  public static final int MCOMMIT = 0xA3;
  public static final int TLBSYNC = 0xA4;
  public static final int BUSLOCK = 0xA5;
  public static final int IDLE_HLT = 0xA6;
  public static final int NPF = 0x400;
  public static final int AVIC_INCOMPLETE_IPI = 0x401;
  public static final int AVIC_NOACCEL = 0x402;
  public static final int VMGEXIT = 0x403;
  public static final int PAGE_NOT_VALIDATED = 0x404;
  public static final int INVALID = -1;
  public static final int BUSY = -2;
  public static final int IDLE_REQUIRED = -3;

  public static final int MMIO_READ = 0x8000_0001;
  public static final int MMIO_WRITE = 0x8000_0002;
  public static final int NMI_COMPLETE = 0x8000_0003;
  public static final int AP_RESET_HOLD = 0x8000_0004;
  public static final int AP_JUMP_TABLE = 0x8000_0005;
  public static final int SNP_PAGE_STATE_CHANGE = 0x8000_0010;
  public static final int SNP_GUEST_REQUEST = 0x8000_0011;
  public static final int SNP_EXTENDED_GUEST_REQUEST = 0x8000_0012;
  public static final int SNP_AP_CREATION = 0x8000_0013;
  public static final int HV_DOORBELL_PAGE = 0x8000_0014;
  public static final int HV_IPI = 0x8000_0015;
  public static final int HV_TIMER = 0x8000_0016;
  public static final int APIC_ID_LIST = 0x8000_0017;
  public static final int SNP_RUN_VMPL = 0x8000_0018;
  public static final int SECURE_AVIC = 0x8000_001A;
  public static final int CONFIGURE_INTERRUPT_INJECTION = 0x8000_001B;
  public static final int DISABLE_ALTERNATE_INJECTION = 0x8000_001C;
  public static final int SPECIFIC_EOI = 0x8000_001D;
  public static final int HV_FEATURES = 0x8000_FFFD;
  public static final int TERMINATION = 0x8000_FFFE;
  public static final int UNSUPPORTED_EVENT = 0x8000_FFFF;

  /** Names of the codes from INTR to EFER_WRITE_TRAP. */
  private static final String[] NAMES = {
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

  /** The same in full: observers ask for a name at every exit. */
  private static final String[] FULL_NAMES =
      Arrays.stream(NAMES).map(n -> "SVM_VMEXIT_" + n).toArray(String[]::new);

  private static final Map<Integer, String> OTHERS = new HashMap<>();

  static {
    OTHERS.put(INVLPGB, "SVM_VMEXIT_INVLPGB");
    OTHERS.put(INVLPGB_ILLEGAL, "SVM_VMEXIT_INVLPGB_ILLEGAL");
    OTHERS.put(INVPCID, "SVM_VMEXIT_INVPCID");
    OTHERS.put(MCOMMIT, "SVM_VMEXIT_MCOMMIT");
    OTHERS.put(TLBSYNC, "SVM_VMEXIT_TLBSYNC");
    OTHERS.put(BUSLOCK, "SVM_VMEXIT_BUSLOCK");
    OTHERS.put(IDLE_HLT, "SVM_VMEXIT_IDLE_HLT");
    OTHERS.put(NPF, "SVM_VMEXIT_NPF");
    OTHERS.put(AVIC_INCOMPLETE_IPI, "SVM_VMEXIT_AVIC_INCOMPLETE_IPI");
    OTHERS.put(AVIC_NOACCEL, "SVM_VMEXIT_AVIC_NOACCEL");
    OTHERS.put(VMGEXIT, "SVM_VMEXIT_VMGEXIT");
    OTHERS.put(PAGE_NOT_VALIDATED, "SVM_VMEXIT_PAGE_NOT_VALIDATED");
    OTHERS.put(INVALID, "SVM_VMEXIT_INVALID");
    OTHERS.put(BUSY, "SVM_VMEXIT_BUSY");
    OTHERS.put(IDLE_REQUIRED, "SVM_VMEXIT_IDLE_REQUIRED");
    OTHERS.put(MMIO_READ, "SVM_VMGEXIT_MMIO_READ");
    OTHERS.put(MMIO_WRITE, "SVM_VMGEXIT_MMIO_WRITE");
    OTHERS.put(NMI_COMPLETE, "SVM_VMGEXIT_NMI_COMPLETE");
    OTHERS.put(AP_RESET_HOLD, "SVM_VMGEXIT_AP_RESET_HOLD");
    OTHERS.put(AP_JUMP_TABLE, "SVM_VMGEXIT_AP_JUMP_TABLE");
    OTHERS.put(SNP_PAGE_STATE_CHANGE, "SVM_VMGEXIT_SNP_PAGE_STATE_CHANGE");
    OTHERS.put(SNP_GUEST_REQUEST, "SVM_VMGEXIT_SNP_GUEST_REQUEST");
    OTHERS.put(SNP_EXTENDED_GUEST_REQUEST, "SVM_VMGEXIT_SNP_EXTENDED_GUEST_REQUEST");
    OTHERS.put(SNP_AP_CREATION, "SVM_VMGEXIT_SNP_AP_CREATION");
    OTHERS.put(HV_DOORBELL_PAGE, "SVM_VMGEXIT_HV_DOORBELL_PAGE");
    OTHERS.put(HV_IPI, "SVM_VMGEXIT_HV_IPI");
    OTHERS.put(HV_TIMER, "SVM_VMGEXIT_HV_TIMER");
    OTHERS.put(APIC_ID_LIST, "SVM_VMGEXIT_APIC_ID_LIST");
    OTHERS.put(SNP_RUN_VMPL, "SVM_VMGEXIT_SNP_RUN_VMPL");
    OTHERS.put(SECURE_AVIC, "SVM_VMGEXIT_SECURE_AVIC");
    OTHERS.put(CONFIGURE_INTERRUPT_INJECTION, "SVM_VMGEXIT_CONFIGURE_INTERRUPT_INJECTION");
    OTHERS.put(DISABLE_ALTERNATE_INJECTION, "SVM_VMGEXIT_DISABLE_ALTERNATE_INJECTION");
    OTHERS.put(SPECIFIC_EOI, "SVM_VMGEXIT_SPECIFIC_EOI");
    OTHERS.put(HV_FEATURES, "SVM_VMGEXIT_HYPERVISOR_FEATURES");
    OTHERS.put(TERMINATION, "SVM_VMGEXIT_TERMINATION");
    OTHERS.put(UNSUPPORTED_EVENT, "SVM_VMGEXIT_UNSUPPORTED_EVENT");
  }

  private ExitCode() {}

  /**
   * {@return the bit by which a VMCB asks for an exit, in the vector of 32 codes that the code
   * belongs to (AMD APM volume 2, table B-1)}
   */
  public static int interceptBit(int code) {
    return 1 << (code & 31);
  }

  /** {@return the name of an exit code, its number in hex if it has none} */
  public static String name(int code) {
    if (code >= CR0_READ && code < DR0_READ) {
      return "SVM_VMEXIT_CR" + (code & 15) + (code < CR0_WRITE ? "_READ" : "_WRITE");
    }
    if (code >= DR0_READ && code < EXCP0) {
      return "SVM_VMEXIT_DR" + (code & 15) + (code < DR0_WRITE ? "_READ" : "_WRITE");
    }
    if (code >= EXCP0 && code < INTR) {
      return "SVM_VMEXIT_EXCP" + (code - EXCP0);
    }
    if (code >= INTR && code <= EFER_WRITE_TRAP) {
      return FULL_NAMES[code - INTR];
    }
    if (code >= CR0_WRITE_TRAP && code <= CR15_WRITE_TRAP) {
      return "SVM_VMEXIT_CR" + (code - CR0_WRITE_TRAP) + "_WRITE_TRAP";
    }
    String n = OTHERS.get(code);
    return n != null ? n : "0x" + Integer.toHexString(code);
  }

  /** Codes by the names that are words. */
  private static final Map<String, Integer> BY_NAME = new HashMap<>();

  static {
    for (int code = 0; code <= CR15_WRITE_TRAP; code++) {
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
