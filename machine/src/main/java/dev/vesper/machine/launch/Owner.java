package dev.vesper.machine.launch;

import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * A guest's owner who prepares a launch on a platform, as {@code sevctl session} does.
 *
 * @param certificate of the owner's Diffie-Hellman key, for LAUNCH_START
 * @param session for LAUNCH_START
 * @param keys what the owner keeps
 */
public record Owner(SevCertificate certificate, LaunchSession session, SessionKeys keys) {
  /**
   * Prepares a launch that can be repeated.
   *
   * @param platform the certificate of its PDH
   * @param seed decides all keys
   */
  public static Owner seeded(SevCertificate platform, GuestPolicy policy, long seed) {
    return of(platform, policy, "owner", seed);
  }

  /** Prepares a launch with fresh keys. */
  public static Owner fresh(SevCertificate platform, GuestPolicy policy) {
    byte[] random = new byte[32];
    new SecureRandom().nextBytes(random);
    return of(platform, policy, "owner " + HexFormat.of().formatHex(random), 0);
  }

  private static Owner of(SevCertificate platform, GuestPolicy policy, String who, long seed) {
    EllipticKey own = EllipticKey.seeded(who, seed);
    SessionKeys keys = SessionKeys.generate(who, seed);
    byte[] fresh = SeededBytes.of("session of " + who, seed, 32);
    return new Owner(
        SevCertificate.of(own.point(), SevCertificate.Usage.PDH, ApiVersion.CURRENT)
            .signed(0, SevCertificate.Usage.PDH, own),
        LaunchSession.seal(
            own.agree(platform.point()),
            Arrays.copyOf(fresh, 16),
            Arrays.copyOfRange(fresh, 16, 32),
            keys,
            policy),
        keys);
  }
}
