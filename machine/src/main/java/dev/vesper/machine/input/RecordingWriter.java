package dev.vesper.machine.input;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.zip.CRC32C;

/**
 * Writes a recording as the run goes. Each record is with the system before the machine knows of
 * what it says, so that whatever ends the process leaves what led there.
 *
 * <p>All numbers are little-endian; those called short are ULEB128. A file has the magic {@link
 * #MAGIC}, its version (4 bytes), the header's length (4 bytes) and the header, and a sum; then
 * records, each with its length (short), a kind (1 byte), what the kind says, and a sum. A sum is
 * the CRC-32C, 4 bytes, of everything in front of it from the file's beginning on, earlier sums
 * among it: so no record can be left out or moved either.
 */
public final class RecordingWriter {
  /** What a recording begins with. */
  static final String MAGIC = "VESPERRC";

  /** The version of the format: more than it only what a reader of it may leave out is not. */
  public static final int VERSION = 2;

  /** The longest header, in bytes. */
  public static final int LONGEST_HEADER = 1 << 20;

  static final int TURNS = 16;
  static final int LOOK = 17;
  static final int END = 18;
  static final int CHANGE = 19;

  private final OutputStream out;
  private final CRC32C sum = new CRC32C();
  private long lastPoint;
  private long lastInstructions;

  /**
   * Begins a file.
   *
   * @param out takes each record by one write, and passes it on at once
   * @param header what a replay has to know of the run
   * @throws UncheckedIOException if it cannot be written, as all methods do
   */
  public RecordingWriter(OutputStream out, String header) {
    this.out = out;
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    if (text.length > LONGEST_HEADER) {
      throw new IllegalArgumentException("the header of a recording has at most 1 MiB");
    }
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    b.writeBytes(MAGIC.getBytes(StandardCharsets.US_ASCII));
    number(b, VERSION, 4);
    number(b, text.length, 4);
    b.writeBytes(text);
    write(b);
  }

  private static void number(ByteArrayOutputStream b, long v, int bytes) {
    for (int i = 0; i < bytes; i++) {
      b.write((int) (v >>> 8 * i));
    }
  }

  private static void uleb(ByteArrayOutputStream b, long v) {
    long left = v;
    for (; left >>> 7 != 0; left >>>= 7) {
      b.write((int) left & 0x7F | 0x80);
    }
    b.write((int) left);
  }

  /** Writes bytes and the sum that they make. */
  private void write(ByteArrayOutputStream b) {
    sum.update(b.toByteArray());
    int start = b.size();
    number(b, sum.getValue(), 4);
    byte[] all = b.toByteArray();
    sum.update(all, start, 4);
    try {
      out.write(all);
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void record(int kind, ByteArrayOutputStream body) {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    uleb(b, body.size() + 1L);
    b.write(kind);
    b.writeBytes(body.toByteArray());
    write(b);
  }

  /** Points and counts are written as how far they are from those of the record before. */
  private ByteArrayOutputStream place(long point, long instructions) {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    uleb(b, point - lastPoint);
    // A machine that is started anew counts from zero again.
    uleb(b, instructions - lastInstructions << 1 ^ instructions - lastInstructions >> 63);
    lastPoint = point;
    lastInstructions = instructions;
    return b;
  }

  void input(InputRecord r) {
    assert r.bytes().length <= InputRecord.MOST_BYTES : "an answer is longer than any may be";
    ByteArrayOutputStream b = place(r.point(), r.instructions());
    b.writeBytes(r.bytes());
    record(r.source().code(), b);
  }

  void change(InputChange c) {
    assert c.what().length <= InputRecord.MOST_BYTES : "a change is longer than any may be";
    ByteArrayOutputStream b = place(c.point(), c.instructions());
    b.write(c.inside() ? 1 : 0);
    number(b, c.registers(), 8);
    b.writeBytes(c.what());
    record(CHANGE, b);
  }

  void turns(long first, byte[] digests, int length) {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    uleb(b, first);
    b.write(digests, 0, length);
    record(TURNS, b);
  }

  void look(Recording.Look l) {
    ByteArrayOutputStream b = place(l.point(), l.instructions());
    number(b, l.registers(), 8);
    record(LOOK, b);
  }

  /** Writes how the run has ended, behind which nothing comes. */
  public void end(InputLog log, RunEnd e) {
    log.digests().flush();
    ByteArrayOutputStream b = place(e.point(), e.instructions());
    b.write(e.cause().ordinal());
    b.write(e.inside() ? 1 : 0);
    uleb(b, e.status());
    uleb(b, e.guestValue() + 1L);
    for (String hash : new String[] {e.stateHash(), e.traceDigest()}) {
      b.write(hash.length() / 2);
      b.writeBytes(HexFormat.of().parseHex(hash));
    }
    b.writeBytes(e.reason().getBytes(StandardCharsets.UTF_8));
    record(END, b);
  }
}
