package dev.vesper.machine.cpu.emit;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.Arrays;
import java.util.zip.CRC32;
import java.util.zip.CRC32C;

/**
 * The file that keeps a {@link CodeStore} between runs. It is read into memory of the process,
 * never mapped, and used only if all of its bytes are those that were written: a header, then the
 * table of hashes, then the records.
 *
 * <p>Header, little-endian: 0 magic, 8 bytes of records, C zero, 10 key (32 bytes), 30 entries of
 * the table, 34 number of the run, 38 CRC-32C and 3C CRC-32 of the header before them and of all
 * that follows.
 */
final class CodeFile {
  private static final long MAGIC = 0x3145_444F_4350_5356L;
  private static final int BYTES = 8;
  private static final int KEY = 0x10;
  private static final int KEY_BYTES = 32;
  private static final int ENTRIES = 0x30;
  private static final int RUN = 0x34;
  private static final int CHECK = 0x38;
  private static final int HEADER = 0x40;

  private CodeFile() {}

  /** A file that is not used. */
  static final class Unusable extends Exception {
    private static final long serialVersionUID = 1;

    Unusable(String why) {
      super(why);
    }
  }

  /**
   * Reads a file into an empty store.
   *
   * @throws Unusable if it is not whole, or not of this key
   */
  static void read(FileChannel f, byte[] key, CodeStore to) throws IOException, Unusable {
    f.position(0);
    ByteBuffer h = ByteBuffer.allocate(HEADER).order(ByteOrder.LITTLE_ENDIAN);
    fill(f, h);
    h.clear();
    if (h.getLong(0) != MAGIC) {
      throw new Unusable("is no file of native code");
    }
    byte[] own = Arrays.copyOfRange(h.array(), KEY, KEY + KEY_BYTES);
    if (!Arrays.equals(own, key)) {
      throw new Unusable("is of another build or processor");
    }
    int bytes = h.getInt(BYTES);
    int entries = h.getInt(ENTRIES);
    if (bytes < 0
        || bytes > CodeStore.CAPACITY
        || Integer.bitCount(entries) != 1
        || entries > CodeStore.CAPACITY
        || f.size() != HEADER + 4L * entries + bytes) {
      throw new Unusable("is not whole");
    }
    ByteBuffer table = ByteBuffer.allocate(4 * entries).order(ByteOrder.LITTLE_ENDIAN);
    fill(f, table);
    ByteBuffer records = to.room(bytes);
    fill(f, records);
    if (h.getLong(CHECK) != sum(h.slice(0, CHECK), table.flip(), records.flip())) {
      throw new Unusable("is damaged");
    }
    int[] hashes = new int[entries];
    table.asIntBuffer().get(hashes);
    if (!to.take(bytes, hashes, h.getInt(RUN))) {
      throw new Unusable("is damaged");
    }
  }

  private static void fill(FileChannel f, ByteBuffer b) throws IOException, Unusable {
    while (b.hasRemaining()) {
      if (f.read(b) < 0) {
        throw new Unusable("is not whole");
      }
    }
  }

  /** {@return the CRC-32C and, above it, the CRC-32 of pieces} */
  static long sum(ByteBuffer... pieces) {
    CRC32C c = new CRC32C();
    CRC32 z = new CRC32();
    for (ByteBuffer p : pieces) {
      c.update(p.duplicate());
      z.update(p.duplicate());
    }
    return c.getValue() | z.getValue() << 32;
  }

  /** {@return what a file's header says that its bytes come to} It differs if they do. */
  static long check(FileChannel f) throws IOException {
    ByteBuffer b = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    return f.read(b, CHECK) == 8 ? b.getLong(0) : 0;
  }

  /** Writes a store. Until that is done there is no header in the file, which nobody reads then. */
  static void write(FileChannel f, byte[] key, CodeStore from) throws IOException {
    CodeStore kept = from.worthKeeping();
    ByteBuffer records = kept.records();
    ByteBuffer table = ByteBuffer.allocate(4 * kept.table().length);
    table.order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().put(kept.table());
    ByteBuffer h = ByteBuffer.allocate(HEADER).order(ByteOrder.LITTLE_ENDIAN);
    h.putLong(0, MAGIC).putInt(BYTES, records.remaining());
    h.put(KEY, key).putInt(ENTRIES, kept.table().length).putInt(RUN, kept.run());
    h.putLong(CHECK, sum(h.slice(0, CHECK), table, records));
    f.truncate(0);
    f.position(HEADER);
    drain(f, table);
    drain(f, records);
    f.position(0);
    drain(f, h);
  }

  private static void drain(FileChannel f, ByteBuffer b) throws IOException {
    while (b.hasRemaining()) {
      f.write(b);
    }
  }
}
