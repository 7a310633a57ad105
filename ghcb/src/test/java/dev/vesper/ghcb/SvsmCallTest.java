package dev.vesper.ghcb;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Calls of a service module and their results (spec: snp 4.3). */
final class SvsmCallTest {
  @ParameterizedTest
  @CsvSource({
    "0, CORE_REMAP_CA",
    "1, CORE_PVALIDATE",
    "2, CORE_CREATE_VCPU",
    "3, CORE_DELETE_VCPU",
    "6, CORE_QUERY_PROTOCOL",
    "0x100000000, ATTEST_SERVICES",
    "0x200000001, VTPM_COMMAND"
  })
  void callsAreKnownByRax(String rax, SvsmCall call) {
    assertThat(SvsmCall.of(Long.decode(rax))).isEqualTo(call);
    assertThat(call.rax()).isEqualTo(Long.decode(rax));
  }

  @Test
  void whatIsNotKnownIsNumbered() {
    assertThat(SvsmCall.of(8)).isNull();
    assertThat(SvsmCall.name(8)).isEqualTo("SVSM protocol core call 8");
    assertThat(SvsmCall.name(9L << 32 | 3)).isEqualTo("SVSM protocol 9 call 3");
    assertThat(SvsmCall.isProtocol(4L << 32)).isTrue();
    assertThat(SvsmCall.isProtocol(5L << 32)).isFalse();
    assertThat(SvsmCall.isProtocol(-1)).isFalse();
  }

  @Test
  void registersHaveNames() {
    assertThat(SvsmCall.request(2, 0x1000, 0x2000, 3, 4))
        .isEqualTo("save area 0x1000, calling area 0x2000, APIC ID 0x3");
    assertThat(SvsmCall.response(6, 0, 0x1_0000_0001L, 7, 8))
        .isEqualTo("success: versions 0x100000001");
    assertThat(SvsmCall.response(6, 0x8000_0001L, 1, 2, 3)).isEqualTo("unsupported protocol");
    assertThat(SvsmCall.response(1L << 32, 0x8000_0005L, 1, 2, 3))
        .isEqualTo("invalid parameter: manifest size 0x1, certificates size 0x2, report size 0x3");
  }

  @Test
  void resultsHaveNames() {
    assertThat(SvsmResult.name(0x8000_1006L)).isEqualTo("the protocol's result 6");
    assertThat(SvsmResult.name(5)).isEqualTo("result 0x5");
    assertThat(SvsmResult.isRetried(0x8000_0000L)).isTrue();
    assertThat(SvsmResult.isRetried(0x8000_0007L)).isTrue();
    assertThat(SvsmResult.isRetried(0)).isFalse();
  }
}
