package dev.vesper.bench;

import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * A Linux boot, each pass in a process of its own, in turn with QEMU booting the same kernel
 * without SEV. Compared are the emulating thread up to {@code /init} and the whole process,
 * compiler threads included, against QEMU's whole process.
 */
final class BootBench {
  /** Name of the command that boots once in this process. */
  static final String ONCE = "boot-once";

  private static final String LINE = "console=ttyS0 cryptomgr.notests=1";
  private static final int MEBIBYTES = 512;

  private BootBench() {}

  static void run(Path kernel, Path initrd, String mode) throws IOException {
    QemuTcg qemu = QemuTcg.find();
    List<String> ours =
        Children.java(
            "dev.vesper.bench",
            Bench.class.getName(),
            ONCE,
            kernel.toString(),
            initrd.toString(),
            mode);
    double[] thread = new double[Bench.PASSES];
    double[] process = new double[Bench.PASSES];
    double[] theirs = new double[Bench.PASSES];
    for (int p = 0; p < thread.length; p++) {
      if (qemu != null) {
        theirs[p] = qemu.linux(kernel, initrd, LINE, MEBIBYTES);
      }
      double before = Children.cpuSeconds();
      String[] f = Children.run(ours).strip().split(" ", -1);
      process[p] = Children.cpuSeconds() - before;
      thread[p] = Double.parseDouble(f[0]);
      System.out.printf(
          "thread %.2f s to /init, process %.2f s, peak %s MiB, %s instructions",
          thread[p], process[p], f[1], f[2]);
      System.out.println(qemu == null ? "" : String.format("  QEMU %.2f s", theirs[p]));
    }
    double t = Bench.median(thread);
    double all = Bench.median(process);
    System.out.printf("medians --sev %s: thread %.2f s, process %.2f s", mode, t, all);
    if (qemu != null) {
      double q = Bench.median(theirs);
      System.out.printf(", QEMU %.2f s: ratios %.2f and %.2f", q, t / q, all / q);
      qemu.close();
    }
    System.out.println();
  }

  /** Boots and prints seconds of this thread to /init, peak MiB and instructions. */
  static void once(Path kernel, Path initrd, String mode) throws BootException, IOException {
    StringBuilder line = new StringBuilder();
    long[] init = {-1};
    long start = Bench.cpuNanos();
    SevMode sev = SevMode.valueOf(mode.toUpperCase(Locale.ROOT));
    MachineSpec o =
        MachineSpec.builder(
                sev,
                Files.readAllBytes(kernel),
                b -> {
                  line.append((char) b);
                  if (b == '\n') {
                    if (init[0] < 0 && line.indexOf("Run /init") >= 0) {
                      init[0] = Bench.cpuNanos() - start;
                    }
                    line.setLength(0);
                  }
                })
            .append(LINE)
            .initrd(Files.readAllBytes(initrd))
            .build();
    Machine m = new Machine(o.toBuilder().memoryBytes((long) MEBIBYTES << 20).build());
    Outcome end = m.run();
    if (init[0] < 0) {
      throw new IllegalStateException("the guest ended before /init: " + end.reason());
    }
    System.out.printf("%.3f %d %d%n", init[0] / 1e9, peakMebibytes(), m.instructions());
  }

  /** {@return the peak of resident memory as Linux counts it, 0 elsewhere} */
  private static long peakMebibytes() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (Files.isReadable(status)) {
      for (String s : Files.readAllLines(status)) {
        if (s.startsWith("VmHWM:")) {
          return Long.parseLong(s.replaceAll("\\D", "")) >> 10;
        }
      }
    }
    return 0;
  }
}
