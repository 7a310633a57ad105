package dev.vesper.cli.attest;

import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.TcbVersion;
import java.security.cert.X509Certificate;
import org.jspecify.annotations.Nullable;

/**
 * What AMD says of a key in its certificate's extensions, 1.3.6.1.4.1.3704.1.x (spec: snp 7.5).
 *
 * @param product as it stands there, such as {@code Milan-B0}
 * @param tcb the version that the key belongs to
 * @param hardwareId CHIP_ID; of a VLEK, which is of no chip, none
 * @param provider to whom a VLEK was lent, empty if the certificate does not say so
 */
record ChipCertificate(String product, TcbVersion tcb, byte[] hardwareId, String provider) {
  private static final String ARC = "1.3.6.1.4.1.3704.1.";
  private static final String PRODUCT = ARC + "2";
  private static final String LEVEL = ARC + "3.";
  private static final String HARDWARE_ID = ARC + "4";
  private static final String PROVIDER = ARC + "5";
  private static final int BOOT_LOADER = 1;
  private static final int TEE = 2;
  private static final int SNP = 3;
  private static final int MICROCODE = 8;
  private static final int FMC = 9;

  /**
   * {@return what a certificate says}
   *
   * @throws IllegalArgumentException if something is missing or damaged
   */
  static ChipCertificate of(X509Certificate c) {
    byte[] id = value(c, HARDWARE_ID);
    byte[] provider = value(c, PROVIDER);
    return new ChipCertificate(
        DerValue.parse(required(c, PRODUCT)).text(),
        new TcbVersion(
            value(c, LEVEL + FMC) == null ? 0 : level(c, FMC),
            level(c, BOOT_LOADER),
            level(c, TEE),
            level(c, SNP),
            level(c, MICROCODE)),
        id == null ? new byte[0] : id,
        provider == null ? "" : DerValue.parse(provider).text());
  }

  /** {@return the product that it is of, or null if it is of none that is known} */
  @Nullable SnpProduct family() {
    for (SnpProduct p : SnpProduct.values()) {
      if (product.equals(p.text()) || product.startsWith(p.text() + "-")) {
        return p;
      }
    }
    return null;
  }

  private static int level(X509Certificate c, int number) {
    try {
      return DerValue.parse(required(c, LEVEL + number)).smallNumber();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("extension " + LEVEL + number + ": " + e.getMessage(), e);
    }
  }

  private static byte[] required(X509Certificate c, String oid) {
    byte[] b = value(c, oid);
    if (b == null) {
      throw new IllegalArgumentException("there is no extension " + oid);
    }
    return b;
  }

  /** {@return what is in an extension, or null} The library gives it in an OCTET STRING. */
  private static byte @Nullable [] value(X509Certificate c, String oid) {
    byte[] b = c.getExtensionValue(oid);
    return b == null ? null : DerValue.parse(b).octets();
  }
}
