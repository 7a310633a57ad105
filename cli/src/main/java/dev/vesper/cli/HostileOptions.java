package dev.vesper.cli;

import dev.vesper.machine.hostile.Firing;
import dev.vesper.machine.hostile.Rule;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.hostile.ScriptException;
import dev.vesper.machine.hostile.ScriptParser;
import dev.vesper.machine.hostile.ScriptReport;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.Visible;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collector;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The script of a host that means harm: {@code --hostile}. */
final class HostileOptions {
  /**
   * The script did not do what it says: a rule never fired, or something expected does not hold.
   */
  static final int UNFULFILLED = 9;

  private static final String OPTION = "--hostile";

  private @Nullable Path file;
  private @Nullable Script script;

  /** Adds the option to a command's. */
  void addTo(Options o) {
    o.path(
        "F",
        "have the host follow a script that means harm: when something happens, inject an event,"
            + " answer otherwise, map, replay or poke memory, or break silicon (docs/hostile.md)",
        v -> file = v,
        OPTION);
  }

  /** {@return the file of the script, or null} */
  @Nullable Path file() {
    return file;
  }

  /**
   * {@return the script, or null if there is none}
   *
   * @throws UserError if the file cannot be read, or is none
   */
  @Nullable Script read() {
    Path f = file;
    if (f == null) {
      return null;
    }
    String text = new String(UserFiles.read(f, "script"), StandardCharsets.ISO_8859_1);
    try {
      script = ScriptParser.parse(text);
      return script;
    } catch (ScriptException e) {
      throw new UserError(OPTION + " " + f + ": " + e.getMessage());
    }
  }

  /** {@return what is said of a run, each line with its end} */
  String text(@Nullable ScriptReport r) {
    Script s = script;
    if (r == null || s == null) {
      return "";
    }
    StringBuilder b = new StringBuilder();
    for (Rule rule : s.rules()) {
      long n = r.counts().get(rule.number() - 1);
      if (n > 0) {
        b.append("hostile: ").append(fired(rule, n, r)).append('\n');
      }
    }
    r.notes()
        .forEach(
            (name, v) ->
                b.append("hostile: noted ")
                    .append(name)
                    .append(" = 0x")
                    .append(Long.toHexString(v))
                    .append('\n'));
    r.neverFired().forEach(l -> b.append("hostile: ").append(Visible.of(l)).append('\n'));
    r.unmet().forEach(l -> b.append("hostile: ").append(Visible.of(l)).append('\n'));
    return b.append("hostile: ")
        .append(r.host())
        .append(r.aided() ? ", aided by what no host sees" : "")
        .append('\n')
        .toString();
  }

  private static String fired(Rule rule, long n, ScriptReport r) {
    String first =
        r.firings().stream()
            .filter(f -> f.rule() == rule.number())
            .findFirst()
            .map(f -> ", first at instruction " + f.instructions() + ": " + Visible.of(f.what()))
            .orElse("");
    return rule.label() + " fired " + (n == 1 ? "once" : n + " times") + first;
  }

  /** {@return the member of a run's summary, with a comma before it; empty without a script} */
  static String json(@Nullable ScriptReport r) {
    if (r == null) {
      return "";
    }
    return ",\"hostile\":{\"host\":"
        + Json.quote(r.host())
        + ",\"aided\":"
        + r.aided()
        + ",\"fulfilled\":"
        + r.fulfilled()
        + ",\"counts\":"
        + r.counts().stream().map(String::valueOf).collect(list())
        + ",\"never_fired\":"
        + quoted(r.neverFired())
        + ",\"unmet\":"
        + quoted(r.unmet())
        + ",\"notes\":"
        + r.notes().entrySet().stream()
            .map(e -> Json.quote(e.getKey()) + ":\"0x" + Long.toHexString(e.getValue()) + "\"")
            .collect(Collectors.joining(",", "{", "}"))
        + ",\"firings\":"
        + r.firings().stream().map(HostileOptions::firing).collect(list())
        + "}";
  }

  private static Collector<CharSequence, ?, String> list() {
    return Collectors.joining(",", "[", "]");
  }

  private static String quoted(List<String> texts) {
    return texts.stream().map(Json::quote).collect(list());
  }

  private static String firing(Firing f) {
    return "{\"rule\":"
        + f.rule()
        + ",\"line\":"
        + f.line()
        + ",\"vcpu\":"
        + f.vcpu()
        + ",\"instructions\":"
        + f.instructions()
        + ",\"virtual_ns\":"
        + f.time()
        + ",\"silicon\":"
        + f.silicon()
        + ",\"aided\":"
        + f.aided()
        + ",\"trigger\":"
        + Json.quote(f.trigger())
        + ",\"what\":"
        + Json.quote(f.what())
        + "}";
  }

  /** {@return the status of a run that has ended with another one} */
  static int status(@Nullable ScriptReport r, int otherwise) {
    return r == null || r.fulfilled() ? otherwise : UNFULFILLED;
  }
}
