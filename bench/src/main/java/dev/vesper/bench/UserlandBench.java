package dev.vesper.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Programs of Debian in an initial RAM disk, each pass in a process of its own, in turn with QEMU
 * running the same guest without SEV: CPU and wall time of whole processes from the first line of
 * the work to its last. The boot before it is not in them.
 */
final class UserlandBench {
  private static final List<String> TEXTS = List.of("BEGIN-OF-WORK", "END-OF-WORK 0.");
  private static final String LINE = "console=ttyS0 quiet cryptomgr.notests=1";

  private UserlandBench() {}

  static void run(Workload w, String mode) throws IOException {
    Path folder = Files.createTempDirectory("vesper-bench");
    Path initrd = folder.resolve("initrd");
    try {
      List<String> packages = new ArrayList<>(List.of("busybox-static"));
      packages.addAll(w.packages());
      String kind = w.name().replaceAll("-.*", "").replaceAll("math|hashlib", "python");
      Path tree = DebianTree.of(kind, w.architecture(), packages);
      Path kernel = DebianTree.kernel(w.kernel(), w.architecture());
      Initramfs.write(initrd, tree, Workload::needs, w.init());
      run(w, mode, kernel, initrd);
    } finally {
      Files.deleteIfExists(initrd);
      Files.delete(folder);
    }
  }

  private static void run(Workload w, String mode, Path kernel, Path initrd) throws IOException {
    List<String> guest = new ArrayList<>(w.machine());
    guest.addAll(List.of("-kernel", kernel.toString(), "-initrd", initrd.toString()));
    guest.addAll(List.of("-append", LINE, "-serial", "stdio"));
    List<String> ours =
        new ArrayList<>(Children.java("dev.vesper.cli", "dev.vesper.cli.Main", "run"));
    ours.addAll(List.of("--sev", mode, "-M", "pc"));
    if (w.architecture().equals("i386")) {
      ours.addAll(List.of("-entry", "32"));
    }
    ours.addAll(guest);
    List<String> theirs = QemuTcg.find() == null ? List.of() : QemuTcg.whole(guest);
    double[][] us = new double[2][Bench.PASSES];
    double[][] them = new double[2][Bench.PASSES];
    for (int p = 0; p < Bench.PASSES; p++) {
      pass(p, ours, us);
      if (!theirs.isEmpty()) {
        pass(p, theirs, them);
      }
    }
    System.out.printf("%-12s --sev %-3s", w.name(), mode);
    for (int i = 0; i < 2; i++) {
      double here = Bench.median(us[i]);
      System.out.printf("  %s %.2f s", i == 0 ? "CPU" : "wall", here);
      if (!theirs.isEmpty()) {
        double there = Bench.median(them[i]);
        System.out.printf(", QEMU %.2f s, ratio %.2f", there, here / there);
      }
    }
    System.out.println();
  }

  private static void pass(int pass, List<String> command, double[][] to) throws IOException {
    List<Children.Spent> s = Children.spentUntil(command, TEXTS);
    to[0][pass] = s.get(1).cpu() - s.get(0).cpu();
    to[1][pass] = s.get(1).wall() - s.get(0).wall();
  }
}
