package dev.vesper.machine.launch;

import java.util.Arrays;
import java.util.Map;
import java.util.UUID;

/**
 * The table of secrets that OVMF publishes and Linux's efi_secret reads: a header GUID and the
 * length of all, then entries of GUID, length and data; each length is u32 and counts itself and
 * its GUID.
 */
public final class SecretTable {
  private static final UUID HEADER = UUID.fromString("1e74f542-71dd-4d66-963e-ef4287ff173b");
  private static final int HEAD = 20;

  private SecretTable() {}

  /** {@return the table of some entries, in their order; zeros follow up to a multiple of 16} */
  public static byte[] of(Map<UUID, byte[]> entries) {
    int all = HEAD + entries.values().stream().mapToInt(d -> HEAD + d.length).sum();
    byte[] b = new byte[all + 15 & ~15];
    head(b, 0, HEADER, all);
    int at = HEAD;
    for (Map.Entry<UUID, byte[]> e : entries.entrySet()) {
      byte[] data = e.getValue();
      head(b, at, e.getKey(), HEAD + data.length);
      System.arraycopy(data, 0, b, at + HEAD, data.length);
      at += HEAD + data.length;
    }
    return b;
  }

  private static void head(byte[] b, int at, UUID guid, int length) {
    System.arraycopy(Guids.bytes(guid), 0, b, at, 16);
    System.arraycopy(SevCrypto.littleEndian(length), 0, b, at + 16, 4);
  }

  /** {@return whether bytes begin as such a table does} */
  public static boolean isTable(byte[] b) {
    return b.length >= HEAD && Arrays.equals(Arrays.copyOf(b, 16), Guids.bytes(HEADER));
  }
}
