package dev.vesper.cli.boot;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;

/**
 * An initial RAM disk: a cpio archive of the form {@code newc} (Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst). Files are root's and of no date, so
 * that the same content gives the same bytes.
 */
final class Initramfs {
  private static final int FOLDER = 0x41ED;
  private static final int PROGRAM = 0x81ED;
  private static final int LINK = 0xA1FF;

  /** Bytes that a header, and a file, are filled up to a multiple of. */
  private static final int ALIGNMENT = 4;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final Set<String> folders = new HashSet<>();
  private int files;

  /** Adds a folder, and those that it lies in. */
  Initramfs folder(String name) {
    int slash = name.lastIndexOf('/');
    if (slash > 0) {
      folder(name.substring(0, slash));
    }
    if (folders.add(name)) {
      entry(name, FOLDER, new byte[0]);
    }
    return this;
  }

  /** Adds a file that can be executed, and the folders that it lies in. */
  Initramfs program(String name, byte[] bytes) {
    return placed(name, PROGRAM, bytes);
  }

  /** Adds a symbolic link. */
  Initramfs link(String name, String to) {
    return placed(name, LINK, to.getBytes(StandardCharsets.UTF_8));
  }

  private Initramfs placed(String name, int mode, byte[] bytes) {
    int slash = name.lastIndexOf('/');
    if (slash > 0) {
      folder(name.substring(0, slash));
    }
    entry(name, mode, bytes);
    return this;
  }

  /** {@return the archive} Nothing can be added any more. */
  byte[] finish() {
    entry("TRAILER!!!", 0, new byte[0]);
    return out.toByteArray();
  }

  private void entry(String name, int mode, byte[] bytes) {
    byte[] n = name.getBytes(StandardCharsets.UTF_8);
    // Number, mode, user, group, links, time, size, four of devices, size of the name, checksum.
    int[] fields = {++files, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, n.length + 1, 0};
    StringBuilder header = new StringBuilder("070701");
    for (int f : fields) {
      header.append(String.format("%08X", f));
    }
    out.writeBytes(header.toString().getBytes(StandardCharsets.US_ASCII));
    out.writeBytes(n);
    out.write(0);
    fill();
    out.writeBytes(bytes);
    fill();
  }

  private void fill() {
    while (out.size() % ALIGNMENT != 0) {
      out.write(0);
    }
  }
}
