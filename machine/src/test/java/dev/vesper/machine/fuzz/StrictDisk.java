package dev.vesper.machine.fuzz;

import dev.vesper.machine.device.disk.Disk;

/** A small disk that is asked only for what it has, or else there is a fault. */
final class StrictDisk implements Disk {
  private static final int SECTORS = 64;

  private final byte[] data = new byte[SECTORS * SECTOR];

  @Override
  public long sectors() {
    return SECTORS;
  }

  @Override
  public boolean readOnly() {
    return false;
  }

  private static void check(long sector, int bytes) {
    if (sector < 0 || bytes < 0 || sector * SECTOR + bytes > (long) SECTORS * SECTOR) {
      throw new IllegalStateException("sector " + sector + ", " + bytes + " bytes");
    }
  }

  @Override
  public void read(long sector, byte[] to, int bytes) {
    check(sector, bytes);
    System.arraycopy(data, (int) sector * SECTOR, to, 0, bytes);
  }

  @Override
  public void write(long sector, byte[] from, int bytes) {
    check(sector, bytes);
    System.arraycopy(from, 0, data, (int) sector * SECTOR, bytes);
  }

  @Override
  public void flush() {
    // Nothing is kept.
  }
}
