package dev.vesper.cli.attack;

import org.jspecify.annotations.Nullable;

/** Writes the page that says what each attack comes to against each guest. */
public final class Matrix {
  private static final String HEAD =
      """
      # Attacks of the host

      This page is written by `vesper attack matrix`, and tests carry out what it says.

      `vesper attack list` names published attacks of hosts against confidential guests; `vesper attack NAME` carries one out against the embedded reference guest,
      `vesper attack NAME -kernel F -initrd F` against a kernel, and `vesper attack --suite guest` all of them. What proves a verdict is bytes, registers, exchanges and where code
      goes on, never what a console says. `--report F.xml|.sarif|.json|.txt` writes the results down; the exit status is 4 if a weakness is found that `--baseline F` does not list,
      and `--write-baseline F` writes the list.

      * **vulnerable**: the guest has done what the host wanted.
      * **defended**: it has not, or it has ended; the section of the attack says how.
      * **limit**: the host has what it wanted, and no software of the guest could have kept it: the level of protection or the processor has this limit, and the section says what closes it.
      * **denial of service**: the guest does not go on, and nothing of it is lost or told. No level keeps a host from stopping a guest.
      * **not applicable**: the attack cannot be carried out against this guest, and nothing is known. An empty cell was not tried.

      What each of the 256 vectors comes to that a host may inject is in [vectors.md](vectors.md).

      In the tests of another project: `vesper attack --suite guest -kernel bzImage -initrd init.cpio.gz --write-baseline known.txt` once, and known.txt into its repository. From then on
      `vesper attack --suite guest -kernel bzImage -initrd init.cpio.gz --baseline known.txt --report attacks.xml --report attacks.sarif` ends with status 4 when a weakness is new, and
      0 otherwise: known ones, limits and denials of service do not count. JUnit XML ([junit.xsd](schema/junit.xsd)) is for test reports, SARIF for code scanning, JSON
      ([attacks.schema.json](schema/attacks.schema.json)) for programs. A run is the same each time, so that an attack that begins to work has been let in by a change of the guest.

      A *lawful host* uses what every host has; guests are expected to withstand it where anything can. *Broken silicon* is a processor or firmware that breaks a rule of the
      architecture, against which no guest can be expected to help itself.

      """;

  private Matrix() {}

  /** {@return the page, as Markdown} */
  public static String page() {
    Recorded recorded = Recorded.read();
    StringBuilder b = new StringBuilder(HEAD);
    b.append("## Guests\n\n");
    for (Column c : Column.values()) {
      b.append("* **").append(c.heading).append("**: ").append(c.words).append(".\n");
    }
    b.append("\n## Verdicts\n\n| attack | host |");
    for (Column c : Column.values()) {
      b.append(' ').append(c.heading).append(" |");
    }
    b.append("\n|---|---|").append("---|".repeat(Column.values().length)).append('\n');
    for (Attack a : Attacks.all()) {
      b.append("| [`").append(a.name()).append("`](#").append(a.name()).append(") | ");
      b.append(a.needs()).append(" |");
      for (Column c : Column.values()) {
        b.append(cell(recorded.of(c, a))).append(" |");
      }
      b.append('\n');
    }
    Attacks.all().forEach(a -> section(b, recorded, a));
    return b.toString();
  }

  private static String cell(@Nullable String verdict) {
    String word = verdict == null ? "" : verdict.substring(0, verdict.indexOf('|'));
    return switch (word) {
      case "" -> "";
      case "vulnerable" -> " **vulnerable**";
      default -> " " + word;
    };
  }

  private static void section(StringBuilder b, Recorded recorded, Attack a) {
    b.append("\n### ").append(a.name()).append("\n\n");
    b.append(sentence(a.title())).append(" Source: ").append(a.source()).append(".\n\n");
    if (!a.oracle().equals("-")) {
      b.append("* Needs: ").append(a.precondition()).append(".\n");
      b.append("* Proof: ").append(a.oracle()).append(".\n");
    }
    for (Column c : Column.values()) {
      String v = recorded.of(c, a);
      if (v != null) {
        b.append("* ").append(c.heading).append(": ").append(v.replaceFirst("\\|", ": "));
        b.append(".\n");
      }
    }
  }

  private static String sentence(String s) {
    return Character.toUpperCase(s.charAt(0)) + s.substring(1) + ".";
  }
}
