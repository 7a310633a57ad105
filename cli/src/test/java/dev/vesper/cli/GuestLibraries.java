package dev.vesper.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a program of this computer needs to run in a guest. */
final class GuestLibraries {
  private static final Pattern PATH = Pattern.compile("(/(?:usr/)?lib[^ ]*) \\(");

  private GuestLibraries() {}

  /** Adds the libraries that ldd names to an initramfs; a static program has none. */
  static void add(Map<String, byte[]> files, Path program)
      throws IOException, InterruptedException {
    Process p = new ProcessBuilder("ldd", program.toString()).redirectErrorStream(true).start();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    p.waitFor();
    Matcher m = PATH.matcher(said);
    while (m.find()) {
      files.putIfAbsent(m.group(1).substring(1), Files.readAllBytes(Path.of(m.group(1))));
    }
  }
}
