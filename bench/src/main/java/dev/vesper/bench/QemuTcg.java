package dev.vesper.bench;

import dev.vesper.guest.MultibootImage;
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
  private static final String EXIT = "isa-debug-exit,iobase=0xf4,iosize=4";

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

  /**
   * {@return CPU seconds of a flat guest that ends through port 0xF4}
   *
   * @param source 64-bit code as {@link dev.vesper.guest.FlatGuest} takes it
   */
  double flat(String source) throws IOException {
    Files.write(image, MultibootImage.of(source));
    return run(List.of("-kernel", image.toString(), "-device", EXIT, "-cpu", Bench.CPU_MODEL), 64);
  }

  /** {@return CPU seconds of a Linux boot to the end of its init} */
  double linux(Path kernel, Path initrd, String line, int mebibytes) throws IOException {
    return run(
        List.of("-kernel", kernel.toString(), "-initrd", initrd.toString(), "-append", line),
        mebibytes);
  }

  /** {@return CPU seconds when firmware has written each of some texts to COM1} */
  double[] firmware(Path image, int mebibytes, List<String> texts) throws IOException {
    return Children.cpuUntil(
        command(List.of("-bios", image.toString()), mebibytes, "stdio"), texts);
  }

  /** {@return the median of several runs of a flat guest} */
  double flatMedian(String source) throws IOException {
    double[] v = new double[Bench.PASSES];
    for (int i = 0; i < v.length; i++) {
      v[i] = flat(source);
    }
    return Bench.median(v);
  }

  /** {@return milliseconds until a flat guest writes to COM1} */
  double millisToOutput(String source) throws IOException {
    Files.write(image, MultibootImage.of(source));
    return Children.millisToOutput(
        command(List.of("-kernel", image.toString(), "-device", EXIT), 64, "stdio"));
  }

  /** {@return a command that runs a guest that all options are given of, without a network} */
  static List<String> whole(List<String> guest) {
    List<String> c = new ArrayList<>(List.of(BINARY, "-accel", "tcg,thread=single", "-M", "pc"));
    c.addAll(List.of("-display", "none", "-monitor", "none", "-net", "none", "-no-reboot"));
    c.addAll(guest);
    return c;
  }

  private static List<String> command(List<String> guest, int mebibytes, String serial) {
    List<String> c = new ArrayList<>(List.of(BINARY, "-accel", "tcg,thread=single"));
    c.addAll(List.of("-machine", "pc", "-m", String.valueOf(mebibytes), "-display", "none"));
    c.addAll(List.of("-monitor", "none", "-net", "none", "-no-reboot", "-serial", serial));
    c.addAll(guest);
    return c;
  }

  private double run(List<String> guest, int mebibytes) throws IOException {
    double before = Children.cpuSeconds();
    Children.run(command(guest, mebibytes, "file:" + serial));
    return Children.cpuSeconds() - before;
  }

  /** Removes what was written. */
  void close() throws IOException {
    Files.deleteIfExists(image);
    Files.deleteIfExists(serial);
    Files.deleteIfExists(directory);
  }
}
