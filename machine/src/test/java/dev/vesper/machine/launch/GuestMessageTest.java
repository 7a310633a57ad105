package dev.vesper.machine.launch;

import static dev.vesper.machine.launch.SnpVectors.hex;
import static dev.vesper.machine.launch.SnpVectors.text;
import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.format.JsonTree;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Messages to the secure processor against vectors, byte for byte (spec: snp 7.1, 7.3). */
final class GuestMessageTest {
  private static final Map<String, Object> VECTOR = SnpVectors.file("guest_messages.json");

  private static byte[] key() {
    return hex(text(VECTOR, "vmpck0"));
  }

  static Stream<Map<String, Object>> exchanges() {
    return SnpVectors.objects(VECTOR.get("exchanges"));
  }

  private static AttestationReport report() {
    Map<String, Object> reports = JsonTree.object(SnpVectors.file("reports.json").get("reports"));
    return new AttestationReport(hex(text(reports, "v2")));
  }

  @ParameterizedTest
  @MethodSource("exchanges")
  void bothMessagesAreOpenedAndSealed(Map<String, Object> e) {
    for (String m : List.of("request", "response")) {
      byte[] sealed = hex(text(e, m));
      GuestMessage opened = Objects.requireNonNull(GuestMessage.open(sealed, key()), m);
      assertThat(opened.seal(key())).isEqualTo(sealed);
      if (e.containsKey(m + "_plain")) {
        assertThat(opened.payload()).isEqualTo(hex(text(e, m + "_plain")));
      }
    }
  }

  @Test
  void aReportsResponseHoldsTheReport() {
    Map<String, Object> e = exchanges().findFirst().orElseThrow();
    byte[] p = Objects.requireNonNull(GuestMessage.open(hex(text(e, "response")), key())).payload();
    assertThat(Arrays.copyOfRange(p, 0x20, p.length)).isEqualTo(report().encode());
  }

  @Test
  void derivedKeysAreThoseOfTheVectors() {
    Map<String, Object> e = exchanges().skip(1).findFirst().orElseThrow();
    DerivedKey.Request r =
        new DerivedKey.Request(
            true,
            DerivedKey.POLICY | DerivedKey.IMAGE | DerivedKey.FAMILY | DerivedKey.MEASUREMENT,
            0,
            0,
            0);
    assertThat(DerivedKey.mix(r, report())).isEqualTo(hex(text(e, "mix_data")));
    byte[] root = hex(text(e, "vmrk"));
    byte[] response = hex(text(e, "response_plain"));
    assertThat(DerivedKey.of(root, r, report())).isEqualTo(Arrays.copyOfRange(response, 32, 64));
    Map<String, Object> extra = JsonTree.object(VECTOR.get("key_derivation_extra"));
    DerivedKey.Request bare = new DerivedKey.Request(true, 0, 1, 0, 0);
    assertThat(DerivedKey.mix(bare, report())).isEqualTo(hex(text(extra, "mix_data")));
    assertThat(DerivedKey.of(root, bare, report())).isEqualTo(hex(text(extra, "derived")));
  }

  /** The nonce is the sequence number; bytes 0x30 to 0x5F are authenticated; so is the payload. */
  @Test
  void anyBitThatCountsBreaksTheTag() {
    byte[] good = hex(text(exchanges().skip(1).findFirst().orElseThrow(), "request"));
    int[] counts =
        IntStream.of(0, 15, 0x20, 0x27, 0x31, 0x34, 0x35, 0x3C, 0x3D, 0x5F, 0x60, 0x7F).toArray();
    for (int at : counts) {
      byte[] b = good.clone();
      b[at] ^= 1;
      assertThat(GuestMessage.open(b, key())).as("0x%x", at).isNull();
    }
    byte[] unused = good.clone();
    unused[0x10] ^= 1;
    assertThat(GuestMessage.open(unused, key())).isNotNull();
    byte[] other = key();
    other[31] ^= 1;
    assertThat(GuestMessage.open(good, other)).isNull();
  }

  @Test
  void typesHaveTheirNumbers() {
    assertThat(GuestMessageType.of(5)).isEqualTo(GuestMessageType.REPORT_REQ);
    assertThat(GuestMessageType.TSC_INFO_RSP.number()).isEqualTo(0x12);
    assertThat(GuestMessageType.of(0)).isNull();
    assertThat(GuestMessageType.of(0x13)).isNull();
  }
}
