package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import java.io.PrintStream;
import java.util.EnumSet;
import java.util.Set;

/** Writes one readable line an event. What only machines read is left out. */
public final class TextWriter implements EventSink {
  private static final Set<Key> LEFT_OUT =
      EnumSet.of(
          Key.VC,
          Key.BUFFER,
          Key.RFLAGS,
          Key.ANSWER_BUFFER,
          Key.MEMORY,
          Key.SOURCE,
          Key.DEST,
          Key.OPERAND);

  private final PrintStream out;

  public TextWriter(PrintStream out) {
    this.out = out;
  }

  @Override
  public void accept(Event e) {
    if (e instanceof Event.Place) {
      return;
    }
    At at = e.at();
    StringBuilder b = new StringBuilder(160);
    b.append('[').append(at.time() / 1000).append("us] cpu").append(at.vcpu()).append(' ');
    b.append(EventCodec.kind(e)).append(' ').append(EventCodec.name(e));
    if (!(e instanceof Event.ConsoleLine) && !(e instanceof Event.Ended)) {
      b.append(" rip=").append(at.place()).append(" cpl").append(at.cpl()).append(' ');
      b.append(at.bits()).append("-bit {").append(at.instruction()).append('}');
    }
    EventCodec.details(
        e,
        (key, value) -> {
          if (!LEFT_OUT.contains(key) && !key.forMachines()) {
            b.append(' ').append(key).append("=[");
            EventCodec.append(b, key, value);
            b.append(']');
          }
        });
    out.println(b);
  }
}
