package dev.vesper.cli.confine;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.Inflater;

/** What a JVM opens long after it has started, and what it can be made to open before. */
final class JavaRuntime {
  /** Where distributions of Java have links to files in /etc, and one that is never missing. */
  private static final String SETTINGS = "conf";

  private static final String SETTING = "conf/security/java.security";
  private static final int DEEPEST = 4;

  private JavaRuntime() {}

  /**
   * {@return files and folders to read: Java's own, Vesper's, and what the system says of itself}
   */
  static List<Policy.Grant> grants() {
    List<Policy.Grant> all = new ArrayList<>();
    Path home = Path.of(System.getProperty("java.home"));
    read(all, home);
    if (Files.isSymbolicLink(home.resolve(SETTING))) {
      links(all, home.resolve(SETTINGS).toFile(), DEEPEST);
    }
    for (String property : new String[] {"jdk.module.path", "java.class.path"}) {
      for (String place : System.getProperty(property, "").split(File.pathSeparator)) {
        if (!place.isEmpty()) {
          read(all, Path.of(place));
        }
      }
    }
    // Memory and processors, which the collector and compilers ask for again and again, and mounts.
    read(all, Path.of("/proc/self"));
    read(all, Path.of("/proc/meminfo"));
    read(all, Path.of("/proc/stat"));
    read(all, Path.of("/sys/fs/cgroup"));
    read(all, Path.of("/sys/devices/system/cpu"));
    read(all, Path.of("/sys/devices/system/node"));
    read(all, Path.of("/dev/random"));
    read(all, Path.of("/dev/urandom"));
    all.add(new Policy.Grant(Path.of("/dev/null"), Policy.Use.WRITE, false));
    return all;
  }

  private static void read(List<Policy.Grant> to, Path p) {
    to.add(new Policy.Grant(p, Policy.Use.READ, false));
  }

  private static void links(List<Policy.Grant> to, File folder, int depth) {
    File[] files = folder.listFiles();
    if (files == null) {
      return;
    }
    for (File f : files) {
      Path p = f.toPath();
      if (Files.isSymbolicLink(p)) {
        try {
          read(to, p.toRealPath());
        } catch (IOException e) {
          // A link that leads nowhere is of no use to the JVM either.
          continue;
        }
      } else if (depth > 1 && f.isDirectory()) {
        links(to, f, depth - 1);
      }
    }
  }

  /** Has libraries loaded that need others of the system, which is not open later. */
  static void load() {
    new Inflater().end();
  }
}
