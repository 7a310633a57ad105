package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.Entries;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The map of what was reached, as a member knows it. It only grows, and joining it is the same in
 * any order and however often, so that no two members ever have to agree on who writes.
 *
 * <p>As bytes, in journals and caches, it is a list of the places that are not zero, in order:
 * index (u16, little-endian) and bits (u8).
 */
final class EdgeMap {
  private static final int PLACE = 3;
  private static final int BYTE = 0xFF;

  private final byte[] bits = new byte[CampaignStore.MAP];

  /**
   * {@return the bits of another map that are not in this one, as {@link #encode} has them; null if
   * there is none}
   *
   * @param more {@link CampaignStore#MAP} bytes
   */
  byte @Nullable [] fresh(byte[] more) {
    if (more.length != bits.length) {
      throw new IllegalArgumentException(
          "a map has " + CampaignStore.MAP + " bytes, not " + more.length);
    }
    byte[] fresh = new byte[bits.length];
    boolean any = false;
    for (int i = 0; i < bits.length; i++) {
      fresh[i] = (byte) (more[i] & ~bits[i]);
      any |= fresh[i] != 0;
    }
    return any ? encode(fresh) : null;
  }

  /** Joins {@link CampaignStore#MAP} bytes. */
  void join(byte[] more) {
    Entries.join(bits, more);
  }

  /** {@return a copy, {@link CampaignStore#MAP} bytes} */
  byte[] copy() {
    return bits.clone();
  }

  /** {@return it as a list of places} */
  byte[] encode() {
    return encode(bits);
  }

  private static byte[] encode(byte[] map) {
    byte[] out = new byte[PLACE * map.length];
    int n = 0;
    for (int i = 0; i < map.length; i++) {
      if (map[i] != 0) {
        out[n++] = (byte) i;
        out[n++] = (byte) (i >> Byte.SIZE);
        out[n++] = map[i];
      }
    }
    return Arrays.copyOf(out, n);
  }

  /**
   * {@return the map that a list of places stands for; null if it is no such list}
   *
   * @param list bytes that anybody may have written
   */
  static byte @Nullable [] decode(byte[] list) {
    if (list.length % PLACE != 0 || list.length > PLACE * CampaignStore.MAP) {
      return null;
    }
    byte[] map = new byte[CampaignStore.MAP];
    int last = -1;
    for (int i = 0; i < list.length; i += PLACE) {
      int at = list[i] & BYTE | (list[i + 1] & BYTE) << Byte.SIZE;
      if (at <= last || list[i + 2] == 0) {
        return null;
      }
      map[at] = list[i + 2];
      last = at;
    }
    return map;
  }
}
