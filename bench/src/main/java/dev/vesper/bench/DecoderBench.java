package dev.vesper.bench;

import dev.vesper.guest.Locore;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;

/** Decodes the reference guest's 64-bit code over and over. */
final class DecoderBench {
  private DecoderBench() {}

  static void run() {
    byte[] code = Locore.image();
    int from = 0x1000;
    int to = 0x1C00;
    for (int p = 0; p < Bench.PASSES; p++) {
      long t = Bench.cpuNanos();
      long n = 0;
      for (int round = 0; round < 3000; round++) {
        for (int at = from; at < to; ) {
          Insn in = new Insn();
          Decoder.decode(code, at, to + 16, 64, in);
          at += Math.max(1, in.length);
          n++;
        }
      }
      System.out.printf("decoding %.1f M instructions/s%n", n * 1000.0 / (Bench.cpuNanos() - t));
    }
  }
}
