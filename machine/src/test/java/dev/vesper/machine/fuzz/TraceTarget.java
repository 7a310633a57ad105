package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.ghcb.ExitCode;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.PageSpan;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Reports;
import dev.vesper.machine.observe.check.Verdict;
import dev.vesper.machine.observe.format.HostileText;
import dev.vesper.machine.observe.format.JsonLinesReader;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.observe.format.PageHistory;
import dev.vesper.machine.observe.format.PcapngWriter;
import dev.vesper.machine.observe.format.PerfettoWriter;
import dev.vesper.machine.observe.format.TextWriter;
import dev.vesper.machine.observe.format.TraceWriter;
import dev.vesper.machine.observe.html.HtmlReport;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.Reader;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/** Traces in JSON Lines: read, judged, and written in every form. */
public final class TraceTarget implements FuzzTarget {
  private static final long INSTRUCTIONS = 100_000;

  /** Events of a seed. */
  private static final int EXCERPT = 24;

  @Override
  public String name() {
    return "trace";
  }

  /** The script for Wireshark is no trace's. */
  @Override
  public List<String> covers() {
    return Stream.of(
            "check.",
            "html.",
            "format.EventCodec",
            "format.Grammar",
            "format.Json",
            "format.Key",
            "format.Pcapng",
            "format.Perfetto",
            "format.Proto",
            "format.Quoted",
            "format.Text",
            "format.Trace",
            "format.Visible")
        .map("dev.vesper.machine.observe."::concat)
        .toList();
  }

  @Override
  public int inputs() {
    return 1000;
  }

  @Override
  public int longest() {
    return 1 << 17;
  }

  /** Values that a detail may not have, or has for something else. */
  @Override
  public List<String> words() {
    return List.of(
        "",
        "0",
        "-1",
        "0x0",
        "0xffffffffffffffff",
        "0x8000000000000000",
        "0x7fffffff",
        "9223372036854775807",
        "-9223372036854775808",
        "0-fff",
        "fff-fff",
        "r0:64=0@0",
        "wfff:64=ffffffffffffffff@ffffffffffffffff R0:0=0@0",
        "0xffffffffffffffff 0xffffffffffffffff c=1 u=1",
        "0x0 unmapped",
        "SW_EXITCODE=0xffffffffffffffff SW_EXITINFO1=0xffffffffffffffff SW_SCRATCH=0x0",
        "SW_EXITCODE=0x7b SW_EXITINFO1=0xffffffffffffffff",
        "SW_EXITCODE=0x80000001 SW_EXITINFO2=0xffffffffffffffff",
        "RAX=0xffffffffffffffff RCX=0xd",
        "private",
        "outside",
        "ff".repeat(4096),
        "6e6c6f",
        "f3 6e",
        "0f c7 c8",
        "vc",
        "vc_return",
        "ghcb",
        "msr_protocol",
        "end");
  }

  /**
   * What the reference guest brings about on each host, and on hosts that break the protocol: from
   * each new name of an event on, some events; and events of all types as no guest has them.
   */
  @Override
  public List<byte[]> seeds() throws Exception {
    Set<String> names = new HashSet<>();
    List<byte[]> all = new ArrayList<>();
    excerpts(recorded("reference-guest.jsonl.gz"), names, all);
    excerpts(recorded("reference-guest-openbsd.jsonl.gz"), names, all);
    for (String fault : List.of("no-valid-bits", "bad-exception,touch-private", "refuse")) {
      names.clear();
      excerpts(events(fault.split(",")), names, all);
    }
    List<Event> others = HostileText.events("a.c:1");
    for (int i = 0; i < others.size(); i += EXCERPT) {
      all.add(text(others.subList(i, Math.min(i + EXCERPT, others.size()))));
    }
    return all;
  }

  private static List<Event> recorded(String name) throws IOException {
    List<Event> events = new ArrayList<>();
    try (InputStream in = HostileText.class.getResourceAsStream(name);
        Reader text =
            new InputStreamReader(
                new GZIPInputStream(Objects.requireNonNull(in)), StandardCharsets.UTF_8)) {
      JsonLinesReader.read(text, events::add);
    }
    return events;
  }

  private static List<Event> events(String... faults) throws Exception {
    MachineSpec spec =
        MachineSpec.builder(SevMode.ES, Locore.image(), b -> {})
            .memoryBytes(64L << 20)
            .processors(2)
            .cpuModel("vesper-min,+xsave")
            .hostFaults(faults)
            .build();
    List<Event> events = new ArrayList<>();
    try (Machine m = new Machine(spec)) {
      m.trace(events::add, true);
      m.limit(INSTRUCTIONS, Long.MAX_VALUE);
      m.run();
    }
    return events;
  }

  private static void excerpts(List<Event> events, Set<String> names, List<byte[]> to)
      throws IOException {
    for (int i = 0; i < events.size(); i++) {
      Event e = events.get(i);
      if (e instanceof Event.VcRaised vc && names.add(ExitCode.name(vc.exit()))
          || e instanceof Event.Ended) {
        int from = e instanceof Event.Ended ? Math.max(0, i - EXCERPT) : i;
        to.add(text(events.subList(from, Math.min(from + EXCERPT, events.size()))));
      }
    }
  }

  private static byte[] text(List<Event> events) throws IOException {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    try (JsonLinesWriter w = new JsonLinesWriter(b)) {
      events.forEach(w::accept);
    }
    return b.toByteArray();
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
            HtmlReport.to(
                new StringWriter(), "trace", "", c, () -> Verdict.of(c, Set.of(), Set.of())));
    TextWriter plain =
        new TextWriter(
            new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8));
    PageHistory history = new PageHistory(List.of(new PageSpan(0, Long.MAX_VALUE)));
    try {
      JsonLinesReader.read(
          new StringReader(text),
          e -> {
            c.accept(e);
            plain.accept(e);
            history.accept(e);
            writers.forEach(w -> w.accept(e));
          });
    } catch (IOException e) {
      if (!String.valueOf(e.getMessage()).matches("line .*|it is empty.*")) {
        throw e;
      }
    }
    history.text();
    Verdict v = Verdict.of(c, Set.of(), Set.of());
    for (Reports r : Reports.values()) {
      r.write(v);
    }
    for (TraceWriter w : writers) {
      w.close();
    }
  }
}
