package dev.vesper.machine.device.disk;

import java.io.IOException;

/** A disk whose image holds its sectors one after the other. */
public final class RawDisk extends ImageDisk {
  private final long sectors;

  /**
   * @throws IOException if the length cannot be read
   */
  public RawDisk(Storage image, boolean readOnly) throws IOException {
    super(image, readOnly);
    // What is behind the last whole sector cannot be reached, as with any disk.
    sectors = image.length() / SECTOR;
  }

  @Override
  public long sectors() {
    return sectors;
  }

  @Override
  public void read(long sector, byte[] to, int bytes) throws IOException {
    image.read(sector * SECTOR, to, 0, bytes);
  }

  @Override
  public void write(long sector, byte[] from, int bytes) throws IOException {
    image.write(sector * SECTOR, from, 0, bytes);
  }
}
