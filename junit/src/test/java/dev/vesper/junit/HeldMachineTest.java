package dev.vesper.junit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What a program does with a machine in its hands: Debian's kernel under SEV-ES, stopped. It sees
 * of the machine's module what is exported, and nothing else.
 */
@Tag("slow")
final class HeldMachineTest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      echo REACHED INIT
      /bin/busybox poweroff -f
      """;

  private static final long MOST = 4_000_000_000L;

  private final ByteArrayOutputStream console = new ByteArrayOutputStream();

  private MachineSpec spec() throws Exception {
    return MachineSpec.builder(SevMode.ES, DebianKernel.image(), console::write)
        .append("console=ttyS0 earlyprintk=ttyS0 cryptomgr.notests=1")
        .initrd(DebianKernel.initramfs(INIT))
        .build();
  }

  @Test
  void theMachineIsAModuleThatExportsItsFaceAlone() {
    Module machine = Machine.class.getModule();
    assertThat(machine.getName()).as("tests of this module run on the module path").isNotNull();
    assertThat(machine.getPackages().stream().filter(machine::isExported))
        .containsExactlyInAnyOrder(
            "dev.vesper.machine",
            "dev.vesper.machine.spec",
            "dev.vesper.machine.host",
            "dev.vesper.machine.hostile",
            "dev.vesper.machine.input",
            "dev.vesper.machine.observe",
            "dev.vesper.machine.observe.check",
            "dev.vesper.machine.observe.flow",
            "dev.vesper.machine.observe.format",
            "dev.vesper.machine.observe.html",
            "dev.vesper.machine.launch",
            "dev.vesper.machine.device.disk",
            "dev.vesper.machine.device.net",
            "dev.vesper.machine.device.share");
  }

  @Test
  void aKernelThatWasStoppedAndLookedAtEndsAsOneThatWasNot() throws Exception {
    String whole;
    try (Machine m = new Machine(spec())) {
      m.limit(MOST, Long.MAX_VALUE);
      assertThat(m.run().status()).as(console.toString()).isZero();
      whole = m.stateHash();
    }
    console.reset();
    try (Machine m = new Machine(spec())) {
      m.limit(MOST, Long.MAX_VALUE);
      Map<Integer, Integer> counts = new HashMap<>();
      m.on(Event.VcRaised.class, v -> counts.merge(v.exit(), 1, Integer::sum));
      Stop s = m.run(Until.symbol("start_kernel").or(Until.instructions(1_000_000_000)));
      assertThat(s).isInstanceOf(Stop.Breakpoint.class);
      assertThat(s.description()).endsWith("<start_kernel>");
      VcpuView cpu = m.observer().vcpu(0);
      assertThat(cpu.rip()).isEqualTo(m.symbols().running("start_kernel"));
      assertThat(cpu.bits()).isEqualTo(64);
      assertThat(cpu.cpl()).isZero();
      long stack = cpu.gpr(VcpuView.RSP);
      byte[] plain = cpu.read(stack, 64);
      HostMemory host = m.hostView();
      byte[] bus = host.bytes(cpu.physical(stack), 64);
      assertThat(bus).as("the same bytes as ciphertext").isNotEqualTo(plain);
      assertThat(m.observer().readPrivate(cpu.physical(stack), 64)).isEqualTo(plain);
      long n = m.instructions();
      for (int i = 1; i <= 10; i++) {
        assertThat(m.step(0)).isEqualTo(new Stop.Stepped(0));
        assertThat(m.instructions()).isEqualTo(n + i);
      }
      assertThat(m.run(Until.console("REACHED INIT"))).isInstanceOf(Stop.Printed.class);
      Outcome end = m.run();
      assertThat(end.status()).as(console.toString()).isZero();
      assertThat(counts).containsKey(ExitCode.CPUID);
      assertThat(m.stateHash()).isEqualTo(whole);
    }
  }

  @Test
  void aCpuidAnswerIsChangedAndTheKernelSaysSo() throws Exception {
    assertThat(untilMemoryIsUp(false)).contains("Hypervisor detected: KVM");
    assertThat(untilMemoryIsUp(true)).doesNotContain("Hypervisor detected");
  }

  private String untilMemoryIsUp(boolean hidden) throws Exception {
    console.reset();
    try (Machine m = new Machine(spec())) {
      m.limit(MOST, Long.MAX_VALUE);
      m.hypervisor()
          .onEvent(
              ExitCode.CPUID,
              (exit, profile) -> {
                profile.run();
                if (hidden && exit.request(GhcbField.RAX) == 0x4000_0000L) {
                  exit.set(GhcbField.RBX, 0);
                }
              });
      assertThat(m.run(Until.console("Memory:")))
          .as(console.toString())
          .isInstanceOf(Stop.Printed.class);
      return console.toString();
    }
  }
}
