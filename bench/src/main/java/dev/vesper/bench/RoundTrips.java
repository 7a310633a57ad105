package dev.vesper.bench;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;

/**
 * Guests whose #VC handler does the whole GHCB exchange, and under SEV-SNP what pages cost. QEMU
 * has no SEV-ES under its translator: beside it stands what the same instruction costs there in a
 * guest that takes no exception.
 */
final class RoundTrips {
  private static final int ROUNDS = 200_000;

  /** QEMU's clock has 10 ms, and its instruction takes no exception. */
  private static final int PLAIN_ROUNDS = 40 * ROUNDS;

  private static final int BLOCKS = 400;

  private RoundTrips() {}

  static void run() throws BootException, IOException {
    trips("CPUID", VcGuest.cpuid(ROUNDS), VcGuest.CPUID);
    trips("IOIO", VcGuest.out(ROUNDS), VcGuest.OUT);
    byte[] image = FlatGuest.image(VcGuest.outs(BLOCKS));
    double[] rates = new double[Bench.PASSES];
    for (int p = 0; p < rates.length; p++) {
      rates[p] = BLOCKS * 65536.0 / 1e6 / seconds(Bench.machine(SevMode.ES, image));
    }
    System.out.printf("REP OUTSB of 64 KiB to COM1: %.1f MB/s%n", Bench.median(rates));
    pages();
  }

  /** Under SEV-SNP: an instruction of the guest's, and two ways to ask the host. */
  private static void pages() throws BootException {
    byte[] own = FlatGuest.image(PageStateGuest.validate(ROUNDS));
    byte[] request = FlatGuest.image(PageStateGuest.byRequest(ROUNDS));
    byte[] event = FlatGuest.image(PageStateGuest.byEvent(ROUNDS));
    double[][] micros = new double[3][Bench.PASSES];
    for (int p = 0; p < Bench.PASSES; p++) {
      double validated = perChange(own);
      micros[0][p] = validated;
      micros[1][p] = perChange(request) - validated;
      micros[2][p] = perChange(event) - validated;
    }
    System.out.printf("PVALIDATE of 4 KiB %.2f us%n", Bench.median(micros[0]));
    System.out.printf("page state change by the MSR protocol %.2f us%n", Bench.median(micros[1]));
    System.out.printf("page state change by the GHCB, one page %.2f us%n", Bench.median(micros[2]));
  }

  /** {@return microseconds of half a round: there and back} */
  private static double perChange(byte[] image) throws BootException {
    return seconds(Bench.machine(SevMode.SNP, image)) * 1e6 / (2 * ROUNDS);
  }

  private static void trips(String name, String source, String body)
      throws BootException, IOException {
    byte[] image = FlatGuest.image(source);
    double[] micros = new double[Bench.PASSES];
    for (int p = 0; p < micros.length; p++) {
      micros[p] = seconds(Bench.machine(SevMode.ES, image)) * 1e6 / ROUNDS;
    }
    System.out.printf("%-5s #VC round trip %.2f us", name, Bench.median(micros));
    QemuTcg qemu = QemuTcg.find();
    if (qemu != null) {
      String plain =
          "mov r15d, " + PLAIN_ROUNDS + "\nL:\n" + body + "\ndec r15d\njne L\n" + Kernels.NOTHING;
      double theirs = qemu.flatMedian(plain) - qemu.flatMedian(Kernels.NOTHING);
      qemu.close();
      double each = Math.max(0.01, theirs) * 1e6 / PLAIN_ROUNDS;
      System.out.printf(
          "  (QEMU, plain guest: %.2f us, ratio %.1f)", each, Bench.median(micros) / each);
    }
    System.out.println();
  }

  /** {@return CPU seconds of a run that the guest ends by asking for termination} */
  private static double seconds(Machine m) {
    long t = Bench.cpuNanos();
    Outcome o = m.run();
    double seconds = (Bench.cpuNanos() - t) / 1e9;
    if (o.status() != Outcome.GUEST_TERMINATED) {
      throw new IllegalStateException("the guest ended with " + o);
    }
    return seconds;
  }
}
