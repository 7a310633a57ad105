package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.hostile.ScriptParser;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How far a hostile script is goes with its machine, into files and back in time. */
final class ScriptSnapshotTest {
  /** Something of each kind that a script keeps until later. */
  private static final String TEXT =
      """
      when insn 500
        let a = insns
        goto second
      when insn 530 in second
        note late = a + 1
      when time 520ns
        note t = time
      maybe when entry 3 always
        note entries = insns
        tsc hold
      maybe when fetch 0x110000 times 3
        inject vc 0x81
      maybe when write 0x320000 times 4
        note written = insns
        capture page from 0x320000
      when insn 550
        run-twice
      silicon when insn 570
        move-rsp -64 for 40
      expect rule 1 fired == 1
      """;

  @TempDir Path folder;

  private record Traced(Machine machine, List<Event> events) {}

  private static Traced machine(SevMode mode, int execution) throws Exception {
    Script s = ScriptParser.parse(TEXT);
    Machine m =
        new Machine(HostileScriptTest.spec(mode, HostileScriptTest.CALLS).hostile(s).build());
    m.limit(100_000, Long.MAX_VALUE);
    Execution.choose(m, execution);
    Traced t = new Traced(m, new ArrayList<>());
    m.trace(t.events::add, true);
    return t;
  }

  private Path saved(Machine m) throws Exception {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    m.save(b);
    return Files.write(folder.resolve("snapshot"), b.toByteArray());
  }

  private static String end(Traced t) {
    return t.machine.stateHash() + t.machine.instructions() + t.machine.hostile();
  }

  /** Three lives in three machines: a snapshot of a run that has gone on from a snapshot too. */
  @ParameterizedTest
  @CsvSource({"ES, 0, -1", "SNP, -1, 2"})
  void aScriptGoesOnWhereItWas(SevMode mode, int execution, int then) throws Exception {
    Traced whole = machine(mode, execution);
    whole.machine.run();
    String end = end(whole);
    long all = whole.machine.instructions();
    assertThat(end).contains("late", "written", "entries", "t=");
    Random random = new Random(mode.ordinal());
    for (int i = 0; i < 24; i++) {
      long first = Math.max(1, all - 1000) + random.nextLong(Math.min(all, 1000) - 2);
      long second = first + random.nextLong(all - first);
      Traced one = machine(mode, execution);
      one.machine.run(Until.instructions(first));
      Traced two = machine(mode, then);
      two.machine.load(saved(one.machine));
      two.machine.run(Until.instructions(second));
      Traced three = machine(mode, execution);
      three.machine.load(saved(two.machine));
      three.machine.run();
      List<Event> told = new ArrayList<>(one.events);
      told.addAll(two.events);
      told.addAll(three.events);
      assertThat(told).as("from %d and %d on", first, second).isEqualTo(whole.events);
      assertThat(end(three)).as("from %d and %d on", first, second).isEqualTo(end);
    }
  }

  @ParameterizedTest
  @CsvSource({"ES, 2", "SNP, 0"})
  void aScriptGoesBackWithItsMachine(SevMode mode, int execution) throws Exception {
    Traced whole = machine(mode, execution);
    whole.machine.run();
    Traced back = machine(mode, execution);
    try (Timeline t = new Timeline(back.machine)) {
      t.run(Until.end());
      assertThat(end(back)).isEqualTo(end(whole));
      Random random = new Random(3);
      for (int i = 0; i < 12; i++) {
        t.seek(random.nextLong(t.end()));
        t.run(Until.end());
        assertThat(end(back)).isEqualTo(end(whole));
      }
    }
    assertThat(back.events).isEqualTo(whole.events);
  }

  @Test
  void anotherScriptIsAnotherMachine() throws Exception {
    Traced one = machine(SevMode.ES, 0);
    one.machine.run(Until.instructions(300));
    Path file = saved(one.machine);
    for (Script other : new Script[] {null, ScriptParser.parse("when insn 400\n  note a = 1\n")}) {
      Machine m =
          new Machine(
              HostileScriptTest.spec(SevMode.ES, HostileScriptTest.CALLS).hostile(other).build());
      assertThatThrownBy(() -> m.load(file))
          .isInstanceOf(SnapshotException.class)
          .hasMessageContaining("--hostile");
    }
  }
}
