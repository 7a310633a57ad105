package dev.vesper.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Packages of Debian 12, unpacked but not installed: each is downloaded by name once and kept
 * outside the project.
 */
final class DebianPackages {
  private static final String NATIVE = "amd64";

  private DebianPackages() {}

  /** {@return the folder that a package of this system is unpacked in} */
  static Path unpacked(String name) throws IOException, InterruptedException {
    return unpacked(name, NATIVE);
  }

  /**
   * {@return the folder that a package is unpacked in} A test that cannot get it is skipped, and
   * fails under CI.
   *
   * @param architecture as Debian calls it
   */
  static Path unpacked(String name, String architecture) throws IOException, InterruptedException {
    Path folder = packages().resolve(name + "-" + architecture);
    if (Files.exists(folder)) {
      return folder;
    }
    Path work = Files.createTempDirectory(Objects.requireNonNull(folder.getParent()), "deb");
    try {
      Path deb = apt(architecture).downloaded(work, name);
      Tools.call(work, "dpkg", "-x", deb.toString(), "tree");
      Files.move(work.resolve("tree"), folder, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Tools.call(Objects.requireNonNull(folder.getParent()), "rm", "-rf", work.toString());
    }
    return folder;
  }

  /** {@return the newest kernel for computers, which has more drivers than the cloud's} */
  static byte[] fullKernel() throws IOException, InterruptedException {
    Apt apt = apt(NATIVE);
    String name = apt.dependency("linux-image-amd64", "linux-image-\\S+");
    return Files.readAllBytes(
        apt.member(name, "*/vmlinuz-*", packages().resolve(name).resolve("vmlinuz")));
  }

  /** {@return apt for an architecture} */
  static Apt apt(String architecture) throws IOException, InterruptedException {
    return architecture.equals(NATIVE)
        ? Apt.system()
        : Apt.of(DebianKernel.cache().resolve("apt-" + architecture), "bookworm", architecture);
  }

  private static Path packages() throws IOException {
    return Files.createDirectories(DebianKernel.cache().resolve("packages"));
  }

  /** {@return a file below a folder whose path matches} */
  static Path file(Path folder, String pattern) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files
          .filter(f -> f.toString().matches(".*/" + pattern))
          .sorted()
          .findFirst()
          .orElseThrow(() -> new AssertionError(folder + " has no " + pattern));
    }
  }
}
