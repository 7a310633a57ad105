package dev.vesper.bench;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Hot kernels: guest instructions a microsecond of the emulating thread's CPU time. The first pass
 * of each counts towards the cost of a whole suite in a fresh JVM, the median of all as its speed.
 */
final class KernelBench {
  private double logs;
  private double ratios;
  private double firsts;
  private double yardstick;
  private double worst = Double.MAX_VALUE;
  private int kernels;

  private KernelBench() {}

  static void run(Map<String, String> sources) throws BootException, IOException {
    QemuTcg qemu = QemuTcg.find();
    try {
      new KernelBench().all(sources, qemu);
    } finally {
      if (qemu != null) {
        qemu.close();
      }
    }
  }

  private void all(Map<String, String> sources, @Nullable QemuTcg qemu)
      throws BootException, IOException {
    double nothing = qemu == null ? 0 : qemu.flatMedian(Kernels.NOTHING);
    for (Map.Entry<String, String> k : sources.entrySet()) {
      one(k.getKey(), k.getValue(), qemu, nothing);
    }
    System.out.printf(
        "geomean                                 %7.0f MIPS", Math.exp(logs / kernels));
    if (qemu != null) {
      System.out.printf(
          "                ratio %.2f, worst %.2f", Math.exp(ratios / kernels), worst);
      System.out.printf(
          "%nall first passes: %.2f CPU s, QEMU %.2f, ratio %.2f",
          firsts, yardstick, firsts / yardstick);
    }
    System.out.println();
  }

  private void one(String name, String source, @Nullable QemuTcg qemu, double nothing)
      throws BootException, IOException {
    byte[] image = FlatGuest.image(source);
    double[] mips = new double[Bench.PASSES];
    double[] theirs = new double[Bench.PASSES];
    double instructions = 0;
    for (int p = 0; p < Bench.PASSES; p++) {
      Machine m = Bench.machine(SevMode.OFF, image);
      long t = Bench.cpuNanos();
      Outcome o = m.run();
      double seconds = (Bench.cpuNanos() - t) / 1e9;
      if (o.status() != 1) {
        throw new IllegalStateException(name + " ended with " + o);
      }
      instructions = m.instructions() / 1e6;
      mips[p] = instructions / seconds;
      firsts += p == 0 ? seconds : 0;
      if (qemu != null) {
        theirs[p] = Math.max(0.005, qemu.flat(source) - nothing);
      }
    }
    double speed = Bench.median(mips);
    System.out.printf(
        "%-13s %6.0f Minsn  first %5.0f  median %5.0f MIPS", name, instructions, mips[0], speed);
    logs += Math.log(speed);
    kernels++;
    if (qemu != null) {
      double seconds = Bench.median(theirs);
      double ratio = speed / (instructions / seconds);
      System.out.printf("  QEMU %5.0f  ratio %.2f", instructions / seconds, ratio);
      yardstick += seconds;
      ratios += Math.log(ratio);
      worst = Math.min(worst, ratio);
    }
    System.out.println();
  }
}
