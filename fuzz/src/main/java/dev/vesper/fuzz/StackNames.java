package dev.vesper.fuzz;

import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Symbols;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Names of the functions that a vCPU is in. Kernels have no frame pointers, so that what lies on
 * the stack counts as a return address if it is named and stands behind a call.
 */
final class StackNames {
  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private static final long PAGE = 4096;
  private static final int WORDS = 256;
  private static final int MOST = 8;
  private static final int LONGEST_CALL = 7;
  private static final Pattern ADDRESS = Pattern.compile("\\bat 0x([0-9a-f]{1,16})\\b");

  private StackNames() {}

  /** {@return the functions, the innermost first; addresses that have no name count as none} */
  static List<String> of(VcpuView v, Symbols names) {
    List<String> all = new ArrayList<>();
    add(all, names.at(v.rip()));
    if (names.isEmpty()) {
      return all;
    }
    byte[] stack = stack(v);
    for (int i = 0; i + 8 <= stack.length && all.size() < MOST; i += 8) {
      long to = (long) LONGS.get(stack, i);
      String name = to == 0 ? "" : names.at(to);
      if (!name.isEmpty() && isBehindCall(v, to)) {
        add(all, name);
      }
    }
    return all;
  }

  /** {@return the function at the address that a line names as {@code at 0x...}, or nothing} */
  static String at(Symbols names, String line) {
    Matcher a = ADDRESS.matcher(line);
    return a.find() ? function(names.at(Long.parseUnsignedLong(a.group(1), 16))) : "";
  }

  /** {@return the name of a place without its offset} */
  static String function(String place) {
    int plus = place.indexOf('+');
    return plus < 0 ? place : place.substring(0, plus);
  }

  private static void add(List<String> to, String place) {
    String name = function(place);
    if (!name.isEmpty() && (to.isEmpty() || !to.getLast().equals(name))) {
      to.add(name);
    }
  }

  /** {@return what lies on the stack, up to where nothing is mapped} */
  private static byte[] stack(VcpuView v) {
    long rsp = v.gpr(VcpuView.RSP);
    int bytes = WORDS * Long.BYTES;
    int first = (int) Math.min(bytes, PAGE - (rsp & PAGE - 1));
    try {
      return v.read(rsp, bytes);
    } catch (IndexOutOfBoundsException e) {
      try {
        return v.read(rsp, first);
      } catch (IndexOutOfBoundsException none) {
        return new byte[0];
      }
    }
  }

  private static boolean isBehindCall(VcpuView v, long to) {
    try {
      byte[] b = v.read(to - LONGEST_CALL, LONGEST_CALL);
      boolean direct = (b[LONGEST_CALL - 5] & 0xFF) == 0xE8;
      for (int n = 2; n <= LONGEST_CALL && !direct; n++) {
        int at = LONGEST_CALL - n;
        direct = (b[at] & 0xFF) == 0xFF && (b[at + 1] >>> 3 & 7) == 2;
      }
      return direct;
    } catch (IndexOutOfBoundsException e) {
      return false;
    }
  }
}
