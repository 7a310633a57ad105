package dev.vesper.junit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.spec.Hardware;
import java.io.IOException;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.testkit.engine.EngineExecutionResults;
import org.junit.platform.testkit.engine.EngineTestKit;

/** The guests of the tests of this module, as files, and how classes of tests are run with them. */
final class Locores {
  /** What the reference guest ends with. */
  static final int PASSED = Locore.PASS << 1 | 1;

  /** Echoes what is typed; a line ends it. */
  static final String ECHO =
      """
      mov esi, prompt
      mov edx, 0x3f8
      say:
      mov al, [rsi]
      out dx, al
      inc esi
      cmp al, 32
      jne say
      echo:
      mov edx, 0x3fd
      in al, dx
      test al, 1
      jz echo
      mov edx, 0x3f8
      in al, dx
      out dx, al
      cmp al, 10
      jne echo
      done:
      mov al, 0
      out 0xf4, al
      never:
      hlt
      prompt:
      ascii "login: "
      """;

  private final Path folder;

  /**
   * @param folder for images and pages
   */
  Locores(Path folder) throws IOException {
    this.folder = folder;
    Files.write(folder.resolve("locore"), Locore.image());
    // Its handler does not mark RCX valid for CPUID.
    Files.write(
        folder.resolve("broken"),
        Locore.image(
            "    mov edi, GHCB_RCX\n    call sync_out_val\n    cmp dword", "    cmp dword"));
    Files.write(folder.resolve("echo"), FlatGuest.image(ECHO));
    Files.write(folder.resolve("endless"), FlatGuest.image("again:\njmp again\n"));
  }

  /** The reference guest on two processors. */
  @Retention(RetentionPolicy.RUNTIME)
  @SevGuest(kernel = "${guests}/locore", cpu = "vesper-min,+xsave", smp = 2, memory = "64M")
  @interface OnLocore {}

  /** The same with a handler that breaks the protocol. */
  @Retention(RetentionPolicy.RUNTIME)
  @SevGuest(kernel = "${guests}/broken", cpu = "vesper-min,+xsave", smp = 2, memory = "64M")
  @interface OnBroken {}

  /** The guest that echoes. */
  @Retention(RetentionPolicy.RUNTIME)
  @SevGuest(
      kernel = "${guests}/echo",
      sev = dev.vesper.machine.spec.SevMode.OFF,
      memory = "16M",
      machine = Hardware.Board.MINIMAL,
      limitInsns = 100_000)
  @interface OnEcho {}

  /** {@return where pages of failed tests of a class are} */
  Path pages(Class<?> tests) {
    return folder.resolve("pages").resolve(tests.getName());
  }

  /** Runs a class of tests. */
  EngineExecutionResults run(Class<?> tests) {
    return EngineTestKit.engine("junit-jupiter")
        .selectors(DiscoverySelectors.selectClass(tests))
        .configurationParameter("guests", folder.toString())
        .configurationParameter("vesper.reports", folder.resolve("pages").toString())
        .execute();
  }

  /** {@return what the tests of a class have failed with} */
  static List<Throwable> failures(EngineExecutionResults results) {
    return results.allEvents().failed().stream()
        .map(e -> e.getRequiredPayload(TestExecutionResult.class).getThrowable().orElseThrow())
        .toList();
  }

  /** {@return what a class of tests, one of which fails, fails with} */
  Throwable failure(Class<?> tests) {
    List<Throwable> all = failures(run(tests));
    assertThat(all).hasSize(1);
    return all.get(0);
  }
}
