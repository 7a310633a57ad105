package dev.vesper.cli.gdb;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.nio.file.Files;
import java.nio.file.Path;

/** Debian's kernel as debuggers find it. */
final class DebianGuest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      echo MARK-INIT
      /bin/busybox poweroff -f
      """;

  /** Instructions after which a kernel without SEV has unpacked itself. */
  private static final long UNPACKED = 600_000_000;

  private static byte[] names = {};

  private DebianGuest() {}

  static MachineSpec.Builder spec(SevMode mode) {
    return MachineSpec.builder(mode, DebianKernel.image(), b -> {})
        .append("console=ttyS0 nokaslr quiet")
        .initrd(DebianKernel.initramfs(INIT))
        .cpuModel("EPYC-Milan");
  }

  /** {@return a file of the names that the kernel carries, as {@code vesper symbols} writes it} */
  static Path symbols(Path folder) throws Exception {
    if (names.length == 0) {
      try (Machine m = new Machine(spec(SevMode.OFF).build())) {
        m.run(Until.instructions(UNPACKED));
        names = SymbolElf.of(m.symbols(m.observer().vcpu(0)));
      }
    }
    return Files.write(folder.resolve("kernel.elf"), names);
  }
}
