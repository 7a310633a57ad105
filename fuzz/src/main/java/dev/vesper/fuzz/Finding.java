package dev.vesper.fuzz;

import dev.vesper.fuzz.store.Entries;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;

/**
 * What an oracle has found in one execution.
 *
 * @param kind what has happened
 * @param title a line for people
 * @param stack names of functions, the innermost first; may be empty
 */
public record Finding(Kind kind, String title, List<String> stack) {
  /** Functions of a stack that tell findings apart. */
  private static final int TELLING = 3;

  /** What has happened. */
  public enum Kind {
    /** The processor has shut down. */
    TRIPLE_FAULT,
    /** A guest's kernel or firmware says that it has failed. */
    OOPS,
    /** It says that it is stuck. */
    LOCKUP,
    /** A sanitizer in the guest says so. */
    SANITIZER,
    /** It panics in a way that nobody has meant. */
    PANIC,
    /** It breaks a rule that holds whatever its host does. */
    BREACH,
    /** Memory is used with the C-bit where it is shared, or without where it is private. */
    CBIT,
    /** The kernel executes what was no code when executions began. */
    RIP,
    /** Private bytes reach the host. */
    LEAK,
    /** A value of the host's is used unchecked. */
    TAINT,
    /** The limit of instructions was reached, which an honest host's guest does not come to. */
    HANG,
    /** Vesper itself has failed. */
    DEFECT;

    /**
     * {@return whether an oracle has found it that a campaign is asked for, in a guest that goes
     * on}
     */
    boolean isAskedFor() {
      return this == CBIT || this == RIP || isFlow();
    }

    /** {@return whether it is found by following values alone} */
    boolean isFlow() {
      return this == LEAK || this == TAINT;
    }

    /** {@return the name in texts} */
    public String word() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /** Makes a finding. */
  public Finding {
    stack = List.copyOf(stack);
  }

  /**
   * {@return what findings have in common that are the same defect} The functions where it has
   * happened if they are known, else the title without its numbers. Of what is asked for, the
   * title's first word is one of a few things that may have happened there; and what leaks tells
   * leaks apart, for most go by the same functions.
   */
  public String signature() {
    int end = title.indexOf(kind == Kind.LEAK ? " -> " : ":");
    String what = kind.isAskedFor() && end >= 0 ? withoutNumbers(title.substring(0, end)) : "";
    return kind.word()
        + " "
        + (what.isEmpty() ? "" : what + " ")
        + (stack.isEmpty()
            ? withoutNumbers(title)
            : String.join(" < ", stack.subList(0, Math.min(TELLING, stack.size()))));
  }

  /** {@return a title without what differs from one guest, or one page, to another} */
  static String withoutNumbers(String title) {
    return title.replaceAll("0x[0-9a-f]+|[0-9a-f]{8,}|[0-9]+", "N");
  }

  /** {@return its name in a store} */
  public String name() {
    return Entries.name(signature().getBytes(StandardCharsets.UTF_8));
  }
}
