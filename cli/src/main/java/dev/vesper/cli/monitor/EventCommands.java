package dev.vesper.cli.monitor;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.format.TextWriter;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
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
          Command.of("events", "[n]", "show the last events", c -> show(c, e -> true)));

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
    lines(c, c.control().events().last(n, Event.VcRaised.class::isInstance));
    c.control()
        .events()
        .raised()
        .forEach((code, times) -> c.line("%8d  0x%x %s", times, code, ExitCode.name(code)));
  }
}
