package dev.vesper.machine.cpu;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.x86.Msr;

/**
 * What makes a guest exit, as VMRUN takes it from the VMCB (spec: sev-es-architecture 5.1). Without
 * a host nothing is set.
 */
public final class Intercepts {
  /** CR read bits 15:0, CR write bits 31:16 (VMCB 000). */
  public int cr;

  /** DR read and write (VMCB 004). */
  public int dr;

  /** Exceptions by vector (VMCB 008). */
  public int exceptions;

  /** VMCB 00C: exit codes INTR to SHUTDOWN by bit. */
  public int vector3;

  /** VMCB 010: exit codes VMRUN to CR15_WRITE_TRAP by bit. */
  public int vector4;

  /** VMCB 014: exit codes from INVLPGB by bit. */
  public int vector5;

  /** The guest is an SEV-ES guest: non-automatic exits become #VC. */
  public boolean es;

  /** The guest runs with SEV-SNP: each access to a port is intercepted, as CPUID always is. */
  public boolean snp;

  /** What would be #VC is an automatic exit, for a higher privilege level to answer. */
  public boolean reflectVc;

  /** Each access to an MSR of x2APIC is intercepted. */
  public boolean x2Apic;

  /** Two bits an MSR (read, write) in the layout of the MSRPM, 8 KiB. */
  public byte[] msrPermission = new byte[8192];

  /** One bit a port, 12 KiB. */
  public byte[] ioPermission = new byte[12288];

  /** {@return whether a code from INTR on is intercepted, which has a bit of its own} */
  public boolean wants(int code) {
    int vector = code < ExitCode.VMRUN ? vector3 : code < ExitCode.INVLPGB ? vector4 : vector5;
    return (vector & ExitCode.interceptBit(code)) != 0;
  }

  /**
   * {@return whether an MSR access exits}
   *
   * @param msr outside the three ranges of the map every access exits, if any does
   */
  public boolean wantsMsr(int msr, boolean write) {
    if (x2Apic && (msr & ~0xFF) == Msr.X2APIC) {
      return true;
    }
    if (!wants(ExitCode.MSR)) {
      return false;
    }
    int base;
    int index = msr & 0x1FFF;
    switch (msr & 0xFFFF_E000) {
      case 0 -> base = 0;
      case 0xC000_0000 -> base = 0x800;
      case 0xC001_0000 -> base = 0x1000;
      default -> {
        return true;
      }
    }
    int bit = index * 2 + (write ? 1 : 0);
    return (msrPermission[base + (bit >> 3)] >> (bit & 7) & 1) != 0;
  }

  /** {@return whether any of the ports of an access exits} */
  public boolean wantsPort(int port, int bytes) {
    if (snp) {
      return true;
    }
    if (!wants(ExitCode.IOIO)) {
      return false;
    }
    for (int p = port; p < port + bytes; p++) {
      if ((ioPermission[p >> 3] >> (p & 7) & 1) != 0) {
        return true;
      }
    }
    return false;
  }

  /**
   * {@return whether a code is an automatic exit of an SEV-ES guest}
   *
   * <p>Source: spec sev-es-architecture section 6. Everything else raises #VC.
   *
   * @param info1 EXITINFO1: tells the two kinds of NPF apart by its reserved-bit flag
   */
  public static boolean automatic(int code, long info1) {
    return switch (code) {
      case ExitCode.EXCP0 + 18,
          ExitCode.INTR,
          ExitCode.NMI,
          ExitCode.SMI,
          ExitCode.INIT,
          ExitCode.VINTR,
          ExitCode.PAUSE,
          ExitCode.HLT,
          ExitCode.SHUTDOWN,
          ExitCode.EFER_WRITE_TRAP,
          ExitCode.BUSLOCK,
          ExitCode.IDLE_HLT,
          ExitCode.VMGEXIT ->
          true;
      case ExitCode.NPF -> (info1 & 8) == 0;
      default -> code >= ExitCode.CR0_WRITE_TRAP && code <= ExitCode.CR15_WRITE_TRAP || code < 0;
    };
  }
}
