package dev.vesper.junit;

import static dev.vesper.junit.GuestAssertions.assertThat;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.junit.Locores.OnBroken;
import dev.vesper.junit.Locores.OnEcho;
import dev.vesper.junit.Locores.OnLocore;
import dev.vesper.junit.SevGuest.Answer;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.platform.testkit.engine.EngineExecutionResults;

/** What a test gets by annotations, and for how long. */
final class SevGuestTest {
  @TempDir static Path folder;
  private static Locores guests;

  /** What the samples leave for the tests to look at. */
  private static final List<Object> SEEN = new ArrayList<>();

  @BeforeAll
  static void images() throws IOException {
    guests = new Locores(folder);
  }

  @BeforeEach
  void nothingSeen() {
    SEEN.clear();
  }

  private static void passes(Class<?> tests, int count) {
    EngineExecutionResults r = guests.run(tests);
    assertThat(Locores.failures(r)).isEmpty();
    r.testEvents().assertStatistics(s -> s.started(count).succeeded(count));
    assertThat(guests.pages(tests)).as("a page of a test that has not failed").doesNotExist();
  }

  private static void allAreClosed() {
    assertThat(SEEN).isNotEmpty();
    for (Object m : SEEN) {
      assertThatThrownBy(() -> ((Machine) m).run()).hasMessageContaining("it is closed");
    }
  }

  // ---- kinds of parameters

  @OnLocore
  static class Kinds {
    @Test
    void aRunIsFinished(GuestRun run) {
      assertThat(run.outcome().status()).isEqualTo(Locores.PASSED);
      assertThat(run.console()).contains("locore: self-test passed");
      assertThat(run.exchanges().get(ExitCode.CPUID)).isPositive();
      assertThat(run.findings()).isEmpty();
      assertThat(run.stateHash()).hasSize(64);
      SEEN.add(run.machine());
    }

    @Test
    void aMachineHasNotRun(Machine machine) {
      assertThat(machine.instructions()).isZero();
      assertThat(machine.spec().processors()).isEqualTo(2);
      SEEN.add(machine);
    }

    @Test
    void whatIsDescribedAlikeIsOneGuest(GuestRun a, GuestRun b, Machine c, Machine d) {
      assertThat(a).isSameAs(b);
      assertThat(c).isSameAs(d).isNotSameAs(a.machine());
      SEEN.add(a.machine());
      SEEN.add(c);
    }
  }

  @Test
  void aParameterIsARunOrAMachineThatIsClosedAfterTheTest() {
    passes(Kinds.class, 3);
    assertThat(SEEN).hasSize(4);
    allAreClosed();
  }

  @OnLocore
  static class Driven {
    Driven(Machine machine) {
      SEEN.add(machine);
    }

    @BeforeEach
    void toItsMain(Machine machine) {
      assertThat(machine).reached("main").didNotReach("ap_main").didNotPrint("locore");
    }

    @Test
    void whatIsNotYetHappensWhileItRuns(Machine machine) {
      long n = machine.instructions();
      assertThat(machine).reached("main").reached("start");
      assertThat(machine.instructions()).as("it had been there").isEqualTo(n).isPositive();
      assertThat(machine).printed("locore: ").didNotExchange(ExitCode.RDTSCP);
      assertThat(machine.instructions()).isGreaterThan(n);
      assertThat(machine).printedLine("^locore: .* ok$").exchanged(ExitCode.MMIO_READ);
      assertThat(machine).exited(Locores.PASSED).hasNoFindings().endedBecause("debug exit port");
      assertThat(machine).reached("ap_main");
      SEEN.add(machine);
    }
  }

  @Test
  void constructorBeforeEachAndTestShareAMachine() {
    passes(Driven.class, 1);
    assertThat(SEEN.get(0)).isSameAs(SEEN.get(1));
    allAreClosed();
  }

  @OnLocore
  static class Shared {
    @BeforeAll
    static void boot(GuestRun run) {
      SEEN.add(run);
    }

    @Test
    void one(GuestRun run) {
      assertThat(run).isSameAs(SEEN.get(0)).printed("locore");
    }

    @Test
    void two(GuestRun run) {
      assertThat(run).isSameAs(SEEN.get(0)).exchanged(ExitCode.CPUID);
    }

    @Test
    @SevGuest(smp = 1)
    void another(GuestRun run) {
      assertThat(run).isNotSameAs(SEEN.get(0));
    }
  }

  @Test
  void aRunBeforeAllIsThatOfTheClass() {
    passes(Shared.class, 3);
    assertThatThrownBy(() -> ((GuestRun) SEEN.get(0)).machine().run())
        .hasMessageContaining("closed");
  }

  // ---- what says what

  @OnLocore
  static class Levels {
    @Test
    @SevGuest(sev = SevMode.OFF, smp = 1)
    void theMethodGoesBeforeTheClass(Machine machine) {
      MachineSpec s = machine.spec();
      assertThat(s.mode()).isEqualTo(SevMode.OFF);
      assertThat(s.processors()).isEqualTo(1);
      assertThat(s.memoryBytes()).as("which the method does not say").isEqualTo(64L << 20);
      assertThat(s.cpuModel()).isEqualTo("vesper-min,+xsave");
    }

    @Test
    @SevGuest(seed = 7)
    void theParameterGoesBeforeTheMethod(Machine a, @SevGuest(seed = 8, memory = "1G") Machine b) {
      assertThat(a.spec().seed()).isEqualTo(7);
      assertThat(b.spec().seed()).isEqualTo(8);
      assertThat(b.spec().memoryBytes()).isEqualTo(1L << 30);
      assertThat(b.spec().processors()).isEqualTo(2);
    }

    @Test
    @OnEcho
    void anAnnotationOnAnAnnotationIsOne(Machine machine) {
      assertThat(machine.spec().boot().name()).isEqualTo("echo");
    }

    @Nested
    @SevGuest(smp = 3, append = "${nobody-sets-this:by default}")
    class Inside {
      @Test
      void theInnerClassGoesBeforeTheOuter(Machine machine) {
        assertThat(machine.spec().processors()).isEqualTo(3);
        assertThat(machine.spec().boot().name()).isEqualTo("locore");
        assertThat(machine.spec().boot().commandLine()).isEqualTo("by default");
      }
    }
  }

  @Test
  void theNearestAnnotationDecidesEachMemberForItself() {
    passes(Levels.class, 4);
  }

  static class Modes {
    @SevModes
    @OnLocore
    void onAMethod(SevMode mode, GuestRun run) {
      SEEN.add(mode);
      assertThat(run.machine().spec().mode()).isEqualTo(mode);
      assertThat(run).exited(Locores.PASSED).hasNoFindings();
    }
  }

  @Test
  void aTestRunsWithEachMode() {
    passes(Modes.class, 3);
    assertThat(SEEN).containsExactly(SevMode.OFF, SevMode.SEV, SevMode.ES);
  }

  static class UnderSnp {
    @Test
    @OnLocore
    @SevGuest(sev = SevMode.SNP, cpu = "EPYC-Milan", check = false)
    void pagesAreSharedByTheirEvent(GuestRun run) {
      assertThat(run).exited(Locores.PASSED).reached("ap_main");
      assertThat(run)
          .exchanged(ExitCode.SNP_PAGE_STATE_CHANGE)
          .didNotExchange(ExitCode.AP_JUMP_TABLE);
    }
  }

  @Test
  void snpIsAModeLikeTheOthers() {
    passes(UnderSnp.class, 1);
  }

  @SevModes({SevMode.ES, SevMode.OFF})
  @OnLocore
  static class ModesOfClass {
    @Test
    void one(Machine machine) {
      SEEN.add(machine.spec().mode());
    }

    @Test
    void two(Machine machine, SevMode mode) {
      assertThat(machine.spec().mode()).isEqualTo(mode);
    }
  }

  @Test
  void aClassRunsWithEachMode() {
    passes(ModesOfClass.class, 4);
    assertThat(SEEN).containsExactly(SevMode.ES, SevMode.OFF);
  }

  // ---- options

  /** A hypervisor of the test's own. */
  static final class Renamed implements GuestSetup {
    @Override
    public void describe(MachineSpec.Builder spec) {
      spec.seed(5);
    }

    @Override
    public void prepare(Machine machine) {
      machine
          .hypervisor()
          .onEvent(
              ExitCode.CPUID,
              (exit, profile) -> {
                profile.run();
                if (exit.request(GhcbField.RAX) == 0x4000_0000L) {
                  exit.set(GhcbField.RBX, 0x6e65_704fL);
                }
              });
    }
  }

  @OnLocore
  static class Options {
    @Test
    @SevGuest(setup = Renamed.class, keep = Event.VcRaised.class, translateAfter = 1)
    void setupAndKeptEvents(GuestRun run) {
      assertThat(run.machine().spec().seed()).isEqualTo(5);
      assertThat(run).printed("hypervisor OpenVMKVM");
      assertThat(run.events(Event.VcRaised.class)).extracting(v -> v.exit()).contains(ExitCode.MSR);
      assertThatThrownBy(() -> run.events(Event.WriteTrap.class))
          .hasMessageContaining("say keep = WriteTrap.class");
    }

    @Test
    @SevGuest(translator = Translator.NONE)
    void guestCodeIsInterpreted(GuestRun run) {
      assertThat(run.machine().translator()).isEqualTo(Translator.NONE);
      SEEN.add(run.stateHash());
    }

    @Test
    @SevGuest(translator = Translator.REGIONS)
    void guestCodeIsMadeOfMethods(GuestRun run) {
      assertThat(run.machine().translator()).isEqualTo(Translator.REGIONS);
      SEEN.add(run.stateHash());
    }

    @Test
    @SevGuest(translator = Translator.NATIVE)
    void guestCodeIsNativeWhereItCanBe(GuestRun run) {
      boolean can = Machine.lackOfNativeCode() == null;
      assertThat(run.machine().translator())
          .isEqualTo(can ? Translator.NATIVE : Translator.REGIONS);
      SEEN.add(run.stateHash());
    }

    @Test
    @OnEcho
    @SevGuest(limitInsns = 1000)
    void theMethodsOwnGoesBeforeThatOfItsOtherAnnotation(GuestRun run) {
      assertThat(run.machine().spec().boot().name()).isEqualTo("echo");
      assertThat(run.instructions()).isEqualTo(1000);
    }

    @Test
    @SevGuest(
        kernel = "${guests}/echo",
        sev = SevMode.OFF,
        answers = @Answer(to = "login: ", with = "root\n"))
    void theConsoleIsAnswered(GuestRun run) {
      assertThat(run).printed("login: root\n").exited(1);
    }

    @Test
    @SevGuest(
        kernel = "${guests}/endless",
        sev = SevMode.OFF,
        limitInsns = 1000,
        drive = "file=${guests}/locore,if=ide",
        nic = {"user", "none"},
        fwCfg = "name=opt/x,string=a,,b",
        share = "path=${guests},tag=all,readonly=on",
        vga = "std",
        testDevice = true,
        virtioConsole = true,
        rtc = "base=2030-01-01",
        intercept = {"rdtsc", "rdtscp"},
        hostFault = "stale-info",
        hostile = "when insn 5\n  note rip = reg rip",
        executeOnly = true,
        seed = 3,
        fpuReset = dev.vesper.machine.spec.ResetState.EC2)
    void theRestOfThem(GuestRun run) {
      assertThat(run).exited(124).endedBecause("instruction limit of 1000");
      assertThat(run.instructions()).isEqualTo(1000);
      MachineSpec s = run.machine().spec();
      assertThat(s.hardware().drives()).hasSize(1);
      assertThat(s.hardware().drives().get(0).virtio()).isFalse();
      assertThat(s.hardware().networks()).hasSize(1);
      assertThat(s.hardware().items())
          .singleElement()
          .satisfies(i -> assertThat(i.name()).isEqualTo("opt/x"))
          .satisfies(i -> assertThat(i.content()).containsExactly('a', ',', 'b'));
      assertThat(s.hardware().shares()).extracting(f -> f.tag()).containsExactly("all");
      assertThat(s.hardware().screen()).isNotNull();
      assertThat(s.hardware().testDevice()).isTrue();
      assertThat(s.hardware().virtioConsole()).isTrue();
      assertThat(s.hardware().startSeconds()).isEqualTo(1_893_456_000L);
      assertThat(s.intercepts()).containsExactly("rdtsc", "rdtscp");
      assertThat(s.hostFaults()).containsExactly("stale-info");
      assertThat(run.machine().hostile())
          .satisfies(h -> assertThat(h.notes()).containsOnlyKeys("rip"));
      assertThat(s.executeOnly()).isTrue();
      assertThat(s.launch().reset()).isEqualTo(dev.vesper.machine.spec.ResetState.EC2);
    }

    @Test
    @SevGuest(kernel = "${guests}/endless", sev = SevMode.OFF, timeout = 0.05)
    void timeIsLimited(GuestRun run) {
      assertThat(run).endedBecause("time limit");
    }

    @Test
    @OnBroken
    @SevGuest(check = true, allow = "cpuid-inputs-valid")
    void whatIsKnownDoesNotCount(GuestRun run) {
      assertThat(run).hasNoFindings();
    }

    @Test
    void whatIsBrokenIsFound(@OnBroken GuestRun run) {
      assertThat(run).hasFinding("cpuid-inputs-valid");
      assertThat(run.findings()).isNotEmpty();
    }
  }

  @Test
  void optionsAreThoseOfTheCommand() {
    passes(Options.class, 10);
    assertThat(SEEN).as("results with each translator").hasSize(3);
    assertThat(Set.copyOf(SEEN)).hasSize(1);
  }

  @OnLocore
  static class Disks {
    @Test
    @SevGuest(drive = "file=${guests}/locore", snapshot = false)
    void one(Machine machine) {
      assertThat(machine.spec().hardware().drives().get(0).disk().readOnly()).isFalse();
    }

    @Test
    @SevGuest(drive = "file=${guests}/locore", snapshot = false)
    void two(Machine machine) {
      assertThat(machine.spec().hardware().drives()).hasSize(1);
    }
  }

  @Test
  void aDiskIsFreeForTheNextTest() throws IOException {
    byte[] before = Files.readAllBytes(folder.resolve("locore"));
    passes(Disks.class, 2);
    assertThat(Files.readAllBytes(folder.resolve("locore"))).isEqualTo(before);
  }
}
