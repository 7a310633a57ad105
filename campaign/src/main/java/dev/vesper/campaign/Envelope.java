package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignStore;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The schema of what members keep in the caches: bytes, and nothing that is an object of Java's. A
 * key is a type (u8) and a name in bytes. A value is {@code VC}, the version (u8), the type (u8),
 * the length of the key's name (u16), the name, the content, and the CRC-32C of all before it
 * (u32); numbers are little-endian. The name inside binds a value to its key: one that was put
 * under another's is none.
 */
final class Envelope {
  /** The version of the schema. Members of another one stay out. */
  static final int VERSION = 1;

  /** The most bytes of content. */
  static final int LONGEST = CampaignStore.LARGEST_ENTRY;

  /** The most bytes of a name. */
  static final int LONGEST_NAME = 255;

  private static final int HEAD = 6;

  private Envelope() {}

  /** {@return the key of what a name and type stand for} */
  static byte[] key(int type, byte[] name) {
    assert name.length <= LONGEST_NAME;
    byte[] key = new byte[name.length + 1];
    key[0] = (byte) type;
    System.arraycopy(name, 0, key, 1, name.length);
    return key;
  }

  /** {@return the name in a key; null if the key is not of this type} */
  static byte @Nullable [] name(int type, byte[] key) {
    return key.length > 0 && key.length <= LONGEST_NAME + 1 && key[0] == (byte) type
        ? Arrays.copyOfRange(key, 1, key.length)
        : null;
  }

  /** {@return content, sealed under its key} */
  static byte[] seal(byte[] key, byte[] content) {
    assert content.length <= LONGEST;
    int size = HEAD + key.length - 1 + content.length + Integer.BYTES;
    ByteBuffer b = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    b.put((byte) 'V').put((byte) 'C').put((byte) VERSION).put(key[0]);
    b.putShort((short) (key.length - 1)).put(key, 1, key.length - 1).put(content);
    b.putInt(crc(b.array(), size - Integer.BYTES));
    return b.array();
  }

  /**
   * {@return the content of a value; null if it is damaged, of another version, or of another key}
   *
   * @param value bytes that anybody may have written
   */
  static byte @Nullable [] open(byte[] key, byte[] value) {
    int from = HEAD + key.length - 1;
    int until = value.length - Integer.BYTES;
    if (until < from || until - from > LONGEST) {
      return null;
    }
    ByteBuffer b = ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN);
    boolean good =
        value[0] == 'V'
            && value[1] == 'C'
            && value[2] == VERSION
            && value[3] == key[0]
            && b.getShort(4) == key.length - 1
            && Arrays.equals(value, HEAD, from, key, 1, key.length)
            && b.getInt(until) == crc(value, until);
    return good ? Arrays.copyOfRange(value, from, until) : null;
  }

  private static int crc(byte[] bytes, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, 0, length);
    return (int) crc.getValue();
  }

  /** {@return a key for people} */
  static String show(byte[] key) {
    return HexFormat.of().formatHex(key, 0, Math.min(key.length, 33));
  }
}
