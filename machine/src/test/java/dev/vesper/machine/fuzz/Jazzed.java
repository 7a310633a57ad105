package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;

/**
 * What Jazzer calls (https://github.com/CodeIntelligenceTesting/jazzer): its inputs go to the
 * target that the system property {@code fuzz.target} names. As a program, what {@code ./vesper
 * fuzz-self} asks first.
 */
public final class Jazzed {
  /** Is made when the first input comes. */
  private static final class Chosen {
    static final FuzzTarget TARGET =
        FuzzTarget.named(System.getProperty("fuzz.target"), Jazzed.class.getClassLoader());
  }

  private Jazzed() {}

  /** Takes an input. */
  public static void fuzzerTestOneInput(byte[] input) throws Exception {
    Chosen.TARGET.take(input);
  }

  /**
   * Writes the seeds of all targets, and a line for each target: name, most bytes of an input, and
   * the classes that are to be covered.
   *
   * @param args a folder; seeds go to its folders with the targets' names
   */
  public static void main(String[] args) throws Exception {
    for (FuzzTarget t : FuzzTarget.all(Jazzed.class.getClassLoader())) {
      Path folder = Files.createDirectories(Path.of(args[0], t.name()));
      int n = 0;
      for (byte[] b : t.seeds()) {
        Files.write(folder.resolve("seed-" + n++), b);
      }
      System.out.println(
          t.name()
              + " "
              + t.longest()
              + " "
              + t.covers().stream().map(c -> c + "**").collect(Collectors.joining(":")));
    }
  }
}
