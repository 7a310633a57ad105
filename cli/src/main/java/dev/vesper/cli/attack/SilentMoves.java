package dev.vesper.cli.attack;

import dev.vesper.machine.VcpuView;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Moves of eight bytes between a register and memory that have the same already: code does not miss
 * them. An attacker who cannot look takes a move whose loss was harmless in trials.
 */
final class SilentMoves {
  private static final String MEMORY = "QWORD PTR \\[(r[a-z0-9]+)(?:([+-])0x([0-9a-f]+))?]";
  private static final Pattern STORE = Pattern.compile("mov " + MEMORY + ",(r[a-z0-9]+)");
  private static final Pattern LOAD = Pattern.compile("mov (r[a-z0-9]+)," + MEMORY);

  private static final List<String> NAMES =
      List.of(
          "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
          "r13", "r14", "r15");

  private SilentMoves() {}

  /** {@return whether the next instruction stores what is there already} */
  static boolean isStore(VcpuView v) {
    Matcher m = STORE.matcher(v.instruction());
    return m.matches() && isSilent(v, m.group(1), m.group(2), m.group(3), m.group(4));
  }

  /** {@return whether the next instruction loads what the register has already} */
  static boolean isLoad(VcpuView v) {
    Matcher m = LOAD.matcher(v.instruction());
    return m.matches() && isSilent(v, m.group(2), m.group(3), m.group(4), m.group(1));
  }

  private static boolean isSilent(
      VcpuView v, String base, String sign, String offset, String register) {
    int b = NAMES.indexOf(base);
    int r = NAMES.indexOf(register);
    if (b < 0 || r < 0) {
      return false;
    }
    long by = offset == null ? 0 : Long.parseLong(offset, 16);
    long address = v.gpr(b) + ("-".equals(sign) ? -by : by);
    OptionalLong is = number(v, address);
    return is.isPresent() && is.getAsLong() == v.gpr(r);
  }

  /** {@return eight bytes at a linear address, if there is memory} */
  static OptionalLong number(VcpuView v, long address) {
    try {
      byte[] b = v.read(address, 8);
      return OptionalLong.of(ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN).getLong());
    } catch (IndexOutOfBoundsException e) {
      // The guest says where: it may be anywhere.
      return OptionalLong.empty();
    }
  }
}
