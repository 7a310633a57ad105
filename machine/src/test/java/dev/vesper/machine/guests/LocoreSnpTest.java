package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.HvFeatures;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.host.HypervisorProgram;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.observe.Event.AutomaticExit;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The reference guest under SEV-SNP, under good hosts and others. */
final class LocoreSnpTest {
  private static final long RMP_VIOLATION = 1L << 31;

  /** Where {@code SnpRemains} has the two pages. */
  private static final long SECRETS = 0x9_D000;

  private static final long CPUID = 0x9_E000;

  private static MachineSpec.Builder spec(byte[] image) {
    return MachineSpec.builder(SevMode.SNP, image, b -> {}).memoryBytes(64L << 20).processors(2);
  }

  /** {@return where the guest used pages as what they were not, and the host converted them} */
  private static List<String> converted(LocoreRun r) {
    return r.events(AutomaticExit.class)
        .filter(e -> e.exit() == ExitCode.NPF && (e.info1() & RMP_VIOLATION) != 0)
        .map(e -> "converted in " + e.at().symbol())
        .toList();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"EPYC-Milan", "EPYC-Milan,-xsave", "EPYC-Genoa,+perfmon-v2", "EPYC-Turin"})
  void theSelfTestPasses(String model) throws BootException {
    LocoreRun r = LocoreRun.run(spec(Locore.image()).cpuModel(model));
    assertThat(r.outcome().status()).as(r.console()).isEqualTo(LocoreRun.PASSED);
    assertThat(r.console())
        .contains("locore: SEV-SNP guest mode", "SEV_STATUS 7", "locore: self-test passed")
        .doesNotContain("not offered");
    assertThat(converted(r)).isEmpty();
    // The host is asked for no leaf but those that it must be asked for.
    assertThat(r.events(MsrExchange.class).map(e -> MsrRequest.info(e.request())))
        .doesNotContain(MsrRequest.CPUID_REQ);
    assertThat(
            r.events(GhcbExchange.class)
                .filter(e -> e.exit() == ExitCode.CPUID)
                .map(e -> e.request().get(GhcbField.RAX)))
        .containsOnly(1L);
    assertThat(r.events(GhcbExchange.class)).allMatch(e -> e.version() == 2);
  }

  @Test
  void theHostReadsNothingOfThePagesThatAreTheGuestsAlone() throws BootException {
    LocoreRun r = LocoreRun.run(spec(Locore.image()));
    HostMemory host = r.machine().hostView();
    for (long page : new long[] {SECRETS, CPUID}) {
      byte[] plain = r.machine().observer().readPrivate(page, 4096);
      assertThat(plain[0]).as("its version or count").isNotZero();
      assertThat(host.bytes(page, 4096)).isNotEqualTo(plain);
    }
  }

  private static Stream<Arguments> mutants() throws IOException {
    try (InputStream in = LocoreSnpTest.class.getResourceAsStream("mutants-snp.txt")) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8)
              .lines()
              .filter(l -> !l.isBlank() && !l.startsWith("#"))
              .map(l -> Arguments.of((Object[]) l.split("\\|", -1)))
              .toList()
              .stream();
    }
  }

  /** One thing broken on purpose: the guest fails, or the host has to help, and it shows where. */
  @ParameterizedTest
  @MethodSource("mutants")
  void aBrokenGuestIsNoticedByName(String place, String find, String replacement)
      throws BootException {
    byte[] broken = Locore.image(find.replace("\\n", "\n"), replacement.replace("\\n", "\n"));
    assertThat(broken).as("the mutation applies").isNotEqualTo(Locore.image());
    LocoreRun r = LocoreRun.run(spec(broken));
    List<String> converted = converted(r);
    assertThat(r.outcome().status() == LocoreRun.PASSED && converted.isEmpty()).isFalse();
    assertThat(r.outcome().status()).isNotEqualTo(Outcome.DEFECT);
    assertThat(converted + "\n" + r.place()).as("%s%n%s", r.outcome(), r.console()).contains(place);
  }

  // ---- hosts that are not good

  private static TestMachine under(Consumer<HypervisorProgram> host) throws BootException {
    TestMachine t = TestMachine.of(spec(Locore.image()));
    host.accept(t.machine().hypervisor());
    return t;
  }

  private static void assertEnds(TestMachine t, String reason) {
    Outcome o = t.run(50_000_000L);
    assertThat(o.status()).as("%s%n%s", o, t.console()).isEqualTo(Outcome.GUEST_TERMINATED);
    assertThat(o.reason()).contains(reason);
  }

  /** Has a host answer a request of the MSR protocol so. */
  private static Consumer<HypervisorProgram> answers(int request, long response) {
    return h -> h.onMsr(request, (exit, next) -> exit.respond(response));
  }

  @Test
  void whatAHostLacksEndsTheGuestByItsReason() throws BootException {
    assertEnds(
        under(answers(MsrRequest.SEV_INFO_REQ, MsrRequest.sevInfo(1, 1, 51))),
        "GHCB protocol range not supported");
    assertEnds(
        under(answers(MsrRequest.HV_FEATURES_REQ, MsrRequest.features(HvFeatures.AP_CREATION))),
        "SNP features not supported");
    assertEnds(
        under(
            answers(
                MsrRequest.SNP_PAGE_STATE_REQ,
                MsrRequest.result(MsrRequest.SNP_PAGE_STATE_RESP, 1))),
        "page state change failed");
    assertEnds(
        under(answers(MsrRequest.REGISTER_GHCB_REQ, -1L << 12 | MsrRequest.REGISTER_GHCB_RESP)),
        "GHCB registration refused");
  }

  @Test
  void withoutApCreationThereIsNoSecondProcessor() throws BootException {
    TestMachine t =
        under(
            h -> {
              h.onMsr(
                  MsrRequest.HV_FEATURES_REQ,
                  (exit, next) -> exit.respond(MsrRequest.features(HvFeatures.SNP)));
              h.onEvent(
                  ExitCode.HV_FEATURES,
                  (exit, next) -> {
                    next.run();
                    exit.set(GhcbField.SW_EXITINFO2, HvFeatures.SNP);
                  });
            });
    assertThat(t.run(50_000_000L).status()).as(t.console()).isEqualTo(LocoreRun.PASSED);
    assertThat(t.console()).contains("second CPU by AP creation ... not offered by this host");
  }

  private static TestMachine with(SevFeature... features) throws BootException {
    long all = SnpLaunch.SNP_ACTIVE;
    for (SevFeature f : features) {
      all |= f.mask;
    }
    return TestMachine.of(spec(Locore.image()).snp(SnpLaunch.DEFAULT.withFeatures(all)));
  }

  @Test
  void featuresThatNeedHelpEndTheGuestAndOthersDoNot() throws BootException {
    assertEnds(
        with(SevFeature.RESTRICTED_INJECTION),
        "SNP features not supported; SEV_FEATURES have RestrictedInjection (0x8)");
    TestMachine t = with(SevFeature.DEBUG_SWAP, SevFeature.BTB_ISOLATION);
    assertThat(t.run(50_000_000L).status()).as(t.console()).isEqualTo(LocoreRun.PASSED);
    assertThat(t.console()).contains("SEV_STATUS 647");
  }

  /** All that the host is asked for is what differs between processors. */
  @Test
  void aHostThatLiesAboutCpuidIsNotBelieved() throws BootException {
    TestMachine t =
        under(
            h ->
                h.onEvent(
                    ExitCode.CPUID,
                    (exit, next) -> {
                      next.run();
                      exit.set(GhcbField.RAX, 0);
                      exit.set(GhcbField.RBX, exit.get(GhcbField.RBX) ^ 0xFF_FFFF);
                      exit.set(GhcbField.RCX, exit.get(GhcbField.RCX) ^ 0xFFFF_FFFFL);
                      exit.set(GhcbField.RDX, exit.get(GhcbField.RDX) ^ 0xFFFF_FDFFL);
                    }));
    assertThat(t.run(50_000_000L).status()).as(t.console()).isEqualTo(LocoreRun.PASSED);
  }

  // ---- hosts and the page state change event

  /** What a host does with a list. */
  private interface Host {
    /**
     * {@return whether that was all: SW_EXITINFO2 says success} If not, the list is served.
     *
     * @param time how often the event has come before
     */
    boolean takes(HostMemory memory, long list, int time);
  }

  private static LocoreRun run(byte[] image, Host host) throws BootException {
    TestMachine t = TestMachine.of(spec(image)).traced();
    int[] times = {0};
    t.machine()
        .hypervisor()
        .onEvent(
            ExitCode.SNP_PAGE_STATE_CHANGE,
            (exit, next) -> {
              if (host.takes(exit.memory(), exit.request(GhcbField.SW_SCRATCH), times[0]++)) {
                exit.set(GhcbField.SW_EXITINFO1, 0);
                exit.set(GhcbField.SW_EXITINFO2, 0);
              } else {
                next.run();
              }
            });
    Outcome o = t.run(50_000_000L);
    return new LocoreRun(
        t.machine(), o, t.console(), t.events(), t.machine().stateHash(), t.machine().dump());
  }

  @Test
  void aHostMayTakeSeveralExitsForAList() throws BootException {
    Host slow = (memory, list, time) -> time % 2 == 0;
    LocoreRun r = run(Locore.image(), slow);
    assertThat(r.outcome().status()).as(r.console()).isEqualTo(LocoreRun.PASSED);
    assertThat(converted(r)).isEmpty();
    // A guest that asks once believes that it has what it has not.
    LocoreRun once = run(Locore.image("    jbe .states_exit\n", ""), slow);
    assertThat(converted(once)).isNotEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"reserved", "end", "back"})
  void aHostThatTurnsTheListIsNotBelieved(String what) throws BootException {
    Host host =
        (memory, list, time) -> {
          switch (what) {
            case "reserved" -> memory.write(list + 4, 4, 1);
            case "end" -> memory.write(list + 2, 2, 200);
            // Forwards, then backwards: lists of one entry are done by then.
            default -> memory.write(list, 2, 1 - memory.read(list, 2));
          }
          return true;
        };
    LocoreRun r = run(Locore.image(), host);
    assertThat(r.outcome().status()).isEqualTo(Outcome.GUEST_TERMINATED);
    assertThat(r.outcome().reason()).contains("page state change failed");
    assertThat(r.place()).contains("panic: snp: page state change failed");
  }
}
