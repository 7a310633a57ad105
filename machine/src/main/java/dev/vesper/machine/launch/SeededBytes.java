package dev.vesper.machine.launch;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Bytes that stand for random ones and that a seed decides, so that runs can be repeated. */
public final class SeededBytes {
  private SeededBytes() {}

  /**
   * {@return bytes}
   *
   * @param purpose keeps what the same seed decides apart
   */
  public static byte[] of(String purpose, long seed, int length) {
    byte[] out = new byte[length];
    byte[] text = (purpose + "/" + seed).getBytes(StandardCharsets.UTF_8);
    for (int done = 0, i = 0; done < length; i++) {
      byte[] block = SevCrypto.sha256(text, SevCrypto.littleEndian(i));
      int n = Math.min(block.length, length - done);
      System.arraycopy(Arrays.copyOf(block, n), 0, out, done, n);
      done += n;
    }
    return out;
  }
}
