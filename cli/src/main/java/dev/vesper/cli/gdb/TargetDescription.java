package dev.vesper.cli.gdb;

import dev.vesper.cli.gdb.RegisterSet.Feature;
import dev.vesper.cli.gdb.RegisterSet.Register;
import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import java.util.List;
import java.util.Locale;

/** What gdb reads about the machine, as XML (GDB manual, appendix G). */
final class TargetDescription {
  /** Status flags as the types of gdb's own files have them: name and bit. */
  private static final String[] EFLAGS = {
    "CF:0", ":1", "PF:2", "AF:4", "ZF:6", "SF:7", "TF:8", "IF:9", "DF:10", "OF:11", "NT:14",
    "RF:16", "VM:17", "AC:18", "VIF:19", "VIP:20", "ID:21"
  };

  private static final String[] MXCSR = {
    "IE:0", "DE:1", "ZE:2", "OE:3", "UE:4", "PE:5", "DAZ:6", "IM:7", "DM:8", "ZM:9", "OM:10",
    "UM:11", "PM:12", "FZ:15"
  };

  private TargetDescription() {}

  /** {@return the processor's registers} */
  static String registers(List<Register> all) {
    StringBuilder b = new StringBuilder();
    b.append("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">");
    b.append("<target version=\"1.0\"><architecture>i386:x86-64</architecture>");
    for (Feature f : Feature.values()) {
      if (all.stream().noneMatch(r -> r.feature() == f)) {
        continue;
      }
      b.append("<feature name=\"").append(f.id).append("\">");
      types(b, f);
      for (int i = 0; i < all.size(); i++) {
        Register r = all.get(i);
        if (r.feature() == f) {
          register(b, r, i);
        }
      }
      b.append("</feature>");
    }
    return b.append("</target>").toString();
  }

  private static void register(StringBuilder b, Register r, int number) {
    b.append("<reg name=\"%s\" bitsize=\"%d\" type=\"%s\"".formatted(r.name(), r.bits(), r.type()));
    if (r.group() != null) {
      b.append(" group=\"").append(r.group()).append('"');
    }
    b.append(" regnum=\"").append(number).append("\"/>");
  }

  private static void types(StringBuilder b, Feature f) {
    switch (f) {
      case CORE -> flags(b, "i386_eflags", EFLAGS);
      case SSE -> {
        vec128(b);
        flags(b, "i386_mxcsr", MXCSR);
      }
      case AVX512 -> {
        vec128(b);
        b.append("<vector id=\"v2ui128\" type=\"uint128\" count=\"2\"/>");
      }
      default -> {}
    }
  }

  private static void flags(StringBuilder b, String id, String[] fields) {
    b.append("<flags id=\"%s\" size=\"4\">".formatted(id));
    for (String f : fields) {
      int colon = f.indexOf(':');
      String bit = f.substring(colon + 1);
      b.append(
          "<field name=\"%s\" start=\"%s\" end=\"%s\"/>"
              .formatted(f.substring(0, colon), bit, bit));
    }
    b.append("</flags>");
  }

  private static void vec128(StringBuilder b) {
    String[][] parts = {
      {"v4f", "ieee_single", "4", "v4_float"},
      {"v2d", "ieee_double", "2", "v2_double"},
      {"v16i8", "int8", "16", "v16_int8"},
      {"v8i16", "int16", "8", "v8_int16"},
      {"v4i32", "int32", "4", "v4_int32"},
      {"v2i64", "int64", "2", "v2_int64"}
    };
    for (String[] p : parts) {
      b.append("<vector id=\"%s\" type=\"%s\" count=\"%s\"/>".formatted(p[0], p[1], p[2]));
    }
    b.append("<union id=\"vec128\">");
    for (String[] p : parts) {
      b.append("<field name=\"%s\" type=\"%s\"/>".formatted(p[3], p[0]));
    }
    b.append("<field name=\"uint128\" type=\"uint128\"/></union>");
  }

  /** {@return the vCPUs, with what each is doing} */
  static String threads(Machine m) {
    StringBuilder b = new StringBuilder("<?xml version=\"1.0\"?><threads>");
    for (VcpuView v : m.observer().vcpus()) {
      b.append(
          "<thread id=\"p1.%x\" core=\"%d\" name=\"CPU#%d\">%s</thread>"
              .formatted(v.id() + 1, v.id(), v.id(), doing(v)));
    }
    return b.append("</threads>").toString();
  }

  /** {@return what a vCPU is doing, in brackets, as QEMU says it} */
  static String doing(VcpuView v) {
    String mode = v.bits() == 64 ? "64-bit" : v.bits() + "-bit";
    return "[%s, %s, CPL %d]".formatted(v.state().name().toLowerCase(Locale.ROOT), mode, v.cpl());
  }

  /**
   * Memory: all that can be addressed, because addresses are linear. Breakpoints are no bytes of
   * the guest's, so that none needs to be told of ROM.
   */
  static final String MEMORY =
      "<?xml version=\"1.0\"?><!DOCTYPE memory-map PUBLIC \"+//IDN gnu.org//DTD GDB Memory Map"
          + " V1.0//EN\" \"http://sourceware.org/gdb/gdb-memory-map.dtd\"><memory-map>"
          + "<memory type=\"ram\" start=\"0x0\" length=\"0xffffffffffffffff\"/></memory-map>";
}
