package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;

/** Registers as QEMU 7.2's logs and monitor show them ({@code x86_cpu_dump_state}). */
final class RegisterDump {
  private static final String[] NAMES = {"ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"};

  /** In QEMU's order, two times. */
  private static final int[] GENERAL = {0, 3, 1, 2, 6, 7, 5, 4};

  private static final String[] GENERAL_NAMES = {"AX", "BX", "CX", "DX", "SI", "DI", "BP", "SP"};

  /** Types of system segments outside of long mode. */
  private static final String[] SYSTEM = {
    "Reserved",
    "TSS16-avl",
    "LDT",
    "TSS16-busy",
    "CallGate16",
    "TaskGate",
    "IntGate16",
    "TrapGate16",
    "Reserved",
    "TSS32-avl",
    "Reserved",
    "TSS32-busy",
    "CallGate32",
    "Reserved",
    "IntGate32",
    "TrapGate32"
  };

  /** The same in long mode. */
  private static final String[] LONG_SYSTEM = {
    "<hiword>",
    "Reserved",
    "LDT",
    "Reserved",
    "Reserved",
    "Reserved",
    "Reserved",
    "Reserved",
    "Reserved",
    "TSS64-avl",
    "Reserved",
    "TSS64-busy",
    "CallGate64",
    "Reserved",
    "IntGate64",
    "TrapGate64"
  };

  private static final String FLAGS = "DOSZAPC";
  private static final int[] FLAG_BITS = {
    CpuState.DF, CpuState.OF, CpuState.SF, CpuState.ZF, CpuState.AF, CpuState.PF, CpuState.CF
  };

  private final Cpu c;
  private final StringBuilder out = new StringBuilder();

  /** 64-bit code: registers are shown in full. */
  private final boolean wide;

  private RegisterDump(Cpu c) {
    this.c = c;
    wide = c.mode64();
  }

  /**
   * {@return whole lines}
   *
   * @param rip as it is to be shown
   * @param vectors x87 and vector registers too
   */
  static String of(Cpu c, long rip, boolean vectors) {
    RegisterDump d = new RegisterDump(c);
    d.general(rip);
    d.segments();
    d.controls();
    if (vectors) {
      d.floating();
    }
    return d.out.toString();
  }

  private String word(long v) {
    return wide ? hex(v, 16) : hex(v, 8);
  }

  private static String hex(long v, int digits) {
    return String.format("%0" + digits + "x", digits == 16 ? v : v & (1L << 4 * digits) - 1);
  }

  private void general(long rip) {
    for (int i = 0; i < 8; i++) {
      out.append(
          String.format("%s%s=%s", wide ? "R" : "E", GENERAL_NAMES[i], word(c.r[GENERAL[i]])));
      out.append(i % 4 == 3 ? '\n' : ' ');
    }
    for (int i = 8; wide && i < 16; i++) {
      out.append(String.format("R%-2d=%s", i, word(c.r[i])));
      out.append(i % 4 == 3 ? '\n' : ' ');
    }
    int f = c.flags();
    out.append(
        String.format("%s=%s %s=%08x [", wide ? "RIP" : "EIP", word(rip), wide ? "RFL" : "EFL", f));
    for (int i = 0; i < FLAG_BITS.length; i++) {
      out.append((f & FLAG_BITS[i]) != 0 ? FLAGS.charAt(i) : '-');
    }
    out.append(
        String.format("] CPL=%d II=%d A20=1 SMM=0 HLT=0\n", c.cpl, c.interruptShadow ? 1 : 0));
  }

  private void segments() {
    for (int s = 0; s < NAMES.length; s++) {
      int a = c.segAttr[s];
      long limit = c.segLimit[s];
      // As in the second word of a descriptor, with the limit's upper bits.
      int top = (int) ((a & 0x800) != 0 ? limit >>> 28 : limit >>> 16) & 15;
      int flags = (a & 0xFF) << 8 | top << 16 | (a >> 8 & 15) << 20;
      out.append(
          String.format(
              "%-3s=%04x %s %08x %08x", NAMES[s], c.selector[s], word(c.segBase[s]), limit, flags));
      if (c.protectedMode() && (a & 0x80) != 0) {
        out.append(String.format(" DPL=%d %s", a >> 5 & 3, type(a)));
      }
      out.append('\n');
    }
  }

  private String type(int a) {
    if ((a & 0x10) == 0) {
      return (c.longMode() ? LONG_SYSTEM : SYSTEM)[a & 15];
    }
    char accessed = (a & 1) != 0 ? 'A' : '-';
    boolean big = (a & 0x400) != 0;
    if ((a & 8) != 0) {
      String width = (a & 0x200) != 0 ? "CS64" : big ? "CS32" : "CS16";
      return width
          + " ["
          + ((a & 4) != 0 ? 'C' : '-')
          + ((a & 2) != 0 ? 'R' : '-')
          + accessed
          + "]";
    }
    String width = big || c.longMode() ? "DS  " : "DS16";
    return width + " [" + ((a & 4) != 0 ? 'E' : '-') + ((a & 2) != 0 ? 'W' : '-') + accessed + "]";
  }

  private void controls() {
    boolean l = c.longMode();
    out.append(
        String.format(
            "GDT=     %s %08x\n", l ? hex(c.gdtBase, 16) : hex(c.gdtBase, 8), c.gdtLimit));
    out.append(
        String.format(
            "IDT=     %s %08x\n", l ? hex(c.idtBase, 16) : hex(c.idtBase, 8), c.idtLimit));
    out.append(
        String.format(
            "CR0=%08x CR2=%s CR3=%s CR4=%08x\n",
            c.cr0, l ? hex(c.cr2, 16) : hex(c.cr2, 8), l ? hex(c.cr3, 16) : hex(c.cr3, 8), c.cr4));
    for (int i = 0; i < 4; i++) {
      out.append(String.format("DR%d=%016x ", i, c.dr[i]));
    }
    out.append(String.format("\nDR6=%016x DR7=%016x\n", c.dr[6], c.dr[7]));
    // How far its translator has put off flags is QEMU's own affair; these are not put off.
    out.append(
        String.format("CCS=%s CCD=%s CCO=EFLAGS\n", word(c.flags() & CpuState.ARITH), word(0)));
    // The processor wants SVME in every guest's, and no host shows it to its guest.
    out.append(String.format("EFER=%016x\n", c.efer & ~CpuState.EFER_SVME));
  }

  private void floating() {
    int valid = 0;
    for (int i = 0; i < 8; i++) {
      valid |= (c.fvalid >>> (c.ftop + i & 7) & 1) << i;
    }
    int fsw = c.fsw & ~0x3800 | c.ftop << 11;
    out.append(
        String.format(
            "FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x\n",
            c.fcw, fsw & 0xFFFF, c.ftop, valid, c.mxcsr));
    for (int i = 0; i < 8; i++) {
      out.append(String.format("FPR%d=%016x %04x", i, c.fpMant[i], c.fpExp[i] & 0xFFFF));
      out.append(i % 2 == 1 ? '\n' : ' ');
    }
    boolean ymm = (c.cr4 & CpuState.CR4_OSXSAVE) != 0 && (c.xcr0 & 4) != 0;
    for (int i = 0; i < (wide ? 16 : 8); i++) {
      if (ymm) {
        out.append(String.format("YMM%02d=%016x %016x ", i, c.ymmh[2 * i + 1], c.ymmh[2 * i]));
        out.append(String.format("%016x %016x\n", c.xmm[2 * i + 1], c.xmm[2 * i]));
      } else {
        out.append(String.format("XMM%02d=%016x %016x", i, c.xmm[2 * i + 1], c.xmm[2 * i]));
        out.append(i % 2 == 1 ? '\n' : ' ');
      }
    }
  }
}
