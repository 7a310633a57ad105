package dev.vesper.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Cloud kernels of other releases of Debian than this system's, with their System.map. apt works on
 * lists of its own, so that the system's packages stay as they are; what was unpacked is kept where
 * {@link DebianKernel} keeps its kernel.
 */
final class DebianSuite {
  private static final Pattern ADDRESS = Pattern.compile("https?://\\S+/debian/?(?=\\s)");

  private final String suite;
  private final Path folder;

  private DebianSuite(String suite, Path folder) {
    this.suite = suite;
    this.folder = folder;
  }

  /** {@return a suite whose lists are there; the test is skipped visibly if they cannot be had} */
  static DebianSuite of(String name) throws IOException, InterruptedException {
    Tools.need("apt-get", "apt");
    DebianSuite s = new DebianSuite(name, DebianKernel.cache().resolve("suites").resolve(name));
    Path sources = s.folder.resolve("sources.list");
    if (!Files.exists(sources)) {
      Files.createDirectories(s.folder.resolve("lists/partial"));
      Files.createDirectories(s.folder.resolve("cache/archives/partial"));
      String line =
          "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n"
              .formatted(address(), name);
      boolean listed = s.apt("apt-get", sources(sources, line), "update", "-qq") != null;
      Tools.available(listed, "the package lists of Debian's " + name + " cannot be had");
    }
    return s;
  }

  private static Path sources(Path file, String line) throws IOException {
    return Files.writeString(file, line);
  }

  /** {@return the address that this system's own sources have} */
  static String address() throws IOException {
    StringBuilder all = new StringBuilder();
    for (String f : new String[] {"/etc/apt/sources.list", "/etc/apt/sources.list.d"}) {
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

  /** {@return what an apt command prints, or null if it fails} */
  private @Nullable String apt(String program, Path sources, String... arguments)
      throws IOException, InterruptedException {
    List<String> c = new ArrayList<>(List.of(program));
    for (String o :
        List.of(
            "Dir::Etc::SourceList=" + sources,
            "Dir::Etc::SourceParts=/dev/null",
            "Dir::State::Lists=" + folder.resolve("lists"),
            "Dir::State::status=/dev/null",
            "Dir::Cache=" + folder.resolve("cache"),
            "APT::Sandbox::User=root")) {
      c.add("-o");
      c.add(o);
    }
    c.addAll(Arrays.asList(arguments));
    Process p =
        new ProcessBuilder(c)
            .directory(folder.toFile())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return p.waitFor(20, TimeUnit.MINUTES) && p.exitValue() == 0 ? out : null;
  }

  private Path unpacked(String name, String packageName, String member)
      throws IOException, InterruptedException {
    Path kept = folder.resolve(name);
    if (Files.exists(kept)) {
      return kept;
    }
    boolean loaded =
        apt("apt-get", folder.resolve("sources.list"), "download", packageName) != null;
    Tools.available(loaded, "cannot download " + packageName + " of Debian's " + suite);
    String deb;
    try (Stream<Path> files = Files.list(folder)) {
      deb =
          files
              .map(Path::toString)
              .filter(f -> f.contains("/" + packageName + "_") && f.endsWith(".deb"))
              .findFirst()
              .orElseThrow();
    }
    // One file out of packages that may have hundreds of megabytes.
    Process p =
        new ProcessBuilder(
                "sh",
                "-c",
                "dpkg-deb --fsys-tarfile \"$1\" | tar -xO --wildcards \"$2\" >\"$3\"",
                "sh",
                deb,
                member,
                kept + ".part")
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    p.waitFor(20, TimeUnit.MINUTES);
    Files.delete(Path.of(deb));
    Tools.available(Files.size(Path.of(kept + ".part")) > 0, packageName + " has no " + member);
    return Files.move(Path.of(kept + ".part"), kept);
  }

  /** {@return the version of the suite's cloud kernel as its packages have it in their names} */
  private String version() throws IOException, InterruptedException {
    String all =
        apt("apt-cache", folder.resolve("sources.list"), "depends", "linux-image-cloud-amd64");
    Matcher m =
        Pattern.compile("linux-image-([0-9]\\S*cloud-amd64)\\b").matcher(all == null ? "" : all);
    boolean found = m.find();
    Tools.available(found, "Debian's " + suite + " has no cloud kernel");
    return m.group(1);
  }

  /** {@return the unmodified bzImage} */
  byte[] kernel() throws IOException, InterruptedException {
    String v = version();
    // Newer packages have the image in one of its own.
    String all = apt("apt-cache", folder.resolve("sources.list"), "depends", "linux-image-" + v);
    boolean split = all != null && all.contains("linux-binary-" + v);
    String name = (split ? "linux-binary-" : "linux-image-") + v;
    return Files.readAllBytes(unpacked("vmlinuz-" + v, name, "*vmlinuz*"));
  }

  /** {@return the lines of the real System.map, which is in the package of debug symbols} */
  List<String> systemMap() throws IOException, InterruptedException {
    String v = version();
    Path map = unpacked("System.map-" + v, "linux-image-" + v + "-dbg", "*/System.map*");
    return Files.readAllLines(map, StandardCharsets.ISO_8859_1);
  }
}
