package dev.vesper.cli.monitor;

import dev.vesper.machine.VcpuView;
import dev.vesper.machine.VcpuView.Segment;
import dev.vesper.machine.VcpuView.SegmentRegister;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Registers by the names that expressions have for them. */
final class RegisterNames {
  private static final List<String> WIDE =
      List.of("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi");
  private static final List<String> SEGMENTS =
      List.of("es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr");
  private static final long LOW = 0xFFFF_FFFFL;

  private RegisterNames() {}

  /** {@return a register's value, or null if nothing is called so} */
  static @Nullable Long value(VcpuView v, String name) {
    Long known =
        switch (name) {
          case "pc" -> codeAddress(v);
          case "rip", "eip" -> v.rip();
          case "eflags", "rflags" -> v.rflags();
          case "cr0" -> v.cr0();
          case "cr2" -> v.cr2();
          case "cr3" -> v.cr3();
          case "cr4" -> v.cr4();
          case "cr8" -> v.cr8();
          case "efer" -> v.efer();
          case "xcr0" -> v.xcr0();
          case "k_gs_base" -> v.kernelGsBase();
          case "ghcb_msr" -> v.ghcbMsr();
          case "sev_status" -> v.sevStatus();
          case "icount" -> v.instructions();
          default -> null;
        };
    return known != null ? known : numbered(v, name);
  }

  /** {@return the linear address of the next instruction} */
  static long codeAddress(VcpuView v) {
    return v.bits() == 64 ? v.rip() : v.rip() + v.segment(SegmentRegister.CS).base() & LOW;
  }

  private static @Nullable Long numbered(VcpuView v, String name) {
    int i = WIDE.indexOf(name);
    if (i >= 0) {
      return v.gpr(i);
    }
    if (name.startsWith("e") && WIDE.contains("r" + name.substring(1))) {
      // QEMU's names are those of 32-bit code, but its values are whole.
      long r = v.gpr(WIDE.indexOf("r" + name.substring(1)));
      return v.bits() == 64 ? r : r & LOW;
    }
    if (name.matches("r(8|9|1[0-5])d?")) {
      boolean half = name.endsWith("d");
      long r = v.gpr(Integer.parseInt(name, 1, name.length() - (half ? 1 : 0), 10));
      return half ? r & LOW : r;
    }
    if (name.matches("dr[0-367]")) {
      return v.dr(name.charAt(2) - '0');
    }
    return segment(v, name);
  }

  private static @Nullable Long segment(VcpuView v, String name) {
    int dot = name.replace('_', '.').indexOf('.');
    int i = SEGMENTS.indexOf(dot < 0 ? name : name.substring(0, dot));
    if (i < 0) {
      return null;
    }
    Segment s = v.segment(SegmentRegister.values()[i]);
    return switch (dot < 0 ? "" : name.substring(dot + 1)) {
      case "" -> (long) s.selector();
      case "base" -> s.base();
      case "limit" -> s.limit();
      default -> null;
    };
  }
}
