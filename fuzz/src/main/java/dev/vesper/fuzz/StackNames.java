package dev.vesper.fuzz;

import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Symbols;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Names of the functions that a vCPU is in. Kernels have no frame pointers, so that what lies on
 * the stack counts as a return address if it is named and stands behind a call.
 */
final class StackNames {
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
    long rsp = v.gpr(VcpuView.RSP);
    for (int i = 0; i < WORDS && all.size() < MOST; i++) {
      long to = word(v, rsp + 8L * i);
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

  private static String function(String place) {
    int plus = place.indexOf('+');
    return plus < 0 ? place : place.substring(0, plus);
  }

  private static void add(List<String> to, String place) {
    String name = function(place);
    if (!name.isEmpty() && (to.isEmpty() || !to.getLast().equals(name))) {
      to.add(name);
    }
  }

  private static long word(VcpuView v, long at) {
    try {
      byte[] b = v.read(at, 8);
      long w = 0;
      for (int i = 7; i >= 0; i--) {
        w = w << 8 | b[i] & 0xFF;
      }
      return w;
    } catch (IndexOutOfBoundsException e) {
      return 0;
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
