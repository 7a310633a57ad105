package dev.vesper.cli.gdb;

import dev.vesper.machine.VcpuView;
import dev.vesper.machine.VcpuView.DescriptorTable;
import dev.vesper.machine.VcpuView.Segment;
import dev.vesper.machine.VcpuView.SegmentRegister;
import dev.vesper.machine.host.VcpuState;
import java.util.Locale;

/** Registers of a vCPU as QEMU's {@code info registers} has them, for clients that parse it. */
final class RegistersText {
  private static final String[] WIDE = {
    "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "RSP", "R8 ", "R9 ", "R10", "R11", "R12",
    "R13", "R14", "R15"
  };

  private static final SegmentRegister[] SEGMENTS = {
    SegmentRegister.ES,
    SegmentRegister.CS,
    SegmentRegister.SS,
    SegmentRegister.DS,
    SegmentRegister.FS,
    SegmentRegister.GS,
    SegmentRegister.LDTR,
    SegmentRegister.TR
  };

  /** Bits of EFLAGS from the left, as QEMU shows them. */
  private static final String FLAGS = "DOSZAPC";

  private static final int[] FLAG_BITS = {10, 11, 7, 6, 4, 2, 0};

  private RegistersText() {}

  static String of(VcpuView v) {
    boolean wide = v.bits() == 64;
    String width = wide ? "%016x" : "%08x";
    StringBuilder b = new StringBuilder("\nCPU#" + v.id() + "\n");
    int count = wide ? 16 : 8;
    for (int i = 0; i < count; i++) {
      String name = wide ? WIDE[i] : "E" + WIDE[i].substring(1);
      long value =
          wide ? v.gpr(RegisterSet.NUMBERS[i]) : v.gpr(RegisterSet.NUMBERS[i]) & 0xFFFF_FFFFL;
      b.append(name).append('=').append(width.formatted(value)).append(i % 4 == 3 ? '\n' : ' ');
    }
    long flags = v.rflags();
    b.append(wide ? "RIP=" : "EIP=").append(width.formatted(v.rip()));
    b.append(wide ? " RFL=" : " EFL=").append("%08x [".formatted(flags));
    for (int i = 0; i < FLAG_BITS.length; i++) {
      b.append((flags >> FLAG_BITS[i] & 1) != 0 ? FLAGS.charAt(i) : '-');
    }
    b.append(
        "] CPL=%d II=0 A20=1 SMM=0 HLT=%d%n"
            .formatted(v.cpl(), v.state() == VcpuState.HALTED ? 1 : 0));
    for (SegmentRegister s : SEGMENTS) {
      Segment g = v.segment(s);
      // Bits of a descriptor's second word, from those of a VMCB.
      long word = (g.attributes() & 0xFFL) << 8 | (g.attributes() & 0xF00L) << 12;
      String name = s == SegmentRegister.LDTR ? "LDT" : s.name().toUpperCase(Locale.ROOT) + " ";
      b.append("%s=%04x ".formatted(name, g.selector()));
      b.append(width.formatted(g.base())).append(" %08x %08x%n".formatted(g.limit(), word));
    }
    table(b, "GDT", v.gdtr(), width);
    table(b, "IDT", v.idtr(), width);
    b.append("CR0=%08x CR2=".formatted(v.cr0())).append(width.formatted(v.cr2()));
    b.append(" CR3=").append(width.formatted(v.cr3())).append(" CR4=%08x%n".formatted(v.cr4()));
    for (int n = 0; n < 4; n++) {
      b.append("DR%d=%016x%s".formatted(n, v.dr(n), n == 3 ? "\n" : " "));
    }
    b.append("DR6=%016x DR7=%016x%n".formatted(v.dr(6), v.dr(7)));
    return b.append("EFER=%016x%n".formatted(v.efer())).toString();
  }

  private static void table(StringBuilder b, String name, DescriptorTable t, String width) {
    b.append(name).append("=     ").append(width.formatted(t.base()));
    b.append(" %08x%n".formatted(t.limit()));
  }
}
