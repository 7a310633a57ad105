package dev.vesper.cli.attest;

import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.SnpProduct;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Roots that are trusted: AMD's always, this machine's if it is said, and one that is named.
 *
 * @param testChain whether the root of {@link EndorsementChain} is trusted, whose key everybody has
 * @param named a root that the user has given
 */
public record Roots(boolean testChain, @Nullable X509Certificate named) {
  /** SHA-256 of the certificates that kdsintf.amd.com/vcek/v1/PRODUCT/cert_chain has. */
  private static final Map<SnpProduct, String> AMD =
      Map.of(
          SnpProduct.MILAN, "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
          SnpProduct.GENOA, "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
          SnpProduct.TURIN, "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a");

  /** Those of this machine that were asked for, each of which takes signatures to make. */
  private static final Map<SnpProduct, byte[]> TEST = new ConcurrentHashMap<>();

  private static final String NAME = "trusted root";

  /** {@return whether a root is one of those} */
  Check judge(X509Certificate root) {
    byte[] der;
    try {
      der = root.getEncoded();
    } catch (CertificateEncodingException e) {
      return Check.failed(NAME, "the ARK has no encoding");
    }
    String print = fingerprint(der);
    for (Map.Entry<SnpProduct, String> e : AMD.entrySet()) {
      if (e.getValue().equals(print)) {
        return Check.passed(NAME, "AMD's ARK for " + e.getKey().text());
      }
    }
    if (root.equals(named)) {
      return Check.passed(NAME, "the one that --ark names, SHA-256 " + print);
    }
    for (SnpProduct p : SnpProduct.values()) {
      boolean likely = ReportVerifier.common(root).equals("ARK-" + p.text());
      if (likely && Arrays.equals(der, testRoot(p))) {
        return testChain
            ? Check.warning(
                NAME,
                "Vesper's test chain, by --test-chain: it proves nothing, its keys are public")
            : Check.failed(
                NAME,
                "it is Vesper's test chain, which no processor has: say --test-chain in tests");
      }
    }
    return Check.failed(
        NAME,
        "the ARK is none of AMD's (SHA-256 "
            + print
            + "): fetch cert_chain from kdsintf.amd.com, or name the one that you trust with --ark");
  }

  private static byte[] testRoot(SnpProduct p) {
    return TEST.computeIfAbsent(p, k -> EndorsementChain.of(k, 1).ark());
  }

  private static String fingerprint(byte[] der) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(der));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }
}
