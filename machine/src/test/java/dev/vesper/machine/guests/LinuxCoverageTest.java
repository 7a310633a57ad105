package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.EdgeCoverage;
import dev.vesper.machine.Machine;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.Until;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import org.junit.jupiter.api.Test;

/** Debian's kernel takes the same edges whatever executes it, and does what it does uncounted. */
final class LinuxCoverageTest {
  private static final long INSTRUCTIONS = Boolean.getBoolean("long") ? 200_000_000L : 20_000_000L;

  private static Machine booted(int execution, EdgeCoverage... map) throws Exception {
    Machine m =
        TestMachine.of(
                MachineSpec.builder(SevMode.ES, DebianKernel.image(), b -> {})
                    .append("console=ttyS0"))
            .machine();
    Execution.choose(m, execution);
    for (EdgeCoverage c : map) {
      m.coverage(c);
    }
    m.run(Until.instructions(INSTRUCTIONS));
    return m;
  }

  @Test
  void aBootHasOneMap() throws Exception {
    String hash = booted(Execution.NATIVE).stateHash();
    EdgeCoverage interpreted = new EdgeCoverage();
    assertThat(booted(0, interpreted).stateHash()).isEqualTo(hash);
    for (int execution : new int[] {Execution.NATIVE, 200}) {
      EdgeCoverage c = new EdgeCoverage();
      assertThat(booted(execution, c).stateHash()).isEqualTo(hash);
      assertThat(c.bytes()).as("execution %d", execution).isEqualTo(interpreted.bytes());
    }
  }
}
