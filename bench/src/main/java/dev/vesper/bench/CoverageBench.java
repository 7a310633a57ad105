package dev.vesper.bench;

import dev.vesper.machine.EdgeCoverage;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** What counting edges costs: the beginning of a Linux boot with and without it, in CPU time. */
final class CoverageBench {
  private static final int PASSES = 3;
  private static final long INSTRUCTIONS = 200_000_000;

  private CoverageBench() {}

  static void run(Path kernel) throws BootException, IOException {
    byte[] image = Files.readAllBytes(kernel);
    double[] plain = new double[PASSES];
    double[] covered = new double[PASSES];
    for (int p = 0; p < PASSES; p++) {
      plain[p] = seconds(image, null);
      EdgeCoverage c = new EdgeCoverage();
      covered[p] = seconds(image, c);
      int reached = 0;
      for (byte b : c.bytes()) {
        reached += b == 0 ? 0 : 1;
      }
      System.out.printf("%.2f s, counted %.2f s, %d edges%n", plain[p], covered[p], reached);
    }
    double ratio = Bench.median(covered) / Bench.median(plain);
    System.out.printf("medians: counted is %.2f times plain%n", ratio);
  }

  private static double seconds(byte[] image, @Nullable EdgeCoverage map) throws BootException {
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.ES, image, b -> {})
                .append("console=ttyS0 cryptomgr.notests=1")
                .cpuModel(Bench.CPU_MODEL)
                .build());
    m.coverage(map);
    long t = Bench.cpuNanos();
    m.run(Until.instructions(INSTRUCTIONS));
    return (Bench.cpuNanos() - t) / 1e9;
  }
}
