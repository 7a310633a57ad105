package dev.vesper.machine.device.disk;

import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * What an image is known by when it is met again: its SHA-256 up to {@link #WHOLE} bytes; of a
 * larger one, its length and the SHA-256 of its first and last {@link #PART} bytes. Who changes the
 * middle of a large image without changing its length is not noticed.
 */
final class Fingerprint {
  /** Images up to so many bytes are read as a whole. */
  static final long WHOLE = 1L << 30;

  /** Bytes at both ends of larger ones. */
  static final long PART = 64L << 20;

  private static final int PIECE = 1 << 20;

  /** Reads bytes. */
  interface Source {
    void read(long at, byte[] to, int length) throws IOException;
  }

  private Fingerprint() {}

  /** {@return the words that stand for it} */
  static String of(long length, Source source) throws IOException {
    try {
      MessageDigest d = MessageDigest.getInstance("SHA-256");
      boolean whole = length <= WHOLE;
      add(d, source, 0, whole ? length : PART);
      if (!whole) {
        add(d, source, length - PART, PART);
      }
      return length
          + " bytes, SHA-256 "
          + (whole ? "" : "of the first and last 64 MiB ")
          + HexFormat.of().formatHex(d.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }

  private static void add(MessageDigest d, Source source, long from, long length)
      throws IOException {
    byte[] b = new byte[(int) Math.min(PIECE, length)];
    for (long done = 0; done < length; ) {
      int n = (int) Math.min(b.length, length - done);
      source.read(from + done, b, n);
      d.update(b, 0, n);
      done += n;
    }
  }
}
