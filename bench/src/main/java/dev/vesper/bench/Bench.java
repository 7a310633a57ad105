package dev.vesper.bench;

import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.MachineOptions;
import dev.vesper.machine.boot.BootException;
import dev.vesper.machine.sev.SevMode;
import dev.vesper.machine.vmm.Outcome;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * The benchmark command: {@code kernels} (guest instructions a microsecond of the emulating
 * thread's CPU time), {@code vc} (cost of a #VC round trip), {@code decode} (instructions a
 * second), {@code boot KERNEL INITRD} (a Linux boot).
 */
public final class Bench {
  private static final int PASSES = 3;

  private Bench() {}

  private static long cpuNanos() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }

  /** Runs the benchmark that the first argument names. */
  public static void main(String[] args) throws BootException, IOException {
    String which = args.length == 0 ? "kernels" : args[0];
    switch (which) {
      case "kernels" -> kernels();
      case "vc" -> roundTrip();
      case "decode" -> decode();
      case "boot" -> {
        if (args.length < 3) {
          System.err.println("usage: bench boot KERNEL INITRD [off|sev|es]");
          System.exit(2);
        }
        boot(Path.of(args[1]), Path.of(args[2]), args.length > 3 ? args[3] : "es");
      }
      default -> {
        System.err.println("bench: kernels, vc, decode or boot, not " + which);
        System.exit(2);
      }
    }
  }

  private static Machine machine(SevMode mode, byte[] image) throws BootException {
    return new Machine(MachineOptions.of(mode, image, b -> {}).withMemory(64L << 20));
  }

  private static void kernels() throws BootException, IOException {
    QemuTcg qemu = QemuTcg.find();
    double nothing =
        qemu == null ? 0 : Math.min(qemu.flat(Kernels.NOTHING), qemu.flat(Kernels.NOTHING));
    double logs = 0;
    double ratios = 0;
    double firsts = 0;
    double yardstick = 0;
    int n = 0;
    for (Map.Entry<String, String> k : Kernels.all().entrySet()) {
      byte[] image = FlatGuest.image(k.getValue());
      double first = 0;
      double best = 0;
      long instructions = 0;
      for (int p = 0; p < PASSES; p++) {
        Machine m = machine(SevMode.OFF, image);
        long t = cpuNanos();
        Outcome o = m.run();
        double us = (cpuNanos() - t) / 1000.0;
        if (o.status() != 1) {
          throw new IllegalStateException(k.getKey() + " ended with " + o);
        }
        instructions = m.instructions();
        first = p == 0 ? instructions / us : first;
        firsts += p == 0 ? us / 1e6 : 0;
        best = Math.max(best, instructions / us);
      }
      System.out.printf(
          "%-8s %6.1f Minsn  first %7.1f  best %7.1f MIPS",
          k.getKey(), instructions / 1e6, first, best);
      logs += Math.log(best);
      if (qemu != null) {
        double seconds = qemu.flat(k.getValue());
        for (int p = 1; p < PASSES; p++) {
          seconds = Math.min(seconds, qemu.flat(k.getValue()));
        }
        yardstick += seconds - nothing;
        double mips = instructions / 1e6 / Math.max(0.005, seconds - nothing);
        System.out.printf("  QEMU %7.1f  ratio %.2f", mips, best / mips);
        ratios += Math.log(best / mips);
      }
      System.out.println();
      n++;
    }
    System.out.printf("geomean                                 %7.1f MIPS", Math.exp(logs / n));
    if (qemu != null) {
      System.out.printf("                ratio %.2f", Math.exp(ratios / n));
      System.out.printf(
          "%nfirst passes: %.2f CPU s, QEMU %.2f, ratio %.2f",
          firsts, yardstick, firsts / yardstick);
      qemu.close();
    }
    System.out.println();
  }

  /** Guests whose #VC handler does the whole GHCB exchange. */
  private static void roundTrip() throws BootException {
    int rounds = 200_000;
    trips("CPUID", VcGuest.cpuid(rounds), rounds);
    trips("IOIO", VcGuest.out(rounds), rounds);
    int blocks = 400;
    byte[] image = FlatGuest.image(VcGuest.outs(blocks));
    double best = 0;
    for (int p = 0; p < PASSES; p++) {
      double seconds = seconds(machine(SevMode.ES, image));
      best = Math.max(best, blocks * 65536.0 / 1e6 / seconds);
    }
    System.out.printf("REP OUTSB of 64 KiB to COM1: %.1f MB/s%n", best);
  }

  private static void trips(String name, String source, int rounds) throws BootException {
    double best = Double.MAX_VALUE;
    for (int p = 0; p < PASSES; p++) {
      best = Math.min(best, seconds(machine(SevMode.ES, FlatGuest.image(source))) * 1e6 / rounds);
    }
    System.out.printf("%s #VC round trip %.2f us%n", name, best);
  }

  /** {@return CPU seconds of a run that the guest ends by asking for termination} */
  private static double seconds(Machine m) {
    long t = cpuNanos();
    Outcome o = m.run();
    double seconds = (cpuNanos() - t) / 1e9;
    if (o.status() != Outcome.GUEST_TERMINATED) {
      throw new IllegalStateException("the guest ended with " + o);
    }
    return seconds;
  }

  /** Decodes the reference guest's 64-bit code over and over. */
  private static void decode() {
    byte[] code = Locore.image();
    int from = 0x1000;
    int to = 0x1C00;
    for (int p = 0; p < PASSES; p++) {
      long t = cpuNanos();
      long n = 0;
      for (int round = 0; round < 3000; round++) {
        for (int at = from; at < to; ) {
          Insn in = new Insn();
          Decoder.decode(code, at, to + 16, 64, in);
          at += Math.max(1, in.length);
          n++;
        }
      }
      System.out.printf("decoding %.1f M instructions/s%n", n * 1000.0 / (cpuNanos() - t));
    }
  }

  private static void boot(Path kernel, Path initrd, String mode)
      throws BootException, IOException {
    StringBuilder line = new StringBuilder();
    long[] init = {-1};
    long start = cpuNanos();
    long wall = System.nanoTime();
    MachineOptions o =
        MachineOptions.of(
                SevMode.valueOf(mode.toUpperCase(java.util.Locale.ROOT)),
                Files.readAllBytes(kernel),
                b -> {
                  line.append((char) b);
                  if (b == '\n') {
                    if (init[0] < 0 && line.indexOf("Run /init") >= 0) {
                      init[0] = cpuNanos() - start;
                    }
                    line.setLength(0);
                  }
                })
            .with("console=ttyS0 cryptomgr.notests=1", Files.readAllBytes(initrd));
    Machine m = new Machine(o);
    Outcome out = m.run();
    System.out.printf(
        "boot --sev %s: %.2f CPU s to /init, %.2f CPU s in all, %.2f s wall, %d instructions, %s%n",
        mode,
        init[0] / 1e9,
        (cpuNanos() - start) / 1e9,
        (System.nanoTime() - wall) / 1e9,
        m.instructions(),
        out.reason());
  }
}
