package dev.vesper.junit;

import static dev.vesper.junit.GuestAssertions.assertThat;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.guest.Locore;
import dev.vesper.junit.Locores.OnEcho;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.junit.platform.testkit.engine.EngineExecutionResults;

/** Guests of a field: whatever a description can say, and as many as a test wants. */
final class SevGuestExtensionTest {
  @TempDir static Path folder;
  private static Locores guests;
  private static final List<Machine> SEEN = new ArrayList<>();

  @BeforeAll
  static void images() throws IOException {
    guests = new Locores(folder);
  }

  private static void locore(MachineSpec.Builder spec) {
    spec.kernel(Locore.image(), "locore").cpuModel("vesper-min,+xsave").memoryBytes(64L << 20);
  }

  static class Samples {
    @RegisterExtension
    static final SevGuestExtension guest =
        SevGuestExtension.of(SevGuestExtensionTest::locore)
            .keep(Event.MsrExchange.class)
            .limitInsns(50_000_000)
            .timeout(Duration.ofMinutes(5))
            .translateAfter(2)
            .check();

    /** Another guest of the same class, which has a field of its own. */
    @RegisterExtension
    final SevGuestExtension broken =
        SevGuestExtension.of(SevGuestExtensionTest::locore)
            .prepare(m -> m.hypervisor().onEvent(ExitCode.CPUID, (exit, profile) -> profile.run()))
            .check(Rule.values());

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void withMoreSaid(int n) {
      GuestRun run = guest.run(spec -> spec.processors(n));
      assertThat(run).exited(Locores.PASSED).reached("main");
      assertThat(run.events(Event.MsrExchange.class)).isNotEmpty();
      SEEN.add(run.machine());
    }

    @Test
    void twoMachinesOfOneTest() {
      Machine a = guest.machine();
      Machine b = broken.machine(spec -> spec.mode(SevMode.SEV));
      assertThat(a).isNotSameAs(b);
      assertThat(a).reached("main");
      assertThat(b.instructions()).isZero();
      SEEN.add(a);
      SEEN.add(b);
    }

    @Test
    void inAThreadOfItsOwn() {
      assertTimeoutPreemptively(
          Duration.ofMinutes(1), () -> assertThat(guest.machine()).reached("main"));
    }

    @Test
    @OnEcho
    void anAnnotationSaysOtherwise(Machine machine) {
      assertThat(machine.spec().boot().name()).isEqualTo("echo");
    }
  }

  private static void passes(Class<?> tests, int count) {
    EngineExecutionResults r = guests.run(tests);
    assertThat(Locores.failures(r)).isEmpty();
    r.testEvents().assertStatistics(s -> s.started(count).succeeded(count));
  }

  @Test
  void aTestMakesItsGuestsItself() {
    SEEN.clear();
    passes(Samples.class, 5);
    assertThat(SEEN).hasSize(4);
    for (Machine m : SEEN) {
      assertThatThrownBy(m::run).hasMessageContaining("it is closed");
    }
  }

  static class OnlyOne {
    @RegisterExtension
    static final SevGuestExtension guest = SevGuestExtension.of(SevGuestExtensionTest::locore);

    private static int made;

    @BeforeAll
    static void forAll(GuestRun run) {
      assertThat(run).exited(Locores.PASSED);
    }

    @BeforeEach
    void forEach(Machine machine) {
      assertThat(machine).reached("main");
      made++;
    }

    @Test
    void isTheParameter(GuestRun run, Machine machine) {
      assertThat(machine.instructions()).isPositive();
      assertThat(run.machine()).isNotSameAs(machine);
    }

    @SevModes({SevMode.OFF, SevMode.SEV})
    void inAMode(SevMode mode, Machine machine) {
      assertThat(machine.spec().mode()).isEqualTo(mode);
      assertThat(guest.machine().spec().mode()).isEqualTo(mode);
    }
  }

  @Test
  void theFieldsGuestIsWhatParametersGet() {
    OnlyOne.made = 0;
    passes(OnlyOne.class, 3);
    assertThat(OnlyOne.made).isEqualTo(3);
  }

  static class Fails {
    @RegisterExtension
    static final SevGuestExtension guest = SevGuestExtension.of(SevGuestExtensionTest::locore);

    @Test
    void here() {
      guest.machine();
      throw new IllegalStateException("of the test");
    }
  }

  @Test
  void aFailureIsExplainedAsWithTheAnnotation() {
    Throwable t = guests.failure(Fails.class);
    assertThat(t).hasMessage("of the test");
    assertThat(t.getSuppressed()[0].getMessage())
        .startsWith("guest locore --sev es: it has not run")
        .endsWith("\ntrace: " + guests.pages(Fails.class).resolve("here.html"));
    assertThat(guests.pages(Fails.class).resolve("here.html")).exists();
  }
}
