package dev.vesper.cli.boot;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Kernels to boot where none is named: Debian's for clouds, which apt fetches and checks, once. A
 * package is unpacked in a new folder of the cache that nobody else can write, and gets its name
 * there when it is whole.
 */
public final class Kernels {
  private static final String PACKAGE = "linux-image-cloud-amd64";
  private static final String IMAGE = "vmlinuz-";

  private final Path cache;

  /**
   * @param cache the folder of kernels, which need not be there
   */
  public Kernels(Path cache) {
    this.cache = cache;
  }

  /** {@return the newest kernel of the cache, or null} */
  public @Nullable Path newest() throws IOException {
    Path newest = null;
    for (Path folder : list(cache)) {
      // What begins with a dot is not whole yet.
      if (!String.valueOf(folder.getFileName()).startsWith(".")) {
        Path k = image(folder);
        newest = k == null || newest != null && ORDER.compare(k, newest) < 0 ? newest : k;
      }
    }
    return newest;
  }

  /** {@return a kernel of this computer that can be read, or null} */
  public static @Nullable Path installed() throws IOException {
    return list(Path.of("/boot")).stream()
        .filter(p -> String.valueOf(p.getFileName()).startsWith(IMAGE) && Files.isReadable(p))
        .max(ORDER)
        .orElse(null);
  }

  /** Compares names as versions: numbers in them by value. */
  private static final Comparator<Path> ORDER =
      (a, b) -> compare(String.valueOf(a.getFileName()), String.valueOf(b.getFileName()));

  static int compare(String a, String b) {
    String[] x = a.split("(?<=\\d)(?=\\D)|(?<=\\D)(?=\\d)");
    String[] y = b.split("(?<=\\d)(?=\\D)|(?<=\\D)(?=\\d)");
    for (int i = 0; i < Math.min(x.length, y.length); i++) {
      boolean numbers = Character.isDigit(x[i].charAt(0)) && Character.isDigit(y[i].charAt(0));
      int c =
          numbers
              ? new java.math.BigInteger(x[i]).compareTo(new java.math.BigInteger(y[i]))
              : x[i].compareTo(y[i]);
      if (c != 0) {
        return c;
      }
    }
    return x.length - y.length;
  }

  /**
   * Fetches Debian's kernel by apt.
   *
   * @return its image
   * @throws IOException if apt is not there, or does not have it, in a line
   */
  public Path fetch() throws IOException {
    Files.createDirectories(cache);
    Path work = Files.createTempDirectory(cache, ".new");
    try {
      String name = named();
      call(work, "apt-get", "download", name);
      Path file =
          list(work).stream()
              .filter(p -> p.toString().endsWith(".deb"))
              .findFirst()
              .orElseThrow(() -> new IOException("apt-get has downloaded no package " + name));
      Path unpacked = work.resolve("unpacked");
      call(work, "dpkg-deb", "-x", file.toString(), unpacked.toString());
      if (image(unpacked) == null) {
        throw new IOException("the package " + name + " has no kernel");
      }
      Path folder = cache.resolve(name);
      try {
        Files.move(unpacked, folder);
      } catch (FileSystemException e) {
        // Somebody else was faster.
        if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
          throw e;
        }
      }
      Path kernel = image(folder);
      if (kernel == null) {
        throw new IOException(folder + " has no kernel; remove it");
      }
      return kernel;
    } finally {
      remove(work);
    }
  }

  /** {@return the package of the newest version, on which that without a version depends} */
  private String named() throws IOException {
    String host = System.getProperty("os.arch");
    String other = host.equals("amd64") || host.equals("x86_64") ? "" : ":amd64";
    return call(Path.of("."), "apt-cache", "depends", PACKAGE + other)
        .lines()
        .map(String::trim)
        .filter(l -> l.startsWith("Depends: linux-image-"))
        .map(l -> l.substring("Depends: ".length()))
        .findFirst()
        .orElse(PACKAGE + other);
  }

  private static @Nullable Path image(Path folder) throws IOException {
    return list(folder.resolve("boot")).stream()
        .filter(p -> String.valueOf(p.getFileName()).startsWith(IMAGE))
        .max(ORDER)
        .orElse(null);
  }

  private static List<Path> list(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> s = Files.list(folder)) {
      return s.toList();
    }
  }

  private static String call(Path in, String... command) throws IOException {
    ProcessBuilder b = new ProcessBuilder(command).directory(in.toFile()).redirectErrorStream(true);
    b.environment().put("LC_ALL", "C");
    Process p = b.start();
    p.getOutputStream().close();
    String said =
        new String(p.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    try {
      if (p.waitFor() != 0) {
        String last = said.strip().lines().reduce("", (old, line) -> line);
        throw new IOException(String.join(" ", command) + ": " + last);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
    return said;
  }

  private static void remove(Path folder) throws IOException {
    List<Path> all = new ArrayList<>();
    try (Stream<Path> s = Files.walk(folder)) {
      s.sorted(Comparator.reverseOrder()).forEach(all::add);
    }
    for (Path p : all) {
      Files.deleteIfExists(p);
    }
  }
}
