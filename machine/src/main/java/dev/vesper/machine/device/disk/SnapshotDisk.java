package dev.vesper.machine.device.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A disk over another one that keeps what is written in a temporary file and forgets it at the end.
 * The file has no name any more when the guest begins, takes no more room than what was written and
 * is never larger than the disk and a little more, nor than {@link #MOST_BYTES}.
 *
 * <p>Clusters lie there where they lie on the disk, behind a bitmap of those that are there, of
 * which the last used pieces are in memory.
 */
public final class SnapshotDisk implements Disk {
  private static final int CLUSTER_SECTORS = 8;
  private static final int CLUSTER = CLUSTER_SECTORS * SECTOR;

  /** Clusters whose bits are read and written together. */
  private static final int PIECE = 8 * CLUSTER;

  /** Pieces of the bitmap in memory: they are for 32 GiB of disk, in 1 MiB. */
  private static final int MOST_PIECES = 256;

  /**
   * A snapshot keeps no more, and no more than half of what is free: the computer is not filled.
   */
  public static final long MOST_BYTES = 16L << 30;

  private final Disk below;
  private final FileChannel file;
  private final Consumer<String> notices;

  /** Clusters that there is room for. */
  private long room;

  private boolean told;

  /** Where the first cluster lies in the file. */
  private final long data;

  /** A part of the bitmap. */
  private static final class Piece {
    final BitSet bits;
    boolean changed;

    Piece(BitSet bits) {
      this.bits = bits;
    }
  }

  private final Map<Long, Piece> pieces = new LinkedHashMap<>(16, 0.75f, true);

  /**
   * @param below is only read, and closed with this
   * @throws IOException if there can be no temporary file, or the disk is larger than any file
   */
  public SnapshotDisk(Disk below) throws IOException {
    this(below, MOST_BYTES, n -> {});
  }

  /**
   * @param below is only read, and closed with this
   * @param most bytes that are kept at most
   * @param notices is told, once, why a write fails
   * @throws IOException if there can be no temporary file, or the disk is larger than any file
   */
  public SnapshotDisk(Disk below, long most, Consumer<String> notices) throws IOException {
    this.below = below;
    this.notices = notices;
    long clusters = (below.sectors() + CLUSTER_SECTORS - 1) / CLUSTER_SECTORS;
    data = (clusters + PIECE - 1) / PIECE * CLUSTER;
    if (clusters > (Long.MAX_VALUE - data) / CLUSTER) {
      throw new IOException("it is too large for a snapshot: take readonly=on");
    }
    Path p;
    try {
      p = Files.createTempFile("vesper", ".snapshot");
    } catch (IOException e) {
      throw new IOException(
          "what the guest writes has no place in "
              + System.getProperty("java.io.tmpdir")
              + ": make room there, or name another folder with -Djava.io.tmpdir",
          e);
    }
    room = Math.min(most, Files.getFileStore(p).getUsableSpace() / 2) / CLUSTER;
    file =
        FileChannel.open(
            p,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE,
            StandardOpenOption.SPARSE,
            StandardOpenOption.DELETE_ON_CLOSE);
  }

  @Override
  public long sectors() {
    return below.sectors();
  }

  @Override
  public long work() {
    return below.work();
  }

  @Override
  public String name() {
    return below.name();
  }

  @Override
  public String fingerprint() throws IOException {
    return below.fingerprint();
  }

  @Override
  public boolean readOnly() {
    return false;
  }

  // ---- which clusters are there

  private Piece piece(long cluster) throws IOException {
    long n = cluster / PIECE;
    Piece p = pieces.get(n);
    if (p == null) {
      if (pieces.size() >= MOST_PIECES) {
        Map.Entry<Long, Piece> oldest = pieces.entrySet().iterator().next();
        keep(oldest.getKey(), oldest.getValue());
        pieces.remove(oldest.getKey());
      }
      byte[] b = new byte[CLUSTER];
      load(n * CLUSTER, b, 0, CLUSTER);
      p = new Piece(BitSet.valueOf(b));
      pieces.put(n, p);
    }
    return p;
  }

  private void keep(long n, Piece p) throws IOException {
    if (p.changed) {
      byte[] bits = p.bits.toByteArray();
      byte[] b = java.util.Arrays.copyOf(bits, CLUSTER);
      store(n * CLUSTER, b, 0, CLUSTER);
      p.changed = false;
    }
  }

  private boolean has(long cluster) throws IOException {
    return piece(cluster).bits.get((int) (cluster % PIECE));
  }

  private void add(long cluster) throws IOException {
    Piece p = piece(cluster);
    int bit = (int) (cluster % PIECE);
    if (!p.bits.get(bit)) {
      room--;
    }
    p.bits.set(bit);
    p.changed = true;
  }

  /** Refuses a write that has more new clusters than there is room for. */
  private void require(long first, long last) throws IOException {
    if (last - first < room) {
      return;
    }
    long more = 0;
    for (long c = first; c <= last; c++) {
      more += has(c) ? 0 : 1;
    }
    if (more > room) {
      if (!told) {
        told = true;
        notices.accept(
            "the guest has written more than a snapshot keeps, 16 GiB and half of what is free in "
                + System.getProperty("java.io.tmpdir")
                + " at most: its writes fail; copy the image and let it write to the copy");
      }
      throw new IOException("the snapshot is full");
    }
  }

  // ---- the file

  private void load(long at, byte[] to, int offset, int length) throws IOException {
    ByteBuffer b = ByteBuffer.wrap(to, offset, length);
    while (b.hasRemaining() && file.read(b, at + b.position() - offset) >= 0) {
      // Behind the end nothing was written: zeroes, as the buffer has them or the caller wants.
    }
  }

  private void store(long at, byte[] from, int offset, int length) throws IOException {
    ByteBuffer b = ByteBuffer.wrap(from, offset, length);
    while (b.hasRemaining()) {
      file.write(b, at + b.position() - offset);
    }
  }

  // ---- sectors

  @Override
  public void read(long sector, byte[] to, int bytes) throws IOException {
    for (int done = 0; done < bytes; ) {
      long s = sector + done / SECTOR;
      boolean here = has(s / CLUSTER_SECTORS);
      int n = run(s, bytes - done, here);
      if (here) {
        load(data + s * SECTOR, to, done, n);
      } else if (done == 0 && n == bytes) {
        below.read(s, to, n);
      } else {
        byte[] part = new byte[n];
        below.read(s, part, n);
        System.arraycopy(part, 0, to, done, n);
      }
      done += n;
    }
  }

  /** {@return bytes from a sector on, up to a number, that all lie above or all below} */
  private int run(long sector, int most, boolean here) throws IOException {
    int n = (int) (CLUSTER_SECTORS - sector % CLUSTER_SECTORS) * SECTOR;
    while (n < most && has((sector + n / SECTOR) / CLUSTER_SECTORS) == here) {
      n += CLUSTER;
    }
    return Math.min(n, most);
  }

  @Override
  public void write(long sector, byte[] from, int bytes) throws IOException {
    long last = (sector + bytes / SECTOR - 1) / CLUSTER_SECTORS;
    require(sector / CLUSTER_SECTORS, last);
    // Clusters of which a part is written need the rest of them; there are two at most.
    complete(sector);
    complete(sector + bytes / SECTOR);
    store(data + sector * SECTOR, from, 0, bytes);
    for (long c = sector / CLUSTER_SECTORS; c <= last; c++) {
      add(c);
    }
  }

  /** Brings up the cluster that a write begins or ends in the middle of. */
  private void complete(long sector) throws IOException {
    long c = sector / CLUSTER_SECTORS;
    if (sector % CLUSTER_SECTORS == 0 || has(c)) {
      return;
    }
    long first = c * CLUSTER_SECTORS;
    byte[] all = new byte[(int) Math.min(CLUSTER_SECTORS, sectors() - first) * SECTOR];
    below.read(first, all, all.length);
    store(data + first * SECTOR, all, 0, all.length);
    add(c);
  }

  @Override
  public void flush() {
    // nothing of it outlives the run
  }

  @Override
  public void close() throws IOException {
    try (below) {
      file.close();
    }
  }
}
