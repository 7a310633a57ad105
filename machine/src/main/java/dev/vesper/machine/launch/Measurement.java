package dev.vesper.machine.launch;

import java.util.Arrays;
import java.util.HexFormat;

/**
 * What LAUNCH_MEASURE returns (spec: launch, section 3).
 *
 * @param measure HMAC-SHA-256 under the TIK, 32 bytes
 * @param nonce MNONCE, 16 bytes that the secure processor chose
 */
public record Measurement(byte[] measure, byte[] nonce) {
  private static final byte[] CONTEXT = {4};

  /** Computes what a platform must have returned. */
  public static Measurement of(
      ApiVersion api, GuestPolicy policy, byte[] launchDigest, byte[] nonce, byte[] tik) {
    byte[] version = {(byte) api.major(), (byte) api.minor(), (byte) api.build()};
    byte[] bits = SevCrypto.littleEndian(policy.bits());
    return new Measurement(SevCrypto.hmac(tik, CONTEXT, version, bits, launchDigest, nonce), nonce);
  }

  /** {@return MEASURE and MNONCE, 48 bytes: what hypervisors pass on in base64} */
  public byte[] encode() {
    byte[] b = Arrays.copyOf(measure, measure.length + nonce.length);
    System.arraycopy(nonce, 0, b, measure.length, nonce.length);
    return b;
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof Measurement m
        && Arrays.equals(measure, m.measure)
        && Arrays.equals(nonce, m.nonce);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(measure);
  }

  @Override
  public String toString() {
    return HexFormat.of().formatHex(measure);
  }
}
