package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import java.io.PrintStream;
import java.util.Map;
import java.util.Set;

/** Writes one readable line an event. What only machines read is left out. */
public final class TextWriter implements EventSink {
  private static final Set<String> SHOWN_OTHERWISE =
      Set.of("vc", "buffer", "rflags", "answer_buffer", "memory", "source", "dest", "operand");

  private final PrintStream out;

  public TextWriter(PrintStream out) {
    this.out = out;
  }

  @Override
  public void accept(Event e) {
    if (e.kind().equals("place")) {
      return;
    }
    StringBuilder b = new StringBuilder(160);
    b.append('[').append(e.time() / 1000).append("us] cpu").append(e.vcpu()).append(' ');
    b.append(e.kind()).append(' ').append(e.name());
    if (!e.kind().equals("console") && !e.kind().equals("end")) {
      b.append(" rip=").append(e.place()).append(" cpl").append(e.cpl()).append(' ');
      b.append(e.bits()).append("-bit {").append(e.instruction()).append('}');
    }
    for (Map.Entry<String, Object> d : e.details().entrySet()) {
      String v =
          SHOWN_OTHERWISE.contains(d.getKey()) || Details.forMachines(d.getKey())
              ? ""
              : Event.print(d.getValue());
      if (!v.isEmpty()) {
        b.append(' ').append(d.getKey()).append("=[").append(v).append(']');
      }
    }
    out.println(b);
  }
}
