package dev.vesper.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** What a program of this computer needs to run in a guest. */
final class GuestLibraries {
  private static final Pattern PATH = Pattern.compile("(/[^ ]*lib[^ ]*) \\(");

  /** Where packages have libraries. */
  private static final String FOLDER = "usr/lib/x86_64-linux-gnu";

  private GuestLibraries() {}

  /** Adds the libraries that ldd names to an initramfs; a static program has none. */
  static void add(Map<String, byte[]> files, Path program)
      throws IOException, InterruptedException {
    add(files, program, List.of());
  }

  /**
   * Adds the libraries that ldd names to an initramfs.
   *
   * @param packages folders that packages are unpacked in, where it looks too
   */
  static void add(Map<String, byte[]> files, Path program, List<Path> packages)
      throws IOException, InterruptedException {
    ProcessBuilder b = new ProcessBuilder("ldd", program.toString()).redirectErrorStream(true);
    b.environment()
        .put(
            "LD_LIBRARY_PATH",
            packages.stream().map(f -> f + "/" + FOLDER).collect(Collectors.joining(":")));
    Process p = b.start();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    p.waitFor();
    Matcher m = PATH.matcher(said);
    while (m.find()) {
      String found = m.group(1);
      String place =
          packages.stream()
              .filter(f -> found.startsWith(f + "/"))
              .map(f -> found.substring(f.toString().length()))
              .findFirst()
              .orElse(found);
      files.putIfAbsent(place.substring(1), Files.readAllBytes(Path.of(found)));
    }
  }
}
