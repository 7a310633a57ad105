package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import java.io.PrintStream;
import java.util.EnumSet;
import java.util.Set;

/** Writes one readable line an event, fit for a terminal. What only machines read is left out. */
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
    TextBuffer b = new TextBuffer();
    b.add('[').decimal(at.time() / 1000).add("us] cpu").decimal(at.vcpu()).add(' ');
    b.add(EventCodec.kind(e)).add(' ').add(EventCodec.name(e));
    if (!(e instanceof Event.ConsoleLine) && !(e instanceof Event.Ended)) {
      b.add(" rip=").add(Visible.of(at.place())).add(" cpl").decimal(at.cpl()).add(' ');
      if (at.vmpl() != 0) {
        b.add("vmpl").decimal(at.vmpl()).add(' ');
      }
      b.decimal(at.bits()).add("-bit {").add(Visible.of(at.instruction())).add('}');
    }
    EventCodec.details(
        e,
        (key, value) -> {
          if (!LEFT_OUT.contains(key) && !key.forMachines()) {
            b.add(' ').add(key.text).add("=[");
            EventCodec.show(b, key, value);
            b.add(']');
          }
        });
    out.println(b);
  }
}
