package dev.vesper.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Firmware to its UEFI shell, each pass in a process of its own, in turn with QEMU running the same
 * firmware without SEV: CPU time of whole processes. The shell's first line says how fast the
 * firmware was executed; between it and the prompt the guest waits five seconds for a key, in which
 * QEMU's goes on polling and ours is taken to the end of each wait.
 */
final class FirmwareBench {
  private static final List<String> TEXTS = List.of("UEFI Interactive Shell", "Shell> ");
  private static final int MEBIBYTES = 256;

  private FirmwareBench() {}

  static void run(Path firmware, String mode) throws IOException {
    QemuTcg qemu = QemuTcg.find();
    List<String> ours =
        Children.java(
            "dev.vesper.cli",
            "dev.vesper.cli.Main",
            "run",
            "-bios",
            firmware.toString(),
            "--sev",
            mode,
            "-m",
            MEBIBYTES + "M",
            "-serial",
            "stdio");
    double[][] here = new double[TEXTS.size()][Bench.PASSES];
    double[][] there = new double[TEXTS.size()][Bench.PASSES];
    for (int p = 0; p < Bench.PASSES; p++) {
      record(p, Children.cpuUntil(ours, TEXTS), here);
      if (qemu != null) {
        record(p, qemu.firmware(firmware, MEBIBYTES, TEXTS), there);
      }
    }
    for (int i = 0; i < TEXTS.size(); i++) {
      double us = Bench.median(here[i]);
      System.out.printf("--sev %s to \"%s\": process %.2f s", mode, TEXTS.get(i).strip(), us);
      if (qemu != null) {
        double them = Bench.median(there[i]);
        System.out.printf(", QEMU %.2f s, ratio %.2f", them, us / them);
      }
      System.out.println();
    }
    if (qemu != null) {
      qemu.close();
    }
  }

  private static void record(int pass, double[] seconds, double[][] to) {
    for (int i = 0; i < seconds.length; i++) {
      to[i][pass] = seconds[i];
    }
  }
}
