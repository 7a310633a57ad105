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
    int head = 2;
    if (b.length < head) {
      throw new IllegalArgumentException("a value of DER is cut off");
    }
    int length = b[1] & 0xFF;
    if (length >= LONG) {
      int n = length - LONG;
      head += n;
      if (n == 0 || n > MOST_LENGTH_BYTES || b.length < head) {
        throw new IllegalArgumentException("a value of DER has no length");
      }
      length = 0;
      for (int i = 2; i < head; i++) {
        length = length << 8 | b[i] & 0xFF;
      }
    }
    if (length != b.length - head) {
      throw new IllegalArgumentException(
          "a value of DER has " + (b.length - head) + " bytes and says " + length);
    }
    return new DerValue(b[0] & 0xFF, Arrays.copyOfRange(b, head, b.length));
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
