package dev.vesper.machine.observe;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** What a log can have, by the names of QEMU's option {@code -d}. */
public enum LogItem {
  INT("interrupts and exceptions that are delivered, with registers"),
  CPU_RESET("registers at the start, and before each reset and INIT"),
  IN_ASM("each block of guest code when it is first decoded"),
  EXEC("each block that is executed (lots of logs)"),
  CPU("registers before each block (lots of logs)"),
  FPU("x87 and vector registers too, with cpu"),
  GUEST_ERRORS("ports, memory and MSRs that there are not, writes to ROM"),
  NOCHAIN("as it is: exec and cpu have all blocks anyway"),
  UNIMP("nothing: what is not implemented ends the run with its name");

  private final String meaning;

  LogItem(String meaning) {
    this.meaning = meaning;
  }

  private String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** {@return whole lines with all items, for people} */
  public static String help() {
    StringBuilder b = new StringBuilder("Log items (comma separated):\n");
    for (LogItem i : values()) {
      b.append(String.format("%-15s %s\n", i.word(), i.meaning));
    }
    return b.toString();
  }

  /**
   * {@return the items that a list names}
   *
   * @param list their names in lower case, with commas between them
   * @throws IllegalArgumentException if it has another one; the message says what there is
   */
  public static Set<LogItem> of(String list) {
    Set<LogItem> all = EnumSet.noneOf(LogItem.class);
    for (String word : list.split(",", -1)) {
      all.add(
          Arrays.stream(values())
              .filter(i -> i.word().equals(word))
              .findFirst()
              .orElseThrow(() -> new IllegalArgumentException(refusal(word))));
    }
    return all;
  }

  private static String refusal(String word) {
    return "no log item is named '"
        + word
        + "'; there are "
        + Arrays.stream(values()).map(LogItem::word).collect(Collectors.joining(", "));
  }
}
