package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * What one member has found, in a file that only grows. A record is on the disk before anybody else
 * hears of what it holds, so that whoever dies, and however many do, has lost nothing that was
 * told: the member that comes back reads it and offers all of it again.
 *
 * <p>The file is {@link #HEAD}, then records: length of the payload (u32), type (u8), payload,
 * CRC-32C of type and payload (u32); numbers are little-endian. A record that was cut short by a
 * death, or damaged, is left out; what comes behind the last good one is moved to a file beside it.
 */
final class Journal implements AutoCloseable {
  /** What a journal begins with; the digit is the version of the schema. */
  static final String HEAD = "VESPERJ" + Envelope.VERSION;

  /** The most bytes of a payload. */
  static final int LONGEST = Envelope.LONGEST + 1024;

  private static final int FRAME = 9;

  /** Takes a record. */
  @FunctionalInterface
  interface Reader {
    /**
     * A good record, in the order of writing.
     *
     * @param at where it is, for {@link #read(long)}
     * @param type what it is
     * @param payload its bytes, which are the reader's
     */
    void record(long at, int type, byte[] payload);
  }

  private final Path path;
  private final FileChannel channel;
  private long end;

  private Journal(Path path, FileChannel channel) {
    this.path = path;
    this.channel = channel;
  }

  /**
   * Opens a journal, or begins one, for one member at a time.
   *
   * @throws CampaignException if another process has it, or it is of another version
   */
  static Journal open(Path path) throws IOException, CampaignException {
    FileChannel c =
        FileChannel.open(
            path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    try {
      @Nullable FileLock lock = c.tryLock();
      if (lock == null) {
        throw new CampaignException(
            path + ": another member is at work in this folder; give each its own");
      }
      Journal j = new Journal(path, c);
      j.begin();
      return j;
    } catch (OverlappingFileLockException e) {
      c.close();
      throw new CampaignException(
          path + ": another member is at work in this folder; give each its own");
    } catch (IOException | CampaignException e) {
      c.close();
      throw e;
    }
  }

  private void begin() throws IOException, CampaignException {
    byte[] head = HEAD.getBytes(StandardCharsets.US_ASCII);
    byte[] found = new byte[(int) Math.min(head.length, channel.size())];
    read(channel, 0, found);
    if (Arrays.equals(found, head)) {
      end = head.length;
      return;
    }
    // A death while the head was being written.
    if (!Arrays.equals(found, Arrays.copyOf(head, found.length))) {
      throw new CampaignException(
          path
              + ": not a journal of this version ("
              + HEAD
              + "); use the version of vesper that wrote it, or another folder");
    }
    channel.truncate(0);
    channel.write(ByteBuffer.wrap(head), 0);
    channel.force(true);
    end = head.length;
  }

  /**
   * Gives each good record, and makes the file end behind the last one.
   *
   * @return what was left out, in a line; null if nothing was
   */
  @Nullable String replay(Reader reader) throws IOException {
    long good = HEAD.length();
    int skipped = 0;
    long at = good;
    long size = channel.size();
    while (size - at >= FRAME) {
      long length = Integer.toUnsignedLong(length(at));
      if (length > LONGEST || length > size - at - FRAME) {
        break;
      }
      byte[] body = new byte[(int) length + 1];
      read(channel, at + Integer.BYTES, body);
      boolean whole = crc(body) == length(at + Integer.BYTES + body.length);
      long began = at;
      at += FRAME + length;
      if (whole) {
        good = at;
        reader.record(began, body[0], Arrays.copyOfRange(body, 1, body.length));
      } else {
        skipped++;
      }
    }
    long tail = size - good;
    if (tail > 0) {
      setAside(good, tail);
    }
    end = good;
    return skipped == 0 && tail == 0
        ? null
        : path
            + ": left out "
            + skipped
            + " damaged records; "
            + tail
            + " bytes behind the last good one are in "
            + aside();
  }

  private Path aside() {
    return path.resolveSibling(path.getFileName() + ".cut");
  }

  private void setAside(long from, long bytes) throws IOException {
    try (FileChannel out =
        FileChannel.open(
            aside(),
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.APPEND)) {
      long done = 0;
      while (done < bytes) {
        done += channel.transferTo(from + done, bytes - done, out);
      }
    }
    channel.truncate(from);
    channel.force(true);
  }

  /**
   * Writes a record; it is on the disk when this returns.
   *
   * @return where it is, for {@link #read(long)}
   */
  synchronized long append(int type, byte[] payload) throws IOException {
    assert payload.length <= LONGEST;
    byte[] body = new byte[payload.length + 1];
    body[0] = (byte) type;
    System.arraycopy(payload, 0, body, 1, payload.length);
    ByteBuffer b = ByteBuffer.allocate(FRAME + payload.length).order(ByteOrder.LITTLE_ENDIAN);
    b.putInt(payload.length).put(body).putInt(crc(body)).flip();
    long began = end;
    long at = began;
    while (b.hasRemaining()) {
      at += channel.write(b, at);
    }
    channel.force(false);
    end = at;
    return began;
  }

  /** {@return the payload of a record; null if it has been damaged meanwhile} */
  byte @Nullable [] read(long at) throws IOException {
    int length = length(at);
    if (length < 0 || length > LONGEST) {
      return null;
    }
    byte[] body = new byte[length + 1];
    read(channel, at + Integer.BYTES, body);
    return crc(body) == length(at + Integer.BYTES + body.length)
        ? Arrays.copyOfRange(body, 1, body.length)
        : null;
  }

  private int length(long at) throws IOException {
    byte[] four = new byte[Integer.BYTES];
    read(channel, at, four);
    return ByteBuffer.wrap(four).order(ByteOrder.LITTLE_ENDIAN).getInt();
  }

  private static int crc(byte[] body) {
    CRC32C crc = new CRC32C();
    crc.update(body);
    return (int) crc.getValue();
  }

  private static void read(FileChannel from, long at, byte[] into) throws IOException {
    ByteBuffer b = ByteBuffer.wrap(into);
    while (b.hasRemaining()) {
      if (from.read(b, at + b.position()) < 0) {
        throw new IOException("the file became shorter while it was read");
      }
    }
  }

  /** Replaces a small file as a whole: whoever is interrupted has the old one or the new one. */
  static void replace(Path path, byte[] bytes) throws IOException {
    Path part = path.resolveSibling(path.getFileName() + ".part");
    try (FileChannel c =
        FileChannel.open(
            part,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      ByteBuffer b = ByteBuffer.wrap(bytes);
      while (b.hasRemaining()) {
        c.write(b);
      }
      c.force(true);
    }
    Files.move(part, path, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
