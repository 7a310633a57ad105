package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.CodeBudget;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Makes room where decoded code has become too much: the pages go whose code was executed least
 * since the last time. The guest cannot tell, for code that is needed again is decoded again.
 */
final class CodeSweep {
  private CodeSweep() {}

  /** Brings a machine's decoded code down to what {@link CodeBudget#target} says. */
  static void run(PhysicalMemory memory) {
    CodeBudget budget = memory.codeBudget();
    List<CodePage> all = new ArrayList<>();
    memory.forEachPage(
        p -> {
          if (p.code instanceof CodePage c) {
            all.add(c);
          }
        });
    long total = 0;
    for (CodePage c : all) {
      c.tidy();
      total += c.bytes;
    }
    // What is translated does not count its executions.
    all.forEach(
        c ->
            c.forEach(
                b -> {
                  if (b.region != null) {
                    b.region.countUse();
                  }
                }));
    all.sort(Comparator.comparingLong(c -> c.use));
    for (CodePage c : all) {
      if (total <= budget.target()) {
        break;
      }
      total -= c.bytes;
      c.forEach(Block::isolate);
      c.page.code = null;
      memory.dropCode(c.page);
    }
    for (CodePage c : all) {
      if (c.page.code == c) {
        c.forEach(Block::forgetStale);
      }
    }
    budget.set(total);
    memory.codeEvicted();
  }
}
