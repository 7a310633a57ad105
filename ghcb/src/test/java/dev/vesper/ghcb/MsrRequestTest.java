package dev.vesper.ghcb;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The MSR protocol, by AMD publication 56421, section 2.3.1, exit codes by name, and the page. */
final class MsrRequestTest {
  @Test
  void theInfoIsTheLowTwelveBits() {
    assertThat(MsrRequest.info(0x1234_5678_9ABC_DEF0L)).isEqualTo(0xEF0);
    assertThat(MsrRequest.info(-1)).isEqualTo(0xFFF);
  }

  @Test
  void sevInformationHasVersionsAndTheEncryptionBit() {
    assertThat(MsrRequest.sevInfo(0xFFFF, 2, 47)).isEqualTo(0xFFFF_0002_2F00_0001L);
    assertThat(MsrRequest.explain(0xFFFE_0002_2F00_0001L))
        .isEqualTo("SEV_INFO max=65534 min=2 C-bit=47");
  }

  @Test
  void cpuidRequestsNameLeafAndRegister() {
    for (int register = 0; register < 4; register++) {
      long v = MsrRequest.cpuidRequest(0x8000_001F, register);
      assertThat(v >>> 32).isEqualTo(0x8000_001FL);
      assertThat((int) (v >>> 30) & 3).isEqualTo(register);
      assertThat(MsrRequest.info(v)).isEqualTo(4);
      String name = new String[] {"EAX", "EBX", "ECX", "EDX"}[register];
      assertThat(MsrRequest.explain(v)).isEqualTo("CPUID_REQ leaf=0x8000001f " + name);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0x12345000, GHCB GPA 0x12345000",
    "0x002, SEV_INFO_REQ",
    "0x006, AP_RESET_HOLD_REQ",
    "0x1007, AP_RESET_HOLD_RESP 1",
    "0x010, PREFERRED_GHCB_REQ",
    "0x5011, PREFERRED_GHCB_RESP 0x5",
    "0x7012, REGISTER_GHCB_REQ 0x7",
    "0x7013, REGISTER_GHCB_RESP 0x7",
    "0x080, HV_FEATURES_REQ",
    "0x3081, HV_FEATURES_RESP 0x3 (SNP AP_CREATION)",
    "0x1100, 'TERM_REQ reason set 1 (Linux) code 0: GHCB registration refused'",
    "0x20100, TERM_REQ reason set 0 code 2: SNP features not supported",
    "0x52100, TERM_REQ reason set 2 code 5: no name known",
    "0xFFF, unknown request 0xfff"
  })
  void valuesAreExplained(String value, String words) {
    assertThat(MsrRequest.explain(Long.decode(value))).isEqualTo(words);
  }

  @ParameterizedTest
  @CsvSource({
    "0x7012, REGISTER_GHCB_REQ",
    "0x002, SEV_INFO_REQ",
    "0xFFF, unknown request 0xfff",
    "0x100, TERM_REQ"
  })
  void aNameIsTheExplanationWithoutItsData(String value, String name) {
    assertThat(MsrRequest.name(Long.decode(value))).isEqualTo(name);
  }

  @ParameterizedTest
  @CsvSource({
    "0x00, SVM_VMEXIT_CR0_READ",
    "0x0F, SVM_VMEXIT_CR15_READ",
    "0x10, SVM_VMEXIT_CR0_WRITE",
    "0x1F, SVM_VMEXIT_CR15_WRITE",
    "0x20, SVM_VMEXIT_DR0_READ",
    "0x2F, SVM_VMEXIT_DR15_READ",
    "0x30, SVM_VMEXIT_DR0_WRITE",
    "0x3F, SVM_VMEXIT_DR15_WRITE",
    "0x40, SVM_VMEXIT_EXCP0",
    "0x5F, SVM_VMEXIT_EXCP31",
    "0x60, SVM_VMEXIT_INTR",
    "0x8F, SVM_VMEXIT_EFER_WRITE_TRAP",
    "0x90, SVM_VMEXIT_CR0_WRITE_TRAP",
    "0x9F, SVM_VMEXIT_CR15_WRITE_TRAP",
    "0xA0, SVM_VMEXIT_INVLPGB",
    "0xA7, 0xa7",
    "0xFFFFFFFF, SVM_VMEXIT_INVALID",
    "0xFFFFFFFE, SVM_VMEXIT_BUSY",
    "0x8000FFFE, SVM_VMGEXIT_TERMINATION",
    "0x12345, 0x12345"
  })
  void exitCodesAndNamesLeadToEachOther(String code, String name) {
    int c = Long.decode(code).intValue();
    assertThat(ExitCode.name(c)).isEqualTo(name);
    assertThat(ExitCode.of(name)).isEqualTo(OptionalInt.of(c));
  }

  @ParameterizedTest
  @CsvSource({"SVM_VMEXIT_NONSENSE", "0x72", "0x0012345", "0xABCDE", "72", "''", "0x123456789"})
  void whatNoCodeIsCalledHasNone(String name) {
    assertThat(ExitCode.of(name)).isEmpty();
  }

  @Test
  void numbersInThePageAreLittleEndianAndAsWideAsTheirFields() {
    byte[] b = new byte[GhcbPage.SIZE];
    GhcbPage p = new GhcbPage(b);
    p.put(GhcbField.RAX, 0x8877_6655_4433_2211L);
    assertThat(p.get(GhcbField.RAX)).isEqualTo(0x8877_6655_4433_2211L);
    assertThat(b[0x1F8]).isEqualTo((byte) 0x11);
    assertThat(b[0x1FF]).isEqualTo((byte) 0x88);
    assertThat(p.isValid(GhcbField.RAX)).as("put leaves the bitmap").isFalse();
    p.put(GhcbField.CPL, 0x103);
    assertThat(p.get(GhcbField.CPL)).isEqualTo(3);
    assertThat(b[0x0CC]).isZero();
    p.set(GhcbField.RBX, 7);
    p.set(GhcbField.RCX, 8);
    assertThat(p.isValid(GhcbField.RBX)).isTrue();
    assertThat(p.values()).isEqualTo(Map.of(GhcbField.RBX, 7L, GhcbField.RCX, 8L));
    b[GhcbPage.USAGE] = 1;
    b[GhcbPage.USAGE + 3] = (byte) 0x80;
    b[GhcbPage.PROTOCOL_VERSION] = 2;
    b[GhcbPage.PROTOCOL_VERSION + 1] = 1;
    assertThat(p.usage()).isEqualTo(0x8000_0001);
    assertThat(p.protocolVersion()).isEqualTo(0x102);
  }
}
