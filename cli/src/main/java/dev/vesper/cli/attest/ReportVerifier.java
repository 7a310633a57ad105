package dev.vesper.cli.attest;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpProduct;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Judges a report: who has signed it, by whose leave, and whether it says what its reader expects
 * (spec: snp 7.4, 7.5). Every question has an answer, in the same order whatever the answers are.
 */
public final class ReportVerifier {
  private static final int ECDSA_P384 = 1;

  private final AttestationReport report;
  private final Certificates certificates;
  private final Roots roots;
  private final Instant at;

  /** The certificate of the key that has signed, or of another if that one is not there. */
  private final Certificates.@Nullable Named key;

  /** What it says of the key; null if nothing can be read. */
  private final @Nullable ChipCertificate said;

  /** Why nothing can be read. */
  private String unsaid = "there is no certificate of the key";

  private final SnpProduct product;
  private final List<Check> checks = new ArrayList<>();

  private ReportVerifier(
      AttestationReport report, Certificates certificates, Roots roots, Instant at) {
    this.report = report;
    this.certificates = certificates;
    this.roots = roots;
    this.at = at;
    key = certificates.endorsement(report);
    ChipCertificate c = null;
    if (key != null) {
      try {
        c = ChipCertificate.of(key.certificate());
      } catch (IllegalArgumentException e) {
        unsaid = "the certificate is none of a VCEK or VLEK: " + e.getMessage();
      }
    }
    said = c;
    // A report of version 2 does not say whose it is.
    SnpProduct certified = c == null ? null : c.family();
    product = certified == null ? ReportProduct.layout(report) : certified;
  }

  /**
   * {@return all questions with their answers}
   *
   * @param certificates what there is of VCEK or VLEK, ASK and ARK, and perhaps others
   * @param at when certificates must be valid
   * @param wanted what the report should say
   */
  public static List<Check> judge(
      AttestationReport report,
      Certificates certificates,
      Roots roots,
      Instant at,
      Expectations wanted) {
    ReportVerifier v = new ReportVerifier(report, certificates, roots, at);
    v.format();
    v.checks.addAll(certificates.damaged());
    v.chain();
    v.checks.addAll(wanted.judge(report));
    return v.checks;
  }

  private void check(boolean holds, String name, String text, String otherwise) {
    checks.add(Check.of(holds, name, text, otherwise));
  }

  private void fail(String name, String text) {
    checks.add(Check.failed(name, text));
  }

  private void format() {
    String name = "report format";
    long version = report.number(ReportField.VERSION);
    long algorithm = report.number(ReportField.SIGNATURE_ALGO);
    if (version < ReportWords.OLDEST || version > ReportWords.NEWEST) {
      fail(name, "version " + version + " is not known: 2 to 5 are; is the file a report?");
    } else if (algorithm != ECDSA_P384) {
      fail(name, "signature algorithm " + algorithm + " is not known: 1 is; is the file a report?");
    } else {
      checks.add(
          Check.passed(
              name, "version " + version + ", 1184 bytes, of " + ReportProduct.text(report)));
    }
  }

  private int signer() {
    return (int) report.number(ReportField.KEY_INFO) >>> AttestationReport.SIGNER_SHIFT & 7;
  }

  private void chain() {
    X509Certificate vcek = key == null ? null : key.certificate();
    signature();
    kind(vcek);
    said();
    Certificates.Named issuer = vcek == null ? null : certificates.issuer(vcek);
    X509Certificate ask = issuer == null ? null : issuer.certificate();
    boolean lent = isLent();
    String upper = lent ? "ASVK" : "ASK";
    signedBy((lent ? "VLEK" : "VCEK") + " certificate", vcek, ask, upper);
    Certificates.Named top = ask == null ? null : certificates.issuer(ask);
    X509Certificate ark = top == null ? roots.named() : top.certificate();
    signedBy(upper + " certificate", ask, ark, "ARK");
    signedBy("ARK certificate", ark, ark, "ARK");
    if (ark == null) {
      fail("trusted root", "there is no ARK: " + fetchChain());
    } else {
      checks.add(roots.judge(ark));
    }
    dates(vcek, ask, ark);
    revocation(ark, vcek, ask);
  }

  private boolean isLent() {
    return signer() == AttestationReport.VLEK;
  }

  /**
   * Any list of the root's will do, but all of them must hold: a revocation is never taken back.
   */
  private void revocation(@Nullable X509Certificate ark, @Nullable X509Certificate... others) {
    String name = "revocation";
    String where = KeyServiceUrl.revocations(product, isLent());
    if (!certificates.hasLists()) {
      checks.add(Check.notChecked(name, "not checked: fetch " + where + " and name it with --crl"));
      return;
    }
    List<RevocationList> lists;
    try {
      lists = ark == null ? List.of() : certificates.lists(ark);
    } catch (IllegalArgumentException e) {
      fail(name, e.getMessage() + ": fetch " + where);
      return;
    }
    if (ark == null || lists.isEmpty()) {
      fail(name, "no list is of this root: fetch " + where + " and name it with --crl");
      return;
    }
    List<X509Certificate> chain = new ArrayList<>(List.of(ark));
    for (X509Certificate c : others) {
      if (c != null) {
        chain.add(c);
      }
    }
    for (RevocationList l : lists) {
      String why = l.refuses(ark, chain, at);
      if (!why.isEmpty()) {
        fail(name, why);
        return;
      }
    }
    checks.add(Check.passed(name, lists.getFirst().text()));
  }

  private String fetchChain() {
    return "fetch " + KeyServiceUrl.chain(product, isLent()) + " and name it with --certs";
  }

  // ---- the key that has signed

  private void signature() {
    String name = "report signature";
    Certificates.Named by = key;
    if (signer() == AttestationReport.NOBODY) {
      fail(name, "nobody has signed the report: the host has switched the chip's key off");
    } else if (by == null) {
      fail(name, "there is no certificate of the key: " + fetchKey());
    } else if (by.certificate().getPublicKey() instanceof ECPublicKey k && report.signedBy(k)) {
      checks.add(Check.passed(name, "by the key of " + by.from()));
    } else {
      fail(
          name,
          "it is not by the key of "
              + by.from()
              + ": the report was changed, or the certificate is of another chip or TCB version");
    }
  }

  private String fetchKey() {
    if (isLent()) {
      return "take the VLEK from the host's owner, or from the guest's auxblob";
    }
    return isMasked()
        ? "take the VCEK from the guest's auxblob, for the chip is masked"
        : "fetch " + KeyServiceUrl.of(product, report) + " and name it with --certs";
  }

  private boolean isMasked() {
    for (byte b : report.get(ReportField.CHIP_ID)) {
      if (b != 0) {
        return false;
      }
    }
    return true;
  }

  /** What the certificate says of the key, and the report of the chip. */
  private void said() {
    ChipCertificate c = said;
    if (c == null) {
      for (String name : List.of("product", "chip ID", "TCB version")) {
        fail(name, unsaid);
      }
      return;
    }
    SnpProduct certified = c.family();
    boolean older = !ReportProduct.isSaid(report) && certified != SnpProduct.TURIN;
    check(
        certified != null && (older || certified == ReportProduct.of(report)),
        "product",
        c.product(),
        "the certificate is of " + c.product() + ", the report of " + ReportProduct.text(report));
    chip(c);
    long word = report.number(ReportField.REPORTED_TCB);
    check(
        product.encode(c.tcb()) == word,
        "TCB version",
        c.tcb().toString(),
        "the certificate is of "
            + c.tcb()
            + ", REPORTED_TCB is "
            + product.decode(word)
            + ": "
            + fetchKey());
  }

  private void kind(@Nullable X509Certificate vcek) {
    if (vcek == null) {
      fail("key", unsaid);
      return;
    }
    String subject = vcek.getSubjectX500Principal().getName();
    int signer = signer();
    String wanted =
        signer == AttestationReport.VCEK
            ? "SEV-VCEK"
            : signer == AttestationReport.VLEK ? "SEV-VLEK" : "";
    check(
        !wanted.isEmpty() && List.of(subject.split(",")).contains("CN=" + wanted),
        "key",
        wanted,
        wanted.isEmpty()
            ? "KEY_INFO says that no key has signed"
            : "KEY_INFO says " + wanted + ", the certificate is of " + subject);
  }

  private void chip(ChipCertificate c) {
    String name = "chip ID";
    byte[] found = report.get(ReportField.CHIP_ID);
    if (isLent()) {
      checks.add(
          c.provider().isEmpty()
              ? Check.failed(name, "the certificate does not say to whom the VLEK was lent")
              : Check.notChecked(
                  name, "not checked: a VLEK is of no chip, this one was lent to " + c.provider()));
    } else if (isMasked()) {
      checks.add(
          Check.warning(name, "masked by the host: which chip it is, the certificate alone says"));
    } else {
      check(
          c.hardwareId().length > 0
              && Arrays.equals(Arrays.copyOf(c.hardwareId(), found.length), found),
          name,
          HexFormat.of().formatHex(c.hardwareId()),
          "the certificate is of chip "
              + HexFormat.of().formatHex(c.hardwareId())
              + ", the report of "
              + HexFormat.of().formatHex(found)
              + ": "
              + fetchKey());
    }
  }

  // ---- the chain

  private void signedBy(
      String name, @Nullable X509Certificate c, @Nullable X509Certificate by, String whose) {
    if (c == null) {
      fail(
          name,
          name.startsWith("V")
              ? "there is none"
              : "there is none of the signer's name: " + fetchChain());
    } else if (by == null) {
      fail(name, "there is no " + whose + " that could have signed it: " + fetchChain());
    } else if (by.getBasicConstraints() < 0) {
      fail(name, "who has signed it may sign no certificates (basic constraints)");
    } else if (!Certificates.mayBeUsed(by, Certificates.SIGNS_CERTIFICATES)) {
      fail(name, "who has signed it may sign no certificates (key usage)");
    } else {
      check(
          Certificates.isSigned(c, by.getPublicKey()),
          name,
          c.equals(by) ? "signed by itself" : "signed by " + common(by),
          "it is not signed by " + common(by) + ": it was changed, or is of another chain");
    }
  }

  /** {@return the common name of whom a certificate is of} */
  static String common(X509Certificate c) {
    String name = c.getSubjectX500Principal().getName();
    for (String part : name.split(",")) {
      if (part.startsWith("CN=")) {
        return part.substring(3);
      }
    }
    return name;
  }

  private void dates(@Nullable X509Certificate... all) {
    String name = "validity";
    List<String> wrong = new ArrayList<>();
    for (X509Certificate c : all) {
      if (c == null) {
        fail(name, "not all certificates are there");
        return;
      }
      if (at.isBefore(c.getNotBefore().toInstant())) {
        wrong.add(common(c) + " is valid from " + day(c.getNotBefore().toInstant()));
      } else if (at.isAfter(c.getNotAfter().toInstant())) {
        wrong.add(common(c) + " was valid until " + day(c.getNotAfter().toInstant()));
      }
    }
    check(
        wrong.isEmpty(),
        name,
        "all are valid at " + day(at),
        String.join(", ", wrong) + ": fetch it again, or judge by another day with --at");
  }

  /** {@return the day of a time, in UTC} */
  static String day(Instant t) {
    return t.atOffset(ZoneOffset.UTC).toLocalDate().toString();
  }
}
