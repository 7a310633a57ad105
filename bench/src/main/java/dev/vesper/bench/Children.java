package dev.vesper.bench;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Processes that a benchmark starts, and what they cost. */
final class Children {
  private Children() {}

  /** {@return a command that runs a class of a module in a JVM like this one} */
  static List<String> java(String module, String main, String... args) {
    List<String> c = new ArrayList<>();
    c.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // What the launcher made of -p and -m is among the arguments of the JVM.
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(a -> !a.startsWith("--module-path=") && !a.startsWith("-Djdk.module."))
        .forEach(c::add);
    if (module.equals("dev.vesper.cli")) {
      // As the launcher does: runs are confined.
      c.add("--enable-native-access=" + module);
    }
    c.addAll(List.of("-p", System.getProperty("jdk.module.path"), "-m", module + "/" + main));
    c.addAll(List.of(args));
    return c;
  }

  /**
   * {@return CPU seconds that ended children have used, user and system} From {@code
   * /proc/self/stat}, fields 16 and 17 of proc(5), in clock ticks, of which Linux has 100 a second;
   * 0 where there is no such file.
   */
  static double cpuSeconds() throws IOException {
    Path stat = Path.of("/proc/self/stat");
    if (!Files.isReadable(stat)) {
      return 0;
    }
    String s = Files.readString(stat);
    String[] f = s.substring(s.lastIndexOf(')') + 2).split(" ", -1);
    return (Long.parseLong(f[13]) + Long.parseLong(f[14])) / 100.0;
  }

  /** Runs a command to its end; {@return what it wrote to standard output} */
  static String run(List<String> command) throws IOException {
    Process p = start(command);
    String out = new String(p.getInputStream().readAllBytes());
    await(p);
    return out;
  }

  /** Runs a command to its end; {@return its exit status} */
  static int status(List<String> command) throws IOException {
    Process p = start(command);
    p.getInputStream().readAllBytes();
    await(p);
    return p.exitValue();
  }

  /** {@return milliseconds from the start of a command to its first byte of output} */
  static double millisToOutput(List<String> command) throws IOException {
    long t = System.nanoTime();
    Process p = start(command);
    int first = p.getInputStream().read();
    double millis = (System.nanoTime() - t) / 1e6;
    p.getInputStream().readAllBytes();
    await(p);
    if (first < 0) {
      throw new IOException("no output from " + String.join(" ", command));
    }
    return millis;
  }

  /**
   * What a process has used.
   *
   * @param cpu seconds, user and system
   * @param wall seconds since its start
   */
  record Spent(double cpu, double wall) {}

  /**
   * Runs a command until it has written some texts, one after the other, and kills it.
   *
   * @return CPU seconds of the process, user and system, when each text was complete
   */
  static double[] cpuUntil(List<String> command, List<String> texts) throws IOException {
    return spentUntil(command, texts).stream().mapToDouble(Spent::cpu).toArray();
  }

  /** The same with wall time. */
  static List<Spent> spentUntil(List<String> command, List<String> texts) throws IOException {
    long t = System.nanoTime();
    Process p = start(command);
    try {
      List<Spent> spent = new ArrayList<>();
      InputStream in = p.getInputStream();
      for (String text : texts) {
        awaitText(in, text);
        double wall = (System.nanoTime() - t) / 1e9;
        Duration cpu = p.info().totalCpuDuration().orElse(Duration.ZERO);
        spent.add(new Spent(cpu.toMillis() / 1e3, wall));
      }
      return spent;
    } finally {
      p.destroyForcibly();
      await(p);
    }
  }

  private static void awaitText(InputStream in, String text) throws IOException {
    StringBuilder seen = new StringBuilder();
    while (seen.indexOf(text) < 0) {
      int b = in.read();
      if (b < 0) {
        throw new IOException("the guest ended before it wrote \"" + text + "\"");
      }
      if (seen.length() >= 2 * text.length()) {
        seen.delete(0, text.length());
      }
      seen.append((char) b);
    }
  }

  private static Process start(List<String> command) throws IOException {
    return new ProcessBuilder(command)
        .redirectInput(new File("/dev/null"))
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  private static void await(Process p) {
    try {
      p.waitFor();
    } catch (InterruptedException e) {
      p.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}
