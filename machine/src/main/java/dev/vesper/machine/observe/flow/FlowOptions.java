package dev.vesper.machine.observe.flow;

import java.util.List;

/**
 * What the oracle looks for.
 *
 * @param leaks private bytes that reach the host
 * @param taint values of the host's that are used unchecked
 * @param secrets what is private; if empty, all that lies in private memory and does not come from
 *     the host, and what RDRAND and RDSEED give
 */
public record FlowOptions(boolean leaks, boolean taint, List<Secret> secrets) {
  /** Keeps a copy of the secrets. */
  public FlowOptions {
    secrets = List.copyOf(secrets);
    if (!leaks && !taint) {
      throw new IllegalArgumentException("an oracle looks for leaks, for taint, or for both");
    }
  }

  /** Memory that is private: by name, or by guest physical address. */
  public sealed interface Secret {
    /**
     * What a symbol names, as far as it reaches.
     *
     * @param name of the image's symbol
     */
    record Named(String name) implements Secret {}

    /**
     * A range of guest physical memory.
     *
     * @param gpa first byte
     * @param bytes how many, at least 1
     */
    record Range(long gpa, long bytes) implements Secret {
      /** Refuses what is no range. */
      public Range {
        if (gpa < 0 || bytes < 1 || bytes > Long.MAX_VALUE - gpa) {
          throw new IllegalArgumentException("a range of no bytes, or of too many");
        }
      }
    }

    /**
     * {@return what {@code SYMBOL} or {@code ADDRESS+LENGTH} says; numbers are decimal or 0x}
     *
     * @throws IllegalArgumentException if it says neither, in a line for people
     */
    static Secret of(String text) {
      if (text.isEmpty()) {
        throw new IllegalArgumentException("no symbol and no ADDRESS+LENGTH");
      }
      if (!Character.isDigit(text.charAt(0))) {
        return new Named(text);
      }
      int plus = text.indexOf('+');
      if (plus < 0) {
        throw new IllegalArgumentException("no length: say ADDRESS+LENGTH, as in 0x100000+32");
      }
      try {
        return new Range(
            Long.decode(text.substring(0, plus)), Long.decode(text.substring(plus + 1)));
      } catch (NumberFormatException e) {
        throw new IllegalArgumentException("no ADDRESS+LENGTH, as 0x100000+32 is", e);
      }
    }
  }
}
