package dev.vesper.cli.gdb;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.FieldValues;
import dev.vesper.machine.observe.format.Visible;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.StringJoiner;

/**
 * The last #VCs and exchanges by a GHCB, with their numbers. It is written from when somebody asks
 * for it first, because runs that are observed take longer; the numbers are those of the whole run
 * if that was before it began.
 */
final class ExchangeLog {
  private static final int MOST = 256;

  private final Deque<String> exceptions = new ArrayDeque<>();
  private final Deque<String> exchanges = new ArrayDeque<>();
  private long raised;
  private long made;
  private final Machine machine;
  private boolean begun;

  ExchangeLog(Machine machine) {
    this.machine = machine;
  }

  /** Somebody wants to know, from now on. */
  void begin() {
    if (!begun) {
      begun = true;
      machine.on(Event.class, this::add);
    }
  }

  private void add(Event e) {
    switch (e) {
      case Event.VcRaised v -> {
        raised++;
        put(
            exceptions,
            "vc %d cpu %d insn %d exit 0x%x %s at %s%n"
                .formatted(
                    v.vc(),
                    v.at().vcpu(),
                    v.at().instructions(),
                    v.exit(),
                    ExitCode.name(v.exit()),
                    Visible.of(v.at().place())));
      }
      case Event.GhcbExchange x -> {
        made++;
        put(
            exchanges,
            "exchange %d cpu %d insn %d ghcb 0x%x exit 0x%x %s%n  request%s%n  answer%s%n"
                .formatted(
                    made,
                    x.at().vcpu(),
                    x.at().instructions(),
                    x.ghcb(),
                    x.exit(),
                    ExitCode.name(x.exit()),
                    fields(x.request().valid()),
                    fields(x.answer().valid())));
      }
      default -> {}
    }
  }

  private static void put(Deque<String> to, String line) {
    to.addLast(line);
    if (to.size() > MOST) {
      to.removeFirst();
    }
  }

  private static String fields(FieldValues f) {
    StringJoiner j = new StringJoiner(" ", " ", "");
    f.forEach((name, value) -> j.add(name + "=0x" + Long.toHexString(value)));
    return j.toString();
  }

  /** {@return how many exchanges there were} */
  long made() {
    return made;
  }

  /** {@return the last so many #VCs, and how many there were} */
  String exceptions(int most) {
    return "%d exceptions%n%s".formatted(raised, last(exceptions, most));
  }

  /** {@return the last so many exchanges, and how many there were} */
  String exchanges(int most) {
    return "%d exchanges%n%s".formatted(made, last(exchanges, most));
  }

  private static String last(Deque<String> of, int most) {
    StringBuilder b = new StringBuilder();
    of.stream().skip(Math.max(0, of.size() - most)).forEach(b::append);
    return b.toString();
  }
}
