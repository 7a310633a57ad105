package dev.vesper.machine.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/**
 * Published vectors of AMDESE/sev-tool and virtee/sev (V1, V2) and vectors recomputed with Python's
 * hashlib and hmac (V3, V4).
 */
final class LaunchVectorsTest {
  private static byte[] hex(String s) {
    return HexFormat.of().parseHex(s);
  }

  private static String hex(byte[] b) {
    return HexFormat.of().formatHex(b);
  }

  /** {@return consecutive numbers} */
  private static byte[] from(int first, int count) {
    byte[] b = new byte[count];
    for (int i = 0; i < count; i++) {
      b[i] = (byte) (first + i);
    }
    return b;
  }

  @Test
  void measurementOfNothing() {
    byte[] digest = SevCrypto.sha256();
    Measurement m =
        Measurement.of(
            new ApiVersion(0, 0x12, 0x0F),
            new GuestPolicy(0),
            digest,
            hex("4fbe0bedbad6c86ae8f68971d103e554"),
            hex("66320db73158a35a255d051758e95ed4"));

    assertThat(hex(m.measure()))
        .isEqualTo("6faab2daae389bcd3405a05d6cafe33c0414f7bedd0bae19ba5f38b7fd1664ea");
    assertThat(hex(m.encode())).endsWith("4fbe0bedbad6c86ae8f68971d103e554").hasSize(96);
  }

  @Test
  void sessionOfZeros() {
    byte[] z = new byte[16];
    byte[] master = LaunchSession.master(z, z);
    assertThat(hex(master)).isEqualTo("ab4d269fcc62bedb4511d56c386ce706");
    assertThat(hex(LaunchSession.kek(master))).isEqualTo("b6abfbfb75ea1ea74ed8750b8afdb973");
    assertThat(hex(LaunchSession.kik(master))).isEqualTo("53b524bf5669a363f365c864acba8572");
    LaunchSession s = LaunchSession.seal(z, z, z, new SessionKeys(z, z), new GuestPolicy(0));
    assertThat(hex(s.wrappedKeys()))
        .isEqualTo("2137bc7f9bb8bd7c3e55a576a15d3454b3856b8ba27afadf46dcfee9f02c02c4");
    assertThat(hex(s.wrapMac()))
        .isEqualTo("3176c0752738bd9d5e86689534020f528c088f16238826b000b327dee6aeed7d");
    assertThat(hex(s.policyMac()))
        .isEqualTo("aa7855e13839dd767cd5da7c1ff5036540c9264b7a803029315e55375287b4af");
  }

  private static LaunchSession counted() {
    return LaunchSession.seal(
        from(0, 32),
        from(0x20, 16),
        from(0x30, 16),
        new SessionKeys(from(0x40, 16), from(0, 16)),
        new GuestPolicy(7));
  }

  @Test
  void sessionOfCountedBytes() {
    byte[] master = LaunchSession.master(from(0, 32), from(0x20, 16));
    assertThat(hex(master)).isEqualTo("38e95ce1efe5f381302aea90bc123d3d");
    assertThat(hex(LaunchSession.kek(master))).isEqualTo("4485301cdf3408315091103bc069ae0e");
    assertThat(hex(LaunchSession.kik(master))).isEqualTo("e579e005d4dcc2c61e749d081257df3b");
    assertThat(hex(counted().encode()))
        .isEqualTo(
            hex(from(0x20, 16))
                + "d1b7cc506a54cff9e8c9c40693e8796b37c642aa8f59c1d81650cc5cf22b6a38"
                + hex(from(0x30, 16))
                + "d1c5c401927d73e0e5e38bba8c85704da66a4737d348bdd59e639d01155a2982"
                + "07cc252f9ae69ac4daca73277bc34ec1d0dd7ebc0ad4b3146efa85b20e00df09");
  }

  @Test
  void aSessionOpensForItsPlatformAndPolicyOnly() {
    LaunchSession s = LaunchSession.parse(counted().encode());
    assertThat(s.open(from(0, 32), new GuestPolicy(7)))
        .isEqualTo(new SessionKeys(from(0x40, 16), from(0, 16)));
    assertThatThrownBy(() -> s.open(from(1, 32), new GuestPolicy(7)))
        .hasMessageContaining("BAD_MEASUREMENT (0xb)")
        .hasMessageContaining("WRAP_MAC");
    assertThatThrownBy(() -> s.open(from(0, 32), new GuestPolicy(3)))
        .hasMessageContaining("POLICY_MAC")
        .hasMessageContaining("0x3 (NODBG NOKS)");
    assertThatThrownBy(() -> LaunchSession.parse(new byte[127]))
        .hasMessageContaining("128 bytes, not 127");
  }

  @Test
  void measurementAndSecretOfTwoProcessors() {
    SessionKeys keys = new SessionKeys(from(0x40, 16), from(0, 16));
    Measurement m =
        Measurement.of(
            new ApiVersion(1, 0x37, 0x0F),
            new GuestPolicy(7),
            hex("0df6c44ba8e9e87524e44b663618f60e57c37eb14df0773aad465e0dc2bbd316"),
            from(0x10, 16),
            keys.tik());
    assertThat(m).hasToString("dab3fa12f062ad18cc8066b22296c3e935f5071b3a06d89a45208895a5835176");
    byte[] text = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
    LaunchSecret s = LaunchSecret.seal(keys, from(0x80, 16), text, m);
    assertThat(hex(s.payload())).isEqualTo("049d9081711a9ace96daaf4c45c4ca90");
    assertThat(hex(s.header()))
        .isEqualTo(
            "00000000"
                + hex(from(0x80, 16))
                + "5f11b7624dd43980eab976ab2c1824bdeb9417de64b33919d596b866a5074a32");
    assertThat(s.open(keys, m)).isEqualTo(text);

    byte[] wrong = s.header();
    wrong[20] ^= 1;
    assertThatThrownBy(() -> new LaunchSecret(wrong, s.payload()).open(keys, m))
        .hasMessageContaining("BAD_MEASUREMENT");
    assertThatThrownBy(() -> new LaunchSecret(wrong, new byte[15]).open(keys, m))
        .hasMessageContaining("INVALID_LENGTH");
  }

  @Test
  void certificatesHoldPointsAndSignatures() {
    PlatformKeys platform = new PlatformKeys(1);
    byte[] chain = platform.chain();
    assertThat(chain).hasSize(4 * SevCertificate.BYTES);
    SevCertificate[] c = new SevCertificate[4];
    for (int i = 0; i < 4; i++) {
      c[i] =
          SevCertificate.parse(
              Arrays.copyOfRange(chain, i * SevCertificate.BYTES, (i + 1) * SevCertificate.BYTES));
    }
    assertThat(c[0].signedBy(c[1])).as("PDH by PEK").isTrue();
    assertThat(c[1].signedBy(c[2])).as("PEK by OCA").isTrue();
    assertThat(c[1].signedBy(c[3])).as("PEK by CEK").isTrue();
    assertThat(c[2].signedBy(c[2])).as("OCA by itself").isTrue();
    assertThat(c[0].signedBy(c[2])).as("PDH by OCA").isFalse();
    assertThat(c[0].isDiffieHellman()).isTrue();

    byte[] off = c[0].encode();
    off[0x14] ^= 1;
    assertThatThrownBy(() -> SevCertificate.parse(off)).hasMessageContaining("not a point");
    assertThatThrownBy(() -> SevCertificate.parse(new byte[100]))
        .hasMessageContaining("2084 bytes, not 100");
  }

  @Test
  void ownerAndPlatformAgree() {
    PlatformKeys platform = new PlatformKeys(7);
    Owner owner = Owner.fresh(platform.certificate(), new GuestPolicy(5));
    SevCertificate received = SevCertificate.parse(owner.certificate().encode());

    SessionKeys opened =
        LaunchSession.parse(owner.session().encode())
            .open(platform.agree(received), new GuestPolicy(5));

    assertThat(opened).isEqualTo(owner.keys());
    assertThat(opened).isNotEqualTo(Owner.fresh(platform.certificate(), new GuestPolicy(5)).keys());
    assertThatThrownBy(
            () -> owner.session().open(new PlatformKeys(8).agree(received), new GuestPolicy(5)))
        .isInstanceOf(CommandFailed.class);
  }

  @Test
  void secretsLieInATable() {
    Map<UUID, byte[]> entries = new LinkedHashMap<>();
    entries.put(UUID.fromString("736870e5-84f0-4973-92ec-06879ce3da0b"), new byte[] {1, 2, 3});
    byte[] t = SecretTable.of(entries);
    assertThat(hex(t))
        .isEqualTo(
            "42f5741edd71664d963eef4287ff173b2b000000"
                + "e5706873f084734992ec06879ce3da0b17000000"
                + "010203"
                + "00".repeat(5));
    assertThat(SecretTable.isTable(t)).isTrue();
    assertThat(SecretTable.isTable(new byte[64])).isFalse();
  }

  @Test
  void policiesAskForApiVersions() {
    assertThat(new GuestPolicy(0x3700_0100).defined()).isFalse();
    assertThat(new GuestPolicy(0x3701_0000).accepts(ApiVersion.CURRENT)).isTrue();
    assertThat(new GuestPolicy(0x3801_0000).accepts(ApiVersion.CURRENT)).isFalse();
    assertThat(new GuestPolicy(0x0002_0000).accepts(ApiVersion.CURRENT)).isFalse();
    assertThat(new GuestPolicy(0x1001_0005)).hasToString("0x10010005 (NODBG ES, API 1.16)");
  }
}
