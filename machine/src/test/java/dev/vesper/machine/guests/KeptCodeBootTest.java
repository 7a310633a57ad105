package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.CodeCache;
import dev.vesper.machine.Machine;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The second boot of a kernel uses the code of the first, and is the same boot. */
@Tag("slow")
@ExtendWith(VerifiedEmission.class)
final class KeptCodeBootTest {
  private static final long INSTRUCTIONS = 120_000_000;

  @TempDir Path dir;
  private final List<String> notes = new ArrayList<>();
  private final List<Long> breakpoints = new ArrayList<>();

  private String boot(SevMode mode, boolean keeps) throws Exception {
    MachineSpec.Builder spec =
        MachineSpec.builder(mode, DebianKernel.image(), b -> {})
            .processors(2)
            .append("console=ttyS0 quiet");
    TestMachine t = TestMachine.of(spec);
    Machine m = t.machine();
    assumeTrue(
        Machine.lackOfNativeCode() == null, () -> "no native code: " + Machine.lackOfNativeCode());
    m.translator(Translator.NATIVE);
    breakpoints.forEach(m::breakpoint);
    try (CodeCache c = CodeCache.open(dir.resolve("code"), m.spec(), notes::add)) {
      if (keeps) {
        m.use(c);
      }
      t.run(INSTRUCTIONS);
      c.save();
    }
    return m.instructions() + " " + m.stateHash();
  }

  /** Breakpoints that are never met end blocks all the same, elsewhere than those that are kept. */
  @Test
  void breakpointsHaveOtherBlocksThanTheFirstBoot() throws Exception {
    String first = boot(SevMode.ES, true);
    long kept = kept();
    for (int offset = 0; offset < 4096; offset += 7) {
      breakpoints.add(1L << 40 | offset);
    }
    assertThat(boot(SevMode.ES, true)).isEqualTo(first);
    breakpoints.clear();
    assertThat(boot(SevMode.ES, true)).isEqualTo(first);
    assertThat(kept()).as("what breakpoints have cut is not kept").isEqualTo(kept);
  }

  private long kept() throws Exception {
    try (var files = Files.list(dir.resolve("code"))) {
      return Files.size(files.findFirst().orElseThrow());
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"OFF", "ES"})
  void theSecondBootIsTheFirst(SevMode mode) throws Exception {
    String without = boot(mode, false);
    assertThat(kept()).isZero();
    assertThat(boot(mode, true)).isEqualTo(without);
    long first = kept();
    assertThat(first).isGreaterThan(1 << 20);
    long verified = VerifiedEmission.count();
    assertThat(boot(mode, true)).isEqualTo(without);
    assertThat(VerifiedEmission.count() - verified).isGreaterThan(5_000);
    assertThat(kept()).as("nothing is made again").isEqualTo(first);
    assertThat(notes).isEmpty();
  }
}
