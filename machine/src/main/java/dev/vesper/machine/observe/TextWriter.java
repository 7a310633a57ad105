package dev.vesper.machine.observe;

import java.io.PrintStream;
import java.util.Map;

/** Writes one readable line an event. */
public final class TextWriter implements EventSink {
  private final PrintStream out;

  public TextWriter(PrintStream out) {
    this.out = out;
  }

  @Override
  public void accept(Event e) {
    StringBuilder b = new StringBuilder(160);
    b.append('[').append(e.time() / 1000).append("us] cpu").append(e.vcpu()).append(' ');
    b.append(e.kind()).append(' ').append(e.name());
    b.append(" rip=0x")
        .append(Long.toHexString(e.rip()))
        .append(e.symbol().isEmpty() ? "" : " <" + e.symbol() + ">")
        .append(" cpl")
        .append(e.cpl())
        .append(' ');
    b.append(e.bits()).append("-bit {").append(e.instruction()).append('}');
    for (Map.Entry<String, String> d : e.details().entrySet()) {
      b.append(' ').append(d.getKey()).append("=[").append(d.getValue()).append(']');
    }
    out.println(b);
  }
}
