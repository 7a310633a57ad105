package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.Machine;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Debian's kernel under the checker: names by itself, and only the findings that are explained. */
@Tag("slow")
final class LinuxCheckTest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox grep -E ' (asm_exc_vmm_communication|entry_SYSCALL_64|io_serial_in)$' /proc/kallsyms
      echo MARK-DONE
      /bin/busybox poweroff -f
      """;

  private static TestMachine machine(String extra) throws BootException {
    return TestMachine.of(
        MachineSpec.builder(SevMode.ES, DebianKernel.image(), b -> {})
            .append("console=ttyS0 cryptomgr.notests=1 " + extra)
            .initrd(DebianKernel.initramfs(INIT)));
  }

  /** {@return rules that docs/findings.md explains for a guest} */
  static Set<String> explained(String guest) throws IOException {
    Set<String> rules = new TreeSet<>();
    for (String l : Files.readAllLines(Path.of("..", "docs", "findings.md"))) {
      String[] cell = l.split("\\|");
      // The second table has places in sources where this one has a rule.
      if (cell.length > 3
          && cell[1].strip().equals(guest)
          && cell[2].strip().matches("`[a-z-]+`")) {
        rules.add(cell[2].strip().replace("`", ""));
      }
    }
    return rules;
  }

  @Test
  void theKernelsOwnNamesAreReadAndItsFindingsAreKnown() throws BootException, IOException {
    TestMachine m = machine("");
    Checker c = new Checker();
    m.machine().trace(c::accept, true);
    m.run(3_000_000_000L);
    assertThat(m.console()).contains("MARK-DONE");
    List<Finding> found = c.findings();
    Set<String> rules = new TreeSet<>();
    found.forEach(f -> rules.add(f.rule().id()));
    assertThat(rules).as("%s", found).isEqualTo(explained("linux"));
    assertThat(found)
        .anyMatch(
            f ->
                f.rule().id().equals("output-unchecked")
                    && f.symbol().startsWith("vc_handle_exitcode+"))
        .anyMatch(f -> f.symbol().startsWith("io_serial_in+"));
    // What the kernel prints as its addresses is what the trace has: KASLR was seen through.
    List<Long> printed =
        m.console()
            .lines()
            .filter(l -> l.endsWith(" io_serial_in"))
            .map(l -> Long.parseUnsignedLong(l.substring(0, 16), 16))
            .toList();
    assertThat(found)
        .anyMatch(f -> printed.stream().anyMatch(a -> f.rip() > a && f.rip() < a + 64));
    assertThat(c.coverage().unseen()).doesNotContain("SVM_VMEXIT_CPUID", "SVM_VMEXIT_MSR");
  }

  @Test
  void theSlideOfASystemMapIsFound() throws BootException {
    TestMachine fixed = machine("nokaslr");
    fixed.run(3_000_000_000L);
    String map =
        fixed
            .console()
            .lines()
            .filter(l -> l.matches("[0-9a-f]{16} [tT] \\w+"))
            .collect(Collectors.joining("\n"));
    assertThat(map).contains("entry_SYSCALL_64", "io_serial_in");
    Machine moved = machine("").machine();
    moved.name(Machine.readSymbols("System.map", map.getBytes(StandardCharsets.UTF_8)));
    List<Event> serial = new ArrayList<>();
    moved.trace(
        e -> {
          if (e instanceof Event.VcRaised && e.at().symbol().equals("io_serial_in+0x14")) {
            serial.add(e);
          }
        },
        false);
    moved.limit(500_000_000L, Long.MAX_VALUE);
    moved.run();
    assertThat(moved.symbols().slide()).isNotZero();
    assertThat(serial)
        .hasSizeGreaterThan(100)
        .allMatch(e -> e.at().instruction().equals("in al,dx"));
  }
}
