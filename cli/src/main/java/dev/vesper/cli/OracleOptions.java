package dev.vesper.cli;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Oracle;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.flow.FlowFinding;
import dev.vesper.machine.observe.flow.FlowKind;
import dev.vesper.machine.observe.flow.FlowOptions;
import dev.vesper.machine.observe.flow.FlowReport;
import dev.vesper.machine.observe.flow.FlowStep;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.Visible;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The oracle of flows: {@code --oracle} and {@code --fail-on}. */
final class OracleOptions {
  private static final String OPTION = FlowWords.OPTION;
  private static final String LEAK = FlowWords.LEAK;
  private static final String TAINT = FlowWords.TAINT;
  private static final String FROM = "from=";

  /** Notes that are shown one by one; the summary has all. */
  private static final int MOST_SHOWN = 200;

  private String wanted = "";
  private String failOn = "";
  private long from;
  private @Nullable Oracle oracle;

  /** Adds the options to a command's. */
  void addTo(Options o) {
    o.text(
        "WHAT",
        "follow values through the guest: leak names private bytes that reach the host, taint"
            + " values of the host's that are used unchecked; leak,secret=SYMBOL or"
            + " secret=ADDRESS+LENGTH (repeated) has that memory alone private; from=N begins after"
            + " N instructions. Many times slower than native code (docs/flow.md)",
        v -> wanted = v,
        OPTION);
    o.text(
        "leak|taint|leak,taint",
        "end with status 4 if --oracle finds errors or warnings of this sort",
        v -> failOn = v,
        "--fail-on");
  }

  /** Refuses what cannot be meant. */
  void validate(boolean encryptsState) {
    if (wanted.isEmpty()) {
      if (!failOn.isEmpty()) {
        throw new UserError("--fail-on needs --oracle, which finds what is to fail");
      }
      return;
    }
    FlowOptions f = read();
    for (String word : FlowWords.split(failOn)) {
      if (!word.equals(LEAK) && !word.equals(TAINT)) {
        throw new UserError("--fail-on takes leak, taint or both, not '" + word + "'");
      }
      if (!(word.equals(LEAK) ? f.leaks() : f.taint())) {
        throw new UserError("--fail-on " + word + ": " + OPTION + " does not look for it");
      }
    }
    if (!encryptsState) {
      throw new UserError(
          OPTION + ": a host sees all that this guest has; use --sev es or --sev snp");
    }
  }

  private FlowOptions read() {
    FlowWords flow = new FlowWords();
    for (String word : FlowWords.split(wanted)) {
      if (word.startsWith(FROM)) {
        from = count(word.substring(FROM.length()));
      } else if (!flow.takes(word)) {
        throw new UserError(
            OPTION
                + " takes leak, taint, from=N, secret=SYMBOL or secret=ADDRESS+LENGTH, not '"
                + word
                + "'");
      }
    }
    return flow.options();
  }

  private static long count(String text) {
    try {
      return Long.parseUnsignedLong(text);
    } catch (NumberFormatException e) {
      throw new UserError(OPTION + " " + FROM + text + ": not a number of instructions");
    }
  }

  /** Has a machine that is about to run watched, if somebody wants it, from where it is wanted. */
  void watch(Machine m) {
    if (!wanted.isEmpty()) {
      FlowOptions f = read();
      if (from > 0) {
        m.run(Until.instructions(from));
      }
      oracle = m.oracle(f);
    }
  }

  /** {@return what the last machine's oracle has found, or null without one} */
  @Nullable FlowReport report() {
    Oracle o = oracle;
    return o == null ? null : o.report();
  }

  /** {@return what is said of a run, each line with its end} */
  String text() {
    FlowReport r = report();
    if (r == null) {
      return "";
    }
    StringBuilder b = new StringBuilder();
    int shown = 0;
    for (FlowFinding f : r.findings()) {
      if (f.kind().weight() != FlowKind.Weight.NOTE && shown++ < MOST_SHOWN) {
        finding(b, f);
      }
    }
    if (shown > MOST_SHOWN) {
      b.append("oracle: ").append(shown - MOST_SHOWN).append(" more; --json has all\n");
    }
    b.append("oracle: ");
    for (FlowKind k : FlowKind.values()) {
      long n = r.findings().stream().filter(f -> f.kind() == k).count();
      if (n > 0) {
        b.append(k.id()).append(' ').append(n).append(", ");
      }
    }
    b.append(r.exchanges()).append(" exchanges\n");
    if (r.dropped() > 0) {
      b.append("oracle: ").append(r.dropped()).append(" findings more than there is room for\n");
    }
    if (r.blurred() > 0) {
      b.append("oracle: the origins of ").append(r.blurred()).append(" values were given up\n");
    }
    return b.toString();
  }

  private static void finding(StringBuilder b, FlowFinding f) {
    b.append("oracle: ")
        .append(f.kind().id())
        .append(": ")
        .append(Visible.of(f.origin()))
        .append(" -> ")
        .append(f.sink());
    if (f.exchange() > 0) {
      b.append(", exchange ").append(f.exchange());
    }
    b.append(f.count() == 1 ? "" : ", " + f.count() + " times").append('\n');
    for (FlowStep s : f.path()) {
      step(b, "  by ", s);
    }
    step(b, "  at ", f.at());
  }

  private static void step(StringBuilder b, String word, FlowStep s) {
    b.append(word).append("0x").append(Long.toHexString(s.rip()));
    b.append(s.symbol().isEmpty() ? "" : " " + Visible.of(s.symbol()));
    b.append(s.text().isEmpty() ? "" : ": " + s.text()).append('\n');
  }

  /** {@return the member of a run's summary, with a comma before it; empty without an oracle} */
  String json() {
    FlowReport r = report();
    if (r == null) {
      return "";
    }
    return ",\"flow\":{\"exchanges\":"
        + r.exchanges()
        + ",\"dropped\":"
        + r.dropped()
        + ",\"blurred\":"
        + r.blurred()
        + ",\"findings\":"
        + r.findings().stream().map(OracleOptions::json).collect(Collectors.joining(",", "[", "]"))
        + "}";
  }

  private static String json(FlowFinding f) {
    return "{\"kind\":"
        + Json.quote(f.kind().id())
        + ",\"weight\":"
        + Json.quote(f.kind().weight().name().toLowerCase(Locale.ROOT))
        + ",\"vcpu\":"
        + f.vcpu()
        + ",\"instructions\":"
        + f.instructions()
        + ",\"exchange\":"
        + f.exchange()
        + ",\"count\":"
        + f.count()
        + ",\"origin\":"
        + Json.quote(f.origin())
        + ",\"sink\":"
        + Json.quote(f.sink())
        + ",\"at\":"
        + json(f.at())
        + ",\"path\":"
        + f.path().stream().map(OracleOptions::json).collect(Collectors.joining(",", "[", "]"))
        + "}";
  }

  private static String json(FlowStep s) {
    return "{\"rip\":\"0x"
        + Long.toHexString(s.rip())
        + "\",\"symbol\":"
        + Json.quote(s.symbol())
        + ",\"text\":"
        + Json.quote(s.text())
        + "}";
  }

  /** {@return the status of a run that has ended with another one} */
  int status(int otherwise) {
    FlowReport r = report();
    List<String> sorts = FlowWords.split(failOn);
    boolean fails =
        r != null
            && r.any(
                k ->
                    k.weight() != FlowKind.Weight.NOTE
                        && sorts.contains(k.isLeak() ? LEAK : TAINT));
    return fails ? CheckOptions.VIOLATIONS : otherwise;
  }
}
