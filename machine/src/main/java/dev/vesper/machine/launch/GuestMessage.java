package dev.vesper.machine.launch;

import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * A message between a guest and the secure processor (spec: snp 7.1): a header of 0x60 bytes, then
 * the payload, encrypted by AES-256-GCM under one of the keys of the secrets page. Little endian:
 * the tag at 0, 16 of 32 bytes; the sequence number u64 at 0x20; algorithm, version and size of the
 * header at 0x30, 0x31 and u16 at 0x32; type, message version and payload size at 0x34, 0x35 and
 * u16 at 0x36; the number of the key at 0x3C. Bytes 0x30 to 0x5F are authenticated, and the
 * sequence number is the nonce.
 *
 * @param sequence of the message under its key
 * @param type a number of {@link GuestMessageType}, or another
 * @param version of the payload's layout
 * @param key VMPCK's number
 * @param payload plain
 */
public record GuestMessage(long sequence, int type, int version, int key, byte[] payload) {
  /** Bytes of a header. */
  public static final int HEADER = 0x60;

  /** The only algorithm: AES-256-GCM. */
  public static final int AES_256_GCM = 1;

  /** The only version of the header. */
  public static final int HEADER_VERSION = 1;

  /** What a payload's size is a multiple of. */
  public static final int BLOCK = 16;

  private static final int TAG_BYTES = 16;
  private static final int SEQUENCE = 0x20;
  private static final int ALGORITHM = 0x30;
  private static final int HEADER_VERSION_AT = 0x31;
  private static final int HEADER_SIZE = 0x32;
  private static final int TYPE = 0x34;
  private static final int VERSION = 0x35;
  private static final int SIZE = 0x36;
  private static final int KEY = 0x3C;
  private static final int NONCE_BYTES = 12;

  /** A header as it stands in memory. */
  public record Header(
      long sequence,
      int algorithm,
      int headerVersion,
      int headerSize,
      int type,
      int version,
      int size,
      int key) {
    /**
     * {@return the header that bytes begin with}
     *
     * @param b at least 0x60 bytes
     */
    public static Header of(byte[] b) {
      return new Header(
          LittleEndian.u64(b, SEQUENCE),
          b[ALGORITHM] & 0xFF,
          b[HEADER_VERSION_AT] & 0xFF,
          LittleEndian.u32(b, HEADER_SIZE) & 0xFFFF,
          b[TYPE] & 0xFF,
          b[VERSION] & 0xFF,
          LittleEndian.u32(b, SIZE) & 0xFFFF,
          b[KEY] & 0xFF);
    }
  }

  /**
   * {@return the message that bytes hold, or null if its tag is not theirs under this key}
   *
   * @param b header and payload, whose size is that of the header
   * @param secret 32 bytes
   */
  public static @Nullable GuestMessage open(byte[] b, byte[] secret) {
    Header h = Header.of(b);
    byte[] sealed = Arrays.copyOfRange(b, HEADER, HEADER + h.size() + TAG_BYTES);
    System.arraycopy(b, 0, sealed, h.size(), TAG_BYTES);
    byte[] plain = cipher(Cipher.DECRYPT_MODE, secret, b, sealed);
    return plain == null
        ? null
        : new GuestMessage(h.sequence(), h.type(), h.version(), h.key(), plain);
  }

  /** {@return header and payload} */
  public byte[] seal(byte[] secret) {
    byte[] b = new byte[HEADER + payload.length];
    LittleEndian.put64(b, SEQUENCE, sequence);
    b[ALGORITHM] = AES_256_GCM;
    b[HEADER_VERSION_AT] = HEADER_VERSION;
    b[HEADER_SIZE] = HEADER;
    b[TYPE] = (byte) type;
    b[VERSION] = (byte) version;
    b[SIZE] = (byte) payload.length;
    b[SIZE + 1] = (byte) (payload.length >>> 8);
    b[KEY] = (byte) key;
    byte[] sealed = cipher(Cipher.ENCRYPT_MODE, secret, b, payload);
    if (sealed == null) {
      throw new AssertionError("AES-GCM did not encrypt");
    }
    System.arraycopy(sealed, 0, b, HEADER, payload.length);
    System.arraycopy(sealed, payload.length, b, 0, TAG_BYTES);
    return b;
  }

  private static byte @Nullable [] cipher(int mode, byte[] secret, byte[] header, byte[] text) {
    byte[] nonce = Arrays.copyOf(Arrays.copyOfRange(header, SEQUENCE, SEQUENCE + 8), NONCE_BYTES);
    try {
      Cipher c = Cipher.getInstance("AES/GCM/NoPadding");
      c.init(mode, new SecretKeySpec(secret, "AES"), new GCMParameterSpec(8 * TAG_BYTES, nonce));
      c.updateAAD(header, ALGORITHM, HEADER - ALGORITHM);
      return c.doFinal(text);
    } catch (AEADBadTagException e) {
      return null;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no AES-GCM", e);
    }
  }
}
