package dev.vesper.machine.cpu;

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

  /** VMCB 00C: exit codes 0x60..0x7F by bit. */
  public int vector3;

  /** VMCB 010: exit codes 0x80..0x8E by bit; 15 EFER, 16+n CRn write traps. */
  public int vector4;

  /** VMCB 014: exit codes 0xA0.. by bit. */
  public int vector5;

  /** The guest is an SEV-ES guest: non-automatic exits become #VC. */
  public boolean es;

  /** Two bits an MSR (read, write) in the layout of the MSRPM, 8 KiB. */
  public byte[] msrPermission = new byte[8192];

  /** One bit a port, 12 KiB. */
  public byte[] ioPermission = new byte[12288];

  /** {@return whether a code of 0x60..0x8E is intercepted} */
  public boolean wants(int code) {
    return code < 0x80 ? (vector3 >>> code - 0x60 & 1) != 0 : (vector4 >>> code - 0x80 & 1) != 0;
  }

  /**
   * {@return whether an MSR access exits}
   *
   * @param msr outside the three ranges of the map every access exits
   */
  public boolean wantsMsr(int msr, boolean write) {
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
   * @param info1 EXITINFO1: tells the two kinds of 0x400 apart by its reserved-bit flag
   */
  public static boolean automatic(int code, long info1) {
    return switch (code) {
      case 0x52, 0x60, 0x61, 0x62, 0x63, 0x64, 0x77, 0x78, 0x7F, 0x8F, 0xA5, 0xA6, 0x403 -> true;
      case 0x400 -> (info1 & 8) == 0;
      default -> code >= 0x90 && code <= 0x9F || code < 0;
    };
  }
}
