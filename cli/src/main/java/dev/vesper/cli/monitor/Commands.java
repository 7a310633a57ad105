package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.format.Visible;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The table of commands. {@code info} is one whose words are commands of a table of their own. */
final class Commands {
  private static final String INFO = "info ";

  private static final List<Command> ALL =
      Stream.of(
              own(),
              RunCommands.ALL,
              StateCommands.ALL,
              MemoryCommands.ALL,
              PagingCommands.ALL,
              InterruptCommands.ALL,
              DeviceCommands.ALL,
              InputCommands.ALL,
              FileCommands.ALL,
              SevCommands.ALL,
              SecretCommands.ALL,
              EventCommands.ALL,
              SnapshotCommands.ALL)
          .flatMap(List::stream)
          .toList();

  private static final Map<String, Command> BY_NAME = byName();

  private Commands() {}

  /**
   * A command that a line names.
   *
   * @param rest what stands behind its name
   */
  record Found(Command command, String rest) {}

  private static List<Command> own() {
    return List.of(
        Command.of("help|?", "[cmd]", "show the help", Commands::help),
        Command.of("info history", "", "show the command line history", Commands::history));
  }

  private static Map<String, Command> byName() {
    Map<String, Command> m = new LinkedHashMap<>();
    for (Command c : ALL) {
      for (String n : c.names()) {
        Command before = m.put(n, c);
        assert before == null : n;
      }
    }
    return m;
  }

  /** {@return all commands in the order of the table} */
  static List<Command> all() {
    return ALL;
  }

  private static String[] words(String line) {
    return line.strip().split("\\s+", 3);
  }

  /** A format may follow without a space, as in {@code x/4i}. */
  private static String head(String word) {
    int slash = word.indexOf('/');
    return slash > 0 ? word.substring(0, slash) : word;
  }

  /** {@return the command that a line names, or null} */
  static @Nullable Found find(String line) {
    String text = line.strip();
    String[] w = words(text);
    if (w[0].equals("info")) {
      if (w.length == 1) {
        return new Found(Command.of("info", "", "", c -> list(c, true)), "");
      }
      Command c = BY_NAME.get(INFO + w[1]);
      return c == null ? null : new Found(c, w.length > 2 ? w[2] : "");
    }
    String name = head(w[0]);
    Command c = BY_NAME.get(name);
    return c == null ? null : new Found(c, text.substring(name.length()));
  }

  private static void list(Call c, boolean infos) {
    ALL.stream()
        .filter(k -> k.name().startsWith(INFO) == infos)
        .map(Command::usage)
        .sorted()
        .forEach(c::line);
  }

  private static void help(Call c) throws Refusal {
    if (c.words().atEnd()) {
      list(c, false);
      c.line("info [subcommand]  -- show various information about the system state");
      return;
    }
    String wanted = c.words().rest();
    if (wanted.equals("info")) {
      list(c, true);
      return;
    }
    Found f = find(wanted);
    if (f == null) {
      throw new Refusal("unknown command: '" + Visible.of(wanted) + "'");
    }
    c.line(f.command().usage());
  }

  private static void history(Call c) throws Refusal {
    c.words().end();
    List<String> all = c.session().history();
    for (int i = 0; i < all.size(); i++) {
      c.line(i + ": '" + Visible.of(all.get(i)) + "'");
    }
  }
}
