package dev.vesper.bench;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** An initial RAM disk: a cpio archive in the format {@code newc} (Linux, buffer-format). */
final class Initramfs {
  private static final int FOLDER = 0x41ED;
  private static final int FILE = 0x81ED;
  private static final int LINK = 0xA1FF;

  private final OutputStream out;
  private long written;
  private int number;

  private Initramfs(OutputStream out) {
    this.out = out;
  }

  /**
   * Writes an archive.
   *
   * @param tree what is in it
   * @param wanted which of its files, by their paths in it
   * @param init the text of /init
   */
  static void write(Path to, Path tree, Predicate<String> wanted, String init) throws IOException {
    try (OutputStream o = new BufferedOutputStream(Files.newOutputStream(to));
        Stream<Path> all = Files.walk(tree)) {
      Initramfs a = new Initramfs(o);
      for (String folder : List.of("proc", "dev", "sys", "tmp")) {
        a.entry(folder, FOLDER, new byte[0]);
      }
      for (Path p : all.filter(p -> !p.equals(tree)).sorted().toList()) {
        String name = tree.relativize(p).toString();
        if (Files.isSymbolicLink(p)) {
          String target = Files.readSymbolicLink(p).toString();
          a.entry(name, LINK, target.getBytes(StandardCharsets.UTF_8));
        } else if (Files.isDirectory(p, LinkOption.NOFOLLOW_LINKS)) {
          a.entry(name, FOLDER, new byte[0]);
        } else if (wanted.test(name)) {
          a.entry(name, FILE, Files.readAllBytes(p));
        }
      }
      a.entry("init", FILE, init.getBytes(StandardCharsets.UTF_8));
      a.entry("TRAILER!!!", 0, new byte[0]);
    }
  }

  private void entry(String name, int mode, byte[] data) throws IOException {
    byte[] path = name.getBytes(StandardCharsets.UTF_8);
    int[] fields = {++number, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, path.length + 1, 0};
    StringBuilder h = new StringBuilder("070701");
    for (int f : fields) {
      h.append(String.format(Locale.ROOT, "%08X", f));
    }
    put(h.toString().getBytes(StandardCharsets.US_ASCII));
    put(path);
    put(new byte[1]);
    pad();
    put(data);
    pad();
  }

  private void put(byte[] b) throws IOException {
    out.write(b);
    written += b.length;
  }

  private void pad() throws IOException {
    put(new byte[(int) (-written & 3)]);
  }
}
