package dev.vesper.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The tests' classes in a process of their own. */
final class OwnJvm {
  private OwnJvm() {}

  /**
   * {@return a command line that runs a class}
   *
   * @param options of the JVM
   */
  static List<String> command(List<String> options, Class<?> main, String... args) {
    // Surefire's own class path is a jar that only names others.
    String path =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    List<String> c = new ArrayList<>();
    c.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    c.add("-XX:+UseSerialGC");
    c.addAll(options);
    c.addAll(List.of("-cp", path, main.getName()));
    c.addAll(List.of(args));
    return c;
  }
}
