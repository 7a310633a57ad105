package dev.vesper.machine.vmm;

/**
 * Intercept bits of a VMCB by field (AMD APM volume 2, appendix B; spec sev-es-architecture 5.1).
 */
final class Intercept {
  // VMCB 004
  static final int DR7 = 1 << 7 | 1 << 23;

  // VMCB 008
  static final int DB = 1 << 1;
  static final int AC = 1 << 17;
  static final int MC = 1 << 18;

  // VMCB 00C
  static final int INTR = 1;
  static final int NMI = 1 << 1;
  static final int SMI = 1 << 2;
  static final int INIT = 1 << 3;
  static final int VINTR = 1 << 4;
  static final int RDTSC = 1 << 14;
  static final int RDPMC = 1 << 15;
  static final int CPUID = 1 << 18;
  static final int RSM = 1 << 19;
  static final int IRET = 1 << 20;
  static final int INVD = 1 << 22;
  static final int HLT = 1 << 24;
  static final int INVLPGA = 1 << 26;
  static final int IOIO_PROT = 1 << 27;
  static final int MSR_PROT = 1 << 28;
  static final int TASK_SWITCH = 1 << 29;
  static final int SHUTDOWN = 1 << 31;

  // VMCB 010
  /** VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT. */
  static final int SVM_INSTRUCTIONS = 0x7F;

  static final int VMMCALL = 1 << 1;
  static final int RDTSCP = 1 << 7;
  static final int ICEBP = 1 << 8;
  static final int WBINVD = 1 << 9;
  static final int MONITOR = 1 << 10;

  /** MWAIT, and MWAIT with an armed monitor. */
  static final int MWAIT = 3 << 11;

  static final int XSETBV = 1 << 13;
  static final int RDPRU = 1 << 14;
  static final int EFER_WRITE_TRAP = 1 << 15;
  static final int CR0_WRITE_TRAP = 1 << 16;
  static final int CR4_WRITE_TRAP = 1 << 20;
  static final int CR8_WRITE_TRAP = 1 << 24;

  private Intercept() {}
}
