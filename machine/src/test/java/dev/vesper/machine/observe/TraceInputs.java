package dev.vesper.machine.observe;

import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Reports;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.HostileText;
import dev.vesper.machine.observe.format.JsonLinesReader;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.observe.format.PcapngWriter;
import dev.vesper.machine.observe.format.PerfettoWriter;
import dev.vesper.machine.observe.format.TextWriter;
import dev.vesper.machine.observe.format.TraceWriter;
import dev.vesper.machine.observe.html.HtmlReport;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;

/** What reads traces and JSON, an input a call: a fuzzer calls these. */
public final class TraceInputs {
  private TraceInputs() {}

  private static OutputStream nowhere() {
    return OutputStream.nullOutputStream();
  }

  /** Judges a trace and writes it in every form. */
  public static void trace(byte[] input) throws IOException {
    Checker c = new Checker();
    TextWriter text = new TextWriter(new PrintStream(nowhere(), false, StandardCharsets.UTF_8));
    try (TraceWriter lines = new JsonLinesWriter(nowhere());
        TraceWriter slices = new PerfettoWriter(nowhere());
        TraceWriter packets = new PcapngWriter(nowhere());
        TraceWriter page =
            new HtmlReport(
                Writer.nullWriter(), "fuzz", c, () -> Verdict.of(c, Set.of(), Set.of()))) {
      List<EventSink> all = List.of(c, lines, slices, packets, page, text);
      JsonLinesReader.read(
          new InputStreamReader(new ByteArrayInputStream(input), StandardCharsets.UTF_8),
          e -> all.forEach(s -> s.accept(e)));
    }
    for (Reports r : Reports.values()) {
      r.write(Verdict.of(c, Set.of(), Set.of()));
    }
  }

  /** Reads a JSON text. */
  public static void json(byte[] input) {
    JsonTree.parse(new String(input, StandardCharsets.UTF_8));
  }

  /** {@return a trace with a few events of all types} */
  public static byte[] seed() throws IOException {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    try (JsonLinesWriter w = new JsonLinesWriter(b)) {
      HostileText.events("a.c:1").stream().limit(32).forEach(w::accept);
    }
    return b.toByteArray();
  }
}
