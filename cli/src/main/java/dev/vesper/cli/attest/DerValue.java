package dev.vesper.cli.attest;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * One value of ASN.1 in DER: a tag of one byte, a length, contents.
 *
 * @param tag with its class and whether it is constructed
 * @param contents what is behind the length
 */
record DerValue(int tag, byte[] contents) {
  private static final int INTEGER = 2;
  private static final int OCTET_STRING = 4;
  private static final int IA5_STRING = 22;
  private static final int LONG = 0x80;
  private static final int MOST_LENGTH_BYTES = 3;

  /**
   * {@return the value that bytes are}
   *
   * @throws IllegalArgumentException if they are not one value and nothing else
   */
  static DerValue parse(byte[] b) {
    int head = contents(b, 0);
    int length = end(b, 0) - head;
    if (length != b.length - head) {
      throw new IllegalArgumentException(
          "a value of DER has " + (b.length - head) + " bytes and says " + length);
    }
    return new DerValue(b[0] & 0xFF, Arrays.copyOfRange(b, head, b.length));
  }

  /**
   * {@return where the contents of the value at a place begin}
   *
   * @throws IllegalArgumentException if tag and length do not lie in the bytes
   */
  static int contents(byte[] b, int at) {
    if (b.length - at < 2) {
      throw new IllegalArgumentException("a value of DER is cut off");
    }
    int length = b[at + 1] & 0xFF;
    int n = Math.max(0, length - LONG);
    if (length == LONG || n > MOST_LENGTH_BYTES || b.length - at < 2 + n) {
      throw new IllegalArgumentException("a value of DER has no length");
    }
    return at + 2 + n;
  }

  /**
   * {@return where the value at a place ends, which is behind the bytes if it is cut off}
   *
   * @throws IllegalArgumentException if tag and length do not lie in the bytes
   */
  static int end(byte[] b, int at) {
    int head = contents(b, at);
    int length = b[at + 1];
    if (length < 0) {
      length = 0;
      for (int i = at + 2; i < head; i++) {
        length = length << 8 | b[i] & 0xFF;
      }
    }
    return head + length;
  }

  /** {@return the contents of an OCTET STRING} */
  byte[] octets() {
    expect(OCTET_STRING, "OCTET STRING");
    return contents.clone();
  }

  /** {@return an INTEGER from 0 to 255} */
  int smallNumber() {
    expect(INTEGER, "INTEGER");
    boolean one = contents.length == 1 && contents[0] >= 0;
    boolean two = contents.length == 2 && contents[0] == 0 && contents[1] < 0;
    if (!one && !two) {
      throw new IllegalArgumentException("an INTEGER is not 0 to 255");
    }
    return contents[contents.length - 1] & 0xFF;
  }

  /** {@return the text of an IA5String} */
  String text() {
    expect(IA5_STRING, "IA5String");
    return new String(contents, StandardCharsets.US_ASCII);
  }

  private void expect(int wanted, String name) {
    if (tag != wanted) {
      throw new IllegalArgumentException("there is no " + name + " but tag " + tag);
    }
  }
}
