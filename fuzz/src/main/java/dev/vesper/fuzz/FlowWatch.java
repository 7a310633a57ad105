package dev.vesper.fuzz;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.flow.FlowFinding;
import dev.vesper.machine.observe.flow.FlowKind;
import dev.vesper.machine.observe.format.Visible;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Takes what the oracle of flows finds in one execution, with the functions that the guest is in.
 */
final class FlowWatch implements Consumer<FlowFinding> {
  private static final int LONGEST = 200;

  private final Machine machine;
  private final Symbols names;
  private final Map<String, Finding> found = new LinkedHashMap<>();

  FlowWatch(Machine m, Symbols names) {
    machine = m;
    this.names = names;
  }

  /** {@return what was found, in the order in which it came} */
  List<Finding> found() {
    return List.copyOf(found.values());
  }

  @Override
  public void accept(FlowFinding f) {
    if (f.kind().weight() == FlowKind.Weight.NOTE) {
      return;
    }
    String title = Visible.of(f.kind().id() + ": " + f.origin() + " -> " + f.sink());
    Finding.Kind kind = f.kind().isLeak() ? Finding.Kind.LEAK : Finding.Kind.TAINT;
    String shown = title.length() > LONGEST ? title.substring(0, LONGEST) : title;
    found.putIfAbsent(
        kind + "\n" + f.at().symbol() + "\n" + Finding.withoutNumbers(title),
        new Finding(kind, shown, stack(f)));
  }

  private List<String> stack(FlowFinding f) {
    List<String> all = new ArrayList<>();
    String at = StackNames.function(f.at().symbol());
    if (!at.isEmpty()) {
      all.add(at);
    }
    VcpuView v = machine.observer().vcpu(f.vcpu());
    // What a request exports, and what a device reads, was stored before: the guest is elsewhere.
    if (v.inside() && f.kind() != FlowKind.EXPORT && f.kind() != FlowKind.DEVICE) {
      for (String name : StackNames.of(v, names)) {
        if (all.isEmpty() || !all.getLast().equals(name)) {
          all.add(name);
        }
      }
    }
    return all;
  }
}
