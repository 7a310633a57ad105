package dev.vesper.cli.attack;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What was found of {@link Vectors}, and the page that says so. */
public final class VectorsPage {
  /** The resource: a line each of column, mode, vector, handler and outcome, with bars between. */
  public static final String RESOURCE = "vectors.txt";

  private static final String HEAD =
      """
      # Interrupts that never were

      This page is written by `vesper attack vectors`, and tests carry out what it says.

      A host may inject any vector as an interrupt (EVENTINJ of type 0, no error code), whether a controller has it or not: Heckler (USENIX Security 2024, table 6). Each of the 256 is injected
      once into a program with CPL 3 and once into an ordinary function of the kernel, from the same moment each time. *Handler* is where the guest's IDT leads, and the result is what the
      machine has seen, not what a console says:

      * **nothing**: the guest goes on where it was, with the registers that it had.
      * **SIGFPE** and the like: the kernel takes it for a fault of the program's, and sends it the signal. The program is ended if it has no handler for it.
      * **system call**: the kernel executes a call that the program has not made.
      * **oops**, **panic**: the kernel takes it for a fault of its own.
      * **does not return**: not within three million instructions.

      Type 0 carries no error code, and a handler that expects one takes what lies on the stack for it: its return address is then another word, and what it says is not what has happened. Signals by
      vectors below 32 are not fixed in any kernel; restricted injection is what keeps a host from them.
      """;

  private final Map<String, String[]> lines = new LinkedHashMap<>();

  private VectorsPage() {}

  /** {@return what is recorded} */
  public static VectorsPage read() {
    VectorsPage p = new VectorsPage();
    try (InputStream in =
        Objects.requireNonNull(VectorsPage.class.getResourceAsStream(RESOURCE), RESOURCE)) {
      new String(in.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(l -> !l.isBlank() && !l.startsWith("#"))
          .map(l -> l.split("\\|", 5))
          .forEach(l -> p.lines.put(key(l[0], l[1], Integer.parseInt(l[2])), l));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return p;
  }

  private static String key(String column, String mode, int vector) {
    return column + "|" + mode + "|" + vector;
  }

  /** {@return what is recorded of a vector, or null} */
  public Vectors.@Nullable Result of(Column c, Vectors.Mode mode, int vector) {
    String[] l = lines.get(key(c.id, mode.id, vector));
    return l == null ? null : new Vectors.Result(l[3], l[4]);
  }

  /** {@return a line for a result} */
  public static String line(Column c, Vectors.Mode mode, int vector, Vectors.Result r) {
    return key(c.id, mode.id, vector) + "|" + r.handler() + "|" + r.outcome();
  }

  /** {@return the page, as Markdown} */
  public String page() {
    StringBuilder b = new StringBuilder(HEAD);
    for (Column c : Column.values()) {
      if (of(c, Vectors.Mode.USER, 0) == null) {
        continue;
      }
      b.append("\n## ").append(c.heading).append("\n\n");
      b.append(
          "| vectors | a program is interrupted | the kernel is interrupted |\n|---|---|---|\n");
      for (int first = 0; first < Vectors.COUNT; ) {
        String row = row(c, first);
        int last = first;
        while (last + 1 < Vectors.COUNT && row(c, last + 1).equals(row)) {
          last++;
        }
        b.append("| ").append(first);
        if (last > first) {
          b.append(" to ").append(last);
        }
        b.append(" | ").append(row).append(" |\n");
        first = last + 1;
      }
    }
    return b.toString();
  }

  private String row(Column c, int vector) {
    return cell(of(c, Vectors.Mode.USER, vector))
        + " | "
        + cell(of(c, Vectors.Mode.KERNEL, vector));
  }

  private static String cell(Vectors.@Nullable Result r) {
    if (r == null) {
      return "";
    }
    return r.handler().equals("-") ? r.outcome() : r.outcome() + " (`" + r.handler() + "`)";
  }
}
