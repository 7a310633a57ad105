package dev.vesper.cli.monitor;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Keys by QEMU's names, as make codes of scan code set 1 (QEMU's QKeyCode). */
final class Keys {
  /** What one command presses together at most: more the keyboard would lose. */
  private static final int MOST = 8;

  private static final int PREFIX = 0xE000;

  /** Keys whose codes follow each other, from a first code on; a dash is a code without a key. */
  private static final String[][] ROWS = {
    {"01", "esc 1 2 3 4 5 6 7 8 9 0 minus equal backspace tab"},
    {"10", "q w e r t y u i o p bracket_left bracket_right ret ctrl"},
    {"1e", "a s d f g h j k l semicolon apostrophe grave_accent shift backslash"},
    {"2c", "z x c v b n m comma dot slash shift_r kp_multiply alt spc caps_lock"},
    {"3b", "f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 num_lock scroll_lock"},
    {"47", "kp_7 kp_8 kp_9 kp_subtract kp_4 kp_5 kp_6 kp_add kp_1 kp_2 kp_3 kp_0 kp_decimal"},
    {"54", "sysrq - less f11 f12"},
    {"e01c", "kp_enter ctrl_r"},
    {"e035", "kp_divide - - alt_r"},
    {"e047", "home up pgup - left - right - end down pgdn insert delete"},
    {"e05b", "meta_l meta_r menu"},
  };

  private static final Map<String, String> ALIASES =
      Map.of(
          "kp_period", "kp_decimal",
          "asterisk", "kp_multiply",
          "print", "sysrq",
          "compose", "menu",
          "tilde", "grave_accent");

  private static final Map<String, Integer> CODES = codes();

  private Keys() {}

  private static Map<String, Integer> codes() {
    Map<String, Integer> m = new HashMap<>();
    for (String[] row : ROWS) {
      int code = Integer.parseInt(row[0], 16);
      for (String name : row[1].split(" ")) {
        m.put(name, code++);
      }
    }
    m.remove("-");
    ALIASES.forEach((alias, name) -> m.put(alias, m.getOrDefault(name, 0)));
    return m;
  }

  /** {@return keys that are pressed together, with dashes between them: {@code ctrl-alt-f1}} */
  static List<Integer> of(String chord) throws Refusal {
    List<Integer> all = new ArrayList<>();
    for (String name : chord.split("-", -1)) {
      all.add(code(name));
    }
    return bounded(all);
  }

  private static List<Integer> bounded(List<Integer> all) throws Refusal {
    if (all.size() > MOST) {
      throw new Refusal("at most " + MOST + " keys are pressed together");
    }
    return all;
  }

  /** {@return a key's code by its name, or by the code itself as in {@code 0x1e}} */
  static int code(String name) throws Refusal {
    Integer known = CODES.get(name);
    if (known != null) {
      return known;
    }
    if (name.matches("0x[0-9a-f]{1,4}")) {
      return number(Integer.parseInt(name, 2, name.length(), 16));
    }
    throw new Refusal("invalid parameter: " + name);
  }

  /** {@return a key's code by QEMU's number of it: that of set 1, with 0x80 for the prefix} */
  static int number(int n) throws Refusal {
    int code = n > 0xFF ? n : (n & 0x80) != 0 ? PREFIX | n & 0x7F : n;
    if ((code & ~0x7F) != 0 && (code & ~0x7F) != PREFIX || (code & 0x7F) == 0) {
      throw new Refusal("invalid parameter: 0x" + Integer.toHexString(n));
    }
    return code;
  }

  /** Presses keys together and lets them go. */
  static void press(Control c, List<Integer> keys) throws Refusal {
    boolean keyboard = true;
    for (int k : bounded(keys)) {
      keyboard &= c.machine().key(k, true);
    }
    for (int k : keys.reversed()) {
      keyboard &= c.machine().key(k, false);
    }
    if (!keyboard) {
      throw new Refusal("there is no keyboard, as -M pc and q35 have");
    }
    c.touches("sendkey");
  }
}
