package dev.vesper.cli.attack;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianSuite;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Attacks against Debian's kernels: one that is open to WeSee, and one that is not. */
@EnabledIfSystemProperty(named = "long", matches = "true")
@Tag("slow")
final class LinuxAttacksTest {
  private static final long MOST = 2_000_000_000L;

  /** By name of the kernel, which is found out about once. */
  private static final Map<String, AttackRun> RUNS = new HashMap<>();

  static AttackRun run(String name, byte[] kernel) {
    return RUNS.computeIfAbsent(name, n -> new AttackRun(target(n, kernel)));
  }

  /** {@return the same for an attack, which may need more than the program} */
  private static AttackRun run(String name, byte[] kernel, String attack) {
    if (!attack.equals("wesee-shell")) {
      return run(name, kernel);
    }
    byte[] initramfs = GetuidProgram.initramfs(DebianKernel.busybox());
    return RUNS.computeIfAbsent(
        name + "-shell", n -> new AttackRun(target(name, kernel, initramfs)));
  }

  static Target target(String name, byte[] kernel) {
    return target(name, kernel, GetuidProgram.initramfs());
  }

  private static Target target(String name, byte[] kernel, byte[] initramfs) {
    return Target.of(
        name,
        MachineSpec.builder(SevMode.ES, kernel, b -> {})
            .initrd(initramfs)
            .append("console=ttyS0 cryptomgr.notests=1 nokaslr panic=-1")
            .cpuModel("vesper-min,+xsave")
            .build(),
        false,
        MOST);
  }

  private static List<Attack> named(String attack) {
    return List.of(Objects.requireNonNull(Attacks.named(attack)));
  }

  @ParameterizedTest
  @MethodSource("dev.vesper.cli.attack.Holding#slowly")
  void debian12IsOpenToWeSeeFromTheFirstSkipToRoot(String attack) {
    Holding.hold(Column.LINUX_61, run("linux-6.1", DebianKernel.image(), attack), named(attack));
  }

  @ParameterizedTest
  @MethodSource("dev.vesper.cli.attack.Holding#slowly")
  void debian13EndsItselfInstead(String attack) throws Exception {
    byte[] kernel = DebianSuite.of("trixie").kernel();
    Holding.hold(Column.LINUX_612, run("linux-6.12", kernel, attack), named(attack));
  }
}
