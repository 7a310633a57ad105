package dev.vesper.machine.hostile;

import dev.vesper.ghcb.MsrRequest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/** Keeps what a script has done and what was noted, and judges what was expected. */
final class Verdicts {
  private final transient Script script;
  private final List<Firing> firings = new ArrayList<>();
  private final long[] counts;
  private final Map<String, Long> notes = new LinkedHashMap<>();
  private final boolean[] said;
  private long termination = -1;

  Verdicts(Script script) {
    this.script = script;
    counts = new long[script.rules().size()];
    said = new boolean[script.expectations().size()];
  }

  boolean wantsTermination() {
    return script.expectations().stream().anyMatch(Expectation.Terminated.class::isInstance);
  }

  boolean wantsConsole() {
    return script.expectations().stream().anyMatch(Expectation.Console.class::isInstance);
  }

  void fired(Firing f) {
    counts[f.rule() - 1]++;
    if (firings.size() < ScriptReport.MOST) {
      firings.add(f);
    }
  }

  void noted(String name, long value) {
    notes.put(name, value);
  }

  /** The guest has made a request of the MSR protocol. */
  void requested(long msr) {
    if (MsrRequest.info(msr) == MsrRequest.TERM_REQ) {
      termination = msr;
    }
  }

  /** The console has written this line so far. */
  void said(String line) {
    for (int i = 0; i < said.length; i++) {
      said[i] |=
          script.expectations().get(i) instanceof Expectation.Console c && line.contains(c.text());
    }
  }

  ScriptReport report(int status) {
    List<String> never = new ArrayList<>();
    boolean broken = false;
    boolean aided = false;
    for (Rule r : script.rules()) {
      boolean fired = counts[r.number() - 1] > 0;
      if (!fired && !r.optional()) {
        never.add(r.label() + " never fired");
      }
      broken |= fired && r.silicon();
      aided |= fired && r.aided();
    }
    List<String> unmet = new ArrayList<>();
    for (int i = 0; i < said.length; i++) {
      Expectation e = script.expectations().get(i);
      if (!holds(e, said[i], status)) {
        unmet.add("expected: " + e.words());
      }
    }
    return new ScriptReport(
        List.copyOf(firings),
        LongStream.of(counts).boxed().toList(),
        List.copyOf(never),
        List.copyOf(unmet),
        new LinkedHashMap<>(notes),
        broken,
        aided);
  }

  private boolean holds(Expectation e, boolean wasSaid, int status) {
    return switch (e) {
      case Expectation.Status s -> s.status() == status;
      case Expectation.Terminated t ->
          termination != -1
              && (termination >>> 12 & 15) == t.set()
              && (termination >>> 16 & 0xFF) == t.code();
      case Expectation.Console c -> wasSaid == c.said();
      case Expectation.Noted n -> {
        Long v = notes.get(n.name());
        yield v != null && n.relation().holds(v, n.value());
      }
      case Expectation.Fired f ->
          f.rule() >= 1
              && f.rule() <= counts.length
              && f.relation().holds(counts[f.rule() - 1], f.times());
    };
  }
}
