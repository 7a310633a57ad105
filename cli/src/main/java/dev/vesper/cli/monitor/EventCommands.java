package dev.vesper.cli.monitor;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.FieldValues;
import dev.vesper.machine.observe.format.TextWriter;
import dev.vesper.machine.observe.format.Visible;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.StringJoiner;
import java.util.function.Predicate;

/** Commands that show what has happened lately. */
final class EventCommands {
  private static final int USUAL = 10;
  private static final int MOST = 4096;

  static final List<Command> ALL =
      List.of(
          Command.of(
              "vc-list",
              "[n]",
              "show the last #VC exceptions, and how many there were of which",
              EventCommands::exceptions),
          Command.of(
              "exchanges",
              "[n]",
              "show the last requests to the hypervisor with their answers",
              c -> show(c, e -> e instanceof Event.GhcbExchange || e instanceof Event.MsrExchange)),
          Command.of("events", "[n]", "show the last events", c -> show(c, e -> true)),
          Command.of(
              "vc-log",
              "[n]",
              "show the last #VC exceptions, each in a line for programs",
              EventCommands::exceptionLog),
          Command.of(
              "exchange-log",
              "[n]",
              "show the last exchanges by a GHCB with their numbers and fields, for programs",
              EventCommands::exchangeLog));

  private EventCommands() {}

  private static int count(Call c) throws Refusal {
    long n = c.words().atEnd() ? USUAL : c.words().number(c.vcpu());
    c.words().end();
    if (n < 0 || n > MOST) {
      throw new Refusal("the last 0 to " + MOST + " are kept");
    }
    return (int) n;
  }

  private static void lines(Call c, List<Event> events) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (PrintStream out = new PrintStream(bytes, false, StandardCharsets.UTF_8)) {
      TextWriter w = new TextWriter(out);
      events.forEach(w::accept);
    }
    c.say(bytes.toString(StandardCharsets.UTF_8));
  }

  private static void show(Call c, Predicate<Event> which) throws Refusal {
    lines(c, c.control().events().last(count(c), which));
  }

  private static void exceptions(Call c) throws Refusal {
    int n = count(c);
    RecentEvents all = c.control().events();
    lines(c, all.last(n, Event.VcRaised.class::isInstance));
    all.raised().forEach((code, times) -> c.line("%8d  0x%x %s", times, code, ExitCode.name(code)));
    if (all.isForgotten()) {
      c.line(
          "how many there were of which is not known: the run went back further than events are"
              + " kept");
    }
  }

  private static void exceptionLog(Call c) throws Refusal {
    int n = count(c);
    RecentEvents all = c.control().events();
    c.line("%d exceptions", c.machine().tally().exceptions());
    for (RecentEvents.Kept k : all.kept(n, Event.VcRaised.class::isInstance)) {
      Event.VcRaised v = (Event.VcRaised) k.event();
      c.line(
          "vc %d cpu %d insn %d exit 0x%x %s at %s",
          v.vc(),
          v.at().vcpu(),
          v.at().instructions(),
          v.exit(),
          ExitCode.name(v.exit()),
          Visible.of(v.at().place()));
    }
  }

  private static void exchangeLog(Call c) throws Refusal {
    int n = count(c);
    RecentEvents all = c.control().events();
    c.line("%d exchanges", c.machine().tally().exchanges());
    for (RecentEvents.Kept k : all.kept(n, Event.GhcbExchange.class::isInstance)) {
      Event.GhcbExchange x = (Event.GhcbExchange) k.event();
      c.line(
          "exchange %d cpu %d insn %d ghcb 0x%x exit 0x%x %s",
          k.until().exchanges(),
          x.at().vcpu(),
          x.at().instructions(),
          x.ghcb(),
          x.exit(),
          ExitCode.name(x.exit()));
      c.line("  request" + fields(x.request().valid()));
      c.line("  answer" + fields(x.answer().valid()));
    }
  }

  private static String fields(FieldValues f) {
    StringJoiner j = new StringJoiner(" ", " ", "");
    f.forEach((name, value) -> j.add(name + "=0x" + Long.toHexString(value)));
    return j.toString();
  }
}
