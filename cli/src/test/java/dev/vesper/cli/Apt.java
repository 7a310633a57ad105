package dev.vesper.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Debian's package tools, which only download. For other suites and architectures they work on
 * lists of their own, so that the system's stay as they are. A test that cannot get a package is
 * skipped, and fails under CI.
 */
final class Apt {
  private static final Pattern ADDRESS = Pattern.compile("https?://\\S+/debian/?(?=\\s)");

  private final String source;
  private final List<String> options;

  private Apt(String source, List<String> options) {
    this.source = source;
    this.options = options;
  }

  /** {@return the tools with this system's lists} */
  static Apt system() {
    Tools.need("apt-get", "apt");
    return new Apt("this system", List.of());
  }

  /**
   * {@return the tools with the lists of one suite and architecture, which are got once}
   *
   * @param folder where the lists are kept
   */
  static Apt of(Path folder, String suite, String architecture)
      throws IOException, InterruptedException {
    Tools.need("apt-get", "apt");
    Path sources = folder.resolve("sources.list");
    List<String> options = new ArrayList<>();
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
    Apt apt = new Apt("Debian's " + suite + " for " + architecture, options);
    Path updated = folder.resolve("updated");
    if (!Files.exists(updated)) {
      Files.createDirectories(folder.resolve("lists/partial"));
      Files.createDirectories(folder.resolve("cache/archives/partial"));
      Files.writeString(
          sources,
          "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n"
              .formatted(address(), suite));
      apt.call(folder, "apt-get", "update", "-qq");
      Files.createFile(updated);
    }
    return apt;
  }

  /** {@return the address that this system's own sources have} */
  private static String address() throws IOException {
    StringBuilder all = new StringBuilder();
    for (String f : List.of("/etc/apt/sources.list", "/etc/apt/sources.list.d")) {
      Path p = Path.of(f);
      if (Files.exists(p)) {
        try (Stream<Path> files = Files.walk(p)) {
          for (Path x : files.filter(Files::isRegularFile).toList()) {
            all.append(Files.readString(x)).append('\n');
          }
        }
      }
    }
    Matcher m = ADDRESS.matcher(all);
    boolean found = m.find();
    Tools.available(found, "this system's package sources name no Debian address");
    return m.group();
  }

  private List<String> command(String program, String... arguments) {
    List<String> c = new ArrayList<>(List.of(program));
    c.addAll(options);
    c.addAll(List.of(arguments));
    return c;
  }

  private void call(Path folder, String program, String... arguments)
      throws IOException, InterruptedException {
    try {
      Tools.call(folder, command(program, arguments).toArray(String[]::new));
    } catch (AssertionError e) {
      Tools.available(false, source + ": " + e.getMessage());
    }
  }

  /** Puts a package's file into a folder. */
  void download(Path folder, String name) throws IOException, InterruptedException {
    call(folder, "apt-get", "download", name);
  }

  /** {@return a package's file, the only one in a folder made for it} */
  Path downloaded(Path folder, String name) throws IOException, InterruptedException {
    download(folder, name);
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(f -> f.toString().endsWith(".deb")).findFirst().orElseThrow();
    }
  }

  /**
   * {@return the first dependency of a package that matches}
   *
   * @param metapackage such as {@code linux-image-686}
   */
  String dependency(String metapackage, String pattern) throws IOException, InterruptedException {
    String all = dependencies(metapackage);
    Matcher m = Pattern.compile("Depends: (" + pattern + ")\\s").matcher(all);
    boolean found = m.find();
    Tools.available(found, source + " has no " + metapackage + " that depends on " + pattern);
    return m.group(1);
  }

  /** {@return what apt says of a package's dependencies; nothing if there is no such package} */
  String dependencies(String name) throws IOException, InterruptedException {
    try {
      return Tools.run(command("apt-cache", "depends", name).toArray(String[]::new));
    } catch (AssertionError e) {
      return "";
    }
  }

  /**
   * {@return one file of a package that may have hundreds of megabytes, got once}
   *
   * @param member pattern of the shell for its path
   * @param kept where it is put
   */
  Path member(String name, String member, Path kept) throws IOException, InterruptedException {
    if (Files.exists(kept)) {
      return kept;
    }
    Files.createDirectories(Objects.requireNonNull(kept.getParent()));
    Path work = Files.createTempDirectory(Objects.requireNonNull(kept.getParent()), "deb");
    try {
      Path deb = downloaded(work, name);
      String unpack = "dpkg-deb --fsys-tarfile \"$0\" | tar -xO --wildcards \"$1\" >member";
      Tools.call(work, "sh", "-c", unpack, deb.toString(), member);
      return Files.move(work.resolve("member"), kept, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Tools.call(Objects.requireNonNull(kept.getParent()), "rm", "-rf", work.toString());
    }
  }
}
