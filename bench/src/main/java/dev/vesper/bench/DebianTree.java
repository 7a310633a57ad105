package dev.vesper.bench;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Packages of Debian 12, downloaded by name with this system's sources, unpacked but not installed,
 * and kept where the tests keep theirs: {@code ~/.cache/vesper}, or {@code $VESPER_CACHE}.
 */
final class DebianTree {
  private static final String NATIVE = "amd64";

  private final Path cache;
  private final String architecture;
  private final List<String> options = new ArrayList<>();

  private DebianTree(String architecture) throws IOException {
    this.architecture = architecture;
    String kept = System.getenv("VESPER_CACHE");
    cache =
        Files.createDirectories(
            kept == null
                ? Path.of(System.getProperty("user.home"), ".cache", "vesper")
                : Path.of(kept));
    if (!architecture.equals(NATIVE)) {
      lists();
    }
  }

  /**
   * Other architectures have lists of their own, so that the system's stay as they are. They are
   * those of Debian itself: a mirror's updates for them may lag behind.
   */
  private void lists() throws IOException {
    Path folder = cache.resolve("bench-apt-" + architecture);
    Path sources = folder.resolve("sources.list");
    for (String o :
        List.of(
            "Dir::Etc::SourceList=" + sources,
            "Dir::Etc::SourceParts=/dev/null",
            "Dir::State::Lists=" + folder.resolve("lists"),
            "Dir::State::status=/dev/null",
            "Dir::Cache=" + folder.resolve("cache"),
            "APT::Architecture=" + architecture,
            "APT::Architectures::=" + architecture,
            "APT::Sandbox::User=root")) {
      options.add("-o");
      options.add(o);
    }
    Path updated = folder.resolve("updated");
    if (!Files.exists(updated)) {
      Files.createDirectories(folder.resolve("lists/partial"));
      Files.createDirectories(folder.resolve("cache/archives/partial"));
      Files.writeString(
          sources,
          "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm main\n"
              .formatted(address()));
      call(folder, "package lists of " + architecture, apt("apt-get", "update", "-qq"));
      Files.createFile(updated);
    }
  }

  /** {@return the address that this system's own sources have} */
  private static String address() throws IOException {
    return Children.run(List.of("apt-get", "indextargets", "--format", "$(REPO_URI)"))
        .lines()
        .filter(l -> l.endsWith("/debian/"))
        .findFirst()
        .orElseThrow(() -> new IOException("this system's package sources have no Debian"));
  }

  /**
   * {@return the folder that packages are unpacked in, got once}
   *
   * @param name of that folder
   * @param architecture as Debian calls it
   * @throws IOException what could not be had, in a line
   */
  static Path of(String name, String architecture, List<String> packages) throws IOException {
    DebianTree d = new DebianTree(architecture);
    return d.unpacked("bench-" + name + "-" + architecture, packages);
  }

  /**
   * {@return the kernel that a package depends on}
   *
   * @param metapackage such as {@code linux-image-686}
   */
  static Path kernel(String metapackage, String architecture) throws IOException {
    DebianTree d = new DebianTree(architecture);
    String depends = Children.run(d.apt("apt-cache", "depends", metapackage));
    String name =
        depends
            .lines()
            .filter(l -> l.contains("Depends: linux-image-"))
            .map(l -> l.replaceAll(".*Depends: ", "").strip())
            .findFirst()
            .orElseThrow(() -> new IOException("Debian's package lists have no " + metapackage));
    Path boot = d.unpacked("bench-" + name, List.of(name)).resolve("boot");
    try (Stream<Path> files = Files.list(boot)) {
      return files
          .filter(f -> Objects.requireNonNull(f.getFileName()).toString().startsWith("vmlinuz"))
          .findFirst()
          .orElseThrow(() -> new IOException(name + " has no kernel"));
    }
  }

  private Path unpacked(String folder, List<String> packages) throws IOException {
    Path kept = cache.resolve(folder.toLowerCase(Locale.ROOT));
    if (Files.exists(kept)) {
      return kept;
    }
    Path work = Files.createTempDirectory(cache, "bench");
    try {
      Path tree = Files.createDirectory(work.resolve("tree"));
      for (String p : packages) {
        Path one = Files.createDirectory(work.resolve("package"));
        call(one, "Debian's " + p + " for " + architecture, apt("apt-get", "download", p));
        call(one, p, List.of("sh", "-c", "dpkg-deb -x ./*.deb ../tree && rm ./*.deb"));
        Files.delete(one);
      }
      return Files.move(tree, kept, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      call(cache, work.toString(), List.of("rm", "-rf", work.toString()));
    }
  }

  private List<String> apt(String program, String... arguments) {
    List<String> c = new ArrayList<>(List.of(program));
    c.addAll(options);
    c.addAll(List.of(arguments));
    return c;
  }

  private static void call(Path folder, String what, List<String> command) throws IOException {
    int status;
    try {
      status =
          new ProcessBuilder(command)
              .directory(folder.toFile())
              .redirectInput(new File("/dev/null"))
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      status = -1;
    }
    if (status != 0) {
      throw new IOException(what + " cannot be had: " + command.get(0) + " failed");
    }
  }
}
