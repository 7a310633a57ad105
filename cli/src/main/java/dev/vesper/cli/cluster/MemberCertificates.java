package dev.vesper.cli.cluster;

import dev.vesper.machine.asn1.Der;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * A cluster's own authority and certificates that it signs, a member each: who has one is a member,
 * and nobody else is. Keys are of P-256, signatures ECDSA with SHA-256. Files are PEM: {@code
 * authority.crt}, {@code authority.key}, and {@code NAME.crt} and {@code NAME.key} of each member;
 * keys can be read by their owner alone where the file system has modes.
 */
public final class MemberCertificates {
  /** What a member may be called: it becomes the name of files, and is shown. */
  public static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}");

  private static final String AUTHORITY = "authority";

  /** How long a certificate is good for. */
  private static final Duration GOOD = Duration.ofDays(730);

  /** Clocks of members differ. */
  private static final Duration BEFORE = Duration.ofDays(1);

  private static final String ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
  private static final String COMMON_NAME = "2.5.4.3";
  private static final String KEY_IDENTIFIER = "2.5.29.14";
  private static final String AUTHORITY_KEY_IDENTIFIER = "2.5.29.35";
  private static final String BASIC_CONSTRAINTS = "2.5.29.19";
  private static final String KEY_USAGE = "2.5.29.15";
  private static final String EXTENDED_KEY_USAGE = "2.5.29.37";
  private static final String SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
  private static final String CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
  private static final int VERSION_3 = 2;
  private static final int SERIAL_BITS = 62;
  private static final byte[] CERT_SIGN = {0x04};
  private static final int CERT_SIGN_UNUSED = 2;
  private static final byte[] DIGITAL_SIGNATURE = {(byte) 0x80};
  private static final int DIGITAL_SIGNATURE_UNUSED = 7;
  private static final int LINE = 64;

  /** How long the name of a key is, which is a SHA-1 by RFC 5280 and may be any other hash. */
  private static final int IDENTIFIER_BYTES = 20;

  private static final DateTimeFormatter UTC_TIME =
      DateTimeFormatter.ofPattern("yyMMddHHmmss'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);

  private final Path folder;
  private final Instant now;
  private final SecureRandom random = new SecureRandom();

  private MemberCertificates(Path folder, Instant now) {
    this.folder = folder;
    this.now = now;
  }

  /**
   * Makes certificates for members, and the authority if there is none in the folder yet.
   *
   * @param folder is made if it is not there
   * @param members see {@link #NAME}
   * @return what was written, in order
   * @throws IllegalArgumentException in one line, for a name that is none or is taken, or an
   *     authority that cannot be read
   */
  public static List<Path> write(Path folder, List<String> members, Clock clock)
      throws IOException {
    for (String m : members) {
      if (!NAME.matcher(m).matches() || m.equals(AUTHORITY)) {
        throw new IllegalArgumentException(
            "--member takes letters, digits, '.', '_' and '-', and not 'authority'");
      }
      if (Files.exists(folder.resolve(m + ".crt")) || Files.exists(folder.resolve(m + ".key"))) {
        throw new IllegalArgumentException(
            folder.resolve(m)
                + ".crt is there already; remove it and its key, or name another member");
      }
    }
    try {
      return new MemberCertificates(folder, clock.instant()).write(members);
    } catch (GeneralSecurityException e) {
      throw new AssertionError("each JDK has P-256", e);
    }
  }

  private List<Path> write(List<String> members) throws IOException, GeneralSecurityException {
    List<Path> written = new ArrayList<>();
    Files.createDirectories(folder);
    Path crt = folder.resolve(AUTHORITY + ".crt");
    Path key = folder.resolve(AUTHORITY + ".key");
    if (!Files.exists(crt) && !Files.exists(key)) {
      KeyPair pair = pair();
      byte[] name = name("Vesper campaign " + Long.toHexString(random.nextLong()));
      byte[] id = identifier(pair.getPublic().getEncoded());
      byte[] certificate =
          signed(pair.getPrivate(), name, name, pair.getPublic().getEncoded(), ofAuthority(id));
      writeKey(key, pair.getPrivate());
      writePem(crt, certificate);
      written.addAll(List.of(crt, key));
    }
    X509Certificate authority = certificate(crt);
    PrivateKey signer = key(key);
    byte[] issuer = authority.getSubjectX500Principal().getEncoded();
    byte[] id = identifier(authority.getPublicKey().getEncoded());
    for (String m : members) {
      KeyPair pair = pair();
      byte[] certificate =
          signed(signer, issuer, name(m), pair.getPublic().getEncoded(), ofMember(id));
      writeKey(folder.resolve(m + ".key"), pair.getPrivate());
      writePem(folder.resolve(m + ".crt"), certificate);
      written.addAll(List.of(folder.resolve(m + ".crt"), folder.resolve(m + ".key")));
    }
    return written;
  }

  private static KeyPair pair() throws GeneralSecurityException {
    KeyPairGenerator g = KeyPairGenerator.getInstance("EC");
    g.initialize(new ECGenParameterSpec("secp256r1"));
    return g.generateKeyPair();
  }

  private static X509Certificate certificate(Path p) throws IOException {
    try (var in = Files.newInputStream(p)) {
      return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
    } catch (GeneralSecurityException e) {
      throw new IllegalArgumentException(
          p + ": not a certificate; remove authority.crt and authority.key for a new authority", e);
    }
  }

  private static PrivateKey key(Path p) throws IOException {
    try {
      String text =
          Files.readString(p, StandardCharsets.US_ASCII).replaceAll("-----[A-Z ]+-----|\\s", "");
      return KeyFactory.getInstance("EC")
          .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      throw new IllegalArgumentException(p + ": not the authority's key (PKCS #8, P-256, PEM)", e);
    }
  }

  /** {@return an X.509 certificate of version 3 (RFC 5280)} */
  private byte[] signed(PrivateKey by, byte[] issuer, byte[] subject, byte[] key, byte[] extensions)
      throws GeneralSecurityException {
    byte[] algorithm = Der.sequence(Der.oid(ECDSA_WITH_SHA256));
    long serial = random.nextLong(1, 1L << SERIAL_BITS);
    byte[] body =
        Der.sequence(
            Der.explicit(0, Der.integer(VERSION_3)),
            Der.integer(serial),
            algorithm,
            issuer,
            Der.sequence(
                Der.time(UTC_TIME.format(now.minus(BEFORE))),
                Der.time(UTC_TIME.format(now.plus(GOOD)))),
            subject,
            key,
            Der.explicit(3, extensions));
    Signature s = Signature.getInstance("SHA256withECDSA");
    s.initSign(by);
    s.update(body);
    return Der.sequence(body, algorithm, Der.bits(0, s.sign()));
  }

  private static byte[] name(String common) {
    return Der.sequence(Der.set(Der.sequence(Der.oid(COMMON_NAME), Der.utf8(common))));
  }

  private static byte[] identifier(byte[] publicKey) throws GeneralSecurityException {
    return Arrays.copyOf(MessageDigest.getInstance("SHA-256").digest(publicKey), IDENTIFIER_BYTES);
  }

  private static byte[] extension(String oid, byte[] value) {
    return Der.sequence(Der.oid(oid), Der.octets(value));
  }

  private static byte[] critical(String oid, byte[] value) {
    return Der.sequence(Der.oid(oid), Der.yes(), Der.octets(value));
  }

  /** May sign members' certificates and no further authority's. */
  private static byte[] ofAuthority(byte[] id) {
    return Der.sequence(
        critical(BASIC_CONSTRAINTS, Der.sequence(Der.yes(), Der.integer(0))),
        critical(KEY_USAGE, Der.bits(CERT_SIGN_UNUSED, CERT_SIGN)),
        extension(KEY_IDENTIFIER, Der.octets(id)));
  }

  /** Each member is asked by some and asks others. */
  private static byte[] ofMember(byte[] authority) {
    return Der.sequence(
        critical(BASIC_CONSTRAINTS, Der.sequence()),
        critical(KEY_USAGE, Der.bits(DIGITAL_SIGNATURE_UNUSED, DIGITAL_SIGNATURE)),
        extension(EXTENDED_KEY_USAGE, Der.sequence(Der.oid(SERVER_AUTH), Der.oid(CLIENT_AUTH))),
        extension(AUTHORITY_KEY_IDENTIFIER, Der.sequence(Der.plain(0, authority))));
  }

  private static String pem(String what, byte[] der) {
    return "-----BEGIN "
        + what
        + "-----\n"
        + Base64.getMimeEncoder(LINE, new byte[] {'\n'}).encodeToString(der)
        + "\n-----END "
        + what
        + "-----\n";
  }

  private static void writePem(Path p, byte[] der) throws IOException {
    Files.writeString(p, pem("CERTIFICATE", der), StandardOpenOption.CREATE_NEW);
  }

  /** Nobody else may read a key, not even for the moment in which it is written. */
  private static void writeKey(Path p, PrivateKey key) throws IOException {
    if (p.getFileSystem().supportedFileAttributeViews().contains("posix")) {
      Files.createFile(
          p, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    } else {
      Files.createFile(p);
    }
    Files.writeString(p, pem("PRIVATE KEY", key.getEncoded()));
  }
}
