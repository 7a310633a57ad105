package dev.vesper.machine.asn1;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;

/** Writes what certificates are made of: ASN.1 in DER. */
public final class Der {
  private static final int BOOLEAN = 1;
  private static final int INTEGER = 2;
  private static final int BIT_STRING = 3;
  private static final int OCTET_STRING = 4;
  private static final int NULL = 5;
  private static final int OBJECT_IDENTIFIER = 6;
  private static final int UTF8_STRING = 12;
  private static final int PRINTABLE_STRING = 19;
  private static final int IA5_STRING = 22;
  private static final int UTC_TIME = 23;
  private static final int SEQUENCE = 0x30;
  private static final int SET = 0x31;
  private static final int CONTEXT = 0x80;
  private static final int CONSTRUCTED = 0x20;
  private static final int SHORT = 0x80;

  private Der() {}

  private static byte[] value(int tag, byte[]... parts) {
    ByteArrayOutputStream inside = new ByteArrayOutputStream();
    for (byte[] p : parts) {
      inside.writeBytes(p);
    }
    int n = inside.size();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(tag);
    if (n < SHORT) {
      out.write(n);
    } else {
      byte[] length = BigInteger.valueOf(n).toByteArray();
      int zero = length[0] == 0 ? 1 : 0;
      out.write(SHORT | length.length - zero);
      out.write(length, zero, length.length - zero);
    }
    out.writeBytes(inside.toByteArray());
    return out.toByteArray();
  }

  /** {@return a sequence of values} */
  public static byte[] sequence(byte[]... parts) {
    return value(SEQUENCE, parts);
  }

  /** {@return a set of one value} */
  public static byte[] set(byte[] only) {
    return value(SET, only);
  }

  /** {@return a value under a tag of its context, with its own tag inside} */
  public static byte[] explicit(int tag, byte[] inside) {
    return value(CONTEXT | CONSTRUCTED | tag, inside);
  }

  /** {@return a structure under a tag of its context instead of its own} */
  public static byte[] implicit(int tag, byte[]... parts) {
    return value(CONTEXT | CONSTRUCTED | tag, parts);
  }

  /** {@return bytes under a tag of their context instead of their own} */
  public static byte[] plain(int tag, byte[] bytes) {
    return value(CONTEXT | tag, bytes);
  }

  /** {@return a number} */
  public static byte[] integer(long v) {
    return value(INTEGER, BigInteger.valueOf(v).toByteArray());
  }

  /** {@return TRUE} */
  public static byte[] yes() {
    return value(BOOLEAN, new byte[] {(byte) 0xFF});
  }

  /** {@return NULL} */
  public static byte[] none() {
    return value(NULL);
  }

  /** {@return a string of bytes} */
  public static byte[] octets(byte[] bytes) {
    return value(OCTET_STRING, bytes);
  }

  /** {@return a string of bits; the last byte's lowest {@code unused} ones are not in it} */
  public static byte[] bits(int unused, byte[] bytes) {
    return value(BIT_STRING, new byte[] {(byte) unused}, bytes);
  }

  /** {@return a text} */
  public static byte[] utf8(String s) {
    return value(UTF8_STRING, s.getBytes(StandardCharsets.UTF_8));
  }

  /** {@return a text of PrintableString's letters, which the caller answers for} */
  public static byte[] printable(String s) {
    return value(PRINTABLE_STRING, s.getBytes(StandardCharsets.US_ASCII));
  }

  /** {@return a text in ASCII} */
  public static byte[] ia5(String s) {
    return value(IA5_STRING, s.getBytes(StandardCharsets.US_ASCII));
  }

  /** {@return a time}, given as {@code YYMMDDhhmmssZ} */
  public static byte[] time(String s) {
    return value(UTC_TIME, s.getBytes(StandardCharsets.US_ASCII));
  }

  /** {@return an object identifier}, given with dots */
  public static byte[] oid(String dotted) {
    String[] arcs = dotted.split("\\.");
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(40 * Integer.parseInt(arcs[0]) + Integer.parseInt(arcs[1]));
    for (int i = 2; i < arcs.length; i++) {
      int arc = Integer.parseInt(arcs[i]);
      for (int shift = 28; shift > 0; shift -= 7) {
        if (arc >>> shift != 0) {
          out.write(SHORT | arc >>> shift & 0x7F);
        }
      }
      out.write(arc & 0x7F);
    }
    return value(OBJECT_IDENTIFIER, out.toByteArray());
  }
}
