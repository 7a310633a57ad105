package dev.vesper.machine.launch;

import java.nio.charset.StandardCharsets;

/**
 * A key that the secure processor derives for a guest (spec: snp 7.3): the first block of NIST SP
 * 800-108 in counter mode with HMAC-SHA-256 over what the guest has had mixed in, 0xA8 bytes,
 * little endian: bit 0 the root and bits 2 to 1 whose key named the guest, at 0; which fields are
 * mixed in u64 at 8; VMPL u32 at 0x10; guest SVN u32 at 0x14; TCB u64 at 0x18; policy u64 at 0x20;
 * IMAGE_ID at 0x28; FAMILY_ID at 0x38; 32 bytes of the measurement at 0x48; host data at 0x68; 32
 * bytes of the digest of the author key, or of the ID key, at 0x88.
 */
public final class DerivedKey {
  /** Bytes of a key. */
  public static final int BYTES = 32;

  /** Bits of the word that says what is mixed in. */
  public static final int POLICY = 1;

  public static final int IMAGE = 2;
  public static final int FAMILY = 4;
  public static final int MEASUREMENT = 8;
  public static final int SVN = 0x10;
  public static final int TCB = 0x20;
  public static final int FIELDS = 0x3F;

  private static final int MIX = 0xA8;
  private static final int PART = 32;

  private DerivedKey() {}

  /**
   * What a guest asks for.
   *
   * @param vmrk the root is the guest's own and not the chip's
   * @param fields what is mixed in
   */
  public record Request(boolean vmrk, int fields, int vmpl, int svn, long tcb) {
    boolean mixes(int field) {
      return (fields & field) != 0;
    }
  }

  /**
   * {@return what is mixed in}
   *
   * @param r a report about the guest, whose identity this is
   */
  static byte[] mix(Request r, AttestationReport about) {
    byte[] b = new byte[MIX];
    boolean author = (about.number(ReportField.KEY_INFO) & AttestationReport.AUTHOR_KEY) != 0;
    byte[] id = about.get(ReportField.ID_KEY_DIGEST);
    boolean named = false;
    for (byte v : id) {
      named |= v != 0;
    }
    b[0] = (byte) ((r.vmrk ? 1 : 0) | (author ? 4 : named ? 2 : 0));
    LittleEndian.put64(b, 8, r.fields);
    LittleEndian.put32(b, 0x10, r.vmpl);
    LittleEndian.put32(b, 0x14, r.mixes(SVN) ? r.svn : 0);
    LittleEndian.put64(b, 0x18, r.mixes(TCB) ? r.tcb : 0);
    LittleEndian.put64(b, 0x20, r.mixes(POLICY) ? about.number(ReportField.POLICY) : 0);
    if (r.mixes(IMAGE)) {
      copy(about.get(ReportField.IMAGE_ID), b, 0x28);
    }
    if (r.mixes(FAMILY)) {
      copy(about.get(ReportField.FAMILY_ID), b, 0x38);
    }
    if (r.mixes(MEASUREMENT)) {
      copy(about.get(ReportField.MEASUREMENT), b, 0x48);
    }
    copy(about.get(ReportField.HOST_DATA), b, 0x68);
    copy(author ? about.get(ReportField.AUTHOR_KEY_DIGEST) : id, b, 0x88);
    return b;
  }

  private static void copy(byte[] from, byte[] to, int at) {
    System.arraycopy(from, 0, to, at, Math.min(from.length, PART));
  }

  /**
   * {@return a key}
   *
   * @param root 32 bytes
   * @param about a report about the guest
   */
  public static byte[] of(byte[] root, Request r, AttestationReport about) {
    return SevCrypto.hmac(
        root,
        SevCrypto.littleEndian(1),
        "gmsg-keyreq".getBytes(StandardCharsets.US_ASCII),
        new byte[1],
        mix(r, about),
        SevCrypto.littleEndian(8 * BYTES));
  }
}
