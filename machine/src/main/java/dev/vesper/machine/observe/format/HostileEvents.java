package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.FlowFound;
import dev.vesper.machine.observe.Event.HostileRule;
import dev.vesper.machine.observe.flow.FlowKind;

/** What files have of a host that means harm, and of what flows to and from it. */
public final class HostileEvents {
  private static final String LAWFUL = "lawful";
  private static final String SILICON = "silicon";

  private HostileEvents() {}

  /** Hands on the details. */
  static void fired(HostileRule h, EventCodec.Details to) {
    to.accept(Key.RULE, (long) h.rule());
    to.accept(Key.LINE, (long) h.line());
    EventCodec.text(to, Key.HOST, h.silicon() ? SILICON : LAWFUL);
    to.accept(Key.AIDED, h.aided() ? 1L : 0L);
    EventCodec.text(to, Key.TRIGGER, h.trigger());
    EventCodec.text(to, Key.WHAT, h.what());
  }

  /** {@return the event of a record} */
  static Event fired(At at, TraceRecord r) {
    return new HostileRule(
        at,
        r.integer(Key.RULE),
        r.integer(Key.LINE),
        r.text(Key.HOST).equals(SILICON),
        r.number(Key.AIDED) != 0,
        r.text(Key.TRIGGER),
        r.text(Key.WHAT));
  }

  /** Hands on the details. */
  static void found(FlowFound f, EventCodec.Details to) {
    EventCodec.text(to, Key.FROM, f.origin());
    EventCodec.text(to, Key.TO, f.sink());
    to.accept(Key.EXCHANGE, f.exchange());
  }

  /**
   * {@return the event of a record}
   *
   * @throws IllegalArgumentException if there is no such kind
   */
  static Event found(At at, String kind, TraceRecord r) {
    for (FlowKind k : FlowKind.values()) {
      if (k.id().equals(kind)) {
        return new FlowFound(at, k, r.text(Key.FROM), r.text(Key.TO), r.number(Key.EXCHANGE));
      }
    }
    throw new IllegalArgumentException("no kind of flow: " + kind);
  }

  /** {@return the rule's kind, what it was waiting for and what it did, in some words} */
  public static String words(HostileRule h) {
    return (h.silicon() ? "broken silicon: " : "") + h.trigger() + " → " + h.what();
  }
}
