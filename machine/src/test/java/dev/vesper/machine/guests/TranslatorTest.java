package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * No translator changes anything but speed: not the final state, not a trace, not an instruction.
 */
final class TranslatorTest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      echo MARK-INIT
      /bin/busybox seq 1 200 | /bin/busybox sha256sum
      /bin/busybox poweroff -f
      """;

  /** Instead of a threshold. */
  private static final int NATIVE = -1;

  private record Result(String hash, long instructions, String console, List<Event> events) {}

  private static Result run(MachineSpec.Builder o, int after, boolean traced) throws BootException {
    TestMachine t = TestMachine.of(o);
    Machine m = t.machine();
    if (after == NATIVE) {
      m.translator(Translator.NATIVE);
    } else {
      m.translateAfter(after);
    }
    if (traced) {
      t.traced();
    }
    t.run(3_000_000_000L);
    return new Result(m.stateHash(), m.instructions(), t.console(), t.events());
  }

  private static Result locore(SevMode mode, int after, boolean traced) throws BootException {
    return run(
        MachineSpec.builder(mode, Locore.image(), b -> {}).memoryBytes(64L << 20).processors(2),
        after,
        traced);
  }

  @ParameterizedTest
  @EnumSource
  void theReferenceGuestAndItsTraceAreTheSameWithAnyTranslator(SevMode mode) throws BootException {
    Result interpreted = locore(mode, 0, true);
    assertThat(interpreted.console()).contains("locore: self-test passed");
    for (int after : new int[] {NATIVE, 1, 3, 100}) {
      assertThat(locore(mode, after, true)).isEqualTo(interpreted);
      assertThat(locore(mode, after, false).hash()).isEqualTo(interpreted.hash());
    }
  }

  @Test
  @Tag("slow")
  void linuxEndsInTheSameStateWithAnyTranslator() throws BootException {
    Result interpreted = linux(0);
    assertThat(interpreted.console()).contains("MARK-INIT");
    for (int after : new int[] {NATIVE, 1, 300}) {
      assertThat(linux(after)).isEqualTo(interpreted);
    }
  }

  private static Result linux(int after) throws BootException {
    return run(
        MachineSpec.builder(SevMode.ES, DebianKernel.image(), b -> {})
            .append("console=ttyS0 quiet cryptomgr.notests=1")
            .initrd(DebianKernel.initramfs(INIT)),
        after,
        false);
  }
}
