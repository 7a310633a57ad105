package dev.vesper.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;

/**
 * Debian's cloud kernel and a busybox initramfs. The package is downloaded by name once and kept
 * outside the project; a test that cannot get it fails under CI and is skipped elsewhere.
 */
final class DebianKernel {
  /** {@return where what is downloaded is kept} */
  static Path cache() throws IOException {
    return Files.createDirectories(CACHE);
  }

  private static final Path CACHE =
      Path.of(
          System.getenv()
              .getOrDefault("VESPER_CACHE", System.getProperty("user.home") + "/.cache/vesper"));

  private static final List<String> FOLDERS = List.of("bin", "dev", "proc", "sys", "tmp", "m");

  private DebianKernel() {}

  private static void unavailable(String why) {
    if ("true".equals(System.getenv("CI"))) {
      throw new AssertionError("under CI this must be there: " + why);
    }
    Assumptions.abort(why);
  }

  private static int run(Path dir, String... command) throws IOException, InterruptedException {
    Process p =
        new ProcessBuilder(command).directory(dir.toFile()).redirectErrorStream(true).start();
    p.getInputStream().readAllBytes();
    return p.waitFor();
  }

  /** {@return a file of a folder itself, whose name matches, or null} */
  private static @Nullable Path find(Path dir, String glob) throws IOException {
    if (!Files.isDirectory(dir)) {
      return null;
    }
    try (Stream<Path> s = Files.list(dir)) {
      return s.filter(p -> p.getFileName().toString().matches(glob))
          .sorted()
          .findFirst()
          .orElse(null);
    }
  }

  /** {@return the unmodified bzImage} */
  static byte[] image() {
    try {
      Files.createDirectories(CACHE);
      Path kernel = find(CACHE.resolve("kernel/boot"), "vmlinuz-6\\.1\\..*cloud-amd64");
      if (kernel == null) {
        Process p = new ProcessBuilder("apt-cache", "depends", "linux-image-cloud-amd64").start();
        String name =
            new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .filter(l -> l.contains("Depends: linux-image-"))
                .map(l -> l.replaceAll(".*Depends: ", "").trim())
                .findFirst()
                .orElse("linux-image-cloud-amd64");
        if (run(CACHE, "apt-get", "download", name) != 0) {
          unavailable("cannot download " + name);
        }
        Path deb = find(CACHE, "linux-image-.*\\.deb");
        if (deb == null
            || run(CACHE, "dpkg", "-x", deb.toString(), CACHE.resolve("kernel").toString()) != 0) {
          unavailable("cannot unpack the kernel package");
        }
        kernel = find(CACHE.resolve("kernel/boot"), "vmlinuz-6\\.1\\..*cloud-amd64");
      }
      if (kernel == null) {
        unavailable("no cloud kernel in the package");
        throw new AssertionError();
      }
      return Files.readAllBytes(kernel);
    } catch (IOException e) {
      unavailable("Debian's package tools: " + e.getMessage());
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }

  /**
   * {@return modules of the kernel by file name, each behind those that it needs}
   *
   * @param pattern regular expression for paths below the package's kernel directory
   */
  static Map<String, byte[]> modules(String pattern) {
    image();
    Map<String, byte[]> found = new TreeMap<>();
    try (Stream<Path> files = Files.walk(CACHE.resolve("kernel/lib/modules"))) {
      for (Path f :
          files.filter(x -> x.toString().matches(".*/kernel/(" + pattern + ")\\.ko")).toList()) {
        found.put(f.getFileName().toString(), Files.readAllBytes(f));
      }
    } catch (IOException e) {
      unavailable("the kernel's modules: " + e.getMessage());
    }
    Map<String, byte[]> ordered = new LinkedHashMap<>();
    found.keySet().forEach(name -> addWithNeeded(name, found, ordered));
    return ordered;
  }

  private static void addWithNeeded(
      String name, Map<String, byte[]> found, Map<String, byte[]> ordered) {
    byte[] module = found.get(name);
    if (module == null || ordered.containsKey(name)) {
      return;
    }
    Matcher m =
        Pattern.compile("\0depends=([^\0]*)\0")
            .matcher(new String(module, StandardCharsets.ISO_8859_1));
    for (String needed : m.find() ? m.group(1).split(",") : new String[0]) {
      // A file name has hyphens where the module's name has underscores, or not.
      found.keySet().stream()
          .filter(f -> f.replace('-', '_').equals(needed.replace('-', '_') + ".ko"))
          .forEach(f -> addWithNeeded(f, found, ordered));
    }
    ordered.put(name, module);
  }

  /** {@return a newc cpio archive with busybox and the given /init} */
  static byte[] initramfs(String init) {
    return initramfs(init, Map.of());
  }

  /** {@return a newc cpio archive with busybox, the given /init and further files, executable} */
  static byte[] initramfs(String init, Map<String, byte[]> files) {
    try {
      Path busybox = Path.of("/bin/busybox");
      if (!Files.isExecutable(busybox)) {
        unavailable("busybox-static is not installed");
      }
      return initramfs(Files.readAllBytes(busybox), init, files);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return the same with another busybox} */
  static byte[] initramfs(byte[] busybox, String init, Map<String, byte[]> files) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      for (String d : FOLDERS) {
        entry(out, d, 0x41ED, new byte[0]);
      }
      entry(out, "bin/busybox", 0x81ED, busybox);
      entry(out, "init", 0x81ED, init.getBytes(StandardCharsets.UTF_8));
      Set<String> folders = new HashSet<>(FOLDERS);
      for (Map.Entry<String, byte[]> f : files.entrySet()) {
        for (int i = f.getKey().indexOf('/'); i > 0; i = f.getKey().indexOf('/', i + 1)) {
          if (folders.add(f.getKey().substring(0, i))) {
            entry(out, f.getKey().substring(0, i), 0x41ED, new byte[0]);
          }
        }
        entry(out, f.getKey(), 0x81ED, f.getValue());
      }
      entry(out, "TRAILER!!!", 0, new byte[0]);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }

  private static void entry(ByteArrayOutputStream out, String name, int mode, byte[] data)
      throws IOException {
    int[] fields = {0, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length() + 1, 0};
    StringBuilder h = new StringBuilder("070701");
    for (int f : fields) {
      h.append(String.format("%08X", f));
    }
    out.write((h + name).getBytes(StandardCharsets.US_ASCII));
    out.write(0);
    pad(out);
    out.write(data);
    pad(out);
  }

  private static void pad(ByteArrayOutputStream out) {
    while (out.size() % 4 != 0) {
      out.write(0);
    }
  }
}
