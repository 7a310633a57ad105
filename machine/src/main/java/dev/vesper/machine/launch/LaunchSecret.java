package dev.vesper.machine.launch;

import java.util.Arrays;

/**
 * A secret on its way to a launched guest: the packet of LAUNCH_SECRET (spec: launch, 3.2).
 *
 * @param header 52 bytes: FLAGS u32 (bit 0 compressed), IV 16, MAC 32
 * @param payload the secret under the TEK; a multiple of 16 bytes
 */
public record LaunchSecret(byte[] header, byte[] payload) {
  /** Bytes of the header. */
  public static final int HEADER_BYTES = 52;

  /** Most bytes that a command takes. */
  public static final int MAX_BYTES = 16 * 1024;

  private static final byte[] CONTEXT = {1};

  /**
   * The owner's side: packs a secret for the guest whose measurement it has checked.
   *
   * @param iv 16 fresh bytes
   * @param secret any number of bytes; zeros follow up to a multiple of 16
   */
  public static LaunchSecret seal(SessionKeys keys, byte[] iv, byte[] secret, Measurement of) {
    byte[] text = Arrays.copyOf(secret, secret.length + 15 & ~15);
    byte[] payload = SevCrypto.counter(keys.tek(), iv, text);
    byte[] flags = new byte[4];
    byte[] mac = mac(keys, flags, iv, payload, of);
    byte[] header = Arrays.copyOf(flags, HEADER_BYTES);
    System.arraycopy(iv, 0, header, 4, 16);
    System.arraycopy(mac, 0, header, 20, 32);
    return new LaunchSecret(header, payload);
  }

  private static byte[] mac(
      SessionKeys keys, byte[] flags, byte[] iv, byte[] payload, Measurement of) {
    byte[] length = SevCrypto.littleEndian(payload.length);
    return SevCrypto.hmac(keys.tik(), CONTEXT, flags, iv, length, length, payload, of.measure());
  }

  /**
   * The secure processor's side.
   *
   * @return the secret
   * @throws CommandFailed if the packet is malformed or was made for another launch
   */
  public byte[] open(SessionKeys keys, Measurement of) {
    if (header.length != HEADER_BYTES
        || payload.length == 0
        || payload.length > MAX_BYTES
        || (payload.length & 15) != 0) {
      throw new CommandFailed(
          "LAUNCH_SECRET",
          SevStatus.INVALID_LENGTH,
          "a header has 52 bytes, not "
              + header.length
              + "; a secret has 16 to 16384 bytes in blocks of 16, not "
              + payload.length);
    }
    byte[] flags = Arrays.copyOf(header, 4);
    byte[] iv = Arrays.copyOfRange(header, 4, 20);
    if (flags[0] != 0 || flags[1] != 0 || flags[2] != 0 || flags[3] != 0) {
      throw new CommandFailed(
          "LAUNCH_SECRET", SevStatus.UNSUPPORTED, "compressed secrets are not supported");
    }
    byte[] mac = Arrays.copyOfRange(header, 20, HEADER_BYTES);
    if (!SevCrypto.same(mac, mac(keys, flags, iv, payload, of))) {
      throw new CommandFailed(
          "LAUNCH_SECRET",
          SevStatus.BAD_MEASUREMENT,
          "the packet was made with another TIK or for another measurement");
    }
    return SevCrypto.counter(keys.tek(), iv, payload);
  }
}
