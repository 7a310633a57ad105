package dev.vesper.machine.device.disk;

import dev.vesper.machine.foreign.Allowance;
import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.foreign.ForeignBytes;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * A disk image in QEMU's format qcow2, versions 2 and 3 (QEMU, docs/interop/qcow2.txt): clusters
 * found through two levels of tables, each counted. Compressed clusters are read; a write to a
 * cluster that is compressed, shared with a snapshot or absent goes to a new one. Data is written
 * before the table entry that leads to it, and a count before either, so that an image whose writer
 * dies has leaked clusters at worst.
 */
public final class Qcow2Disk extends ImageDisk {
  /** First bytes of such an image. */
  public static final int MAGIC = 0x5146_49FB;

  private static final long OFFSET = 0x00FF_FFFF_FFFF_FE00L;
  private static final long COPIED = 1L << 63;
  private static final long COMPRESSED = 1L << 62;
  private static final long ZERO = 1;
  private static final String CUT_OFF =
      "it is truncated or damaged: its tables lead behind its end; look at it with 'qemu-img"
          + " check'";
  private static final int HEADER = 104;
  private static final long INCOMPATIBLE_DIRTY = 1;
  private static final int AUTOCLEAR = 88;
  private static final int MOST_TABLE = 32 << 20;

  /** Entries of second-level tables that are read together. */
  private static final int SLICE = 8192;

  /** Bytes of slices in memory, which lead to 256 GiB of clusters of 64 KiB. */
  private static final int MOST_SLICES = 32 << 20;

  /** No image says that its disk is larger, and sums of what it says stay numbers: 1 EiB. */
  private static final long MOST_SIZE = 1L << 60;

  private final int bits;
  private final int cluster;
  private final long size;
  private final int perTable;
  private final long l1Offset;
  private final long[] l1;
  private final int countBits;
  private long countTable;
  private long[] counts;

  /** Slices of tables by their place in the file, the ones used last at the end. */
  private final Map<Long, long[]> slices =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, long[]> eldest) {
          return size() > MOST_SLICES / (8 * Math.min(SLICE, perTable));
        }
      };

  /** The compressed cluster that was read last, by its table entry: readers go on in it. */
  private byte[] inflated = {};

  private long inflatedEntry;

  /** Bytes that were decompressed. */
  private long unpacked;

  private long end;

  /** Where the file ends at most: each cluster and table is moved once, and all is counted. */
  private final long most;

  /** Features that a writer may not know, and so takes back before it writes. */
  private boolean autoclear;

  /**
   * Opens an image.
   *
   * @throws IOException if it is damaged, or of a kind that is not supported; the message says
   *     which
   */
  public Qcow2Disk(Storage image, boolean readOnly) throws IOException {
    super(image, readOnly);
    ForeignBytes h = ForeignBytes.of(bytes(0, HEADER));
    int version = (int) h.bigEndianAt(4, 4);
    bits = (int) h.bigEndianAt(20, 4);
    size = h.bigEndianAt(24, 8);
    require((int) h.bigEndianAt(0, 4) == MAGIC, "it is no qcow2 image");
    require(version == 2 || version == 3, "its version is " + version + ", not 2 or 3");
    require(bits >= 9 && bits <= 21, "it has clusters of 2 to the " + bits + " bytes");
    require(
        h.bigEndianAt(8, 8) == 0,
        "it has a backing file: make it stand alone with 'qemu-img rebase -b \"\"'");
    require(h.bigEndianAt(32, 4) == 0, "it is encrypted");
    long incompatible = version == 3 ? h.bigEndianAt(72, 8) : 0;
    require(
        (incompatible & ~INCOMPATIBLE_DIRTY) == 0,
        "it uses features (0x" + Long.toHexString(incompatible) + ") that are not supported");
    require(
        incompatible == 0 || readOnly, "it was not closed: mend it with 'qemu-img check -r all'");
    countBits = version == 3 ? 1 << (h.bigEndianAt(96, 4) & 31) : 16;
    require(countBits == 16, "its counts have " + countBits + " bits: only 16 are supported");
    cluster = 1 << bits;
    perTable = cluster / 8;
    int l1Size = (int) h.bigEndianAt(36, 4);
    l1Offset = h.bigEndianAt(40, 8);
    countTable = h.bigEndianAt(48, 8);
    long countBytes = h.bigEndianAt(56, 4) * cluster;
    long needed = (size + (long) cluster * perTable - 1) / ((long) cluster * perTable);
    require(
        size >= 0
            && size <= MOST_SIZE
            && needed >= 0
            && l1Size >= 0
            && l1Size >= needed
            && l1Size * 8L <= MOST_TABLE
            && countBytes <= MOST_TABLE
            && areOf(image.length(), 8L * l1Size + countBytes),
        "its header speaks of tables that cannot be: look at it with 'qemu-img check'");
    l1 = longs(l1Offset, l1Size);
    counts = longs(countTable, (int) (countBytes / 8));
    long length = image.length();
    require(length <= MOST_SIZE, "its file is larger than 1 EiB");
    end = length + cluster - 1 & -cluster;
    autoclear = version == 3 && h.bigEndianAt(AUTOCLEAR, 8) != 0;
    long own = (size + cluster - 1 >> bits) + l1Size;
    // Counts take two bytes a cluster, and each of their blocks eight in a table that can move.
    long blocks = ((end >> bits) + own) / (cluster / 2) + 2;
    most = end + (own + 2 * blocks + 2 * (blocks / perTable + 2) << bits);
    require(
        readOnly || (most >> bits) / (cluster / 2) < MOST_TABLE / 8,
        "its "
            + length
            + " bytes are too many to count clusters of "
            + cluster
            + ": make it anew with 'qemu-img convert -O qcow2', or take readonly=on or"
            + " snapshot=on");
  }

  /** {@return whether a file can account for as many bytes of tables} */
  private static boolean areOf(long length, long tables) {
    try {
      Allowance.of(Math.clamp(length, 0, MOST_SIZE >> 4)).spend(tables);
      return true;
    } catch (Damaged e) {
      return false;
    }
  }

  private static void require(boolean holds, String message) throws IOException {
    if (!holds) {
      throw new IOException(message);
    }
  }

  private byte[] bytes(long at, int n) throws IOException {
    byte[] b = new byte[n];
    image.read(at, b, 0, n);
    return b;
  }

  private long[] longs(long at, int n) throws IOException {
    long[] v = new long[n];
    ByteBuffer.wrap(bytes(at, 8 * n)).asLongBuffer().get(v);
    return v;
  }

  private void put(long at, long value) throws IOException {
    store(at, ByteBuffer.allocate(8).putLong(0, value).array(), 0, 8);
  }

  @Override
  public long sectors() {
    return size / SECTOR;
  }

  // ---- finding clusters

  /** {@return where a second-level table lies, 0 for nowhere} */
  private long table(int n) throws IOException {
    long at = l1[n] & OFFSET;
    require((at & cluster - 1) == 0, "a table of the image is misplaced");
    return at;
  }

  /** {@return the part of a table that an entry is in} */
  private long[] slice(long table, int index) throws IOException {
    int entries = Math.min(SLICE, perTable);
    long at = table + 8L * (index / entries * entries);
    long[] s = slices.get(at);
    if (s == null) {
      s = longs(at, entries);
      slices.put(at, s);
    }
    return s;
  }

  private int l1Index(long position) {
    return (int) ((position >> bits) / perTable);
  }

  private int l2Index(long position) {
    return (int) ((position >> bits) % perTable);
  }

  private long entry(long position) throws IOException {
    long t = table(l1Index(position));
    int n = l2Index(position);
    return t == 0 ? 0 : slice(t, n)[n % SLICE];
  }

  @Override
  public void read(long sector, byte[] to, int bytes) throws IOException {
    long at = sector * SECTOR;
    for (int done = 0; done < bytes; ) {
      int in = (int) (at + done) & cluster - 1;
      int n = Math.min(bytes - done, cluster - in);
      long e = entry(at + done);
      if ((e & COMPRESSED) != 0) {
        System.arraycopy(inflate(e), in, to, done, n);
      } else if ((e & OFFSET) == 0 || (e & ZERO) != 0) {
        Arrays.fill(to, done, done + n, (byte) 0);
      } else {
        image.read((e & OFFSET) + in, to, done, n);
      }
      done += n;
    }
  }

  /**
   * Looks whether all clusters that tables lead to are in the file, which they are not if its end
   * was cut off: they would be read as zeros. Of very large images the first tables are looked at.
   *
   * @throws IOException if one is not
   */
  public void requireWhole() throws IOException {
    long length = image.length();
    int left = MOST_SLICES;
    for (long first : l1) {
      long t = first & OFFSET;
      require(t < length, CUT_OFF);
      if (t == 0 || left < cluster) {
        continue;
      }
      left -= cluster;
      for (long e : longs(t, perTable)) {
        long at = (e & COMPRESSED) != 0 ? e & (1L << 62 - (bits - 8)) - 1 : e & OFFSET;
        require(at < length, CUT_OFF);
      }
    }
  }

  @Override
  public long work() {
    return super.work() + unpacked;
  }

  /** {@return a compressed cluster, which nobody may change} */
  private byte[] inflate(long e) throws IOException {
    if (e != inflatedEntry) {
      inflatedEntry = 0;
      inflated = unpack(e);
      inflatedEntry = e;
    }
    return inflated;
  }

  private byte[] unpack(long e) throws IOException {
    unpacked += cluster;
    int shift = 62 - (bits - 8);
    long at = e & (1L << shift) - 1;
    int sectors = (int) ((e & ~(COPIED | COMPRESSED)) >>> shift) + 1;
    int length = sectors * SECTOR - ((int) at & SECTOR - 1);
    byte[] out = new byte[cluster];
    Inflater i = new Inflater(true);
    try {
      i.setInput(bytes(at, length));
      int n = 0;
      while (n < cluster && !i.finished()) {
        int more = i.inflate(out, n, cluster - n);
        require(more > 0 || i.finished(), "a compressed cluster is cut off");
        n += more;
      }
      return out;
    } catch (DataFormatException x) {
      throw new IOException("a compressed cluster is damaged", x);
    } finally {
      i.end();
    }
  }

  // ---- writing

  /** Writes to the file, never behind its end: that moves by {@link #extend} alone. */
  private void store(long at, byte[] from, int offset, int length) throws IOException {
    // A damaged image may have tables where a compressed cluster is.
    inflatedEntry = 0;
    require(at >= 0 && at <= end - length, "a table of the image leads outside it");
    if (autoclear) {
      autoclear = false;
      image.write(AUTOCLEAR, new byte[8], 0, 8);
    }
    image.write(at, from, offset, length);
  }

  /** {@return where clusters begin that the file has now in addition} */
  private long extend(int clusters) throws IOException {
    long at = end;
    require(
        (long) clusters << bits <= most - at,
        "it would grow beyond its size of " + size + " bytes: its tables are damaged");
    end += (long) clusters << bits;
    return at;
  }

  @Override
  public void write(long sector, byte[] from, int bytes) throws IOException {
    long at = sector * SECTOR;
    for (int done = 0; done < bytes; ) {
      int in = (int) (at + done) & cluster - 1;
      int n = Math.min(bytes - done, cluster - in);
      writeInCluster(at + done, from, done, n);
      done += n;
    }
  }

  private void writeInCluster(long position, byte[] from, int offset, int n) throws IOException {
    int in = (int) position & cluster - 1;
    long e = entry(position);
    if ((e & COPIED) != 0 && (e & (COMPRESSED | ZERO)) == 0) {
      store((e & OFFSET) + in, from, offset, n);
      return;
    }
    byte[] all = new byte[cluster];
    if (n < cluster) {
      long first = position - in;
      int sectors = (int) Math.min(cluster, size - first) / SECTOR;
      read(first / SECTOR, all, sectors * SECTOR);
    }
    System.arraycopy(from, offset, all, in, n);
    long fresh = allocate();
    store(fresh, all, 0, cluster);
    long t = ownTable(l1Index(position));
    int n2 = l2Index(position);
    put(t + 8L * n2, fresh | COPIED);
    slice(t, n2)[n2 % SLICE] = fresh | COPIED;
    release(e);
  }

  /** {@return where a table lies that nothing else shares, so that it can be changed} */
  private long ownTable(int n) throws IOException {
    long old = table(n);
    if (old != 0 && (l1[n] & COPIED) != 0) {
      return old;
    }
    long[] t = old == 0 ? new long[perTable] : longs(old, perTable);
    // What a shared table leads to is shared as well.
    for (int i = 0; i < perTable; i++) {
      t[i] &= ~COPIED;
    }
    long at = allocate();
    ByteBuffer b = ByteBuffer.allocate(cluster);
    b.asLongBuffer().put(t);
    store(at, b.array(), 0, cluster);
    // A damaged image may have had a table there, behind its end.
    for (int i = 0; i < perTable; i += SLICE) {
      slices.remove(at + 8L * i);
    }
    l1[n] = at | COPIED;
    put(l1Offset + 8L * n, l1[n]);
    if (old != 0) {
      count(old, -1);
    }
    return at;
  }

  private void release(long e) throws IOException {
    if ((e & COMPRESSED) != 0) {
      int shift = 62 - (bits - 8);
      long at = e & (1L << shift) - 1;
      long last = at + (((e & ~(COPIED | COMPRESSED)) >>> shift) + 1) * SECTOR - 1;
      for (long c = at >> bits; c <= last >> bits; c++) {
        count(c << bits, -1);
      }
    } else if ((e & OFFSET) != 0) {
      count(e & OFFSET, -1);
    }
  }

  /** {@return a new cluster at the end, counted once} */
  private long allocate() throws IOException {
    long at = extend(1);
    count(at, 1);
    return at;
  }

  private void count(long at, int change) throws IOException {
    require(at < end, "a table of the image leads outside it");
    int perBlock = cluster / 2;
    long number = at >> bits;
    int block = (int) (number / perBlock);
    if (block >= counts.length) {
      growCounts(block);
    }
    if (counts[block] == 0) {
      long fresh = extend(1);
      store(fresh, new byte[cluster], 0, cluster);
      counts[block] = fresh;
      put(countTable + 8L * block, fresh);
      count(fresh, 1);
    }
    long place = (counts[block] & OFFSET) + 2 * (number % perBlock);
    ByteBuffer v = ByteBuffer.wrap(bytes(place, 2));
    v.putShort(0, (short) Math.max(0, v.getShort(0) + change));
    store(place, v.array(), 0, 2);
  }

  /** Moves the table of count blocks to a larger place. */
  private void growCounts(int block) throws IOException {
    int clusters = (block * 2 + perTable) / perTable;
    long at = extend(clusters);
    long old = countTable;
    int oldClusters = counts.length / perTable;
    counts = Arrays.copyOf(counts, clusters * perTable);
    ByteBuffer b = ByteBuffer.allocate(clusters * cluster);
    b.asLongBuffer().put(counts);
    store(at, b.array(), 0, b.capacity());
    countTable = at;
    for (int i = 0; i < clusters; i++) {
      count(at + (long) i * cluster, 1);
    }
    ByteBuffer h = ByteBuffer.allocate(12).putLong(0, at).putInt(8, clusters);
    store(48, h.array(), 0, 12);
    for (int i = 0; i < oldClusters; i++) {
      count(old + (long) i * cluster, -1);
    }
  }
}
