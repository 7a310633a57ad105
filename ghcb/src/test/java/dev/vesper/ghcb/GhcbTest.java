package dev.vesper.ghcb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Layout, valid bitmap, MSR protocol and names. */
final class GhcbTest {
  @ParameterizedTest
  @CsvSource({
    "CPL, 0x0CB, 3, 1",
    "XSS, 0x140, 5, 0",
    "DR7, 0x160, 5, 4",
    "RAX, 0x1F8, 7, 7",
    "RCX, 0x308, 12, 1",
    "RDX, 0x310, 12, 2",
    "RBX, 0x318, 12, 3",
    "SW_EXITCODE, 0x390, 14, 2",
    "SW_EXITINFO1, 0x398, 14, 3",
    "SW_EXITINFO2, 0x3A0, 14, 4",
    "SW_SCRATCH, 0x3A8, 14, 5",
    "XCR0, 0x3E8, 15, 5"
  })
  void eachFieldHasItsOffsetAndValidBit(GhcbField f, String offset, int b, int bit) {
    byte[] page = new byte[4096];
    GhcbPage g = new GhcbPage(page);
    assertThat(f.offset).isEqualTo(Integer.decode(offset));
    g.set(f, 0x5A);
    assertThat(page[GhcbPage.VALID_BITMAP + b]).isEqualTo((byte) (1 << bit));
    assertThat(page[f.offset]).isEqualTo((byte) 0x5A);
    assertThat(g.valid()).containsExactly(f);
    assertThat(g.get(f)).isEqualTo(0x5A);
    g.clearValid();
    assertThat(g.valid()).isEmpty();
  }

  @Test
  void aShortPageIsRefused() {
    assertThatThrownBy(() -> new GhcbPage(new byte[100])).hasMessageContaining("4096");
  }

  @Test
  void msrProtocolValues() {
    assertThat(MsrRequest.sevInfo(2, 1, 51)).isEqualTo(0x0002_0001_3300_0001L);
    assertThat(MsrRequest.cpuidRequest(0x8000_001F, 1)).isEqualTo(0x8000_001F_4000_0004L);
    assertThat(MsrRequest.explain(0x5_1100)).contains("set 1").contains("CPUID failed: hypervisor");
    assertThat(MsrRequest.explain(0x0000_0073_4000_0005L)).contains("EBX=0x73");
  }

  @ParameterizedTest
  @CsvSource({
    "0x72, SVM_VMEXIT_CPUID", "0x7B, SVM_VMEXIT_IOIO", "0x37, SVM_VMEXIT_DR7_WRITE",
    "0x8F, SVM_VMEXIT_EFER_WRITE_TRAP", "0x94, SVM_VMEXIT_CR4_WRITE_TRAP", "0x41, SVM_VMEXIT_EXCP1",
    "0x400, SVM_VMEXIT_NPF", "0x403, SVM_VMEXIT_VMGEXIT", "0x80000001, SVM_VMGEXIT_MMIO_READ",
    "0x7F, SVM_VMEXIT_SHUTDOWN", "0x64, SVM_VMEXIT_VINTR", "0x8D, SVM_VMEXIT_XSETBV"
  })
  void exitCodesHaveTheManualsNames(String code, String name) {
    assertThat(ExitCode.name(Long.decode(code).intValue())).isEqualTo(name);
  }
}
