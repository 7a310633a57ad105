package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.MachineOptions;
import dev.vesper.machine.boot.BootException;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.sev.SevMode;
import java.io.BufferedWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringWriter;
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
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    LocoreRun r =
        LocoreRun.run(
            MachineOptions.of(SevMode.ES, Locore.image(), out::write).withMemory(64L << 20), out);
    assertThat(r.outcome().status()).as(r.console()).isEqualTo(LocoreRun.PASSED);
  }

  @Test
  void underEsEveryHandlerAndExchangeIsSeen() throws BootException {
    LocoreRun r = LocoreRun.run(SevMode.ES, Locore.image());
    var names = r.events().stream().map(e -> e.kind() + " " + e.name()).collect(Collectors.toSet());
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
                e.kind().equals("msr_protocol")
                    && e.details().toString().contains("CPUID_REQ leaf=0x8000001f"));
    assertThat(r.events())
        .anyMatch(e -> e.kind().equals("vc") && e.instruction().equals("cpuid") && e.bits() == 32);
    assertThat(r.events())
        .anyMatch(e -> e.kind().equals("vc") && e.instruction().equals("in al,0x71"));
  }

  /** Traces name places, early code at its physical address too. */
  @Test
  void tracesHaveSymbols() throws BootException {
    LocoreRun r = LocoreRun.run(SevMode.ES, Locore.image());
    // The launch comes before the first instruction.
    assertThat(r.events().get(0).kind()).isEqualTo("launch");
    assertThat(r.events().stream().skip(1))
        .noneMatch(e -> e.vcpu() == 0 && e.cpl() == 0 && e.symbol().isEmpty());
    assertThat(r.events())
        .anyMatch(e -> e.kind().equals("vc") && e.bits() == 32 && e.symbol().startsWith("start+"))
        .anyMatch(
            e ->
                e.kind().equals("msr_protocol")
                    && e.bits() == 32
                    && e.symbol().startsWith("vc_cpuid32+"))
        .anyMatch(e -> e.kind().equals("ghcb") && e.symbol().startsWith("ghcb_vmgexit+"));
  }

  @Test
  void theSecondProcessorComesOutOfResetHoldThroughTheJumpTable() throws BootException {
    LocoreRun r = LocoreRun.run(SevMode.ES, Locore.image());
    var second = r.events("msr_protocol").filter(e -> e.vcpu() == 1).toList();
    assertThat(second.get(0).details().get("request")).isEqualTo("AP_RESET_HOLD_REQ");
    assertThat(second.get(0).bits()).isEqualTo(16);
    assertThat(r.events().stream().filter(e -> e.vcpu() == 1))
        .anyMatch(e -> e.kind().equals("vc") && e.symbol().startsWith("ap_main+"))
        .anyMatch(e -> e.kind().equals("ghcb"));
    assertThat(r.events())
        .anyMatch(e -> e.name().equals("SVM_VMGEXIT_AP_JUMP_TABLE") && e.vcpu() == 0);
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
      StringWriter text = new StringWriter();
      try (JsonLinesWriter w = new JsonLinesWriter(new BufferedWriter(text))) {
        r.events().forEach(w::accept);
      }
      if (i == 0) {
        firstTrace = text.toString();
        firstHash = r.hash();
        assertThat(firstTrace).startsWith("{\"schema\":\"vesper.trace/2\"");
      }
      assertThat(text.toString()).isEqualTo(firstTrace);
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
              MachineOptions.of(SevMode.ES, Locore.image(), b -> {})
                  .withMemory(64L << 20)
                  .withProfile(profile)
                  .withProcessors(profile.equals("kvm") ? 2 : 1)
                  .withCpu("vesper-min,+xsave"));
      alone.limit(50_000_000L, Long.MAX_VALUE);
      alone.run();
      assertThat(alone.stateHash()).isEqualTo(watched.hash());
      assertThat(alone.instructions()).isEqualTo(watched.machine().instructions());
    }
  }
}
