package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Checkpoint;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import org.junit.jupiter.api.Test;

/** A checker whose machine is taken back: what it knew of another future would be of no use. */
final class CheckerGoesBackTest {
  private static Machine machine() throws Exception {
    return new Machine(
        MachineSpec.builder(SevMode.ES, Locore.image(), b -> {}).memoryBytes(32L << 20).build());
  }

  private static String said(Checker c) {
    StringBuilder b = new StringBuilder();
    for (Finding f : c.findings()) {
      b.append(f).append(' ').append(c.count(f)).append('\n');
    }
    return b.toString();
  }

  @Test
  void findsTheSameBehindEachMomentThatItsMachineIsTakenBackTo() throws Exception {
    Checker once = new Checker();
    Machine m = machine();
    m.judge(once);
    m.run();
    Checker back = new Checker();
    Machine again = machine();
    again.judge(back);
    // Within #VCs: their frames and GHCBs are what a checker remembers.
    for (int i = 1; i <= 12; i++) {
      again.run(Until.event(Event.VcRaised.class, e -> true));
      again.run(Until.instructions(again.instructions() + i));
      try (Checkpoint c = again.checkpoint()) {
        String then = said(back);
        again.run(Until.instructions(again.instructions() + 4000));
        again.restore(c);
        again.branch();
        assertThat(said(back)).isEqualTo(then);
      }
    }
    again.run();
    assertThat(again.instructions()).isEqualTo(m.instructions());
    assertThat(said(back)).isEqualTo(said(once));
    assertThat(back.coverage().cells()).isEqualTo(once.coverage().cells());
  }
}
