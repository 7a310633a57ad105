package dev.vesper.cli.attest;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.CertificateTable;
import dev.vesper.machine.launch.EndorsementChain;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateEncodingException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Certificates that somebody gives with a report, and lists of those that are revoked: in DER or
 * PEM, one or several in a file, or the table that an extended guest request gives a guest. What
 * each is for is told by its key and by who has signed it, not by the file's name.
 */
public final class Certificates {
  private static final int SEQUENCE = 0x30;
  private static final int INTEGER = 2;
  private static final int SHOWN = 100;

  /** What entries of a table are certificates. */
  private static final Set<UUID> CERTIFICATES =
      Set.of(
          CertificateTable.VCEK, CertificateTable.VLEK, CertificateTable.ASK, CertificateTable.ARK);

  private static final Pattern BEGIN = Pattern.compile("-----BEGIN (CERTIFICATE|X509 CRL)-----");

  private static final Pattern PEM =
      Pattern.compile(
          "-----BEGIN (CERTIFICATE|X509 CRL)-----([^-]*)-----END (?:CERTIFICATE|X509 CRL)-----");

  private static final String LIST = "X509 CRL";

  /** A key's use that signs certificates. */
  static final int SIGNS_CERTIFICATES = 5;

  /** A key's use that signs lists of those that are revoked. */
  static final int SIGNS_LISTS = 6;

  /**
   * A certificate, or what looks like one.
   *
   * @param from where it was found
   */
  public record Named(String from, X509Certificate certificate) {}

  private final List<Named> all = new ArrayList<>();
  private final List<RevocationList> lists = new ArrayList<>();

  /** Those of the lists that were named as such, and must be of the root. */
  private final List<RevocationList> demanded = new ArrayList<>();

  private final List<Check> damaged = new ArrayList<>();

  /**
   * Adds what a file has.
   *
   * @param name of the file, for people
   * @throws IllegalArgumentException if it is nothing that holds certificates
   */
  public void add(String name, byte[] file) {
    String text = new String(file, StandardCharsets.ISO_8859_1);
    if (BEGIN.matcher(text).find()) {
      pem(name, text);
    } else if (file.length > 1 && file[0] == SEQUENCE && file[1] < 0) {
      values(name, file);
    } else {
      table(name, file);
    }
  }

  /**
   * Adds a list of what is revoked.
   *
   * @param name of the file, for people
   * @throws IllegalArgumentException if the file has none
   */
  public void addList(String name, byte[] file) {
    int before = lists.size();
    try {
      add(name, file);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("it is no list of revoked certificates", e);
    }
    if (lists.size() == before) {
      throw new IllegalArgumentException(
          damaged.isEmpty() ? "it is no list of revoked certificates" : damaged.getLast().text());
    }
    demanded.addAll(lists.subList(before, lists.size()));
  }

  /**
   * {@return whether what is signed begins as a list does} A certificate's first value is its
   * version, under a tag of its context; a list's is a number.
   */
  private static boolean isList(byte[] der) {
    try {
      int first = DerValue.contents(der, DerValue.contents(der, 0));
      return first < der.length && der[first] == INTEGER;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  /** Adds values that follow each other, up to the first that is damaged. */
  private void values(String name, byte[] file) {
    int before = damaged.size();
    for (int at = 0; at < file.length && damaged.size() == before; ) {
      int end = at == 0 || file[at] == SEQUENCE ? end(file, at) : file.length;
      byte[] one = Arrays.copyOfRange(file, at, end);
      if (isList(one)) {
        list(name, one);
      } else {
        der(name, one);
      }
      at = end;
    }
  }

  /** {@return where the value at a place ends, or all the bytes do} */
  private static int end(byte[] file, int at) {
    try {
      return Math.min(file.length, DerValue.end(file, at));
    } catch (IllegalArgumentException e) {
      return file.length;
    }
  }

  /**
   * What is behind a value is somebody's who has not signed it.
   *
   * @throws CertificateException if there is something
   */
  private static void expectNothingBehind(byte[] der) throws CertificateException {
    int behind = der.length - end(der, 0);
    if (behind > 0) {
      throw new CertificateException("bytes behind it: " + behind);
    }
  }

  private void pem(String name, String text) {
    Matcher m = PEM.matcher(text);
    int found = 0;
    while (m.find()) {
      found++;
      try {
        byte[] der = Base64.getMimeDecoder().decode(m.group(2));
        if (m.group(1).equals(LIST)) {
          list(name, der);
        } else {
          der(name, der);
        }
      } catch (IllegalArgumentException e) {
        damaged.add(damaged(name, e));
      }
    }
    if (found < BEGIN.matcher(text).results().count()) {
      damaged.add(Check.failed("certificate", name + " is cut off: fetch it again"));
    }
  }

  private void table(String name, byte[] file) {
    CertificateTable table;
    try {
      table = CertificateTable.parse(file);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "it is no certificate in DER or PEM and no certificate table (" + e.getMessage() + ")",
          e);
    }
    int known = 0;
    for (CertificateTable.Entry e : table.entries()) {
      // What else the host puts there is not read.
      String from = name + " (" + e.guid() + ")";
      if (CERTIFICATES.contains(e.guid())) {
        known++;
        der(from, e.bytes());
      } else if (e.guid().equals(CertificateTable.CRL)) {
        known++;
        list(from, e.bytes());
      }
    }
    if (table.entries().isEmpty()) {
      damaged.add(
          Check.failed("certificate", name + " is an empty table: the host gives its guests none"));
    } else if (known == 0) {
      throw new IllegalArgumentException(
          "it is no certificate in DER or PEM and no certificate table");
    }
  }

  private void der(String name, byte[] der) {
    try {
      expectNothingBehind(der);
      CertificateFactory f = CertificateFactory.getInstance("X.509");
      X509Certificate c = (X509Certificate) f.generateCertificate(new ByteArrayInputStream(der));
      // Keys are decoded when they are first asked for.
      c.getPublicKey();
      all.add(new Named(name, c));
    } catch (CertificateException | RuntimeException e) {
      // The library promises no more than the first for what strangers have made.
      damaged.add(damaged(name, e));
    }
  }

  private void list(String name, byte[] der) {
    try {
      expectNothingBehind(der);
      lists.add(RevocationList.parse(name, der));
    } catch (CertificateException e) {
      damaged.add(damaged(name, e));
    }
  }

  private static Check damaged(String name, Exception e) {
    // The library says which of its exceptions has been another's cause.
    String message = String.valueOf(e.getMessage()).replaceAll("[\\w.]+Exception: ", "");
    String why = message.lines().findFirst().orElse("");
    return Check.failed(
        "certificate",
        name
            + " is damaged: fetch it again ("
            + (why.length() > SHOWN ? why.substring(0, SHOWN) + "..." : why)
            + ")");
  }

  /** {@return checks that have failed because something is no certificate that can be read} */
  List<Check> damaged() {
    return List.copyOf(damaged);
  }

  /**
   * {@return the only certificate, which is to be trusted}
   *
   * @throws IllegalArgumentException if there are others, or it is damaged
   */
  public X509Certificate root() {
    if (!damaged.isEmpty()) {
      throw new IllegalArgumentException(damaged.getFirst().text());
    }
    if (all.size() != 1) {
      throw new IllegalArgumentException("it has " + all.size() + " certificates, not one root");
    }
    return all.getFirst().certificate;
  }

  /** {@return the certificate of the key that has signed a report, or else of any such key} */
  @Nullable Named endorsement(AttestationReport r) {
    Named any = null;
    for (Named n : all) {
      if (n.certificate.getPublicKey() instanceof ECPublicKey k) {
        if (r.signedBy(k)) {
          return n;
        }
        any = any == null ? n : any;
      }
    }
    return any;
  }

  /** {@return the certificate that has signed another, or else one that has the signer's name} */
  @Nullable Named issuer(X509Certificate of) {
    Named any = null;
    for (Named n : all) {
      if (n.certificate.getSubjectX500Principal().equals(of.getIssuerX500Principal())) {
        if (isSigned(of, n.certificate.getPublicKey())) {
          return n;
        }
        any = any == null ? n : any;
      }
    }
    return any;
  }

  /**
   * {@return the lists of what is revoked that have a root's name} Others do no harm, unless they
   * were named as lists.
   *
   * @throws IllegalArgumentException if one of those has another's name
   */
  List<RevocationList> lists(X509Certificate root) {
    for (RevocationList l : demanded) {
      if (!l.names(root)) {
        throw new IllegalArgumentException("the list " + l.from() + " is of another root");
      }
    }
    return lists.stream().filter(l -> l.names(root)).toList();
  }

  /** {@return whether any list was given} */
  boolean hasLists() {
    return !lists.isEmpty();
  }

  /**
   * {@return whether a key may be used for something} One that does not say for what may be used
   * for all (RFC 5280, 4.2.1.3).
   *
   * @param bit of its usage
   */
  static boolean mayBeUsed(X509Certificate c, int bit) {
    boolean[] usage = c.getKeyUsage();
    return usage == null || usage[bit];
  }

  /** {@return whether a key has signed a certificate by RSASSA-PSS with SHA-384} */
  static boolean isSigned(X509Certificate c, PublicKey by) {
    try {
      return isSigned(c.getTBSCertificate(), c.getSignature(), by);
    } catch (CertificateEncodingException e) {
      return false;
    }
  }

  /**
   * {@return the same of a certificate or a list of revoked ones}
   *
   * @param what the part that is signed
   */
  static boolean isSigned(byte[] what, byte[] signature, PublicKey by) {
    try {
      Signature s = Signature.getInstance("RSASSA-PSS");
      s.setParameter(EndorsementChain.SIGNATURE);
      s.initVerify(by);
      s.update(what);
      return s.verify(signature);
    } catch (GeneralSecurityException e) {
      // A key of another kind, or a signature of another length.
      return false;
    }
  }
}
