package dev.vesper.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** What an installed command comes with: its manual page and what shells complete. */
public final class Reference {
  /** What other programs do that start this one. */
  private static final String LAUNCHER =
      """
      .SH OTHER COMMANDS
      .TP
      .B vesper doctor \\fR[\\fB\\-\\-json\\fR]
      says what this computer has of what Vesper can use, and what installs the rest; status 1 if \
      something is missing without which nothing runs.
      .TP
      .B vesper convert\\-qemu \\fILINE\\fR
      says a command line of QEMU's in Vesper's words.
      """;

  private Reference() {}

  /**
   * Writes {@code vesper.1}, {@code vesper.bash}, {@code vesper.zsh} and {@code vesper.fish}.
   *
   * @param args a folder
   */
  public static void main(String[] args) throws IOException {
    CommandLine all = Main.commandLine();
    Files.writeString(Path.of(args[0], "vesper.1"), manual(all));
    Files.writeString(Path.of(args[0], "vesper.bash"), AutoComplete.bash("vesper", all));
    Files.writeString(Path.of(args[0], "vesper.zsh"), Completion.zsh(all));
    Files.writeString(Path.of(args[0], "vesper.fish"), Completion.fish(all));
  }

  /** {@return the manual page, in the macros of man(7)} */
  static String manual(CommandLine all) {
    CommandSpec main = all.getCommandSpec();
    StringBuilder b = new StringBuilder(".TH VESPER 1\n.SH NAME\nvesper \\- ");
    b.append(escaped(lines(main.usageMessage().description()))).append("\n.SH SYNOPSIS\n");
    all.getSubcommands()
        .forEach(
            (name, c) ->
                b.append(".B vesper ")
                    .append(escaped(synopsis(c.getCommandSpec())))
                    .append("\n.br\n"));
    b.append(".SH DESCRIPTION\n").append(escaped(lines(main.usageMessage().footer())));
    all.getSubcommands().forEach((name, c) -> section(b, name, c.getCommandSpec()));
    return b.append('\n').append(LAUNCHER).toString();
  }

  /** {@return a command without its options, of which some have eighty} */
  private static String synopsis(CommandSpec c) {
    StringBuilder b = new StringBuilder(c.name()).append(" [OPTION...]");
    c.positionalParameters().forEach(p -> b.append(" [").append(p.paramLabel()).append(']'));
    return b.append(c.name().equals("boot") ? " [-- COMMAND...]" : "").toString();
  }

  private static void section(StringBuilder b, String name, CommandSpec c) {
    b.append("\n.SH VESPER ").append(name.toUpperCase(java.util.Locale.ROOT)).append('\n');
    b.append(escaped(lines(c.usageMessage().description()))).append('\n');
    for (PositionalParamSpec p : c.positionalParameters()) {
      entry(b, p.paramLabel(), p);
    }
    for (OptionSpec o : c.options()) {
      String value = o.arity().max() > 0 ? " " + o.paramLabel() : "";
      entry(b, String.join(", ", List.of(o.names())) + value, o);
    }
    b.append(".PP\n").append(escaped(lines(c.usageMessage().footer()))).append('\n');
  }

  private static void entry(StringBuilder b, String names, ArgSpec a) {
    b.append(".TP\n.B ").append(escaped(names)).append('\n');
    b.append(escaped(lines(a.description()))).append('\n');
  }

  /** {@return lines as a text without colours and picocli's marks} */
  private static String lines(String[] lines) {
    return Ansi.OFF.string(String.join("\n", lines)).replace("%n", "\n").replace("%%", "%").strip();
  }

  /** {@return a text in which nothing is an instruction to the formatter} */
  private static String escaped(String text) {
    StringBuilder b = new StringBuilder();
    for (String line : text.split("\n", -1)) {
      String s = line.replace("\\", "\\e").replace("-", "\\-");
      boolean request = s.startsWith(".") || s.startsWith("'");
      b.append(b.isEmpty() ? "" : "\n")
          .append(request ? "\\&" : "")
          .append(s.isEmpty() ? ".PP" : s);
    }
    return b.toString();
  }
}
