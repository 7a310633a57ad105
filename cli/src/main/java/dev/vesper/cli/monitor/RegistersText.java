package dev.vesper.cli.monitor;

import dev.vesper.machine.FloatingPoint;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.VcpuView.DescriptorTable;
import dev.vesper.machine.VcpuView.Segment;
import dev.vesper.machine.VcpuView.SegmentRegister;
import java.util.Locale;

/** Registers of a vCPU as QEMU's {@code info registers} has them, for clients that parse it. */
final class RegistersText {
  private static final String[] WIDE = {
    "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "RSP", "R8 ", "R9 ", "R10", "R11", "R12",
    "R13", "R14", "R15"
  };

  /** Numbers in instructions of the registers above. */
  private static final int[] NUMBERS = {0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};

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

  // Bits of a descriptor's second word.
  private static final int ACCESSED = 1 << 8;
  private static final int WRITE_OR_READ = 1 << 9;
  private static final int DOWN_OR_CONFORMING = 1 << 10;
  private static final int CODE = 1 << 11;
  private static final int CODE_OR_DATA = 1 << 12;
  private static final int PRESENT = 1 << 15;
  private static final int LONG = 1 << 21;
  private static final int BIG = 1 << 22;
  private static final int GRANULARITY = 1 << 23;

  private static final int PROTECTED_MODE = 1;
  private static final int LONG_MODE_ACTIVE = 1 << 10;
  private static final long AVX = 6;

  private static final String[] SYSTEM_32 = {
    "Reserved", "TSS16-avl", "LDT", "TSS16-busy", "CallGate16", "TaskGate", "IntGate16",
    "TrapGate16", "Reserved", "TSS32-avl", "Reserved", "TSS32-busy", "CallGate32", "Reserved",
    "IntGate32", "TrapGate32"
  };

  private static final String[] SYSTEM_64 = {
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

  private final VcpuView v;
  private final boolean wide;
  private final String width;
  private final StringBuilder b = new StringBuilder();

  private RegistersText(VcpuView v) {
    this.v = v;
    wide = v.bits() == 64;
    width = wide ? "%016x" : "%08x";
  }

  /** {@return the text, which begins with an empty line} */
  static String of(VcpuView v) {
    RegistersText t = new RegistersText(v);
    t.general();
    for (SegmentRegister s : SEGMENTS) {
      t.segment(s);
    }
    t.system();
    t.floatingPoint();
    t.vectors();
    return t.b.toString();
  }

  private String value(long x) {
    return width.formatted(wide ? x : x & 0xFFFF_FFFFL);
  }

  private void general() {
    b.append("\nCPU#").append(v.id()).append('\n');
    for (int i = 0; i < (wide ? 16 : 8); i++) {
      String name = wide ? WIDE[i] : "E" + WIDE[i].substring(1);
      b.append(name).append('=').append(value(v.gpr(NUMBERS[i]))).append(i % 4 == 3 ? '\n' : ' ');
    }
    long flags = v.rflags();
    b.append(wide ? "RIP=" : "EIP=").append(value(v.rip()));
    b.append(wide ? " RFL=" : " EFL=").append("%08x [".formatted(flags));
    for (int i = 0; i < FLAG_BITS.length; i++) {
      b.append((flags >> FLAG_BITS[i] & 1) != 0 ? FLAGS.charAt(i) : '-');
    }
    int halted = StateCommands.halted(v) ? 1 : 0;
    b.append("] CPL=").append(v.cpl()).append(" II=0 A20=1 SMM=0 HLT=").append(halted);
    b.append('\n');
  }

  /** {@return a descriptor's second word without the base, from the bits of a VMCB} */
  static int descriptor(Segment g) {
    int attributes = (g.attributes() & 0xFF) << 8 | (g.attributes() & 0xF00) << 12;
    long limit = (attributes & GRANULARITY) != 0 ? g.limit() >>> 12 : g.limit();
    return attributes | (int) limit & 0xF_0000;
  }

  private void segment(SegmentRegister s) {
    Segment g = v.segment(s);
    int word = descriptor(g);
    String name = s == SegmentRegister.LDTR ? "LDT" : s.name().toUpperCase(Locale.ROOT) + " ";
    b.append("%s=%04x ".formatted(name, g.selector()));
    b.append(value(g.base())).append(" %08x %08x".formatted(g.limit(), word));
    if ((v.cr0() & PROTECTED_MODE) != 0 && (word & PRESENT) != 0) {
      b.append(" DPL=").append(word >> 13 & 3).append(' ').append(kind(word));
    }
    b.append('\n');
  }

  private String kind(int word) {
    boolean active = (v.efer() & LONG_MODE_ACTIVE) != 0;
    if ((word & CODE_OR_DATA) == 0) {
      return (active ? SYSTEM_64 : SYSTEM_32)[word >> 8 & 15];
    }
    char accessed = (word & ACCESSED) != 0 ? 'A' : '-';
    boolean second = (word & WRITE_OR_READ) != 0;
    boolean first = (word & DOWN_OR_CONFORMING) != 0;
    if ((word & CODE) != 0) {
      String bits = (word & LONG) != 0 ? "CS64" : (word & BIG) != 0 ? "CS32" : "CS16";
      return bits + " [" + (first ? 'C' : '-') + (second ? 'R' : '-') + accessed + "]";
    }
    String bits = (word & BIG) != 0 || active ? "DS  " : "DS16";
    return bits + " [" + (first ? 'E' : '-') + (second ? 'W' : '-') + accessed + "]";
  }

  private void system() {
    table("GDT", v.gdtr());
    table("IDT", v.idtr());
    b.append("CR0=%08x CR2=".formatted(v.cr0())).append(value(v.cr2()));
    b.append(" CR3=").append(value(v.cr3())).append(" CR4=%08x\n".formatted(v.cr4()));
    for (int n = 0; n < 4; n++) {
      b.append("DR%d=%016x ".formatted(n, v.dr(n)));
    }
    b.append("\nDR6=%016x DR7=%016x\n".formatted(v.dr(6), v.dr(7)));
    b.append("EFER=%016x\n".formatted(v.efer()));
  }

  private void table(String name, DescriptorTable t) {
    b.append(name).append("=     ").append(value(t.base()));
    b.append(" %08x\n".formatted(t.limit()));
  }

  private void floatingPoint() {
    FloatingPoint f = v.floatingPoint();
    int top = f.status() >> 11 & 7;
    int full = 0;
    for (int i = 0; i < FloatingPoint.REGISTERS; i++) {
      full |= (f.tags() >> 2 * i & 3) != 3 ? 1 << i : 0;
    }
    b.append(
        "FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x\n"
            .formatted(f.control(), f.status(), top, full, v.mxcsr()));
    for (int i = 0; i < FloatingPoint.REGISTERS; i++) {
      int st = i - top & 7;
      b.append("FPR%d=%016x %04x".formatted(i, f.significands().get(st), f.exponents().get(st)));
      b.append(i % 2 == 1 ? '\n' : ' ');
    }
  }

  private void vectors() {
    boolean avx = (v.xcr0() & AVX) == AVX;
    for (int i = 0; i < (wide ? 16 : 8); i++) {
      long[] y = v.ymm(i);
      if (avx) {
        b.append("YMM%02d=%016x %016x %016x %016x\n".formatted(i, y[3], y[2], y[1], y[0]));
      } else {
        b.append("XMM%02d=%016x %016x".formatted(i, y[1], y[0])).append(i % 2 == 1 ? '\n' : ' ');
      }
    }
  }
}
