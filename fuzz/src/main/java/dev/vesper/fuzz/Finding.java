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
    /** The limit of instructions was reached, which an honest host's guest does not come to. */
    HANG,
    /** Vesper itself has failed. */
    DEFECT;

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
   * happened if they are known, else the title without its numbers.
   */
  public String signature() {
    return kind.word()
        + " "
        + (stack.isEmpty()
            ? title.replaceAll("0x[0-9a-f]+|[0-9a-f]{8,}|[0-9]+", "N")
            : String.join(" < ", stack.subList(0, Math.min(TELLING, stack.size()))));
  }

  /** {@return its name in a store} */
  public String name() {
    return Entries.name(signature().getBytes(StandardCharsets.UTF_8));
  }
}
