package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianSuite;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Debian's kernels and firmware under SEV-SNP and the checker: nothing is found but what
 * docs/findings.md explains. {@code -Dlong=true} has the boots that take minutes.
 */
@Tag("slow")
final class SnpCheckTest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      echo MARK-DONE
      /bin/busybox poweroff -f
      """;

  private static MachineSpec.Builder options(byte[] kernel, int processors) {
    return MachineSpec.builder(SevMode.SNP, kernel, b -> {})
        .processors(processors)
        .append("console=ttyS0 cryptomgr.notests=1 quiet")
        .initrd(DebianKernel.initramfs(INIT));
  }

  /** {@return the rules that a guest breaks until it is done} */
  private static Set<String> broken(MachineSpec.Builder o) throws BootException {
    TestMachine m = TestMachine.of(o);
    Checker c = new Checker();
    m.machine().trace(c::accept, true);
    m.run(6_000_000_000L);
    assertThat(m.console()).contains("MARK-DONE");
    Set<String> rules = new TreeSet<>();
    c.findings().forEach(f -> rules.add(f.rule().id()));
    return rules;
  }

  /** {@return what docs/findings.md says of guests together} */
  private static Set<String> explained(String... guests) throws IOException {
    Set<String> all = new TreeSet<>();
    for (String g : guests) {
      Set<String> rules = LinuxCheckTest.explained(g);
      if (g.equals("linux")) {
        // It is found in CPUID by a GHCB, which comes from a page here.
        rules.remove(Rule.UPPER_HALF_LEAK.id());
      }
      all.addAll(rules);
    }
    return all;
  }

  @Test
  void linuxIsFoundToDoWhatIsExplained() throws BootException, IOException {
    assertThat(broken(options(DebianKernel.image(), 1))).isEqualTo(explained("linux", "linux snp"));
  }

  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void soItIsWithFourProcessors() throws BootException, IOException {
    assertThat(broken(options(DebianKernel.image(), 4))).isEqualTo(explained("linux", "linux snp"));
  }

  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true")
  @Timeout(value = 30, unit = TimeUnit.MINUTES)
  void firmwareIsFoundToDoWhatIsExplained()
      throws BootException, IOException, InterruptedException {
    DebianSuite trixie = DebianSuite.of("trixie");
    MachineSpec.Builder o =
        options(trixie.kernel(), 1)
            .memoryBytes(512L << 20)
            .firmware(MachineSpec.Firmware.of(trixie.file("ovmf", "ovmf/OVMF.fd")));
    assertThat(broken(o)).isEqualTo(explained("linux", "ovmf snp"));
  }
}
