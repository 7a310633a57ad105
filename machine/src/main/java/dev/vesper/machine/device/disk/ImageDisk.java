package dev.vesper.machine.device.disk;

import java.io.IOException;

/** A disk whose sectors are in an image, whatever that looks like. */
abstract class ImageDisk implements Disk {
  final CountedStorage image;
  private final boolean readOnly;

  ImageDisk(Storage image, boolean readOnly) {
    this.image = new CountedStorage(image);
    this.readOnly = readOnly;
  }

  @Override
  public long work() {
    return image.bytes();
  }

  @Override
  public final boolean readOnly() {
    return readOnly;
  }

  @Override
  public final void flush() throws IOException {
    if (!readOnly) {
      image.flush();
    }
  }

  @Override
  public final void close() throws IOException {
    image.close();
  }
}
