package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.machine.observe.format.EventCodec;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The reference guest. */
final class LocoreTest {
  /** Every profile, every mode, and with them every way of launching. */
  @ParameterizedTest
  @CsvSource({
    "kvm, OFF, legacy",
    "kvm, SEV, legacy",
    "kvm, ES, legacy",
    "openbsd:2025-06, OFF, compatibility",
    "openbsd:2025-06, SEV, compatibility",
    "openbsd:2025-06, ES, compatibility",
    "openbsd:2025-09, OFF, compatibility",
    "openbsd:2025-09, SEV, compatibility",
    "openbsd:2025-09, ES, compatibility",
    "openbsd:2026, OFF, legacy",
    "openbsd:2026, SEV, legacy",
    "openbsd:2026, ES, legacy"
  })
  void theSelfTestPasses(String profile, SevMode mode, String entry) throws BootException {
    LocoreRun r = LocoreRun.run(profile, mode, Locore.image());
    assertThat(r.console())
        .contains("entered in 32-bit " + entry + " mode")
        .contains("locore: self-test passed")
        .doesNotContain("FAILED");
    assertThat(r.outcome().status()).isEqualTo(LocoreRun.PASSED);
    // What a host does not offer is said, and it is no more than this.
    long missing = r.console().lines().filter(l -> l.endsWith("not offered by this host")).count();
    assertThat(missing).isEqualTo(profile.equals("kvm") ? 0 : 2);
  }

  @Test
  void theSelfTestPassesWithOneProcessorAndWithoutXsave() throws BootException {
    LocoreRun r =
        LocoreRun.run(
            MachineSpec.builder(SevMode.ES, Locore.image(), b -> {}).memoryBytes(64L << 20));
    assertThat(r.outcome().status()).as(r.console()).isEqualTo(LocoreRun.PASSED);
  }

  @Test
  void underEsEveryHandlerAndExchangeIsSeen() throws BootException {
    LocoreRun r = LocoreRun.run(SevMode.ES, Locore.image());
    var names =
        r.events().stream()
            .map(e -> EventCodec.kind(e) + " " + EventCodec.name(e))
            .collect(Collectors.toSet());
    assertThat(names)
        .contains(
            "vc SVM_VMEXIT_CPUID",
            "vc SVM_VMEXIT_MSR",
            "vc SVM_VMEXIT_IOIO",
            "vc SVM_VMEXIT_WBINVD",
            "vc SVM_VMEXIT_DR7_WRITE",
            "ghcb SVM_VMEXIT_CPUID",
            "ghcb SVM_VMEXIT_MSR",
            "ghcb SVM_VMEXIT_IOIO",
            "write_trap SVM_VMEXIT_CR0_WRITE_TRAP",
            "write_trap SVM_VMEXIT_CR4_WRITE_TRAP",
            "write_trap SVM_VMEXIT_EFER_WRITE_TRAP");
    assertThat(r.events())
        .anyMatch(
            e ->
                e instanceof MsrExchange x
                    && MsrRequest.explain(x.request()).contains("CPUID_REQ leaf=0x8000001f"));
    assertThat(r.events(VcRaised.class).map(VcRaised::at))
        .anyMatch(at -> at.instruction().equals("cpuid") && at.bits() == 32)
        .anyMatch(at -> at.instruction().equals("in al,0x71"));
  }

  /** Traces name places, early code at its physical address too. */
  @Test
  void tracesHaveSymbols() throws BootException {
    LocoreRun r = LocoreRun.run(SevMode.ES, Locore.image());
    // The launch comes before the first instruction.
    assertThat(r.events().get(0)).isInstanceOf(Event.Launched.class);
    assertThat(r.events().stream().skip(1).map(Event::at))
        .noneMatch(at -> at.vcpu() == 0 && at.cpl() == 0 && at.symbol().isEmpty());
    assertThat(r.events(VcRaised.class).map(VcRaised::at))
        .anyMatch(at -> at.bits() == 32 && at.symbol().startsWith("start+"));
    assertThat(r.events(MsrExchange.class).map(MsrExchange::at))
        .anyMatch(at -> at.bits() == 32 && at.symbol().startsWith("vc_cpuid32+"));
    assertThat(r.events(GhcbExchange.class).map(GhcbExchange::at))
        .anyMatch(at -> at.symbol().startsWith("ghcb_vmgexit+"));
  }

  @Test
  void theSecondProcessorComesOutOfResetHoldThroughTheJumpTable() throws BootException {
    LocoreRun r = LocoreRun.run(SevMode.ES, Locore.image());
    var second = r.events(MsrExchange.class).filter(e -> e.at().vcpu() == 1).toList();
    assertThat(second.get(0).request()).isEqualTo(MsrRequest.AP_RESET_HOLD_REQ);
    assertThat(second.get(0).at().bits()).isEqualTo(16);
    assertThat(r.events().stream().filter(e -> e.at().vcpu() == 1))
        .anyMatch(e -> e instanceof VcRaised && e.at().symbol().startsWith("ap_main+"))
        .anyMatch(e -> e instanceof GhcbExchange);
    assertThat(r.events(GhcbExchange.class))
        .anyMatch(e -> e.exit() == ExitCode.AP_JUMP_TABLE && e.at().vcpu() == 0);
  }

  private static Stream<Arguments> mutants() throws IOException {
    try (InputStream in = LocoreTest.class.getResourceAsStream("mutants.txt")) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8)
              .lines()
              .filter(l -> !l.isBlank() && !l.startsWith("#"))
              .map(l -> Arguments.of((Object[]) l.split("\\|", -1)))
              .toList()
              .stream();
    }
  }

  /** Hosts under which the unbroken guest has been seen to pass. */
  private static final Set<String> WHOLE = new HashSet<>();

  /** One handler broken on purpose: the guest fails, and says or shows where. */
  @ParameterizedTest
  @MethodSource("mutants")
  void aBrokenHandlerIsNoticedByName(
      String profile, String place, String intercepts, String find, String replacement)
      throws BootException {
    byte[] broken = Locore.image(find.replace("\\n", "\n"), replacement.replace("\\n", "\n"));
    assertThat(broken).as("the mutation applies").isNotEqualTo(Locore.image());
    String[] more = intercepts.isEmpty() ? new String[0] : intercepts.split(",");
    if (WHOLE.add(profile + " " + intercepts)) {
      LocoreRun whole = LocoreRun.run(profile, SevMode.ES, Locore.image(), more);
      assertThat(whole.outcome().status()).as(whole.console()).isEqualTo(LocoreRun.PASSED);
    }
    LocoreRun r = LocoreRun.run(profile, SevMode.ES, broken, more);
    assertThat(r.outcome().status()).isNotEqualTo(LocoreRun.PASSED).isNotEqualTo(125);
    assertThat(r.place()).as("%s%n%s", r.outcome(), r.console()).contains(place);
  }

  @Tag("slow")
  @Test
  void tenRunsHaveOneTraceAndOneHash() throws BootException, IOException {
    String firstTrace = "";
    String firstHash = "";
    for (int i = 0; i < 10; i++) {
      LocoreRun r = LocoreRun.run(SevMode.ES, Locore.image());
      ByteArrayOutputStream text = new ByteArrayOutputStream();
      try (JsonLinesWriter w = new JsonLinesWriter(text)) {
        r.events().forEach(w::accept);
      }
      if (i == 0) {
        firstTrace = text.toString(StandardCharsets.UTF_8);
        firstHash = r.hash();
        assertThat(firstTrace).startsWith("{\"schema\":\"vesper.trace/2\"");
      }
      assertThat(text.toString(StandardCharsets.UTF_8)).isEqualTo(firstTrace);
      assertThat(r.hash()).isEqualTo(firstHash);
    }
  }

  /** Watching the GHCB, following answers and counting blocks must not change the run. */
  @Test
  void observersChangeNothing() throws BootException {
    for (String profile : new String[] {"kvm", "openbsd"}) {
      LocoreRun watched = LocoreRun.run(profile, SevMode.ES, Locore.image());
      Machine alone =
          new Machine(
              MachineSpec.builder(SevMode.ES, Locore.image(), b -> {})
                  .memoryBytes(64L << 20)
                  .profile(profile)
                  .processors(profile.equals("kvm") ? 2 : 1)
                  .cpuModel("vesper-min,+xsave")
                  .build());
      alone.limit(50_000_000L, Long.MAX_VALUE);
      alone.run();
      assertThat(alone.stateHash()).isEqualTo(watched.hash());
      assertThat(alone.instructions()).isEqualTo(watched.machine().instructions());
    }
  }
}
