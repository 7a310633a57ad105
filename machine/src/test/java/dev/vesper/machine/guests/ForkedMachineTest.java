package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.SnapshotException;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A machine of which another one is made in the middle of its run. */
final class ForkedMachineTest {
  private static MachineSpec spec(SevMode mode, ByteArrayOutputStream console, int megabytes) {
    return MachineSpec.builder(mode, Locore.image(), console::write)
        .memoryBytes((long) megabytes << 20)
        .build();
  }

  @ParameterizedTest
  @EnumSource(SevMode.class)
  void bothComeToTheSameAndKnowNothingOfEachOther(SevMode mode) throws Exception {
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    ByteArrayOutputStream forkSaid = new ByteArrayOutputStream();
    try (Machine m = new Machine(spec(mode, said, 32))) {
      m.run(Until.instructions(20_000));
      String here = m.stateHash();
      int before = said.size();
      try (Machine changed = m.fork(spec(mode, new ByteArrayOutputStream(), 32));
          Machine fork = m.fork(spec(mode, forkSaid, 32))) {
        assertThat(fork.stateHash()).isEqualTo(here);
        VcpuView v = changed.observer().vcpu(0);
        v.setGpr(VcpuView.RBX, ~v.gpr(VcpuView.RBX));
        changed.run(Until.instructions(25_000));
        assertThat(changed.stateHash()).isNotEqualTo(here);
        assertThat(m.stateHash()).isEqualTo(here);
        assertThat(fork.stateHash()).isEqualTo(here);
        // In turns: neither is kept from its own way by the other.
        for (long n = 21_000; n < 30_000; n += 1000) {
          m.run(Until.instructions(n));
          fork.run(Until.instructions(n));
        }
        assertThat(fork.run()).isEqualTo(m.run());
        assertThat(fork.instructions()).isEqualTo(m.instructions());
        assertThat(fork.stateHash()).isEqualTo(m.stateHash());
        assertThat(forkSaid.toString(StandardCharsets.UTF_8))
            .isEqualTo(said.toString(StandardCharsets.UTF_8).substring(before));
        assertThatThrownBy(() -> m.fork(spec(mode, forkSaid, 32)))
            .isInstanceOf(IllegalStateException.class)
            .hasMessageContaining("end");
      }
    }
  }

  @ParameterizedTest
  @EnumSource(value = SevMode.class, names = "OFF")
  void anotherMachineIsNoFork(SevMode mode) throws Exception {
    try (Machine m = new Machine(spec(mode, new ByteArrayOutputStream(), 32))) {
      m.run(Until.instructions(1000));
      assertThatThrownBy(() -> m.fork(spec(mode, new ByteArrayOutputStream(), 64)))
          .isInstanceOf(SnapshotException.class)
          .hasMessageContaining("-m 32M");
    }
  }
}
