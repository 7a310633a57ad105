package dev.vesper.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * QEMU's translator as the yardstick: runs the same image beside us and says what CPU time it cost.
 *
 * <p>The time is that of the whole process, user and system, less that of a guest that ends at
 * once, so that start-up does not count. Resolution 10 ms, read from {@code /proc/self/stat}.
 */
final class QemuTcg {
  private static final String BINARY = "qemu-system-x86_64";

  private final Path directory;
  private final Path image;
  private final Path serial;

  private QemuTcg() throws IOException {
    directory = Files.createTempDirectory("vesper-bench");
    image = directory.resolve("image");
    serial = directory.resolve("serial");
  }

  /** {@return a yardstick, or null where QEMU or procfs is missing} */
  static @Nullable QemuTcg find() throws IOException {
    if (!Files.isReadable(Path.of("/proc/self/stat"))) {
      return null;
    }
    String path = System.getenv("PATH");
    for (String d : (path == null ? "" : path).split(java.io.File.pathSeparator)) {
      if (Files.isExecutable(Path.of(d, BINARY))) {
        return new QemuTcg();
      }
    }
    return null;
  }

  /** {@return CPU seconds that children of this process have used, the ended ones} */
  private static double childSeconds() throws IOException {
    String stat = Files.readString(Path.of("/proc/self/stat"));
    String[] f = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
    // Fields 16 and 17 of proc(5), cutime and cstime, in clock ticks; Linux has 100 of them.
    return (Long.parseLong(f[13]) + Long.parseLong(f[14])) / 100.0;
  }

  /**
   * {@return CPU seconds of a flat guest that ends through port 0xF4}
   *
   * @param source 64-bit code as {@link dev.vesper.guest.FlatGuest} takes it
   */
  double flat(String source) throws IOException {
    Files.write(image, MultibootImage.of(source));
    return run(
        List.of("-kernel", image.toString(), "-device", "isa-debug-exit,iobase=0xf4,iosize=4"), 64);
  }

  /** {@return CPU seconds of a Linux boot to the end of its init} */
  double linux(Path kernel, Path initrd, String line, int mebibytes) throws IOException {
    return run(
        List.of("-kernel", kernel.toString(), "-initrd", initrd.toString(), "-append", line),
        mebibytes);
  }

  private double run(List<String> guest, int mebibytes) throws IOException {
    List<String> command = new ArrayList<>(List.of(BINARY, "-accel", "tcg,thread=single"));
    command.addAll(List.of("-machine", "pc", "-m", String.valueOf(mebibytes), "-display", "none"));
    command.addAll(List.of("-monitor", "none", "-net", "none", "-no-reboot"));
    command.addAll(List.of("-serial", "file:" + serial));
    command.addAll(guest);
    double before = childSeconds();
    Process p =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      p.waitFor();
    } catch (InterruptedException e) {
      p.destroyForcibly();
      Thread.currentThread().interrupt();
    }
    return childSeconds() - before;
  }

  /** Removes what was written. */
  void close() throws IOException {
    Files.deleteIfExists(image);
    Files.deleteIfExists(serial);
    Files.deleteIfExists(directory);
  }
}
