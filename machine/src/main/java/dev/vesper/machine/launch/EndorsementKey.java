package dev.vesper.machine.launch;

import java.math.BigInteger;
import java.security.interfaces.ECPublicKey;

/**
 * A key that signs reports for a certain TCB version: a chip's own, VCEK, or one that AMD lends to
 * a provider for all of its chips, VLEK. A seed decides chip and VCEK, and there is one VLEK a
 * product: no processor has them, and no certificate of AMD's is for them.
 */
public final class EndorsementKey {
  private static final String VCEK = "VCEK";
  private static final String VLEK = "VLEK";
  private static final int CHIP_ID_BYTES = 64;
  private static final int ROOT_BYTES = 32;

  private final SnpProduct product;
  private final String kind;
  private final long seed;
  private final byte[] chipId;
  private final EllipticKey key;

  private EndorsementKey(
      SnpProduct product, String kind, long seed, byte[] chipId, EllipticKey key) {
    this.product = product;
    this.kind = kind;
    this.seed = seed;
    this.chipId = chipId;
    this.key = key;
  }

  /** {@return the key of a product's chip, with the TCB version that this machine's have} */
  public static EndorsementKey of(SnpProduct product, long seed) {
    byte[] id = new byte[CHIP_ID_BYTES];
    byte[] random = SeededBytes.of("CHIP_ID " + product, seed, product.chipIdBytes());
    System.arraycopy(random, 0, id, 0, random.length);
    return new EndorsementKey(product, VCEK, seed, id, key(VCEK, product, seed));
  }

  /** {@return the key that a provider's chips of a product share, which has no CHIP_ID} */
  public static EndorsementKey lent(SnpProduct product) {
    return new EndorsementKey(product, VLEK, 0, new byte[CHIP_ID_BYTES], key(VLEK, product, 0));
  }

  private static EllipticKey key(String kind, SnpProduct product, long seed) {
    String level = Long.toHexString(product.encode(product.tcb()));
    return EllipticKey.seeded(kind + " " + product + " " + level, seed);
  }

  /** {@return the key of a private number, for a chip whose ID is given} */
  static EndorsementKey of(SnpProduct product, byte[] chipId, BigInteger d) {
    return new EndorsementKey(product, VCEK, 0, chipId, EllipticKey.of(d));
  }

  /** {@return whose chip it is} */
  public SnpProduct product() {
    return product;
  }

  /** {@return who signs by it, as {@link ReportField#KEY_INFO} has it} */
  public int signer() {
    return kind.equals(VLEK) ? AttestationReport.VLEK : AttestationReport.VCEK;
  }

  /** {@return CHIP_ID, 64 bytes, of which Turin uses eight} */
  public byte[] chipId() {
    return chipId.clone();
  }

  /** {@return the public key} */
  public ECPublicKey publicKey() {
    return key.publicKey();
  }

  /** {@return a signature as a report has it} */
  byte[] sign(byte[] message) {
    return key.signPadded(message);
  }

  /** {@return the secret from which keys for guests are derived, at a TCB version} */
  public byte[] root(TcbVersion tcb) {
    return SeededBytes.of(
        kind + " root " + product + " " + Long.toHexString(product.encode(tcb)), seed, ROOT_BYTES);
  }
}
