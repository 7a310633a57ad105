package dev.vesper.machine.launch;

import java.util.Arrays;
import java.util.HexFormat;

/**
 * The launch digest of an SNP guest: a chain of SHA-384, one link for each page of 4 KiB (spec: snp
 * 6.4).
 *
 * <p>A link is the hash of PAGE_INFO, 112 bytes, little endian: the digest so far at 0, the hash of
 * the contents at 0x30 (zeros unless the type is measured), the length u16 at 0x60, the page type
 * at 0x62, the initial-migration-image flag at 0x63, the permissions of VMPL1, 2 and 3 at 0x65 to
 * 0x67, the guest physical address u64 at 0x68.
 */
public final class SnpDigest {
  /** Bytes of a digest. */
  public static final int BYTES = 48;

  /** Where save areas are taken to lie: KVM names no address for them. */
  public static final long VMSA_ADDRESS = 0xFFFF_FFFF_F000L;

  private static final int PAGE = 4096;
  private static final int INFO_BYTES = 0x70;
  private static final int CONTENTS = 0x30;
  private static final int LENGTH = 0x60;
  private static final int TYPE = 0x62;
  private static final int VMPL1 = 0x65;
  private static final int ADDRESS = 0x68;
  private static final int TSC_SCALE = 0x2F0;
  private static final int TSC_OFFSET_END = 0x300;

  private byte[] value = new byte[BYTES];

  /** Starts a launch. */
  public SnpDigest() {}

  /**
   * Goes on with a launch.
   *
   * @param soFar its digest, 48 bytes
   */
  public SnpDigest(byte[] soFar) {
    if (soFar.length != BYTES) {
      throw new IllegalArgumentException("a launch digest has 48 bytes, not " + soFar.length);
    }
    value = soFar.clone();
  }

  /**
   * Adds a page.
   *
   * @param address guest physical
   * @param contents 4096 bytes; looked at only if the type is measured
   */
  public void add(SnpPageType type, long address, VmplPermissions permissions, byte[] contents) {
    value = SevCrypto.sha384(pageInfo(type, address, permissions, contents));
  }

  /** {@return PAGE_INFO of a page that would be next} */
  byte[] pageInfo(SnpPageType type, long address, VmplPermissions p, byte[] contents) {
    byte[] info = Arrays.copyOf(value, INFO_BYTES);
    if (type.measured()) {
      System.arraycopy(hash(type, contents), 0, info, CONTENTS, BYTES);
    }
    info[LENGTH] = INFO_BYTES;
    info[TYPE] = (byte) type.code();
    info[VMPL1] = (byte) p.vmpl1();
    info[VMPL1 + 1] = (byte) p.vmpl2();
    info[VMPL1 + 2] = (byte) p.vmpl3();
    for (int i = 0; i < 8; i++) {
      info[ADDRESS + i] = (byte) (address >>> 8 * i);
    }
    return info;
  }

  /**
   * {@return the SHA-384 of a page as it enters the digest} A save area is measured without the
   * scale and the offset of the time-stamp counter, which the secure processor sets.
   */
  public static byte[] hash(SnpPageType type, byte[] contents) {
    assert contents.length == PAGE : contents.length;
    if (type != SnpPageType.VMSA) {
      return SevCrypto.sha384(contents);
    }
    byte[] plain = contents.clone();
    Arrays.fill(plain, TSC_SCALE, TSC_OFFSET_END, (byte) 0);
    return SevCrypto.sha384(plain);
  }

  /** {@return the digest so far} */
  public byte[] value() {
    return value.clone();
  }

  @Override
  public String toString() {
    return HexFormat.of().formatHex(value);
  }
}
