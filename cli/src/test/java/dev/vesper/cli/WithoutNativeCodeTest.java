package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.cli.confine.WithoutCall;
import dev.vesper.machine.Machine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs where the system refuses what native code needs. */
final class WithoutNativeCodeTest {
  // Numbers of x86-64, as only there native code is.
  private static final int ARCH_PRCTL = 158;
  private static final int MEMFD_CREATE = 319;

  /** Refused without harm. */
  private static final int REBOOT = 169;

  @TempDir Path dir;

  private record Run(int status, String out, String err) {}

  @BeforeEach
  void needsNativeCode() {
    assumeTrue(Machine.lackOfNativeCode() == null, () -> "" + Machine.lackOfNativeCode());
  }

  private Run runWithout(int call, String... more) throws IOException, InterruptedException {
    List<String> args = new ArrayList<>(List.of(String.valueOf(call), "run", "-v"));
    args.addAll(List.of(more));
    Path out = dir.resolve("out");
    Path err = dir.resolve("err");
    Process p =
        new ProcessBuilder(
                OwnJvm.command(
                    List.of("--enable-native-access=ALL-UNNAMED"),
                    WithoutCall.class,
                    args.toArray(String[]::new)))
            .redirectInput(Path.of("/dev/null").toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    return new Run(p.waitFor(), Files.readString(out), Files.readString(err));
  }

  private static List<String> said(Run r) {
    return r.err.lines().filter(l -> l.startsWith("[translator]")).toList();
  }

  @Test
  void whatIsRefusedIsSaidOnceAndChangesNoResult() throws Exception {
    Run whole = runWithout(REBOOT);
    assertThat(whole.status).as(whole.err).isZero();
    assertThat(whole.out).contains("self-test passed");
    assertThat(said(whole)).containsExactly("[translator] native code");
    Run memory = runWithout(MEMFD_CREATE);
    assertThat(said(memory))
        .containsExactly(
            "[translator] regions: no native code here: the system gives no executable memory");
    Run gs = runWithout(ARCH_PRCTL);
    assertThat(said(gs))
        .containsExactly(
            "[translator] regions: no native code here:"
                + " the system lets no program set the base of GS");
    for (Run r : List.of(memory, gs)) {
      assertThat(r.status).as(r.err).isZero();
      assertThat(r.out).isEqualTo(whole.out);
    }
  }
}
