package dev.vesper.machine.device.disk;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * A raw disk of which nobody has said that it is raw. Whoever looks at it the next time will look
 * again, and must find the same: a guest that writes the first bytes of another format there would
 * have its disk taken for an image, of its own making, in the next run. Such a write fails, as it
 * does under QEMU (block/raw-format.c); all others are done.
 */
public final class ProbedDisk implements Disk {
  /**
   * How a format is known by the first sector.
   *
   * @param offset of its mark
   */
  private record Mark(int offset, byte[] bytes) {
    static Mark of(int offset, String text) {
      return new Mark(offset, text.getBytes(StandardCharsets.ISO_8859_1));
    }

    boolean isIn(byte[] sector) {
      for (int i = 0; i < bytes.length; i++) {
        if (sector[offset + i] != bytes[i]) {
          return false;
        }
      }
      return true;
    }
  }

  /** The formats that QEMU finds by what begins an image; all qcow versions begin alike. */
  private static final List<Mark> MARKS =
      List.of(
          Mark.of(0, "QFI\u00fb"),
          Mark.of(0, "QED\0"),
          Mark.of(0, "KDMV"),
          Mark.of(0, "COWD"),
          Mark.of(0, "# Disk DescriptorFile"),
          Mark.of(0, "vhdxfile"),
          Mark.of(0, "conectix"),
          Mark.of(0, "WithoutFreeSpace"),
          Mark.of(0, "WithouFreSpacExt"),
          Mark.of(0, "Bochs Virtual HD Image"),
          Mark.of(0, "LUKS\u00ba\u00be"),
          Mark.of(0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"),
          new Mark(64, new byte[] {0x7F, 0x10, (byte) 0xDA, (byte) 0xBE}));

  /** What describes a VMware disk in text: comments and empty lines, then the version. */
  private static final Pattern DESCRIPTION =
      Pattern.compile("(?:#[^\n]*+\n| *+\r?\n)*+version=[123]\r?\n");

  private final Disk disk;
  private final Consumer<String> notices;
  private boolean told;

  /**
   * @param disk the raw disk, closed with this
   * @param notices is told, once, why a write fails
   */
  public ProbedDisk(Disk disk, Consumer<String> notices) {
    this.disk = disk;
    this.notices = notices;
  }

  /** {@return whether a first sector begins an image of some format} */
  static boolean isImage(byte[] sector) {
    String text = new String(sector, 0, SECTOR, StandardCharsets.ISO_8859_1);
    return MARKS.stream().anyMatch(m -> m.isIn(sector)) || DESCRIPTION.matcher(text).lookingAt();
  }

  @Override
  public long work() {
    return disk.work();
  }

  @Override
  public String name() {
    return disk.name();
  }

  @Override
  public String fingerprint() throws IOException {
    return disk.fingerprint();
  }

  @Override
  public long sectors() {
    return disk.sectors();
  }

  @Override
  public boolean readOnly() {
    return disk.readOnly();
  }

  @Override
  public void read(long sector, byte[] to, int bytes) throws IOException {
    disk.read(sector, to, bytes);
  }

  @Override
  public void write(long sector, byte[] from, int bytes) throws IOException {
    if (sector == 0 && bytes >= SECTOR && isImage(from)) {
      if (!told) {
        told = true;
        notices.accept(
            "the guest writes the beginning of an image of another format to its disk, which is"
                + " refused while the format was only guessed to be raw: say format=raw to let it");
      }
      throw new IOException("the first sector would look like an image of another format");
    }
    disk.write(sector, from, bytes);
  }

  @Override
  public void flush() throws IOException {
    disk.flush();
  }

  @Override
  public void close() throws IOException {
    disk.close();
  }
}
