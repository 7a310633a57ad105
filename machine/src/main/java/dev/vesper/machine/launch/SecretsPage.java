package dev.vesper.machine.launch;

import java.util.Arrays;

/**
 * The page by which the secure processor hands an SNP guest its keys (spec: snp 5.2). Little
 * endian: the version u32 at 0, flags at 4, family, model and stepping u32 at 8, GOSVW at 0x10,
 * VMPCK0 to VMPCK3 at 0x20, the guest's own words at 0xA0, the bitmap of protected quadwords of
 * save areas at 0x100, the place of an SVSM at 0x140 and the factor of the time-stamp counter u32
 * at 0x160.
 */
public final class SecretsPage {
  /** Bytes of the page. */
  public static final int BYTES = 4096;

  /** Bytes of GOSVW, the guest-visible workarounds. */
  public static final int WORKAROUND_BYTES = 16;

  /** Keys for messages to the secure processor, one for each VMPL. */
  public static final int KEYS = 4;

  /** Bytes of such a key. */
  public static final int KEY_BYTES = 32;

  private static final int VERSION = 3;
  private static final int SIGNATURE = 8;
  private static final int WORKAROUNDS = 0x10;
  private static final int VMPCK0 = 0x20;
  private static final int TWEAKS = 0x100;
  private static final int TSC_FACTOR = 0x160;

  /** By how much the counter that a guest sees is slower than its nominal one, in 1/100000. */
  public static final int FACTOR = 200;

  /** The quadwords of a save area that VmsaRegProt covers on a Genoa, whether it is on or not. */
  private static final byte[] TWEAK_BITMAP = bitmap();

  private SecretsPage() {}

  /** {@return VMPCK0 to VMPCK3 of a page} */
  public static byte[][] keys(byte[] page) {
    byte[][] keys = new byte[KEYS][];
    for (int i = 0; i < KEYS; i++) {
      int at = VMPCK0 + i * KEY_BYTES;
      keys[i] = Arrays.copyOfRange(page, at, at + KEY_BYTES);
    }
    return keys;
  }

  /**
   * {@return a page}
   *
   * @param signature CPUID Fn1 EAX of the processor
   * @param workarounds GOSVW
   * @param keys VMPCK0 to VMPCK3
   */
  public static byte[] encode(int signature, byte[] workarounds, byte[][] keys) {
    assert workarounds.length == WORKAROUND_BYTES && keys.length == KEYS;
    byte[] b = new byte[BYTES];
    LittleEndian.put32(b, 0, VERSION);
    LittleEndian.put32(b, SIGNATURE, signature);
    System.arraycopy(workarounds, 0, b, WORKAROUNDS, WORKAROUND_BYTES);
    for (int i = 0; i < KEYS; i++) {
      assert keys[i].length == KEY_BYTES;
      System.arraycopy(keys[i], 0, b, VMPCK0 + i * KEY_BYTES, KEY_BYTES);
    }
    System.arraycopy(TWEAK_BITMAP, 0, b, TWEAKS, TWEAK_BITMAP.length);
    LittleEndian.put32(b, TSC_FACTOR, FACTOR);
    return b;
  }

  private static byte[] bitmap() {
    byte[] b = new byte[0x40];
    int[][] runs = {
      // offset, length, value
      {5, 1, 0x80},
      {7, 1, 0x88},
      {12, 1, 0xEE},
      {13, 1, 0xFF},
      {16, 1, 0xF0},
      {17, 7, 0xFF},
      {24, 1, 0xFF},
      {25, 1, 0x3F},
      {38, 25, 0xFF}
    };
    for (int[] r : runs) {
      Arrays.fill(b, r[0], r[0] + r[1], (byte) r[2]);
    }
    return b;
  }
}
