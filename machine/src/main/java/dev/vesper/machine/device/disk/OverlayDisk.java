package dev.vesper.machine.device.disk;

import dev.vesper.machine.state.OwnState;
import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * A disk over another one whose written clusters are in memory, and part of the machine's state: a
 * snapshot carries them, and going back to a moment takes them back. The disk below is only read.
 */
public final class OverlayDisk implements Disk, OwnState {
  private static final int CLUSTER_SECTORS = 8;
  private static final int CLUSTER = CLUSTER_SECTORS * SECTOR;

  /** No more than this is kept, nor more than a quarter of the memory that the process may have. */
  public static final long MOST_BYTES =
      Math.min(4L << 30, Runtime.getRuntime().maxMemory() / 4) / CLUSTER * CLUSTER;

  private static final Object[] NOTHING = {new long[0], new byte[0][]};

  private final transient Disk below;
  private final transient long most;
  private final transient Consumer<String> notices;

  /** By their numbers; no array is changed once it is here, because others may have it too. */
  private final transient Map<Long, byte[]> clusters = new TreeMap<>();

  /** What {@link #ownState} has given, while nothing is written; null if something was. */
  private transient Object @org.jspecify.annotations.Nullable [] given = NOTHING;

  private transient boolean told;

  /**
   * @param below is only read, and closed with this
   */
  public OverlayDisk(Disk below) {
    this(below, MOST_BYTES, n -> {});
  }

  /**
   * @param below is only read, and closed with this
   * @param most bytes that are kept at most
   * @param notices is told, once, why a write fails
   */
  public OverlayDisk(Disk below, long most, Consumer<String> notices) {
    this.below = below;
    this.most = most;
    this.notices = notices;
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
  public boolean readOnly() {
    return false;
  }

  @Override
  public String name() {
    return below.name();
  }

  @Override
  public String fingerprint() throws IOException {
    return below.fingerprint();
  }

  /** {@return bytes of clusters that were written} */
  public long written() {
    return (long) clusters.size() * CLUSTER;
  }

  // ---- sectors

  @Override
  public void read(long sector, byte[] to, int bytes) throws IOException {
    for (int done = 0; done < bytes; ) {
      long s = sector + done / SECTOR;
      byte[] here = clusters.get(s / CLUSTER_SECTORS);
      int inside = (int) (s % CLUSTER_SECTORS) * SECTOR;
      int n = Math.min(CLUSTER - inside, bytes - done);
      if (here != null) {
        System.arraycopy(here, inside, to, done, n);
      } else {
        n = below(s, n, bytes - done);
        if (done == 0) {
          below.read(s, to, n);
        } else {
          byte[] part = new byte[n];
          below.read(s, part, n);
          System.arraycopy(part, 0, to, done, n);
        }
      }
      done += n;
    }
  }

  /** {@return bytes from a sector on that all lie below, up to a number; some are known to} */
  private int below(long sector, int known, int most) {
    int n = known;
    while (n < most && !clusters.containsKey((sector + n / SECTOR) / CLUSTER_SECTORS)) {
      n += CLUSTER;
    }
    return Math.min(n, most);
  }

  @Override
  public void write(long sector, byte[] from, int bytes) throws IOException {
    long last = (sector + bytes / SECTOR - 1) / CLUSTER_SECTORS;
    require(sector / CLUSTER_SECTORS, last);
    given = null;
    for (int done = 0; done < bytes; ) {
      long s = sector + done / SECTOR;
      long c = s / CLUSTER_SECTORS;
      int inside = (int) (s % CLUSTER_SECTORS) * SECTOR;
      int n = Math.min(CLUSTER - inside, bytes - done);
      byte[] b = n == CLUSTER ? new byte[CLUSTER] : whole(c);
      System.arraycopy(from, done, b, inside, n);
      clusters.put(c, b);
      done += n;
    }
  }

  /** {@return a copy of a cluster, of which a part is to be written} */
  private byte[] whole(long cluster) throws IOException {
    byte[] there = clusters.get(cluster);
    if (there != null) {
      return there.clone();
    }
    byte[] b = new byte[CLUSTER];
    long first = cluster * CLUSTER_SECTORS;
    below.read(first, b, (int) Math.min(CLUSTER_SECTORS, sectors() - first) * SECTOR);
    return b;
  }

  /** Refuses a write that has more new clusters than there is room for. */
  private void require(long first, long last) throws IOException {
    long room = most / CLUSTER - clusters.size();
    if (last - first < room) {
      return;
    }
    long more = 0;
    for (long c = first; c <= last; c++) {
      more += clusters.containsKey(c) ? 0 : 1;
    }
    if (more > room) {
      if (!told) {
        told = true;
        notices.accept(
            "the guest has written more to its disk than a snapshot keeps, "
                + (most >> 20)
                + " MiB: its writes fail; give the process more memory, or write the image first"
                + " in a run without snapshots");
      }
      throw new IOException("the overlay is full");
    }
  }

  @Override
  public void flush() {
    // Nothing of it outlives the run but in a snapshot, which is written as a whole.
  }

  @Override
  public void close() throws IOException {
    below.close();
  }

  // ---- state

  @Override
  public Object ownState() {
    Object[] g = given;
    if (g == null) {
      long[] numbers = clusters.keySet().stream().mapToLong(c -> c).toArray();
      g = new Object[] {numbers, clusters.values().toArray(byte[][]::new)};
      given = g;
    }
    return g;
  }

  @Override
  public void ownState(Object state) {
    if (!(state instanceof Object[] s)
        || s.length != 2
        || !(s[0] instanceof long[] numbers)
        || !(s[1] instanceof Object[] bytes)
        || bytes.length != numbers.length) {
      throw new IllegalArgumentException("a disk's overlay is no list of clusters");
    }
    long end = (sectors() + CLUSTER_SECTORS - 1) / CLUSTER_SECTORS;
    if (numbers.length > most / CLUSTER) {
      throw new IllegalArgumentException("a disk's overlay is larger than can be kept here");
    }
    Map<Long, byte[]> all = new TreeMap<>();
    for (int i = 0; i < numbers.length; i++) {
      if (numbers[i] < 0
          || numbers[i] >= end
          || !(bytes[i] instanceof byte[] b)
          || b.length != CLUSTER) {
        throw new IllegalArgumentException("a disk's overlay has a cluster that is none");
      }
      all.put(numbers[i], b);
    }
    clusters.clear();
    clusters.putAll(all);
    given = s;
  }
}
