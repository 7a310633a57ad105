package dev.vesper.machine.launch;

import java.util.Arrays;

/**
 * What the owner of an SNP guest expects of its launch (spec: snp 6.5). 96 bytes, little endian:
 * the launch digest at 0, FAMILY_ID at 0x30, IMAGE_ID at 0x40, the version u32, which is 1, at
 * 0x50, GUEST_SVN u32 at 0x54, the policy u64 at 0x58.
 *
 * @param digest 48 bytes
 * @param familyId 16 bytes, the owner's
 * @param imageId 16 bytes, the owner's
 * @param guestSvn the owner's security version number
 */
public record IdBlock(
    byte[] digest, byte[] familyId, byte[] imageId, int version, int guestSvn, SnpPolicy policy) {
  /** Bytes of a block. */
  public static final int BYTES = 0x60;

  /** Bytes of FAMILY_ID and of IMAGE_ID. */
  public static final int ID_BYTES = 16;

  /** The only version. */
  public static final int VERSION = 1;

  private static final int FAMILY = 0x30;
  private static final int IMAGE = 0x40;
  private static final int VERSION_AT = 0x50;
  private static final int SVN = 0x54;
  private static final int POLICY = 0x58;

  /**
   * Makes a block.
   *
   * @throws IllegalArgumentException if an array has another length
   */
  public IdBlock {
    if (digest.length != SnpDigest.BYTES
        || familyId.length != ID_BYTES
        || imageId.length != ID_BYTES) {
      throw new IllegalArgumentException(
          "an ID block has a digest of 48 bytes and IDs of 16, not "
              + digest.length
              + ", "
              + familyId.length
              + " and "
              + imageId.length);
    }
  }

  /** {@return the bytes} */
  public byte[] encode() {
    byte[] b = Arrays.copyOf(digest, BYTES);
    System.arraycopy(familyId, 0, b, FAMILY, ID_BYTES);
    System.arraycopy(imageId, 0, b, IMAGE, ID_BYTES);
    LittleEndian.put32(b, VERSION_AT, version);
    LittleEndian.put32(b, SVN, guestSvn);
    LittleEndian.put64(b, POLICY, policy.bits());
    return b;
  }

  /**
   * {@return a block from its bytes}
   *
   * @throws IllegalArgumentException if there are not 96
   */
  public static IdBlock parse(byte[] b) {
    if (b.length != BYTES) {
      throw new IllegalArgumentException("an ID block has 96 bytes, not " + b.length);
    }
    return new IdBlock(
        Arrays.copyOf(b, FAMILY),
        Arrays.copyOfRange(b, FAMILY, IMAGE),
        Arrays.copyOfRange(b, IMAGE, VERSION_AT),
        LittleEndian.u32(b, VERSION_AT),
        LittleEndian.u32(b, SVN),
        new SnpPolicy(LittleEndian.u64(b, POLICY)));
  }
}
