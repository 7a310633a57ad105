package dev.vesper.cli;

import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * What zsh and fish complete of the command's words: commands, options with what they mean, and
 * values where there are few. Picocli makes bash's.
 */
final class Completion {
  /** What a line of options alone is. */
  private static final String PLAIN = "run";

  /** A label that lists all values, as in off|sev|es. */
  private static final Pattern CHOICE = Pattern.compile("[a-z0-9-]+(\\|[a-z0-9-]+)+");

  /** A label of a file, alone or as one of the values. */
  private static final Pattern FILE = Pattern.compile("(.*[|:=])?(F|FILE|TRACE)([.,|].*)?");

  /** A meaning is as long as a line of a terminal has room for. */
  private static final int WIDTH = 60;

  private Completion() {}

  // ---- zsh: zshcompsys(1), _arguments

  /** {@return the function {@code _vesper} for a folder of {@code fpath}} */
  static String zsh(CommandLine all) {
    StringBuilder b = new StringBuilder("#compdef vesper\n\n");
    Map<String, CommandLine> commands = all.getSubcommands();
    commands.forEach(
        (name, c) -> {
          b.append("_vesper_").append(name.replace('-', '_')).append("() {\n  _arguments");
          for (OptionSpec o : c.getCommandSpec().options()) {
            for (String n : o.names()) {
              b.append(" \\\n    ").append(zshOption(o, n));
            }
          }
          List<String> first = firstWords(c.getCommandSpec());
          if (!first.isEmpty()) {
            b.append(" \\\n    '1:what:(").append(String.join(" ", first)).append(")'");
          }
          b.append(" \\\n    '*:file:_files'\n}\n\n");
        });
    b.append("_vesper() {\n  local -a commands\n  commands=(\n");
    commands.forEach(
        (name, c) ->
            b.append("    ")
                .append(zshWord(name + ":" + meaning(c.getCommandSpec())))
                .append('\n'));
    b.append("  )\n  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n");
    b.append("    _describe command commands\n    _files\n    return\n  fi\n");
    b.append("  case $words[2] in\n");
    for (String name : commands.keySet()) {
      b.append("    ").append(name).append(") (( CURRENT-- )); shift words; _vesper_");
      b.append(name.replace('-', '_')).append(" ;;\n");
    }
    b.append("    *) _vesper_").append(PLAIN).append(" ;;\n  esac\n}\n\n");
    return b.append("_vesper \"$@\"\n").toString();
  }

  private static String zshOption(OptionSpec o, String name) {
    String text = meaning(o).replaceAll("[\\[\\]\\\\]", "\\\\$0");
    StringBuilder b = new StringBuilder(o.isMultiValue() ? "*" : "").append(name);
    if (o.arity().max() > 0) {
      // A value may be left out that is joined to its option.
      boolean optional = o.arity().min() == 0;
      b.append(optional ? "=-" : "").append('[').append(text).append(']');
      String label = o.paramLabel().replaceAll("[:\\\\\\[\\]]", "\\\\$0");
      b.append(optional ? "::" : ":").append(label).append(':').append(zshValues(o.paramLabel()));
    } else {
      b.append('[').append(text).append(']');
    }
    return zshWord(b.toString());
  }

  private static String zshValues(String label) {
    return CHOICE.matcher(label).matches()
        ? "(" + label.replace('|', ' ') + ")"
        : FILE.matcher(label).matches() ? "_files" : " ";
  }

  // ---- fish: complete(1)

  /** {@return the lines for {@code vesper.fish}} */
  static String fish(CommandLine all) {
    StringBuilder b = new StringBuilder();
    Map<String, CommandLine> commands = all.getSubcommands();
    commands.forEach(
        (name, c) ->
            b.append("complete -c vesper -n __fish_use_subcommand -a ")
                .append(name)
                .append(" -d ")
                .append(fishWord(meaning(c.getCommandSpec())))
                .append('\n'));
    commands.forEach(
        (name, c) -> {
          String others =
              commands.keySet().stream()
                  .filter(n -> !n.equals(PLAIN))
                  .collect(Collectors.joining(" "));
          String where =
              name.equals(PLAIN)
                  ? "not __fish_seen_subcommand_from " + others
                  : "__fish_seen_subcommand_from " + name;
          List<String> first = firstWords(c.getCommandSpec());
          if (!first.isEmpty()) {
            b.append("complete -c vesper -n ").append(fishWord(where));
            b.append(" -a '").append(String.join(" ", first)).append("'\n");
          }
          for (OptionSpec o : c.getCommandSpec().options()) {
            b.append("complete -c vesper -n ").append(fishWord(where));
            for (String n : o.names()) {
              b.append(fishName(n));
            }
            b.append(fishValues(o));
            b.append(" -d ").append(fishWord(meaning(o))).append('\n');
          }
        });
    return b.toString();
  }

  private static String fishName(String n) {
    return n.startsWith("--")
        ? " -l " + n.substring(2)
        : (n.length() == 2 ? " -s " : " -o ") + n.substring(1);
  }

  private static String fishValues(OptionSpec o) {
    String label = o.paramLabel();
    if (o.arity().max() == 0 || o.arity().min() == 0) {
      return "";
    }
    return CHOICE.matcher(label).matches()
        ? " -x -a '" + label.replace('|', ' ') + "'"
        : FILE.matcher(label).matches() ? " -r -F" : " -x";
  }

  // ---- words

  /**
   * {@return the words of which the first behind a command is one, none if it is anything}
   *
   * @param label of what stands for itself on the command line, such as {@code a|b FILE}
   */
  static List<String> firstWords(String label) {
    String first = label.split(" ", 2)[0];
    return CHOICE.matcher(first).matches() ? List.of(first.split("\\|")) : List.of();
  }

  private static List<String> firstWords(CommandSpec c) {
    return c.positionalParameters().isEmpty()
        ? List.of()
        : firstWords(c.positionalParameters().getFirst().paramLabel());
  }

  private static String meaning(CommandSpec c) {
    return first(c.usageMessage().description());
  }

  private static String meaning(OptionSpec o) {
    return first(o.description());
  }

  /** {@return the beginning of a description, on one line} */
  private static String first(String[] lines) {
    String text =
        Ansi.OFF
            .string(Stream.of(lines).findFirst().orElse(""))
            .replace("%n", " ")
            .replace("%%", "%")
            .strip();
    String part = text.split("[;:(]| \\(|\\. ", 2)[0].strip();
    List<String> words = List.of(part.split(" +"));
    StringBuilder b = new StringBuilder();
    for (String w : words) {
      if (b.length() + w.length() > WIDTH) {
        return b.append(" ...").toString();
      }
      b.append(b.isEmpty() ? "" : " ").append(w);
    }
    return b.toString();
  }

  /** {@return a word of zsh that is this text, whatever is in it} */
  private static String zshWord(String text) {
    return "'" + text.replace("'", "'\\''") + "'";
  }

  /** {@return the same of fish} */
  private static String fishWord(String text) {
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'";
  }
}
