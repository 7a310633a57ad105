package dev.vesper.machine.vmm;

import static dev.vesper.ghcb.ExitCode.interceptBit;

import dev.vesper.ghcb.ExitCode;

/**
 * Intercept bits of a VMCB by field (AMD APM volume 2, appendix B; spec sev-es-architecture 5.1).
 */
final class Intercept {
  // VMCB 004
  static final int DR7 = interceptBit(ExitCode.DR7_READ) | interceptBit(ExitCode.DR7_WRITE);

  // VMCB 008
  static final int DB = interceptBit(ExitCode.EXCP0 + 1);
  static final int AC = interceptBit(ExitCode.EXCP0 + 17);
  static final int MC = interceptBit(ExitCode.EXCP0 + 18);

  // VMCB 00C
  static final int INTR = interceptBit(ExitCode.INTR);
  static final int NMI = interceptBit(ExitCode.NMI);
  static final int SMI = interceptBit(ExitCode.SMI);
  static final int INIT = interceptBit(ExitCode.INIT);
  static final int VINTR = interceptBit(ExitCode.VINTR);
  static final int RDTSC = interceptBit(ExitCode.RDTSC);
  static final int RDPMC = interceptBit(ExitCode.RDPMC);
  static final int CPUID = interceptBit(ExitCode.CPUID);
  static final int RSM = interceptBit(ExitCode.RSM);
  static final int IRET = interceptBit(ExitCode.IRET);
  static final int INVD = interceptBit(ExitCode.INVD);
  static final int HLT = interceptBit(ExitCode.HLT);
  static final int INVLPGA = interceptBit(ExitCode.INVLPGA);
  static final int IOIO_PROT = interceptBit(ExitCode.IOIO);
  static final int MSR_PROT = interceptBit(ExitCode.MSR);
  static final int TASK_SWITCH = interceptBit(ExitCode.TASK_SWITCH);
  static final int SHUTDOWN = interceptBit(ExitCode.SHUTDOWN);

  // VMCB 010
  /** VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT. */
  static final int SVM_INSTRUCTIONS = 0x7F;

  static final int VMMCALL = interceptBit(ExitCode.VMMCALL);
  static final int RDTSCP = interceptBit(ExitCode.RDTSCP);
  static final int ICEBP = interceptBit(ExitCode.ICEBP);
  static final int WBINVD = interceptBit(ExitCode.WBINVD);
  static final int MONITOR = interceptBit(ExitCode.MONITOR);

  /** MWAIT, and MWAIT with an armed monitor. */
  static final int MWAIT = interceptBit(ExitCode.MWAIT) | interceptBit(ExitCode.MWAIT_CONDITIONAL);

  static final int XSETBV = interceptBit(ExitCode.XSETBV);
  static final int RDPRU = interceptBit(ExitCode.RDPRU);
  static final int EFER_WRITE_TRAP = interceptBit(ExitCode.EFER_WRITE_TRAP);
  static final int CR0_WRITE_TRAP = interceptBit(ExitCode.CR0_WRITE_TRAP);
  static final int CR4_WRITE_TRAP = interceptBit(ExitCode.CR4_WRITE_TRAP);
  static final int CR8_WRITE_TRAP = interceptBit(ExitCode.CR8_WRITE_TRAP);

  private Intercept() {}
}
