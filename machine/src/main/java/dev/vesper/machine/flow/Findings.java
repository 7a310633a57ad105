package dev.vesper.machine.flow;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.flow.FlowFinding;
import dev.vesper.machine.observe.flow.FlowKind;
import dev.vesper.machine.observe.flow.FlowReport;
import dev.vesper.machine.observe.flow.FlowStep;
import dev.vesper.x86.Formatter;
import dev.vesper.x86.Insn;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What was found: once for each kind, instruction, origin and sink. */
final class Findings {
  private record Key(FlowKind kind, long rip, String origin, String sink) {}

  /** How often a finding came; its first time is kept. */
  private static final class Counted {
    final FlowFinding first;
    long count = 1;

    Counted(FlowFinding first) {
      this.first = first;
    }
  }

  private final Map<Key, Counted> all = new LinkedHashMap<>();
  private final Supplier<Symbols> symbols;
  private final Consumer<FlowFinding> told;
  private final Formatter formatter = new Formatter(Formatter.Syntax.INTEL);
  private long dropped;

  /**
   * @param symbols the names in use
   * @param told of each finding the first time
   */
  Findings(Supplier<Symbols> symbols, Consumer<FlowFinding> told) {
    this.symbols = symbols;
    this.told = told;
  }

  /**
   * Something was found.
   *
   * @param rip the instruction
   * @param of where the value comes from, or null if that is not known
   * @param name of it, if it is not known
   */
  void found(
      FlowKind kind,
      Cpu c,
      int vcpu,
      long exchange,
      long rip,
      @Nullable Origin of,
      String name,
      String sink) {
    // Pages are many: one stands for all.
    int address = sink.indexOf(" 0x");
    String origin = of == null ? name : of.name;
    Key k = new Key(kind, rip, origin, address < 0 ? sink : sink.substring(0, address));
    Counted old = all.get(k);
    if (old != null) {
      old.count++;
      return;
    }
    if (all.size() == FlowReport.MOST) {
      dropped++;
      return;
    }
    List<FlowStep> path = new ArrayList<>();
    if (of != null) {
      for (long step : of.path()) {
        path.add(step(c, step));
      }
    }
    long by = kind.isLeak() || of == null ? exchange : of.exchange;
    FlowFinding f =
        new FlowFinding(kind, vcpu, c.instructionCount(), by, step(c, rip), origin, sink, 1, path);
    all.put(k, new Counted(f));
    told.accept(f);
  }

  private FlowStep step(Cpu c, long rip) {
    Insn in = rip == 0 ? null : c.insnAt(rip);
    return new FlowStep(rip, symbols.get().at(rip), in == null ? "" : formatter.format(in, rip));
  }

  FlowReport report(long exchanges, long blurred) {
    List<FlowFinding> list = new ArrayList<>();
    for (Counted n : all.values()) {
      FlowFinding f = n.first;
      list.add(
          new FlowFinding(
              f.kind(),
              f.vcpu(),
              f.instructions(),
              f.exchange(),
              f.at(),
              f.origin(),
              f.sink(),
              n.count,
              f.path()));
    }
    return new FlowReport(list, dropped, exchanges, blurred);
  }
}
