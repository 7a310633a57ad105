package dev.vesper.bench;

import java.io.IOException;
import java.util.List;

/** Wall time from the start of the command to the first byte that the reference guest writes. */
final class StartBench {
  private static final String HELLO =
      "mov edx, 0x3f8\nmov al, 0x56\nout dx, al\n" + Kernels.NOTHING;

  private StartBench() {}

  static void run() throws IOException {
    QemuTcg qemu = QemuTcg.find();
    List<String> ours = Children.java("dev.vesper.cli", "dev.vesper.cli.Main", "run");
    double[] wall = new double[Bench.PASSES];
    double[] theirs = new double[Bench.PASSES];
    for (int p = 0; p < wall.length; p++) {
      wall[p] = Children.millisToOutput(ours);
      if (qemu != null) {
        theirs[p] = qemu.millisToOutput(HELLO);
      }
    }
    System.out.printf("first output of the reference guest after %.0f ms", Bench.median(wall));
    if (qemu != null) {
      double m = Bench.median(theirs);
      System.out.printf(
          "  (QEMU, a guest of one byte: %.0f ms, ratio %.2f)", m, Bench.median(wall) / m);
      qemu.close();
    }
    System.out.println();
  }
}
