package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A program takes part in the hypervisor, with what a host has and nothing else. */
final class HypervisorProgramTest {
  private final ByteArrayOutputStream console = new ByteArrayOutputStream();

  private Machine machine(String... faults) throws Exception {
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.ES, Locore.image(), console::write)
                .memoryBytes(64L << 20)
                .cpuModel("vesper-min,+xsave")
                .hostFaults(faults)
                .build());
    m.limit(50_000_000, Long.MAX_VALUE);
    return m;
  }

  @Test
  void anAnswerIsChangedOnItsWayToTheGuest() throws Exception {
    Machine m = machine();
    List<Long> leaves = new ArrayList<>();
    m.hypervisor()
        .onEvent(
            ExitCode.CPUID,
            (exit, profile) -> {
              profile.run();
              leaves.add(exit.request(GhcbField.RAX));
              if (exit.request(GhcbField.RAX) == 0x4000_0000L) {
                exit.set(GhcbField.RBX, 0x6e65_704fL);
              }
            });
    m.run();
    assertThat(leaves).contains(0x4000_0000L, 0xDL);
    assertThat(console.toString()).contains("hypervisor OpenVMKVM");
  }

  @Test
  void theLastThatWasGivenIsAskedFirstAndMayAnswerAlone() throws Exception {
    Machine m = machine();
    List<String> asked = new ArrayList<>();
    m.hypervisor()
        .onEvents(
            (exit, next) -> {
              asked.add("all");
              next.run();
            });
    m.hypervisor()
        .onEvent(
            ExitCode.CPUID,
            (exit, next) -> {
              asked.add("cpuid");
              exit.end(77, "no CPUID here");
            });
    assertThat(m.run().status()).isEqualTo(77);
    assertThat(asked).containsOnlyOnce("cpuid").last().isEqualTo("cpuid");
  }

  @Test
  void msrRequestsAndOtherExitsAreAnswered() throws Exception {
    Machine m = machine();
    List<Long> requests = new ArrayList<>();
    List<Integer> exits = new ArrayList<>();
    m.hypervisor()
        .onMsr(
            MsrRequest.SEV_INFO_REQ,
            (exit, next) -> {
              next.run();
              requests.add(exit.request());
              exit.respond(MsrRequest.sevInfo(1, 1, 40));
            });
    m.hypervisor()
        .onExit(
            ExitCode.HLT,
            (exit, next) -> {
              exits.add(exit.code());
              next.run();
            });
    m.run();
    assertThat(requests).isNotEmpty().allMatch(r -> MsrRequest.info(r) == MsrRequest.SEV_INFO_REQ);
    assertThat(exits).allMatch(c -> c == ExitCode.HLT);
  }

  @Test
  void aDelayIsVirtualTimeThatTheGuestSees() throws Exception {
    Machine plain = machine();
    plain.run(Until.event(Event.GhcbExchange.class));
    Machine m = machine();
    m.hypervisor()
        .onEvents(
            (exit, next) -> {
              next.run();
              exit.delay(5_000_000);
            });
    m.run(Until.event(Event.GhcbExchange.class));
    assertThat(m.virtualTime()).isEqualTo(plain.virtualTime() + 5_000_000);
    Machine bad = machine();
    bad.hypervisor().onEvents((exit, next) -> exit.delay(-1));
    assertThatThrownBy(bad::run).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(bad::run)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("cannot go on");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, Execution.NATIVE})
  void anAppointmentIsKeptAtItsInstruction(int execution) throws Exception {
    Machine m = machine();
    Execution.choose(m, execution);
    List<Long> kept = new ArrayList<>();
    for (long n : new long[] {100_003, 5, 100_001, 77_777}) {
      m.hypervisor().at(n, exit -> kept.add(exit.instructions()));
    }
    m.run();
    assertThat(kept).containsExactly(5L, 77_777L, 100_001L, 100_003L);
  }

  /** The turn in which the machine stands still was given without knowing of it. */
  @Test
  void anAppointmentThatIsMadeInAPauseIsKeptToTheInstruction() throws Exception {
    Machine m = machine();
    m.run(Until.instructions(100_000));
    List<Long> kept = new ArrayList<>();
    m.hypervisor().at(100_005, exit -> kept.add(exit.instructions()));
    m.hypervisor().after(0, 7, exit -> kept.add(exit.instructions()));
    m.run(Until.instructions(100_100));
    assertThat(kept).containsExactly(100_005L, 100_007L);
  }

  @ParameterizedTest
  @ValueSource(longs = {20_001, 150_007, 150_008})
  void anInjectedVcArrivesAtTheInstructionThatIsNamed(long n) throws Exception {
    Machine m = machine("vc:0x7f@" + n);
    List<Event.VcRaised> seen = new ArrayList<>();
    List<Long> at = new ArrayList<>();
    m.on(Event.VcRaised.class, seen::add);
    m.on(Event.Injected.class, e -> at.add((e.event() & 0xFF) == 29 ? e.at().instructions() : -1));
    m.run();
    assertThat(at).contains(n);
    assertThat(seen).anySatisfy(v -> assertThat(v.exit()).isEqualTo(0x7F));
  }
}
