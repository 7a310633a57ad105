package dev.vesper.machine.launch;

import java.util.ArrayList;
import java.util.List;

/**
 * What the owner allows: the word of LAUNCH_START, kept by the secure processor for the guest's
 * life.
 *
 * @param bits 0 NODBG, 1 NOKS, 2 ES, 3 NOSEND, 4 DOMAIN, 5 SEV; 16 to 23 the least API major and 24
 *     to 31 the least API minor
 */
public record GuestPolicy(int bits) {
  /** No DBG_DECRYPT and DBG_ENCRYPT. */
  public static final int NODBG = 1;

  /** The key is not shared with another guest. */
  public static final int NOKS = 1 << 1;

  /** The guest must have encrypted state. */
  public static final int ES = 1 << 2;

  /** The guest is not sent to another platform. */
  public static final int NOSEND = 1 << 3;

  /** The guest is not sent outside its domain. */
  public static final int DOMAIN = 1 << 4;

  /** The guest is not sent to a platform without SEV. */
  public static final int SEV = 1 << 5;

  private static final int RESERVED = 0xFFC0;
  private static final String[] NAMES = {"NODBG", "NOKS", "ES", "NOSEND", "DOMAIN", "SEV"};

  /** {@return whether all of these bits are set} */
  public boolean has(int mask) {
    return (bits & mask) == mask;
  }

  /** {@return whether only defined bits are set} */
  public boolean defined() {
    return (bits & RESERVED) == 0;
  }

  /** {@return whether a platform's API is as new as the owner asks} */
  public boolean accepts(ApiVersion api) {
    int major = bits >>> 16 & 0xFF;
    int minor = bits >>> 24;
    return api.major() > major || api.major() == major && api.minor() >= minor;
  }

  @Override
  public String toString() {
    List<String> set = new ArrayList<>();
    for (int i = 0; i < NAMES.length; i++) {
      if ((bits >>> i & 1) != 0) {
        set.add(NAMES[i]);
      }
    }
    String least = bits >>> 16 == 0 ? "" : ", API " + (bits >>> 16 & 0xFF) + "." + (bits >>> 24);
    return "0x" + Integer.toHexString(bits) + " (" + String.join(" ", set) + least + ")";
  }
}
