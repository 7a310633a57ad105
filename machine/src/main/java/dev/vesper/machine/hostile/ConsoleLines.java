package dev.vesper.machine.hostile;

import java.util.HashSet;
import java.util.Set;

/** The line that a console is writing, and which rules it has met already. */
final class ConsoleLines {
  private static final int LONGEST = 4096;

  private final StringBuilder line = new StringBuilder();
  private final Set<Integer> met = new HashSet<>();

  /** Takes a byte; {@return the line as far as it is written} */
  String put(int b) {
    if (b == '\n') {
      line.setLength(0);
      met.clear();
    } else if (b != '\r' && line.length() < LONGEST) {
      line.append((char) (b & 0xFF));
    }
    return line.toString();
  }

  /** {@return whether a rule meets the line for the first time} */
  boolean isNew(int rule, boolean meets) {
    return meets && met.add(rule);
  }
}
