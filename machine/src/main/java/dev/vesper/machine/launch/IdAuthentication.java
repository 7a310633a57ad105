package dev.vesper.machine.launch;

import java.security.spec.ECPoint;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Who vouches for an {@link IdBlock} (spec: snp 6.5). A page, little endian: the algorithms of the
 * ID key and the author key u32 at 0 and 4, the block's signature at 0x40, the ID key at 0x240, its
 * signature by the author key at 0x680, the author key at 0x880.
 *
 * <p>A key has 0x404 bytes: the curve u32, QX and QY of 72 bytes each. A signature has 0x200: R and
 * S of 72 bytes each.
 */
public final class IdAuthentication {
  /** Bytes of the page. */
  public static final int BYTES = 4096;

  /** ECDSA on P-384 with SHA-384: the only algorithm. */
  public static final int ECDSA_P384_SHA384 = 1;

  /** The number of P-384: the only curve. */
  public static final int P384 = 2;

  /** Bytes of a public key. */
  public static final int KEY_BYTES = 0x404;

  /** Bytes of a signature. */
  public static final int SIGNATURE_BYTES = 0x200;

  private static final int AUTHOR_ALGORITHM = 4;
  private static final int BLOCK_SIGNATURE = 0x40;
  private static final int ID_KEY = 0x240;
  private static final int KEY_SIGNATURE = 0x680;
  private static final int AUTHOR_KEY = 0x880;

  private final byte[] page;

  /**
   * Takes the page, or its beginning: QEMU fills up what is shorter.
   *
   * @throws IllegalArgumentException if it is longer than a page
   */
  public IdAuthentication(byte[] bytes) {
    if (bytes.length > BYTES) {
      throw new IllegalArgumentException(
          "ID authentication has at most 4096 bytes, not " + bytes.length);
    }
    page = Arrays.copyOf(bytes, BYTES);
  }

  /**
   * {@return the page for a block}
   *
   * @param author who signs the ID key, or null
   */
  public static IdAuthentication of(IdBlock block, IdKey id, @Nullable IdKey author) {
    byte[] b = new byte[BYTES];
    LittleEndian.put32(b, 0, ECDSA_P384_SHA384);
    byte[] idKey = id.encode();
    System.arraycopy(id.sign(block.encode()), 0, b, BLOCK_SIGNATURE, SIGNATURE_BYTES);
    System.arraycopy(idKey, 0, b, ID_KEY, KEY_BYTES);
    if (author != null) {
      LittleEndian.put32(b, AUTHOR_ALGORITHM, ECDSA_P384_SHA384);
      System.arraycopy(author.sign(idKey), 0, b, KEY_SIGNATURE, SIGNATURE_BYTES);
      System.arraycopy(author.encode(), 0, b, AUTHOR_KEY, KEY_BYTES);
    }
    return new IdAuthentication(b);
  }

  /** {@return the algorithm of the ID key} */
  public int idKeyAlgorithm() {
    return LittleEndian.u32(page, 0);
  }

  /** {@return the algorithm of the author key} */
  public int authorKeyAlgorithm() {
    return LittleEndian.u32(page, AUTHOR_ALGORITHM);
  }

  /** {@return the ID key as it stands in the page} */
  public byte[] idKey() {
    return Arrays.copyOfRange(page, ID_KEY, ID_KEY + KEY_BYTES);
  }

  /** {@return the author key as it stands in the page} */
  public byte[] authorKey() {
    return Arrays.copyOfRange(page, AUTHOR_KEY, AUTHOR_KEY + KEY_BYTES);
  }

  /** {@return whether the ID key has signed a block} */
  public boolean signs(IdBlock block) {
    return signed(idKey(), block.encode(), BLOCK_SIGNATURE);
  }

  /** {@return whether the author key has signed the ID key} */
  public boolean authorSigns() {
    return signed(authorKey(), idKey(), KEY_SIGNATURE);
  }

  /** {@return the hash of a key by which a report names it} */
  public static byte[] digest(byte[] key) {
    return SevCrypto.sha384(key);
  }

  /** {@return the bytes} */
  public byte[] encode() {
    return page.clone();
  }

  private boolean signed(byte[] key, byte[] message, int signature) {
    if (LittleEndian.u32(key, 0) != P384) {
      return false;
    }
    ECPoint q =
        new ECPoint(EllipticKey.get(key, 4), EllipticKey.get(key, 4 + EllipticKey.NUMBER_BYTES));
    byte[] padded = Arrays.copyOfRange(page, signature, signature + SIGNATURE_BYTES);
    return EllipticKey.onCurve(q) && EllipticKey.verifyPadded(q, message, padded);
  }
}
