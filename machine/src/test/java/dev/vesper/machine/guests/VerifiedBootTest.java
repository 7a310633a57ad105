package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.Machine;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** All native code of the beginning of a Linux boot is such as cannot harm the process. */
@Tag("slow")
@ExtendWith(VerifiedEmission.class)
final class VerifiedBootTest {
  private static final long INSTRUCTIONS = 400_000_000;

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"OFF", "ES"})
  void nativeCodeOfLinuxIsGood(SevMode mode) throws Exception {
    TestMachine t =
        TestMachine.of(
            MachineSpec.builder(mode, DebianKernel.image(), b -> {})
                .processors(2)
                .append("console=ttyS0 quiet"));
    Machine m = t.machine();
    assumeTrue(
        Machine.lackOfNativeCode() == null, () -> "no native code: " + Machine.lackOfNativeCode());
    m.translator(Translator.NATIVE);
    long before = VerifiedEmission.count();
    t.run(INSTRUCTIONS);
    assertThat(m.instructions()).isGreaterThan(INSTRUCTIONS / 2);
    assertThat(VerifiedEmission.count() - before).isGreaterThan(20_000);
  }
}
