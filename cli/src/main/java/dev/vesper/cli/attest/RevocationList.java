package dev.vesper.cli.attest;

import java.io.ByteArrayInputStream;
import java.security.PublicKey;
import java.security.cert.CRLException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.security.cert.X509CRLEntry;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;

/**
 * A list of certificates that hold no more, which a product's root signs (spec: snp 7.5).
 *
 * @param from where it was found
 */
record RevocationList(String from, X509CRL list) {
  /**
   * {@return a list from its bytes}
   *
   * @param der X.509 in DER
   * @throws CertificateException if it is none
   */
  static RevocationList parse(String from, byte[] der) throws CertificateException {
    try {
      CertificateFactory f = CertificateFactory.getInstance("X.509");
      return new RevocationList(from, (X509CRL) f.generateCRL(new ByteArrayInputStream(der)));
    } catch (CRLException | RuntimeException e) {
      // The library promises no more than the first for what strangers have made.
      throw new CertificateException(e.getMessage(), e);
    }
  }

  /** {@return whether it has a root's name for who has signed it} */
  boolean names(X509Certificate root) {
    return list.getIssuerX500Principal().equals(root.getSubjectX500Principal());
  }

  /** {@return whether a key has signed it by RSASSA-PSS with SHA-384} */
  private boolean isSigned(PublicKey by) {
    try {
      return Certificates.isSigned(list.getTBSCertList(), list.getSignature(), by);
    } catch (CRLException e) {
      return false;
    }
  }

  /**
   * {@return why it does not say that certificates hold; empty if it does}
   *
   * @param root who must have signed it
   * @param at when it must be in force
   */
  String refuses(X509Certificate root, List<X509Certificate> certificates, Instant at) {
    Date next = list.getNextUpdate();
    if (!isSigned(root.getPublicKey())) {
      return "the list "
          + from
          + " is not signed by "
          + ReportVerifier.common(root)
          + ": it was changed, or is of another product";
    }
    if (!Certificates.mayBeUsed(root, Certificates.SIGNS_LISTS)) {
      return "the list " + from + " is signed by a root that may sign none (key usage)";
    }
    if (at.isBefore(list.getThisUpdate().toInstant())) {
      return "the list " + from + " is in force from " + day(list.getThisUpdate());
    }
    if (next != null && at.isAfter(next.toInstant())) {
      return "the list " + from + " was in force until " + day(next) + ": fetch it again";
    }
    List<String> revoked = new ArrayList<>();
    for (X509Certificate c : certificates) {
      X509CRLEntry e = list.getRevokedCertificate(c);
      if (e != null) {
        revoked.add(ReportVerifier.common(c) + " is revoked since " + day(e.getRevocationDate()));
      }
    }
    return String.join(", ", revoked);
  }

  /** {@return what it says if it refuses nothing} */
  String text() {
    Date next = list.getNextUpdate();
    return "none is in the list "
        + from
        + " of "
        + day(list.getThisUpdate())
        + (next == null ? "" : ", which holds until " + day(next));
  }

  private static String day(Date d) {
    return ReportVerifier.day(d.toInstant());
  }
}
