package dev.vesper.machine.cpu.emit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.x86.Assembler;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is found out about flags that processors differ on. */
final class HostTrialTest {
  @BeforeEach
  void needsNativeCode() {
    assumeTrue(NativeCode.lack() == null);
  }

  @AfterEach
  void forgetProperty() {
    System.clearProperty(HostTrial.PROPERTY);
  }

  private static @Nullable FlagRule rule(String line) {
    Assembler a = new Assembler(0, 64);
    a.add(line);
    Insn in = Decoder.decode(a.finish(), 64);
    Encoding e = new Encoding();
    e.parse(in);
    return HostTrial.rule(in, e, in.mnemonic(), HostTrial.isForced());
  }

  private static FlagRule known(String line) {
    return Objects.requireNonNull(rule(line), line);
  }

  /**
   * The scans change ZF alone on the processors that guests have; a rule is there for any other.
   */
  @Test
  void aScanKeepsAllFlagsButOne() {
    System.setProperty(HostTrial.PROPERTY, "all");
    for (String m : new String[] {"bsf", "bsr"}) {
      FlagRule r = known(m + " edx, ebx");
      assertThat(r.kept()).isEqualTo(HostTrial.ALL & ~0x4000);
      assertThat(r.taken()).isEqualTo(0x4000);
    }
  }

  @Test
  void aShiftSetsItsAuxiliaryCarry() {
    System.setProperty(HostTrial.PROPERTY, "all");
    assertThat(known("shl edx, cl").set() & 0x1000).isEqualTo(0x1000);
    assertThat(known("sar rbx, 7").set() & 0x1000).isEqualTo(0x1000);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bsf edx, ebx",
        "bsr rdx, rbx",
        "shl edx, cl",
        "shr rdx, 3",
        "sar edx, 1",
        "rol edx, cl",
        "rcr rdx, 1",
        "shld edx, ebx, cl",
        "mul ebx",
        "imul rdx, rbx",
        "imul edx, ebx, 10",
        "bt edx, ebx",
        "bts edx, 3",
        "tzcnt edx, ebx",
        "lzcnt rdx, rbx",
        "andn edx, ebx, esi",
        "bzhi edx, ebx, esi",
        "blsr edx, ebx",
        "and edx, ebx",
        "test edx, ebx",
        "div ebx",
        "idiv rbx"
      })
  void thereIsARuleForWhatIsFrequent(String line) {
    for (String forced : new String[] {"", "all"}) {
      System.setProperty(HostTrial.PROPERTY, forced);
      assertThat(rule(line)).isNotNull();
    }
  }
}
