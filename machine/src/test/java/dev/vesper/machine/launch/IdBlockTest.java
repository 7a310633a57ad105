package dev.vesper.machine.launch;

import static dev.vesper.machine.launch.SnpVectors.hex;
import static dev.vesper.machine.launch.SnpVectors.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.observe.format.JsonTree;
import java.math.BigInteger;
import java.util.Base64;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** ID blocks and who signs them (spec: snp 6.5). */
final class IdBlockTest {
  private static final Map<String, Object> VECTOR = SnpVectors.file("id_block.json");

  private static byte[] block() {
    return hex(text(VECTOR, "id_block"));
  }

  private static byte[] authentication() {
    return Base64.getDecoder().decode(text(VECTOR, "id_auth_page_b64"));
  }

  @Test
  void theBlockFieldByField() {
    IdBlock b = IdBlock.parse(block());
    assertThat(hex(b.digest())).startsWith("2f0f93f77f087550").endsWith("413aef2c");
    assertThat(hex(b.familyId())).isEqualTo("101112131415161718191a1b1c1d1e1f");
    assertThat(hex(b.imageId())).isEqualTo("202122232425262728292a2b2c2d2e2f");
    assertThat(b.version()).isEqualTo(IdBlock.VERSION);
    assertThat(b.guestSvn()).isEqualTo(7);
    assertThat(b.policy()).isEqualTo(SnpPolicy.DEFAULT);
    assertThat(b.encode()).isEqualTo(block());
    assertThatThrownBy(() -> IdBlock.parse(new byte[95])).hasMessageContaining("96 bytes, not 95");
  }

  @Test
  void theKeysOfTheVectorSign() {
    IdAuthentication a = new IdAuthentication(authentication());
    IdBlock b = IdBlock.parse(block());
    assertThat(a.idKeyAlgorithm()).isEqualTo(IdAuthentication.ECDSA_P384_SHA384);
    assertThat(a.authorKeyAlgorithm()).isEqualTo(IdAuthentication.ECDSA_P384_SHA384);
    assertThat(a.signs(b)).isTrue();
    assertThat(a.authorSigns()).isTrue();
    assertThat(hex(IdAuthentication.digest(a.idKey())))
        .isEqualTo(text(VECTOR, "id_key_blob_sha384"));
    assertThat(hex(IdAuthentication.digest(a.authorKey())))
        .isEqualTo(text(VECTOR, "author_key_blob_sha384"));
  }

  /** ECDSA by RFC 6979: the whole page byte for byte. */
  @Test
  void theSignedPageIsThatOfTheVector() {
    IdKey id = IdKey.of(new BigInteger(text(JsonTree.object(VECTOR.get("id_key")), "d"), 16));
    IdKey author =
        IdKey.of(new BigInteger(text(JsonTree.object(VECTOR.get("author_key")), "d"), 16));
    IdBlock b = IdBlock.parse(block());
    assertThat(IdAuthentication.of(b, id, author).encode()).isEqualTo(authentication());
    byte[] alone = IdAuthentication.of(b, id, null).encode();
    assertThat(new IdAuthentication(alone).signs(b)).isTrue();
    assertThat(new IdAuthentication(alone).authorSigns()).isFalse();
  }

  /** The block that virtee/sev's own test signs: digest 0s, IDs 0s, svn 0, policy of its test. */
  @Test
  void theAuthorOfThePublicPageSigns() {
    IdAuthentication a = new IdAuthentication(SnpVectors.bytes("vs_test_auth_block.bin"));
    assertThat(a.authorSigns()).isTrue();
    assertThat(a.signs(IdBlock.parse(block()))).isFalse();
  }

  @Test
  void aBitOfBlockKeyOrSignatureBreaksIt() {
    byte[] page = authentication();
    // Of a number only its 48 bytes; of a key also the curve.
    int[] places = {0x40, 0x40 + 47, 0x40 + 60, 0x40 + 72, 0x240, 0x244, 0x244 + 72};
    for (int at : places) {
      byte[] p = page.clone();
      p[at] ^= 1;
      assertThat(new IdAuthentication(p).signs(IdBlock.parse(block()))).as("0x%x", at).isFalse();
    }
    for (int at : new int[] {0x240, 0x300, 0x680, 0x880, 0x884}) {
      byte[] p = page.clone();
      p[at] ^= 1;
      assertThat(new IdAuthentication(p).authorSigns()).as("0x%x", at).isFalse();
    }
    for (int at : new int[] {0, 0x30, 0x4F, 0x54, 0x58}) {
      byte[] b = block();
      b[at] ^= 1;
      assertThat(new IdAuthentication(page).signs(IdBlock.parse(b))).as("0x%x", at).isFalse();
    }
  }

  @Test
  void policiesSayWhatTheyAre() {
    assertThat(SnpPolicy.DEFAULT).hasToString("0x30000 (SMT RESERVED_1)");
    assertThat(new SnpPolicy(0x0A_0137)).hasToString("0xa0137 (RESERVED_1 DEBUG, ABI 1.55)");
    assertThat(new SnpPolicy(1L << 26).defined()).isFalse();
    assertThat(new SnpPolicy(1L << 25).defined()).isTrue();
    assertThat(new SnpPolicy(0x0138).accepts(new ApiVersion(1, 0x37, 0))).isFalse();
    assertThat(new SnpPolicy(0x0137).accepts(new ApiVersion(1, 0x37, 0))).isTrue();
    assertThat(new SnpPolicy(0x0200).accepts(new ApiVersion(1, 0x37, 0))).isFalse();
  }
}
