package dev.vesper.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * Debian packages, unpacked but not installed: each is downloaded by name once and kept outside the
 * project. Those of another architecture come by lists of their own, so that the system's stay as
 * they are.
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
    Path folder =
        Files.createDirectories(DebianKernel.cache().resolve("packages"))
            .resolve(name + "-" + architecture);
    if (Files.exists(folder)) {
      return folder;
    }
    Tools.need("apt-get", "apt");
    Path work = Files.createTempDirectory(folder.getParent(), "deb");
    try {
      download(work, name, architecture);
      try (Stream<Path> files = Files.list(work)) {
        Path deb = files.findFirst().orElseThrow();
        Tools.call(work, "dpkg", "-x", deb.toString(), "tree");
      }
      Files.move(work.resolve("tree"), folder, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Tools.call(work.resolve(".."), "rm", "-rf", work.toString());
    }
    return folder;
  }

  /** Puts a package's file into a folder. */
  static void download(Path folder, String name, String architecture)
      throws IOException, InterruptedException {
    List<String> command = apt("apt-get", architecture);
    command.add("download");
    command.add(name);
    try {
      Tools.call(folder, command.toArray(String[]::new));
    } catch (AssertionError e) {
      Tools.available(false, "cannot download " + name + ": " + e.getMessage());
    }
  }

  /**
   * {@return the name of the package that a package which only names the newest one depends on}
   *
   * @param metapackage such as {@code linux-image-686}
   * @param prefix how the name wanted begins
   */
  static String newest(String metapackage, String architecture, String prefix)
      throws IOException, InterruptedException {
    List<String> command = apt("apt-cache", architecture);
    command.add("depends");
    command.add(metapackage);
    String found =
        Tools.run(command.toArray(String[]::new))
            .lines()
            .filter(l -> l.contains("Depends: " + prefix))
            .map(l -> l.replaceAll(".*Depends: ", "").trim())
            .findFirst()
            .orElse("");
    Tools.available(!found.isEmpty(), "apt knows no " + metapackage + " for " + architecture);
    return found;
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

  private static List<String> apt(String program, String architecture)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(program));
    if (!architecture.equals(NATIVE)) {
      Path own = DebianKernel.cache().resolve("apt-" + architecture);
      List<String> options = lists(own, architecture);
      command.addAll(options);
      if (!Files.exists(own.resolve("updated"))) {
        List<String> update = new ArrayList<>(List.of("apt-get"));
        update.addAll(options);
        update.addAll(List.of("update", "-qq"));
        Tools.call(own, update.toArray(String[]::new));
        Files.createFile(own.resolve("updated"));
      }
    }
    return command;
  }

  private static List<String> lists(Path own, String architecture) throws IOException {
    Files.createDirectories(own.resolve("lists/partial"));
    Files.createDirectories(own.resolve("cache/archives/partial"));
    Files.write(own.resolve("status"), new byte[0]);
    Files.writeString(
        own.resolve("sources.list"),
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm main\n"
            .formatted(DebianSuite.address()),
        StandardCharsets.US_ASCII);
    List<String> options = new ArrayList<>();
    for (String o :
        List.of(
            "Dir::Etc::SourceList=" + own.resolve("sources.list"),
            "Dir::Etc::SourceParts=/dev/null",
            "Dir::State::Lists=" + own.resolve("lists"),
            "Dir::State::status=" + own.resolve("status"),
            "Dir::Cache=" + own.resolve("cache"),
            "APT::Architecture=" + architecture,
            "APT::Architectures::=" + architecture,
            "APT::Sandbox::User=root")) {
      options.add("-o");
      options.add(o);
    }
    return options;
  }
}
