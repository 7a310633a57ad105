package dev.vesper.machine.snapshot;

import dev.vesper.machine.foreign.Damaged;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.security.DigestInputStream;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.zip.CRC32C;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.InflaterInputStream;
import org.jspecify.annotations.Nullable;

/**
 * The file of a snapshot: {@code VESPERSN}, the format's version (4 bytes), and sections. A section
 * is its name (1 byte of length, ASCII), its length (4 bytes), the CRC32C of its bytes (4) and
 * these. The section {@code header} comes first, {@code end} last: that one has the SHA-256 of all
 * before it. Large contents are cut into several sections of one name, which belong together. All
 * numbers are big-endian.
 */
public final class SnapshotFile {
  /** The only version that is written and read: it goes up when a section changes its meaning. */
  public static final int VERSION = 1;

  private static final byte[] MAGIC = "VESPERSN".getBytes(StandardCharsets.US_ASCII);

  /** What a file begins with until all of it is written. */
  private static final byte[] BEGUN = "VESPERS?".getBytes(StandardCharsets.US_ASCII);

  private static final int PIECE = 1 << 20;
  private static final int MOST_NAME = 32;
  private static final String END = "end";
  private static final String CUT = "it is cut short";

  private SnapshotFile() {}

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }

  // ---- writing

  /** Writes a file, in its order. */
  public interface Writing {
    /** Writes it to a stream, which is not closed. */
    void to(OutputStream out) throws IOException;
  }

  /**
   * Writes a file of which a reader sees whether it is whole, whoever ends the process meanwhile
   * and however full the disk is: its first bytes are those of another file until the last ones are
   * there. What the channel had is no more.
   */
  public static void write(SeekableByteChannel to, Writing file) throws IOException {
    to.truncate(0).position(0);
    OutputStream out = Channels.newOutputStream(to);
    out.write(BEGUN);
    int[] skipped = new int[1];
    file.to(
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
          }

          @Override
          public void write(byte[] b, int offset, int length) throws IOException {
            int n = Math.min(MAGIC.length - skipped[0], length);
            skipped[0] += n;
            out.write(b, offset + n, length - n);
          }
        });
    if (to instanceof FileChannel f) {
      f.force(false);
    }
    to.position(0);
    out.write(MAGIC);
  }

  /** Writes sections, one after the other. */
  public static final class Writer {
    private final DigestOutputStream digested;
    private final DataOutputStream out;

    /** Begins a file. */
    public Writer(OutputStream to) throws IOException {
      digested = new DigestOutputStream(new BufferedOutputStream(to, PIECE), sha256());
      out = new DataOutputStream(digested);
      out.write(MAGIC);
      out.writeInt(VERSION);
    }

    /** Writes a section. */
    public void section(String name, byte[] content) throws IOException {
      section(name, content, content.length);
    }

    private void section(String name, byte[] content, int length) throws IOException {
      byte[] n = name.getBytes(StandardCharsets.US_ASCII);
      out.writeByte(n.length);
      out.write(n);
      out.writeInt(length);
      CRC32C crc = new CRC32C();
      crc.update(content, 0, length);
      out.writeInt((int) crc.getValue());
      out.write(content, 0, length);
    }

    /** {@return a stream whose bytes become sections of a name; closing it ends them} */
    public OutputStream pieces(String name) {
      return new BufferedOutputStream(
          new OutputStream() {
            @Override
            public void write(int b) throws IOException {
              write(new byte[] {(byte) b}, 0, 1);
            }

            @Override
            public void write(byte[] b, int offset, int length) throws IOException {
              section(name, Arrays.copyOfRange(b, offset, offset + length), length);
            }
          },
          PIECE);
    }

    /** {@return the same, for bytes that are compressed there} */
    public DataOutputStream sections(String name) {
      Deflater fast = new Deflater(Deflater.BEST_SPEED);
      return new DataOutputStream(
          new BufferedOutputStream(
              new DeflaterOutputStream(pieces(name), fast, 1 << 16) {
                @Override
                public void close() throws IOException {
                  super.close();
                  fast.end();
                }
              },
              1 << 16));
    }

    /** Ends the file. */
    public void end() throws IOException {
      out.flush();
      byte[] sum = digested.getMessageDigest().digest();
      digested.on(false);
      section(END, sum);
      out.flush();
    }
  }

  // ---- reading

  /** A section. */
  public record Section(String name, byte[] content) {}

  /** Reads sections, one after the other, and compares their checksums. */
  public static final class Reader {
    private final DigestInputStream digested;
    private final DataInputStream in;
    private @Nullable Section next;

    /**
     * Begins with a file.
     *
     * @throws Damaged if it is none of this version
     */
    public Reader(InputStream from) throws IOException {
      digested = new DigestInputStream(new BufferedInputStream(from, PIECE), sha256());
      in = new DataInputStream(digested);
      start();
      next = section();
    }

    private void start() throws IOException {
      byte[] magic = new byte[MAGIC.length];
      int n = in.readNBytes(magic, 0, magic.length);
      if (n == magic.length && Arrays.equals(magic, BEGUN)) {
        throw new Damaged("it was not written to its end: the run was ended, or its disk full");
      }
      if (n < magic.length || !Arrays.equals(magic, MAGIC)) {
        throw new Damaged("it is no snapshot");
      }
      int version = number();
      if (version != VERSION) {
        throw new Damaged(
            "it has version "
                + Integer.toUnsignedString(version)
                + " of the format, and this Vesper reads version "
                + VERSION);
      }
    }

    private int number() throws IOException {
      try {
        return in.readInt();
      } catch (EOFException e) {
        throw new Damaged(CUT);
      }
    }

    /** {@return the next section's name} That of the end is not summed, nor what is behind it. */
    private String name() throws IOException {
      digested.on(false);
      int n = in.read();
      if (n <= 0 || n > MOST_NAME) {
        throw new Damaged(n < 0 ? CUT : "it has a section without a name");
      }
      byte[] b = in.readNBytes(n);
      for (byte c : b) {
        if (c < 'a' || c > 'z') {
          throw new Damaged("it has a section whose name is none");
        }
      }
      String name = new String(b, StandardCharsets.US_ASCII);
      if (!name.equals(END)) {
        digested.getMessageDigest().update((byte) n);
        digested.getMessageDigest().update(b);
        digested.on(true);
      }
      return name;
    }

    /** {@return the next section, or null at the end, which is right then} */
    private @Nullable Section section() throws IOException {
      String name = name();
      int length = number();
      int crc = number();
      if (length < 0) {
        throw new Damaged("it has a section of " + Integer.toUnsignedString(length) + " bytes");
      }
      // As much as there is, not as much as is said: memory is taken as the bytes come.
      byte[] content = in.readNBytes(length);
      if (content.length < length) {
        throw new Damaged(CUT);
      }
      CRC32C check = new CRC32C();
      check.update(content);
      if ((int) check.getValue() != crc) {
        throw new Damaged("its section " + name + " has another checksum than it says");
      }
      if (!name.equals(END)) {
        return new Section(name, content);
      }
      if (!MessageDigest.isEqual(digested.getMessageDigest().digest(), content)) {
        throw new Damaged("it has another SHA-256 than it says");
      }
      if (in.read() >= 0) {
        throw new Damaged("it goes on behind its end");
      }
      return null;
    }

    /**
     * {@return the content of the next section, which must have a name}
     *
     * @throws Damaged if it has another, or the file is damaged
     */
    public byte[] content(String name) throws IOException {
      Section s = next;
      if (s == null || !s.name.equals(name)) {
        throw new Damaged("it has no section " + name + " where one must be");
      }
      next = section();
      return s.content;
    }

    /** {@return whether the next section has a name} */
    public boolean hasNext(String name) {
      Section s = next;
      return s != null && s.name.equals(name);
    }

    /** {@return what was written to {@link Writer#sections}} */
    public DataInputStream contents(String name) {
      return new DataInputStream(
          new BufferedInputStream(new InflaterInputStream(pieces(name)), PIECE));
    }

    /** {@return what was written to {@link Writer#pieces}} */
    public InputStream pieces(String name) {
      return new InputStream() {
        private byte[] piece = {};
        private int at;

        private boolean more() throws IOException {
          while (at == piece.length) {
            if (!hasNext(name)) {
              return false;
            }
            piece = content(name);
            at = 0;
          }
          return true;
        }

        @Override
        public int read() throws IOException {
          return more() ? piece[at++] & 0xFF : -1;
        }

        @Override
        public int read(byte[] b, int offset, int length) throws IOException {
          if (!more()) {
            return -1;
          }
          int n = Math.min(length, piece.length - at);
          System.arraycopy(piece, at, b, offset, n);
          at += n;
          return n;
        }
      };
    }

    /**
     * Goes over all that is left.
     *
     * @throws Damaged if any of it is damaged
     */
    public void verify() throws IOException {
      while (next != null) {
        next = section();
      }
    }
  }
}
