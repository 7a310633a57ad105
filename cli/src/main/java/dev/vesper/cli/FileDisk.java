package dev.vesper.cli;

import dev.vesper.machine.device.VirtioBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;

/** A raw disk image. With {@code snapshot=on} writes stay in memory and are lost at the end. */
final class FileDisk implements VirtioBlock.Disk, AutoCloseable {
  private static final int SECTOR = 512;

  private final FileChannel file;
  private final long sectors;
  private final boolean readOnly;
  private final boolean snapshot;
  private final Map<Long, byte[]> written = new HashMap<>();

  private FileDisk(FileChannel file, boolean readOnly, boolean snapshot) throws IOException {
    this.file = file;
    this.readOnly = readOnly;
    this.snapshot = snapshot;
    sectors = file.size() / SECTOR;
  }

  /** Opens the disk of a {@code -drive} option. */
  static FileDisk open(String option) {
    Path path = null;
    boolean readOnly = false;
    boolean snapshot = false;
    for (String part : option.split(",")) {
      int eq = part.indexOf('=');
      String key = eq < 0 ? part : part.substring(0, eq);
      String value = eq < 0 ? "" : part.substring(eq + 1);
      switch (key) {
        case "file" -> path = Path.of(value);
        case "format" -> {
          if (!value.equals("raw")) {
            throw new UserError(
                "-drive format=" + value + ": only raw images are supported so far");
          }
        }
        case "if" -> {
          if (!value.equals("virtio")) {
            throw new UserError("-drive if=" + value + ": only virtio is supported so far");
          }
        }
        case "readonly" -> readOnly = flag(part, value);
        case "snapshot" -> snapshot = flag(part, value);
        default ->
            throw new UserError(
                "-drive takes file=F[,format=raw][,if=virtio][,readonly=on][,snapshot=on], not '"
                    + part
                    + "'");
      }
    }
    if (path == null) {
      throw new UserError("-drive needs file=F");
    }
    if (!Files.isRegularFile(path)) {
      throw new UserError("the disk " + path + " is no file: name a raw disk image");
    }
    try {
      FileChannel c =
          readOnly || snapshot
              ? FileChannel.open(path, StandardOpenOption.READ)
              : FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
      return new FileDisk(c, readOnly, snapshot);
    } catch (IOException e) {
      throw new UserError("cannot open the disk " + path + ": " + e.getMessage());
    }
  }

  private static boolean flag(String part, String value) {
    return switch (value) {
      case "on" -> true;
      case "off" -> false;
      default -> throw new UserError("-drive " + part + ": say on or off");
    };
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
    ByteBuffer b = ByteBuffer.wrap(to, 0, bytes);
    long at = sector * SECTOR;
    while (b.hasRemaining()) {
      int n = file.read(b, at + b.position());
      if (n < 0) {
        throw new IOException("the disk image became shorter");
      }
    }
    for (int i = 0; i < bytes / SECTOR; i++) {
      byte[] w = written.get(sector + i);
      if (w != null) {
        System.arraycopy(w, 0, to, i * SECTOR, SECTOR);
      }
    }
  }

  @Override
  public void write(long sector, byte[] from, int bytes) throws IOException {
    if (snapshot) {
      for (int i = 0; i < bytes / SECTOR; i++) {
        written.put(sector + i, java.util.Arrays.copyOfRange(from, i * SECTOR, (i + 1) * SECTOR));
      }
      return;
    }
    ByteBuffer b = ByteBuffer.wrap(from, 0, bytes);
    while (b.hasRemaining()) {
      file.write(b, sector * SECTOR + b.position());
    }
  }

  @Override
  public void flush() throws IOException {
    if (!snapshot && !readOnly) {
      file.force(false);
    }
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
