package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.observe.DeviceState;
import dev.vesper.machine.observe.DeviceState.Kind;
import dev.vesper.machine.observe.Mapping;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Who sits before a machine sees its devices as they are, and presses its buttons. */
final class BoardTest {
  private static final String LOOP = "again: inc eax\nmov [0x300000], eax\njmp again";

  private static Machine machine(SevMode mode, String source) throws Exception {
    return new Machine(
        MachineSpec.builder(mode, FlatGuest.image(source), b -> {})
            .memoryBytes(16 << 20)
            .hardware(new Hardware(Hardware.Board.PC, List.of()))
            .build());
  }

  private static void lookAtAll(Machine m) {
    Board b = m.board();
    assertThat(b.pic(false).irr() | b.pic(true).irr()).isNotNegative();
    assertThat(Objects.requireNonNull(b.ioApic()).entries()).hasSize(24);
    assertThat(Objects.requireNonNull(b.localApic(0)).at(0x30)).isEqualTo(0x50014);
    assertThat(b.pci()).extracting(f -> f.config(0, 4)).contains(0x1237_8086, 0x7000_8086);
    assertThat(b.memory()).anyMatch(r -> r.kind() == Kind.RAM && r.first() == 0);
    assertThat(b.ports()).anyMatch(r -> r.first() == 0x3F8 && r.name().equals("serial"));
    VcpuView v = m.observer().vcpu(0);
    assertThat(v.mappings(p -> true)).isTrue();
    assertThat(v.vmcb(0x58) & 0xFFFF_FFFFL).isPositive();
    v.saveArea();
    m.observer().readAsTouched(0x100000, 8192);
    m.memoryMap();
  }

  @ParameterizedTest
  @EnumSource
  void lookingChangesNothing(SevMode mode) throws Exception {
    String alone;
    try (Machine m = machine(mode, LOOP)) {
      m.run(Until.instructions(100_000));
      alone = m.stateHash();
    }
    try (Machine m = machine(mode, LOOP)) {
      for (int n = 777; n < 100_000; n += 777) {
        m.run(Until.instructions(n));
        if (n % 3 == 0) {
          lookAtAll(m);
        }
      }
      m.run(Until.instructions(100_000));
      assertThat(m.stateHash()).isEqualTo(alone);
    }
  }

  @Test
  void mappingsAreThoseThatTheProcessorUses() throws Exception {
    try (Machine m = machine(SevMode.ES, LOOP)) {
      m.run(Until.instructions(1000));
      VcpuView v = m.observer().vcpu(0);
      List<Mapping> all = new ArrayList<>();
      assertThat(v.mappings(all::add)).isTrue();
      for (Mapping p : all.subList(0, Math.min(100, all.size()))) {
        assertThat(v.physical(p.linear() + 5)).isEqualTo(p.physical() + 5);
      }
      long code = v.rip();
      boolean paging = (v.cr0() >>> 31 & 1) != 0;
      assertThat(all.stream().anyMatch(p -> code >= p.linear() && code - p.linear() < p.bytes()))
          .isEqualTo(paging);
    }
  }

  @Test
  void portsAreReadAndWrittenAsBySoftware() throws Exception {
    try (Machine m = machine(SevMode.OFF, LOOP)) {
      m.run(Until.instructions(1000));
      m.board().writePort(0x21, 1, 0x5A);
      assertThat(m.board().readPort(0x21, 1)).isEqualTo(0x5A);
      assertThat(m.board().pic(false).imr()).isEqualTo(0x5A);
      assertThatThrownBy(() -> m.board().readPort(0x1_0000, 1))
          .isInstanceOf(IllegalArgumentException.class);
      m.run(Until.instructions(2000));
      m.board().writePort(0xF4, 1, 7);
      assertThat(m.run(Until.instructions(100_000_000)))
          .isInstanceOfSatisfying(
              Stop.Ended.class, e -> assertThat(e.outcome()).isEqualTo(Outcome.guestExit(7)));
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"OFF", "ES"})
  void aResetEndsARunThatMayNotBeginAgain(SevMode mode) throws Exception {
    try (Machine m = machine(mode, LOOP)) {
      m.run(Until.instructions(1234));
      m.board().reset();
      assertThat(m.run(Until.instructions(100_000)))
          .isInstanceOfSatisfying(
              Stop.Ended.class,
              e -> assertThat(e.outcome().reason()).contains("reset from outside"));
    }
  }

  @Test
  void thePowerButtonIsSeenInAcpisRegisters() throws Exception {
    try (Machine m = machine(SevMode.OFF, LOOP)) {
      m.run(Until.instructions(1234));
      DeviceState.Range pm =
          m.board().ports().stream().filter(r -> r.name().equals("acpi-pm")).findFirst().get();
      assertThat(m.board().readPort((int) pm.first(), 2) & 0x100).isZero();
      assertThat(m.board().pressPowerButton()).isTrue();
      assertThat(m.board().readPort((int) pm.first(), 2) & 0x100).isEqualTo(0x100);
    }
  }
}
