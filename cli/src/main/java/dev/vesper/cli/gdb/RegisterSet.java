package dev.vesper.cli.gdb;

import dev.vesper.machine.FloatingPoint;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.VcpuView.SegmentRegister;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The registers that gdb is told of, in the order of their numbers. It is the layout of x86-64
 * whatever mode the guest is in, because gdb cannot take another one in the middle of a session; in
 * other modes the upper halves and R8 to R15 are zero, as QEMU has them.
 */
final class RegisterSet {
  /** gdb's features, in the order in which they are described. */
  enum Feature {
    CORE("org.gnu.gdb.i386.core"),
    SSE("org.gnu.gdb.i386.sse"),
    SEGMENTS("org.gnu.gdb.i386.segments"),
    AVX("org.gnu.gdb.i386.avx"),
    AVX512("org.gnu.gdb.i386.avx512"),
    PKEYS("org.gnu.gdb.i386.pkeys"),
    SYSTEM("dev.vesper.system");

    final String id;

    Feature(String id) {
      this.id = id;
    }
  }

  /** Changes a register. */
  interface Write {
    /**
     * {@return whether it could be changed, in the mode that the vCPU is in}
     *
     * @param words its value as quadwords, the least significant first
     */
    boolean set(VcpuView v, long[] words);
  }

  /**
   * A register.
   *
   * @param type of gdb's, or of the description's own
   * @param group of gdb's, or null for what gdb thinks of it
   * @param read as quadwords, the least significant first
   * @param write changes it, or null if it never can be
   */
  record Register(
      Feature feature,
      String name,
      int bits,
      String type,
      @Nullable String group,
      Function<VcpuView, long[]> read,
      @Nullable Write write) {
    /** {@return its value as a packet has it} */
    String value(VcpuView v) {
      long[] words = read.apply(v);
      StringBuilder b = new StringBuilder();
      for (int i = 0; i * 64 < bits; i++) {
        b.append(Packets.littleEndian(words[i], Math.min(8, bits / 8 - 8 * i)));
      }
      return b.toString();
    }
  }

  private static final String[] GENERAL = {
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15"
  };

  /** The numbers of the general registers in instructions, in gdb's and QEMU's order. */
  static final int[] NUMBERS = {0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};

  private static final SegmentRegister[] SELECTORS = {
    SegmentRegister.CS,
    SegmentRegister.SS,
    SegmentRegister.DS,
    SegmentRegister.ES,
    SegmentRegister.FS,
    SegmentRegister.GS
  };

  /** The number of RIP. */
  static final int RIP = 16;

  private static final long LOW = 0xFFFF_FFFFL;

  private final List<Register> all = new ArrayList<>();

  /**
   * @param of a vCPU of the machine, which says what there is
   */
  RegisterSet(VcpuView of) {
    core();
    sse();
    word(Feature.SEGMENTS, "fs_base", v -> v.segment(SegmentRegister.FS).base());
    word(Feature.SEGMENTS, "gs_base", v -> v.segment(SegmentRegister.GS).base());
    if (of.hasFeature("avx")) {
      for (int i = 0; i < 16; i++) {
        int n = i;
        vector(Feature.AVX, "ymm" + n + "h", "uint128", n, 2, 4);
      }
    }
    if (of.hasFeature("avx512f")) {
      avx512();
    }
    if (of.hasFeature("pku")) {
      number(Feature.PKEYS, "pkru", 32, "int", null, v -> v.pkru());
    }
    system();
  }

  List<Register> all() {
    return all;
  }

  private void core() {
    for (int i = 0; i < GENERAL.length; i++) {
      int n = NUMBERS[i];
      String type = n == VcpuView.RSP || n == VcpuView.RBP ? "data_ptr" : "int64";
      all.add(
          new Register(
              Feature.CORE,
              GENERAL[i],
              64,
              type,
              null,
              v -> new long[] {v.bits() == 64 ? v.gpr(n) : n < 8 ? v.gpr(n) & LOW : 0},
              (v, x) -> setGeneral(v, n, x[0])));
    }
    all.add(
        new Register(
            Feature.CORE,
            "rip",
            64,
            "code_ptr",
            null,
            v -> new long[] {v.rip()},
            (v, x) -> {
              v.setRip(x[0]);
              return true;
            }));
    all.add(
        new Register(
            Feature.CORE,
            "eflags",
            32,
            "i386_eflags",
            null,
            v -> new long[] {v.rflags()},
            (v, x) -> {
              v.setRflags(x[0]);
              return true;
            }));
    for (SegmentRegister s : SELECTORS) {
      number(
          Feature.CORE,
          s.name().toLowerCase(Locale.ROOT),
          32,
          "int32",
          null,
          v -> v.segment(s).selector());
    }
    for (int i = 0; i < FloatingPoint.REGISTERS; i++) {
      int n = i;
      all.add(
          new Register(
              Feature.CORE,
              "st" + n,
              80,
              "i387_ext",
              null,
              v -> {
                FloatingPoint f = v.floatingPoint();
                return new long[] {f.significands().get(n), f.exponents().get(n)};
              },
              null));
    }
    x87("fctrl", FloatingPoint::control);
    x87("fstat", FloatingPoint::status);
    x87("ftag", FloatingPoint::tags);
    x87("fiseg", FloatingPoint::codeSegment);
    x87("fioff", FloatingPoint::instruction);
    x87("foseg", FloatingPoint::dataSegment);
    x87("fooff", FloatingPoint::data);
    x87("fop", FloatingPoint::opcode);
  }

  /** Code that is not 64-bit has no more than the lower halves of eight: the rest stays. */
  private static boolean setGeneral(VcpuView v, int n, long value) {
    if (v.bits() == 64) {
      v.setGpr(n, value);
    } else if ((value & ~LOW) == 0 && n < 8) {
      v.setGpr(n, v.gpr(n) & ~LOW | value);
    }
    return v.bits() == 64 || (value & ~LOW) == 0 && (n < 8 || value == 0);
  }

  private void x87(String name, ToLongFunction<FloatingPoint> f) {
    number(Feature.CORE, name, 32, "int", "float", v -> f.applyAsLong(v.floatingPoint()));
  }

  private void sse() {
    for (int i = 0; i < 16; i++) {
      int n = i;
      vector(Feature.SSE, "xmm" + n, "vec128", n, 0, 2);
    }
    number(Feature.SSE, "mxcsr", 32, "i386_mxcsr", "vector", v -> v.mxcsr());
  }

  private void avx512() {
    for (int i = 0; i < 8; i++) {
      int n = i;
      all.add(
          new Register(
              Feature.AVX512,
              "k" + n,
              64,
              "int64",
              null,
              v -> new long[] {v.opmask(n)},
              (v, x) -> {
                v.setOpmask(n, x[0]);
                return true;
              }));
    }
    for (int i = 0; i < 16; i++) {
      int n = i;
      vector(Feature.AVX512, "zmm" + n + "h", "v2ui128", n, 4, 8);
    }
    for (int i = 16; i < 32; i++) {
      int n = i;
      vector(Feature.AVX512, "xmm" + n, "vec128", n, 0, 2);
    }
    for (int i = 16; i < 32; i++) {
      int n = i;
      vector(Feature.AVX512, "ymm" + n + "h", "uint128", n, 2, 4);
    }
    for (int i = 16; i < 32; i++) {
      int n = i;
      vector(Feature.AVX512, "zmm" + n + "h", "v2ui128", n, 4, 8);
    }
  }

  private void system() {
    word(Feature.SYSTEM, "k_gs_base", VcpuView::kernelGsBase);
    word(Feature.SYSTEM, "cr0", VcpuView::cr0);
    word(Feature.SYSTEM, "cr2", VcpuView::cr2);
    word(Feature.SYSTEM, "cr3", VcpuView::cr3);
    word(Feature.SYSTEM, "cr4", VcpuView::cr4);
    word(Feature.SYSTEM, "cr8", VcpuView::cr8);
    word(Feature.SYSTEM, "efer", VcpuView::efer);
    word(Feature.SYSTEM, "xcr0", VcpuView::xcr0);
    for (SegmentRegister s : SELECTORS) {
      String name = s.name().toLowerCase(Locale.ROOT);
      if (s != SegmentRegister.FS && s != SegmentRegister.GS) {
        word(Feature.SYSTEM, name + "_base", v -> v.segment(s).base());
      }
    }
    number(
        Feature.SYSTEM, "tr", 32, "int32", "system", v -> v.segment(SegmentRegister.TR).selector());
    word(Feature.SYSTEM, "tr_base", v -> v.segment(SegmentRegister.TR).base());
    number(
        Feature.SYSTEM,
        "ldtr",
        32,
        "int32",
        "system",
        v -> v.segment(SegmentRegister.LDTR).selector());
    word(Feature.SYSTEM, "ldtr_base", v -> v.segment(SegmentRegister.LDTR).base());
    word(Feature.SYSTEM, "gdtr_base", v -> v.gdtr().base());
    word(Feature.SYSTEM, "gdtr_limit", v -> v.gdtr().limit());
    word(Feature.SYSTEM, "idtr_base", v -> v.idtr().base());
    word(Feature.SYSTEM, "idtr_limit", v -> v.idtr().limit());
    for (int n : new int[] {0, 1, 2, 3, 6, 7}) {
      word(Feature.SYSTEM, "dr" + n, v -> v.dr(n));
    }
    word(Feature.SYSTEM, "ghcb_msr", VcpuView::ghcbMsr);
    word(Feature.SYSTEM, "sev_status", VcpuView::sevStatus);
    word(Feature.SYSTEM, "pc_linear", RegisterSet::codeAddress);
    word(Feature.SYSTEM, "icount", VcpuView::instructions);
    word(Feature.SYSTEM, "vtime", VcpuView::time);
  }

  /** {@return the linear address of the next instruction} */
  static long codeAddress(VcpuView v) {
    return v.bits() == 64 ? v.rip() : v.segment(SegmentRegister.CS).base() + v.rip() & LOW;
  }

  private void word(Feature f, String name, ToLongFunction<VcpuView> read) {
    number(f, name, 64, "int64", f == Feature.SYSTEM ? "system" : null, read);
  }

  private void number(
      Feature f,
      String name,
      int bits,
      String type,
      @Nullable String group,
      ToLongFunction<VcpuView> read) {
    all.add(new Register(f, name, bits, type, group, v -> new long[] {read.applyAsLong(v)}, null));
  }

  /** A part of a ZMM register: from a quadword to the one before another. */
  private void vector(Feature f, String name, String type, int n, int from, int to) {
    all.add(
        new Register(
            f,
            name,
            64 * (to - from),
            type,
            null,
            v -> Arrays.copyOfRange(v.zmm(n), from, to),
            (v, x) -> {
              long[] whole = v.zmm(n);
              System.arraycopy(x, 0, whole, from, to - from);
              v.setZmm(n, whole);
              return true;
            }));
  }
}
