package dev.vesper.ghcb;

import static dev.vesper.ghcb.GhcbField.CPL;
import static dev.vesper.ghcb.GhcbField.DR7;
import static dev.vesper.ghcb.GhcbField.R8;
import static dev.vesper.ghcb.GhcbField.RAX;
import static dev.vesper.ghcb.GhcbField.RBP;
import static dev.vesper.ghcb.GhcbField.RBX;
import static dev.vesper.ghcb.GhcbField.RCX;
import static dev.vesper.ghcb.GhcbField.RDI;
import static dev.vesper.ghcb.GhcbField.RDX;
import static dev.vesper.ghcb.GhcbField.RSI;
import static dev.vesper.ghcb.GhcbField.SW_EXITCODE;
import static dev.vesper.ghcb.GhcbField.SW_EXITINFO1;
import static dev.vesper.ghcb.GhcbField.SW_EXITINFO2;
import static dev.vesper.ghcb.GhcbField.SW_SCRATCH;
import static dev.vesper.ghcb.GhcbField.XCR0;
import static dev.vesper.ghcb.GhcbField.XSS;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.Set;
import java.util.function.ToLongFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What each non-automatic exit event exchanges, by AMD publication 56421, section 4.1. */
final class NaeEventTest {
  private static final ToLongFunction<GhcbField> NOTHING = f -> 0;

  private static ToLongFunction<GhcbField> with(Map<GhcbField, Long> values) {
    return f -> values.getOrDefault(f, 0L);
  }

  private static ToLongFunction<GhcbField> info1(long v) {
    return with(Map.of(SW_EXITINFO1, v));
  }

  @ParameterizedTest
  @EnumSource(NaeEvent.class)
  void anEventIsFoundByItsExitCode(NaeEvent e) {
    assertThat(NaeEvent.of(e.code)).isSameAs(e);
  }

  @Test
  void whatTheStandardDoesNotHaveIsNoEvent() {
    assertThat(NaeEvent.of(ExitCode.NPF)).isNull();
    assertThat(NaeEvent.of(-1)).isNull();
  }

  @ParameterizedTest
  @EnumSource(NaeEvent.class)
  void whatIsRequiredIsAllowedAndSoAreTheThreeOfEachExit(NaeEvent e) {
    assertThat(e.allowed(NOTHING))
        .containsAll(e.required(NOTHING))
        .contains(SW_EXITCODE, SW_EXITINFO1, SW_EXITINFO2);
  }

  @Test
  void cpuidAsksWithLeafAndIndexAndGetsFourRegisters() {
    assertThat(NaeEvent.CPUID.required(NOTHING)).isEqualTo(Set.of(RAX, RCX));
    assertThat(NaeEvent.CPUID.answered(NOTHING)).isEqualTo(Set.of(RAX, RBX, RCX, RDX));
    assertThat(NaeEvent.CPUID.allowed(NOTHING)).contains(XCR0).doesNotContain(XSS);
  }

  @Test
  void leafDNeedsXcr0AndItsFirstSubleafMayHaveXss() {
    ToLongFunction<GhcbField> leaf = with(Map.of(RAX, 0xDL, RCX, 1L));
    assertThat(NaeEvent.CPUID.required(leaf)).contains(XCR0);
    assertThat(NaeEvent.CPUID.allowed(leaf)).contains(XSS);
    assertThat(NaeEvent.CPUID.allowed(with(Map.of(RAX, 0xDL)))).doesNotContain(XSS);
    assertThat(NaeEvent.CPUID.allowed(with(Map.of(RAX, 7L, RCX, 1L)))).doesNotContain(XSS);
    assertThat(NaeEvent.CPUID.required(with(Map.of(RAX, 0xF_0000_000DL))))
        .as("the leaf is EAX")
        .contains(XCR0);
    assertThat(NaeEvent.MSR.allowed(leaf)).doesNotContain(XSS);
  }

  /** SW_EXITINFO1 of IOIO: bit 0 is IN, bit 2 a string. */
  @Test
  void portsExchangeRaxOrTheScratchArea() {
    assertThat(NaeEvent.IOIO.required(info1(0x10))).as("OUT").isEqualTo(Set.of(RAX));
    assertThat(NaeEvent.IOIO.answered(info1(0x10))).isEmpty();
    assertThat(NaeEvent.IOIO.required(info1(0x11))).as("IN").isEmpty();
    assertThat(NaeEvent.IOIO.answered(info1(0x11))).isEqualTo(Set.of(RAX));
    assertThat(NaeEvent.IOIO.required(info1(0x14))).as("OUTS").isEqualTo(Set.of(SW_SCRATCH));
    assertThat(NaeEvent.IOIO.required(info1(0x15))).as("INS").isEqualTo(Set.of(SW_SCRATCH));
    assertThat(NaeEvent.IOIO.answered(info1(0x15))).isEmpty();
  }

  @Test
  void msrsAreReadWithRcxAndWrittenWithThree() {
    assertThat(NaeEvent.MSR.required(info1(0))).isEqualTo(Set.of(RCX));
    assertThat(NaeEvent.MSR.answered(info1(0))).isEqualTo(Set.of(RAX, RDX));
    assertThat(NaeEvent.MSR.required(info1(1))).isEqualTo(Set.of(RAX, RCX, RDX));
    assertThat(NaeEvent.MSR.answered(info1(1))).isEmpty();
  }

  @Test
  void counterReadsAnswerInRaxAndRdx() {
    assertThat(NaeEvent.RDTSC.required(NOTHING)).isEmpty();
    assertThat(NaeEvent.RDTSC.answered(NOTHING)).isEqualTo(Set.of(RAX, RDX));
    assertThat(NaeEvent.RDTSCP.answered(NOTHING)).isEqualTo(Set.of(RAX, RCX, RDX));
    assertThat(NaeEvent.RDPMC.required(NOTHING)).isEqualTo(Set.of(RCX));
    assertThat(NaeEvent.RDPMC.answered(NOTHING)).isEqualTo(Set.of(RAX, RDX));
  }

  @Test
  void dr7IsReadAndWritten() {
    assertThat(NaeEvent.DR7_READ.answered(NOTHING)).isEqualTo(Set.of(DR7));
    assertThat(NaeEvent.DR7_WRITE.required(NOTHING)).isEqualTo(Set.of(RAX));
    assertThat(NaeEvent.DR7_WRITE.answered(NOTHING)).isEmpty();
  }

  @Test
  void vmmcallAsksWithRaxAndCplAndMayGiveTheArgumentsOfKvm() {
    assertThat(NaeEvent.VMMCALL.required(NOTHING)).isEqualTo(Set.of(RAX, CPL));
    assertThat(NaeEvent.VMMCALL.allowed(NOTHING)).contains(RBX, RCX, RDX, RSI, RDI, RBP, R8);
    assertThat(NaeEvent.VMMCALL.answered(NOTHING)).isEqualTo(Set.of(RAX));
  }

  @Test
  void mmioUsesTheScratchArea() {
    assertThat(NaeEvent.MMIO_READ.required(NOTHING)).isEqualTo(Set.of(SW_SCRATCH));
    assertThat(NaeEvent.MMIO_WRITE.required(NOTHING)).isEqualTo(Set.of(SW_SCRATCH));
  }

  @ParameterizedTest
  @EnumSource(
      value = NaeEvent.class,
      names = {
        "SNP_PAGE_STATE_CHANGE", "SNP_GUEST_REQUEST", "SNP_EXTENDED_GUEST_REQUEST",
        "SNP_AP_CREATION", "HV_FEATURES", "TERMINATION"
      })
  void theseCameWithProtocolVersion2(NaeEvent e) {
    assertThat(e.version).isEqualTo(2);
  }

  @ParameterizedTest
  @ValueSource(strings = {"CPUID", "IOIO", "MSR", "MMIO_READ", "AP_RESET_HOLD", "NMI_COMPLETE"})
  void theseAreThereFromVersion1(String name) {
    assertThat(NaeEvent.valueOf(name).version).isEqualTo(1);
  }
}
