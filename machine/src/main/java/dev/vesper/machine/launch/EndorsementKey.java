package dev.vesper.machine.launch;

import java.math.BigInteger;
import java.security.interfaces.ECPublicKey;

/**
 * The key by which a chip with a certain TCB version signs reports: VCEK. A seed decides chip and
 * key: no processor has them, and no certificate of AMD's is for them.
 */
public final class EndorsementKey {
  private static final int CHIP_ID_BYTES = 64;
  private static final int ROOT_BYTES = 32;

  private final SnpProduct product;
  private final long seed;
  private final byte[] chipId;
  private final EllipticKey key;

  private EndorsementKey(SnpProduct product, long seed, byte[] chipId, EllipticKey key) {
    this.product = product;
    this.seed = seed;
    this.chipId = chipId;
    this.key = key;
  }

  /** {@return the key of a product's chip, with the TCB version that this machine's have} */
  public static EndorsementKey of(SnpProduct product, long seed) {
    byte[] id = new byte[CHIP_ID_BYTES];
    byte[] random = SeededBytes.of("CHIP_ID " + product, seed, product.chipIdBytes());
    System.arraycopy(random, 0, id, 0, random.length);
    String purpose = "VCEK " + product + " " + Long.toHexString(product.encode(product.tcb()));
    return new EndorsementKey(product, seed, id, EllipticKey.seeded(purpose, seed));
  }

  /** {@return the key of a private number, for a chip whose ID is given} */
  static EndorsementKey of(SnpProduct product, byte[] chipId, BigInteger d) {
    return new EndorsementKey(product, 0, chipId, EllipticKey.of(d));
  }

  /** {@return whose chip it is} */
  public SnpProduct product() {
    return product;
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

  /** {@return the secret from which the chip derives keys for guests, at a TCB version} */
  public byte[] root(TcbVersion tcb) {
    return SeededBytes.of(
        "VCEK root " + product + " " + Long.toHexString(product.encode(tcb)), seed, ROOT_BYTES);
  }
}
