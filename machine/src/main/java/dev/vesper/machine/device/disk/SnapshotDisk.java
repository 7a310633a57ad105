package dev.vesper.machine.device.disk;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/** A disk over another one that keeps what is written in memory and forgets it at the end. */
public final class SnapshotDisk implements Disk {
  private static final int CLUSTER_SECTORS = 8;
  private static final int CLUSTER = CLUSTER_SECTORS * SECTOR;

  private final Disk below;
  private final Map<Long, byte[]> written = new HashMap<>();

  /**
   * @param below is only read
   */
  public SnapshotDisk(Disk below) {
    this.below = below;
  }

  @Override
  public long sectors() {
    return below.sectors();
  }

  @Override
  public boolean readOnly() {
    return false;
  }

  @Override
  public void read(long sector, byte[] to, int bytes) throws IOException {
    below.read(sector, to, bytes);
    for (int done = 0; done < bytes; done += SECTOR) {
      long s = sector + done / SECTOR;
      byte[] c = written.get(s / CLUSTER_SECTORS);
      if (c != null) {
        System.arraycopy(c, (int) (s % CLUSTER_SECTORS) * SECTOR, to, done, SECTOR);
      }
    }
  }

  @Override
  public void write(long sector, byte[] from, int bytes) throws IOException {
    for (int done = 0; done < bytes; done += SECTOR) {
      long s = sector + done / SECTOR;
      byte[] c = written.get(s / CLUSTER_SECTORS);
      if (c == null) {
        c = new byte[CLUSTER];
        long first = s / CLUSTER_SECTORS * CLUSTER_SECTORS;
        below.read(first, c, (int) Math.min(CLUSTER_SECTORS, sectors() - first) * SECTOR);
        written.put(s / CLUSTER_SECTORS, c);
      }
      System.arraycopy(from, done, c, (int) (s % CLUSTER_SECTORS) * SECTOR, SECTOR);
    }
  }

  @Override
  public void flush() {
    // nothing of it outlives the run
  }

  @Override
  public void close() throws IOException {
    below.close();
  }
}
