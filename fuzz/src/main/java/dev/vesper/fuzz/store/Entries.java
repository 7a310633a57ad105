package dev.vesper.fuzz.store;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Names of entries, which every store checks alike. */
public final class Entries {
  private static final int DIGITS = 64;

  private Entries() {}

  /** {@return the name of an entry of these bytes, or of a finding with this signature} */
  public static String name(byte[] of) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(of));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }

  /** {@return whether an entry may be called so: 64 hex digits, small letters} */
  public static boolean isName(String s) {
    return s.length() == DIGITS
        && s.chars().allMatch(c -> c >= '0' && c <= '9' || c >= 'a' && c <= 'f');
  }

  /**
   * Refuses what no store takes.
   *
   * @throws IllegalArgumentException if it is no name, or too large
   */
  public static void require(String name, byte[] entry) {
    if (!isName(name)) {
      throw new IllegalArgumentException("an entry's name has 64 hex digits");
    }
    if (entry.length > CampaignStore.LARGEST_ENTRY) {
      throw new IllegalArgumentException(
          "an entry has at most " + CampaignStore.LARGEST_ENTRY + " bytes, not " + entry.length);
    }
  }

  /**
   * Joins a map into another one, bit by bit.
   *
   * @throws IllegalArgumentException if it has another length than {@link CampaignStore#MAP}
   */
  public static void join(byte[] into, byte[] seen) {
    if (seen.length != CampaignStore.MAP) {
      throw new IllegalArgumentException(
          "a map has " + CampaignStore.MAP + " bytes, not " + seen.length);
    }
    for (int i = 0; i < into.length; i++) {
      into[i] |= seen[i];
    }
  }
}
