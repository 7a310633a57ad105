package dev.vesper.bench;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What it costs to leave for a device and to come back, in CPU time of the emulating thread:
 * without SEV the exit alone, under {@code --sev es} a #VC, its handler and a VMGEXIT. Beside it
 * stands what QEMU's guest, which has no SEV, takes for the same.
 */
final class ExitBench {
  private static final int ROUNDS = 1_000_000;
  private static final int ES_ROUNDS = 200_000;

  /** QEMU's timers are those of the system, which take it tens of microseconds. */
  private static final int TIMER_ROUNDS = 20_000;

  private final @Nullable QemuTcg qemu;
  private final double nothing;

  private ExitBench(@Nullable QemuTcg qemu) throws IOException {
    this.qemu = qemu;
    nothing = qemu == null ? 0 : qemu.flatMedian(Kernels.NOTHING);
  }

  static void run() throws BootException, IOException {
    QemuTcg qemu = QemuTcg.find();
    try {
      ExitBench b = new ExitBench(qemu);
      String out = ExitGuest.loop(ROUNDS, VcGuest.OUT);
      b.both("port write", out, out, ROUNDS, VcGuest.out(ES_ROUNDS));
      String read = ExitGuest.loop(ROUNDS, ExitGuest.READ);
      b.both("MMIO read", read, read, ROUNDS, VcGuest.mmio(ES_ROUNDS));
      b.both(
          "timer interrupt",
          ExitGuest.timer(ROUNDS),
          ExitGuest.timer(TIMER_ROUNDS),
          TIMER_ROUNDS,
          VcGuest.timer(ES_ROUNDS));
    } finally {
      if (qemu != null) {
        qemu.close();
      }
    }
  }

  private void both(String name, String plain, String yardstick, int rounds, String encrypted)
      throws BootException, IOException {
    byte[] image = FlatGuest.image(plain);
    double[] ours = new double[Bench.PASSES];
    double[] theirs = new double[Bench.PASSES];
    for (int p = 0; p < ours.length; p++) {
      ours[p] = seconds(SevMode.OFF, image, 1) * 1e6 / ROUNDS;
      if (qemu != null) {
        theirs[p] = Math.max(0.005, qemu.flat(yardstick) - nothing) * 1e6 / rounds;
      }
    }
    line(name, SevMode.OFF, ours, theirs);
    image = FlatGuest.image(encrypted);
    for (int p = 0; p < ours.length; p++) {
      ours[p] = seconds(SevMode.ES, image, Outcome.GUEST_TERMINATED) * 1e6 / ES_ROUNDS;
    }
    line(name, SevMode.ES, ours, theirs);
  }

  private void line(String name, SevMode mode, double[] ours, double[] theirs) {
    double micros = Bench.median(ours);
    System.out.printf(
        "%-15s --sev %-3s %5.2f us", name, mode.name().toLowerCase(Locale.ROOT), micros);
    if (qemu != null) {
      double each = Bench.median(theirs);
      System.out.printf("  QEMU %5.2f  ratio %.1f", each, micros / each);
    }
    System.out.println();
  }

  /** {@return CPU seconds of a run that ends with a status} */
  private static double seconds(SevMode mode, byte[] image, int status) throws BootException {
    Machine m = Bench.machine(mode, image);
    long t = Bench.cpuNanos();
    Outcome o = m.run();
    double seconds = (Bench.cpuNanos() - t) / 1e9;
    if (o.status() != status) {
      throw new IllegalStateException("the guest ended with " + o);
    }
    return seconds;
  }
}
