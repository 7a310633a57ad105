package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Reports;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.JsonLinesReader;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.observe.format.PcapngWriter;
import dev.vesper.machine.observe.format.PerfettoWriter;
import dev.vesper.machine.observe.format.TextWriter;
import dev.vesper.machine.observe.format.TraceWriter;
import dev.vesper.machine.observe.html.HtmlReport;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Traces in JSON Lines: read, judged, and written in every form. */
public final class TraceTarget implements FuzzTarget {
  private static final long INSTRUCTIONS = 3_000_000;

  @Override
  public String name() {
    return "trace";
  }

  @Override
  public List<String> covers() {
    return List.of(
        "dev.vesper.machine.observe.format.",
        "dev.vesper.machine.observe.check.",
        "dev.vesper.machine.observe.html.");
  }

  @Override
  public int inputs() {
    return 4000;
  }

  @Override
  public int longest() {
    return 1 << 14;
  }

  /** One line of each kind of event that the reference guest brings about, and its first lines. */
  @Override
  public List<byte[]> seeds() throws Exception {
    Map<String, byte[]> kinds = new LinkedHashMap<>();
    ByteArrayOutputStream first = new ByteArrayOutputStream();
    List<String> lines = new ArrayList<>();
    MachineSpec spec =
        MachineSpec.builder(SevMode.ES, Locore.image(), b -> {})
            .memoryBytes(64L << 20)
            .processors(2)
            .build();
    try (Machine m = new Machine(spec)) {
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      try (JsonLinesWriter w = new JsonLinesWriter(all)) {
        m.trace(w::accept, true);
        m.limit(INSTRUCTIONS, Long.MAX_VALUE);
        m.run();
      }
      all.toString(StandardCharsets.UTF_8).lines().forEach(lines::add);
    }
    for (String l : lines) {
      int at = l.indexOf("\"kind\":");
      String kind = at < 0 ? "" : l.substring(at, Math.min(l.length(), at + 24));
      byte[] b = l.getBytes(StandardCharsets.UTF_8);
      if (b.length < 4096) {
        kinds.putIfAbsent(kind, b);
      }
    }
    for (String l : lines) {
      byte[] b = (l + "\n").getBytes(StandardCharsets.UTF_8);
      if (first.size() + b.length > longest()) {
        break;
      }
      first.writeBytes(b);
    }
    List<byte[]> out = new ArrayList<>(kinds.values());
    out.add(first.toByteArray());
    return out;
  }

  @Override
  public void take(byte[] input) throws IOException {
    Checker c = new Checker();
    String text = new String(input, StandardCharsets.UTF_8);
    List<TraceWriter> writers =
        List.of(
            new JsonLinesWriter(OutputStream.nullOutputStream()),
            new PerfettoWriter(OutputStream.nullOutputStream()),
            new PcapngWriter(OutputStream.nullOutputStream()),
            new HtmlReport(
                new StringWriter(), "trace", c, () -> Verdict.of(c, Set.of(), Set.of())));
    TextWriter plain = new TextWriter(new PrintStream(OutputStream.nullOutputStream()));
    try {
      JsonLinesReader.read(
          new StringReader(text),
          e -> {
            c.accept(e);
            plain.accept(e);
            writers.forEach(w -> w.accept(e));
          });
    } catch (IOException e) {
      if (!String.valueOf(e.getMessage()).matches("line .*|it is empty.*")) {
        throw e;
      }
    }
    Verdict v = Verdict.of(c, Set.of(), Set.of());
    for (Reports r : Reports.values()) {
      r.write(v);
    }
    for (TraceWriter w : writers) {
      w.close();
    }
  }
}
