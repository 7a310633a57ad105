package dev.vesper.junit;

import static dev.vesper.junit.GuestAssertions.assertThat;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.junit.Locores.OnBroken;
import dev.vesper.junit.Locores.OnEcho;
import dev.vesper.junit.Locores.OnLocore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.opentest4j.AssertionFailedError;

/** What a test that fails says, and what it keeps. */
final class FailuresTest {
  @TempDir static Path folder;
  private static Locores guests;

  @BeforeAll
  static void images() throws IOException {
    guests = new Locores(folder);
  }

  private static String said(Throwable t) {
    return Objects.requireNonNull(t.getMessage());
  }

  /** A page is there at the end of a text, and is that of a guest. */
  private static void namesAPage(String text, Path expected) throws IOException {
    String last = text.lines().toList().getLast();
    assertThat(last).isEqualTo("trace: " + expected);
    assertThat(Files.readString(expected))
        .startsWith("<!DOCTYPE html>")
        .contains("<script type=\"application/json\" id=\"data\">{");
  }

  // ---- assertions of this module

  @OnLocore
  static class NotPrinted {
    @Test
    void says(GuestRun run) {
      assertThat(run).as("the greeting").reached("main").printed("Hello, world");
    }
  }

  @Test
  void anAssertionSaysWhatWasExpectedAndWhatTheGuestDid() throws IOException {
    Throwable t = guests.failure(NotPrinted.class);
    assertThat(t).isInstanceOf(AssertionError.class).hasNoSuppressedExceptions();
    String text = said(t);
    assertThat(text.lines().limit(4))
        .containsExactly(
            "[the greeting] ",
            "Expecting guest to print \"Hello, world\"",
            "guest locore --sev es: it ended with status 33: guest wrote 16 to the debug exit port"
                + " 0xf4",
            "its console, last lines:");
    assertThat(text)
        .contains("\n  locore: self-test passed\n")
        .contains("\nlast events:\n")
        .containsPattern(
            "\n"
                + "  \\[\\d+us] cpu0 ghcb SVM_VMEXIT_IOIO rip=0x\\w+ <ghcb_vmgexit\\+0x\\w+> cpl0"
                + " 64-bit \\{vmgexit} ")
        .contains("cpu0 end status 33");
    namesAPage(text, guests.pages(NotPrinted.class).resolve("says.html"));
  }

  @OnLocore
  static class InHand {
    @Test
    void standsStill(Machine machine) {
      assertThat(machine).reached("main").didNotReach("start");
    }
  }

  @Test
  void aMachineInHandSaysWhereItStands() throws IOException {
    String text = said(guests.failure(InHand.class));
    assertThat(text)
        .contains("Expecting guest to not reach start\n")
        .containsPattern("it stands at 0x\\w+ <main> behind \\d+ instructions\n")
        .contains("its console has said nothing\n");
    namesAPage(text, guests.pages(InHand.class).resolve("standsStill.html"));
  }

  /** Each assertion can fail, and says what it expected. */
  @ParameterizedTest
  @MethodSource("expectations")
  void everyAssertionCanFail(String expected, Consumer<GuestRunAssert> a) throws Exception {
    GuestRun run =
        GuestRun.of(
            MachineSpec.builder()
                .mode(SevMode.OFF)
                .kernel(folder.resolve("echo"))
                .memoryBytes(16L << 20)
                .build(),
            10_000);
    assertThatThrownBy(() -> a.accept(assertThat(run)))
        .isInstanceOf(AssertionError.class)
        .hasMessageStartingWith("\nExpecting guest to " + expected + "\n")
        .hasMessageContaining("\nits console, last lines:\n  login: \n")
        .hasMessageNotContaining("trace: ");
    run.machine().close();
  }

  private static Arguments expect(String text, Consumer<GuestRunAssert> a) {
    return Arguments.of(text, a);
  }

  static Stream<Arguments> expectations() {
    return Stream.of(
        expect("reach done", a -> a.reached("done")),
        expect("reach nowhere, a name that is not known", a -> a.reached("nowhere")),
        expect("not reach echo", a -> a.didNotReach("echo")),
        expect("have a symbol nowhere, so that it can be missed", a -> a.didNotReach("nowhere")),
        expect("print \"root\"", a -> a.printed("root")),
        expect("not print \"login\"", a -> a.didNotPrint("login")),
        expect("print a line with ^root", a -> a.printedLine("^root")),
        expect("request SVM_VMEXIT_CPUID by its GHCB", a -> a.exchanged(0x72)),
        expect("break the rule ghcb-in-use", a -> a.hasFinding("ghcb-in-use")),
        expect("end with status 1", a -> a.exited(1)),
        expect("power off", a -> a.poweredOff()),
        expect("ask for termination", a -> a.terminated()),
        expect("shut down", a -> a.shutDown()),
        expect("end because of \"boredom\"", a -> a.endedBecause("boredom")));
  }

  @Test
  void aMachineOfSomebodyElseIsRefusedInWords() throws Exception {
    MachineSpec spec =
        MachineSpec.builder().mode(SevMode.OFF).kernel(folder.resolve("echo")).build();
    try (Machine m = new Machine(spec)) {
      assertThatThrownBy(() -> assertThat(m).reached("echo"))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("nobody has recorded what this machine does");
    }
  }

  // ---- failures of other kinds

  @OnEcho
  static class Foreign {
    @Test
    void comparesTexts(Machine machine) {
      machine.run(Until.console("login"));
      assertThat("actual").isEqualTo("expected");
    }
  }

  @Test
  void anotherFailureStaysWhatItIsAndTheReportIsBehindIt() throws IOException {
    Throwable t = guests.failure(Foreign.class);
    assertThat(t).isInstanceOf(AssertionFailedError.class);
    assertThat(((AssertionFailedError) t).getExpected().getStringRepresentation())
        .isEqualTo("\"expected\"");
    assertThat(t.getSuppressed()).hasSize(1).hasOnlyElementsOfType(GuestReport.class);
    String text = said(t.getSuppressed()[0]);
    assertThat(text)
        .startsWith("guest echo --sev off: it stands at 0x")
        .contains("its console, last lines:\n  login\n");
    namesAPage(text, guests.pages(Foreign.class).resolve("comparesTexts.html"));
  }

  @OnEcho
  static class BeforeTheTest {
    @BeforeEach
    void fails(Machine machine) {
      throw new IllegalStateException("of the test's own");
    }

    @Test
    void neverRuns() {}
  }

  @Test
  void aFailureBeforeTheTestIsExplainedToo() {
    Throwable t = guests.failure(BeforeTheTest.class);
    assertThat(t).hasMessage("of the test's own");
    assertThat(t.getSuppressed()[0].getMessage())
        .startsWith("guest echo --sev off: it has not run\n")
        .contains("there were no events");
  }

  @OnEcho
  static class GivenUp {
    @Test
    void isNotTried(GuestRun run) {
      Assumptions.abort("not here");
    }
  }

  @Test
  void aTestThatIsGivenUpKeepsNothing() {
    guests.run(GivenUp.class).testEvents().assertStatistics(s -> s.started(1).aborted(1));
    assertThat(guests.pages(GivenUp.class)).doesNotExist();
  }

  static class Two {
    @Test
    void areBothTold(@OnEcho GuestRun run, @OnLocore Machine machine) {
      throw new IllegalStateException();
    }
  }

  @Test
  void allGuestsOfATestAreTold() throws IOException {
    Throwable t = guests.failure(Two.class);
    List<String> all = Stream.of(t.getSuppressed()).map(FailuresTest::said).toList();
    assertThat(all).hasSize(2);
    assertThat(all.get(0)).startsWith("guest echo --sev off: it ended with status 124");
    assertThat(all.get(1)).startsWith("guest locore --sev es: it has not run");
    namesAPage(all.get(0), guests.pages(Two.class).resolve("areBothTold.html"));
    namesAPage(all.get(1), guests.pages(Two.class).resolve("areBothTold-2.html"));
  }

  static class OfAMode {
    @SevModes({SevMode.OFF, SevMode.ES})
    @OnLocore
    void runs(SevMode mode, Machine machine) {
      if (mode == SevMode.ES) {
        throw new IllegalStateException("of mode " + mode);
      }
    }
  }

  @Test
  void thePageOfAModeIsCalledByIt() throws IOException {
    Throwable t = guests.failure(OfAMode.class);
    assertThat(t).hasMessage("of mode ES");
    namesAPage(said(t.getSuppressed()[0]), guests.pages(OfAMode.class).resolve("runs-es.html"));
  }

  // ---- the checker

  @SevGuest(check = true)
  @OnBroken
  static class Checked {
    @Test
    void looksAtNothing(GuestRun run) {}
  }

  @Test
  void aTestThatIsCheckedFailsByItsGuestsFindings() throws IOException {
    String text = said(guests.failure(Checked.class));
    assertThat(text)
        .containsPattern(
            "Expecting guest to keep to the GHCB protocol, but there are \\d+ errors, ")
        .containsPattern(
            "\n  error: cpuid-inputs-valid \\(guest\\) at 0x\\w+ <ghcb_vmgexit\\+0x\\w+>");
    namesAPage(text, guests.pages(Checked.class).resolve("looksAtNothing.html"));
  }

  @SevGuest(check = true)
  @OnBroken
  static class CheckedForAll {
    @BeforeAll
    static void boot(GuestRun run) {}

    @Test
    void isFine() {}
  }

  @Test
  void aClassFailsByTheFindingsOfItsOwnGuest() throws IOException {
    String text = said(guests.failure(CheckedForAll.class));
    namesAPage(text, guests.pages(CheckedForAll.class).resolve("class.html"));
  }

  /** What a former build has left is gone when the test has passed. */
  @Test
  void aPageOfAFormerFailureDoesNotStay() throws IOException {
    Path page = guests.pages(Kept.class).resolve("passes.html");
    Files.createDirectories(page.getParent());
    Files.writeString(page, "old");
    guests.run(Kept.class).testEvents().assertStatistics(s -> s.succeeded(1));
    assertThat(page).doesNotExist();
  }

  @OnEcho
  static class Kept {
    @Test
    void passes(GuestRun run) {}
  }
}
