package dev.vesper.cli;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/** Programs of other people that tests use as oracles. */
final class Tools {
  private Tools() {}

  /** Skips the test where a program is not installed; under CI its absence is a failure. */
  static void need(String program, String debianPackage) {
    boolean there =
        Arrays.stream(System.getenv("PATH").split(":"))
            .anyMatch(d -> Files.isExecutable(Path.of(d, program)));
    available(there, program + " is missing: install Debian's " + debianPackage);
  }

  /** Skips the test unless something is there that it needs; under CI its absence is a failure. */
  static void available(boolean there, String otherwise) {
    if (!there && System.getenv("CI") != null) {
      throw new AssertionError(otherwise);
    }
    assumeTrue(there, otherwise);
  }

  /** {@return what a program prints on stdout} It must end with status 0. */
  static String run(String... command) throws IOException, InterruptedException {
    Path out = Files.createTempFile("vesper-test", ".out");
    Path err = Files.createTempFile("vesper-test", ".err");
    try {
      Process p =
          new ProcessBuilder(command)
              .redirectOutput(out.toFile())
              .redirectError(err.toFile())
              .start();
      if (!p.waitFor(120, TimeUnit.SECONDS)) {
        p.destroyForcibly();
        throw new AssertionError(command[0] + " does not end");
      }
      if (p.exitValue() != 0) {
        throw new AssertionError(
            String.join(" ", command) + ": status " + p.exitValue() + "\n" + Files.readString(err));
      }
      return Files.readString(out, StandardCharsets.ISO_8859_1);
    } finally {
      Files.deleteIfExists(out);
      Files.deleteIfExists(err);
    }
  }

  /** Skips the test where a file of a package is not there; under CI its absence is a failure. */
  static void require(String file, String debianPackage) {
    available(Files.exists(Path.of(file)), file + " is missing: install Debian's " + debianPackage);
  }

  /** Runs a program in a folder. It must end with status 0. */
  static void call(Path folder, String... command) throws IOException, InterruptedException {
    Path log = Files.createTempFile("vesper-test", ".log");
    try {
      Process p =
          new ProcessBuilder(command)
              .directory(folder.toFile())
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      if (!p.waitFor(600, TimeUnit.SECONDS)) {
        p.destroyForcibly();
        throw new AssertionError(command[0] + " does not end");
      }
      if (p.exitValue() != 0) {
        throw new AssertionError(
            String.join(" ", command) + ": status " + p.exitValue() + "\n" + Files.readString(log));
      }
    } finally {
      Files.deleteIfExists(log);
    }
  }
}
