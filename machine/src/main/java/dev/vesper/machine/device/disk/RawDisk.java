package dev.vesper.machine.device.disk;

import java.io.IOException;

/** A disk whose image holds its sectors one after the other. */
public final class RawDisk implements Disk {
  private final Storage image;
  private final boolean readOnly;
  private final long sectors;

  /**
   * @throws IOException if the length cannot be read
   */
  public RawDisk(Storage image, boolean readOnly) throws IOException {
    this.image = image;
    this.readOnly = readOnly;
    // What is behind the last whole sector cannot be reached, as with any disk.
    sectors = image.length() / SECTOR;
  }

  @Override
  public long sectors() {
    return sectors;
  }

  @Override
  public boolean readOnly() {
    return readOnly;
  }

  @Override
  public void read(long sector, byte[] to, int bytes) throws IOException {
    image.read(sector * SECTOR, to, 0, bytes);
  }

  @Override
  public void write(long sector, byte[] from, int bytes) throws IOException {
    image.write(sector * SECTOR, from, 0, bytes);
  }

  @Override
  public void flush() throws IOException {
    if (!readOnly) {
      image.flush();
    }
  }

  @Override
  public void close() throws IOException {
    image.close();
  }
}
