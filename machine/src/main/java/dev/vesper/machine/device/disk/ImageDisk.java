package dev.vesper.machine.device.disk;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A disk whose sectors are in an image, whatever that looks like. */
abstract class ImageDisk implements Disk {
  final CountedStorage image;
  private final boolean readOnly;
  private @Nullable String fingerprint;

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
  public final String name() {
    return image.name();
  }

  @Override
  public final String fingerprint() throws IOException {
    String f = fingerprint;
    if (f == null) {
      f = image.fingerprint();
      fingerprint = readOnly ? f : null;
    }
    return f;
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
