package dev.vesper.machine.boot;

import dev.vesper.machine.launch.Guids;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The table of hashes by which a measured OVMF trusts the kernel that it is handed through fw_cfg
 * (spec: launch, section 4): a header of GUID and u16 length, then entries of GUID, u16 length and
 * SHA-256, filled up to 176 bytes.
 */
final class KernelHashes {
  static final int BYTES = 176;
  private static final UUID HEADER = UUID.fromString("9438d606-4f22-4cc9-b479-a793d411fd21");
  private static final UUID COMMAND_LINE = UUID.fromString("97d02dd8-bd20-4c94-aa78-e7714d36ab2a");
  private static final UUID INITRD = UUID.fromString("44baf731-3a2f-4bd7-9af1-41e29169781d");
  private static final UUID KERNEL = UUID.fromString("4de79437-abd2-427f-b835-d5b172d2045b");
  private static final int HEAD = 18;
  private static final int ENTRY = HEAD + 32;

  private KernelHashes() {}

  /**
   * {@return the table}
   *
   * @param initrd hashed as no bytes if there is none
   * @param commandLine hashed with a zero behind it
   */
  static byte[] of(byte[] kernel, byte @Nullable [] initrd, String commandLine) {
    byte[] line = commandLine.getBytes(StandardCharsets.UTF_8);
    byte[] b = new byte[BYTES];
    head(b, 0, HEADER, HEAD + 3 * ENTRY);
    entry(b, 0, COMMAND_LINE, Arrays.copyOf(line, line.length + 1));
    entry(b, 1, INITRD, initrd == null ? new byte[0] : initrd);
    entry(b, 2, KERNEL, kernel);
    return b;
  }

  private static void head(byte[] b, int at, UUID guid, int length) {
    System.arraycopy(Guids.bytes(guid), 0, b, at, 16);
    Bytes.put(b, at + 16, 2, length);
  }

  private static void entry(byte[] b, int index, UUID guid, byte[] hashed) {
    int at = HEAD + index * ENTRY;
    head(b, at, guid, ENTRY);
    try {
      byte[] d = MessageDigest.getInstance("SHA-256").digest(hashed);
      System.arraycopy(d, 0, b, at + HEAD, d.length);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }
}
