package dev.vesper.bench;

import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Checkpoint;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How long it takes to take a machine back to a checkpoint, and to run a piece of a guest from
 * there: what a fuzzer does all the time. CPU time of the thread, of many times the median.
 */
final class ResetBench {
  private static final int WARM_UP = 3000;
  private static final int MEASURED = 2000;

  /** A long piece is measured less often. */
  private static final int LONG = 100_000;

  private static final int FEWER = 20;

  private static final int EXCHANGES = 3;

  private ResetBench() {}

  /**
   * @param kernel of Linux, or null
   */
  static void run(@Nullable Path kernel) throws BootException, IOException {
    byte[] exchanges = FlatGuest.image(VcGuest.cpuid(EXCHANGES));
    measure("nothing", Bench.machine(SevMode.ES, exchanges), 5_000, 0);
    // Up to the first exit, with what clears the GHCB done.
    measure("three exits", Bench.machine(SevMode.ES, exchanges), 2_650, 1_000);
    measure("reference guest", Bench.machine(SevMode.ES, Locore.image()), 60_000, 20_000);
    if (kernel != null) {
      MachineSpec.Builder b =
          MachineSpec.builder(SevMode.ES, Files.readAllBytes(kernel), c -> {})
              .append("console=ttyS0 cryptomgr.notests=1")
              .memoryBytes(512L << 20)
              .cpuModel(Bench.CPU_MODEL);
      measure("Linux", new Machine(b.build()), 100_000_000, 8_000_000);
    }
  }

  private static void measure(String name, Machine m, long at, long length) {
    m.run(Until.instructions(at));
    int rounds = length > LONG ? MEASURED / FEWER : MEASURED;
    double[] back = new double[rounds];
    double[] on = new double[rounds];
    try (Checkpoint c = m.checkpoint()) {
      for (int i = length > LONG ? -rounds : -WARM_UP; i < rounds; i++) {
        long t = Bench.cpuNanos();
        if (length != 0) {
          m.run(Until.instructions(at + length));
        }
        long u = Bench.cpuNanos();
        m.restore(c);
        long v = Bench.cpuNanos();
        if (i >= 0) {
          on[i] = (u - t) / 1e3;
          back[i] = (v - u) / 1e3;
        }
      }
    }
    double[] mark = new double[MEASURED / FEWER];
    for (int i = 0; i < mark.length; i++) {
      long t = Bench.cpuNanos();
      m.checkpoint().close();
      mark[i] = (Bench.cpuNanos() - t) / 1e3;
    }
    System.out.printf(
        "%-16s back %.0f us, on %.0f us, a checkpoint %.0f us%n",
        name, Bench.median(back), Bench.median(on), Bench.median(mark));
  }
}
