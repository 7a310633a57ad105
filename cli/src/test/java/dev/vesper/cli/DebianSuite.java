package dev.vesper.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Cloud kernels of other releases of Debian than this system's, with their System.map. What was
 * unpacked is kept where {@link DebianKernel} keeps its kernel.
 */
final class DebianSuite {
  private static final String IMAGE = "linux-image-";

  private final Path folder;
  private final Apt apt;

  private DebianSuite(Path folder, Apt apt) {
    this.folder = folder;
    this.apt = apt;
  }

  /** {@return a suite whose lists are there; the test is skipped visibly if they cannot be had} */
  static DebianSuite of(String name) throws IOException, InterruptedException {
    Path folder = DebianKernel.cache().resolve("suites").resolve(name);
    return new DebianSuite(folder, Apt.of(folder, name, "amd64"));
  }

  /** {@return the version of the suite's cloud kernel as its packages have it in their names} */
  private String version() throws IOException, InterruptedException {
    return apt.dependency("linux-image-cloud-amd64", IMAGE + "[0-9]\\S*cloud-amd64")
        .substring(IMAGE.length());
  }

  /** {@return the unmodified bzImage} */
  byte[] kernel() throws IOException, InterruptedException {
    String v = version();
    // Newer packages have the image in one of its own.
    boolean split = apt.dependencies(IMAGE + v).contains("linux-binary-" + v);
    String name = (split ? "linux-binary-" : IMAGE) + v;
    return Files.readAllBytes(apt.member(name, "*vmlinuz*", folder.resolve("vmlinuz-" + v)));
  }

  /** {@return the lines of the real System.map, which is in the package of debug symbols} */
  List<String> systemMap() throws IOException, InterruptedException {
    String v = version();
    Path map = apt.member(IMAGE + v + "-dbg", "*/System.map*", folder.resolve("System.map-" + v));
    return Files.readAllLines(map, StandardCharsets.ISO_8859_1);
  }
}
