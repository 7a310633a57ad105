package dev.vesper.machine.launch;

import dev.vesper.machine.asn1.Der;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.interfaces.RSAPrivateCrtKey;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.PSSParameterSpec;
import java.security.spec.RSAPublicKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Certificates for an {@link EndorsementKey}, in the form of those that AMD's key service gives
 * (spec: snp 7.5): ARK, which signs itself; ASK and a chip's VCEK; ASVK and a VLEK, which AMD lends
 * to who runs many chips; and lists of those that are revoked. Their keys are no secret, and each
 * subject says that it is of a test chain: who trusts this ARK trusts everybody.
 *
 * <p>All but the VCEK are the same for all seeds, so that a verifier has to be told of them once.
 * All bytes are decided by product and seed, and each certificate is signed when it is first asked
 * for.
 */
public final class EndorsementChain {
  /** What each subject has as its description. */
  public static final String DESCRIPTION = "Vesper test chain";

  /** To whom a VLEK is lent, as its certificate has it. */
  public static final String LENT_TO = "Vesper test provider";

  /** How all of them are signed: RSASSA-PSS with SHA-384 and a salt as long as the hash. */
  public static final PSSParameterSpec SIGNATURE =
      new PSSParameterSpec(
          "SHA-384", "MGF1", MGF1ParameterSpec.SHA384, 48, PSSParameterSpec.TRAILER_FIELD_BC);

  /** Whose key a certificate is of. */
  public enum Part {
    /** AMD's root key of a product. */
    ARK("ark", 0x10000),
    /** Signs VCEKs. */
    ASK("ask", 0x10001),
    /** Of a chip at a TCB version. */
    VCEK("", 0),
    /** Signs VLEKs. */
    ASVK("asvk", 0x10002),
    /** Lent to a provider, for a TCB version. */
    VLEK("", 0);

    private final String file;
    private final int serial;

    Part(String file, int serial) {
      this.file = file;
      this.serial = serial;
    }

    /** {@return who signs it} */
    Part issuer() {
      return switch (this) {
        case ARK, ASK, ASVK -> ARK;
        case VCEK -> ASK;
        case VLEK -> ASVK;
      };
    }

    private String common(SnpProduct p) {
      return switch (this) {
        case ARK -> "ARK-" + p.text();
        case ASK -> "SEV-" + p.text();
        case ASVK -> "SEV-VLEK-" + p.text();
        case VCEK, VLEK -> "SEV-" + name();
      };
    }
  }

  private static final String RSASSA_PSS = "1.2.840.113549.1.1.10";
  private static final String MGF1 = "1.2.840.113549.1.1.8";
  private static final String SHA384 = "2.16.840.1.101.3.4.2.2";
  private static final String EXTENSIONS = "1.3.6.1.4.1.3704.1.";
  private static final int HASH_BYTES = 48;
  private static final int VERSION_3 = 2;
  private static final int LIST_VERSION_2 = 1;
  private static final String FROM = "250101000000Z";
  private static final String UNTIL = "491231235959Z";

  /** Bits of a key's usage, from the left: signs certificates; signs lists of revoked ones too. */
  private static final int CERT_SIGN = 0x04;

  private static final int CERT_AND_CRL_SIGN = 0x06;

  private final SnpProduct product;
  private final long seed;
  private final Map<Part, byte[]> signed = new ConcurrentHashMap<>();

  private EndorsementChain(SnpProduct product, long seed) {
    this.product = product;
    this.seed = seed;
  }

  /** {@return the certificates for the chip of a seed} */
  public static EndorsementChain of(SnpProduct product, long seed) {
    return new EndorsementChain(product, seed);
  }

  /** {@return a certificate, X.509 in DER} */
  public byte[] certificate(Part of) {
    return signed.computeIfAbsent(of, this::make).clone();
  }

  private byte[] make(Part of) {
    byte[] key =
        switch (of) {
          case VCEK -> chip().publicKey().getEncoded();
          case VLEK -> EndorsementKey.lent(product).publicKey().getEncoded();
          case ARK, ASK, ASVK -> publicKey(key(of));
        };
    return signed(
        key(of.issuer()),
        of.serial,
        name(of.issuer()),
        name(of),
        key,
        switch (of) {
          case ARK ->
              join(
                  usage(CERT_AND_CRL_SIGN),
                  identifier(key(of), true),
                  authority(Der.sequence(Der.yes())),
                  revocations(of));
          case ASK, ASVK ->
              join(
                  identifier(key(of), true),
                  identifier(key(of.issuer()), false),
                  authority(Der.sequence(Der.yes(), Der.integer(0))),
                  usage(CERT_SIGN),
                  revocations(of));
          case VCEK -> chipExtensions(chip());
          case VLEK -> lentExtensions();
        });
  }

  private EndorsementKey chip() {
    return EndorsementKey.of(product, seed);
  }

  /** {@return the root's certificate, X.509 in DER} */
  public byte[] ark() {
    return certificate(Part.ARK);
  }

  /** {@return the certificate that the root has signed, X.509 in DER} */
  public byte[] ask() {
    return certificate(Part.ASK);
  }

  /** {@return the certificate of the chip's key, X.509 in DER} */
  public byte[] vcek() {
    return certificate(Part.VCEK);
  }

  /** {@return what an extended guest request gives a guest: VCEK, ASK, ARK and no revocation} */
  public byte[] table() {
    return table(CertificateTable.VCEK, Part.VCEK, Part.ASK);
  }

  /** {@return the same where a VLEK signs; the place of ASK is that of ASVK too} */
  public byte[] lentTable() {
    return table(CertificateTable.VLEK, Part.VLEK, Part.ASVK);
  }

  private byte[] table(UUID guid, Part key, Part issuer) {
    return new CertificateTable()
        .with(guid, certificate(key))
        .with(CertificateTable.ASK, certificate(issuer))
        .with(CertificateTable.ARK, certificate(Part.ARK))
        .with(CertificateTable.CRL, revoked(Set.of()))
        .encode();
  }

  /**
   * {@return the list of certificates that hold no more, which the root signs, X.509 in DER}
   *
   * @param parts what is in it; a key that the root has not certified is named with its issuer
   */
  public byte[] revoked(Set<Part> parts) {
    List<byte[]> entries = new ArrayList<>();
    boolean indirect = false;
    for (Part p : Part.values()) {
      if (parts.contains(p)) {
        boolean other = p.issuer() != Part.ARK;
        indirect |= other;
        byte[] issuer = critical("2.5.29.29", Der.sequence(Der.explicit(4, name(p.issuer()))));
        entries.add(
            other
                ? Der.sequence(Der.integer(p.serial), Der.time(FROM), Der.sequence(issuer))
                : Der.sequence(Der.integer(p.serial), Der.time(FROM)));
      }
    }
    RSAPrivateCrtKey root = key(Part.ARK);
    byte[] number = extension("2.5.29.20", Der.integer(1));
    byte[] spans = critical("2.5.29.28", Der.sequence(Der.plain(4, new byte[] {(byte) 0xFF})));
    byte[] body =
        Der.sequence(
            Der.integer(LIST_VERSION_2),
            algorithm(),
            name(Part.ARK),
            Der.time(FROM),
            Der.time(UNTIL),
            entries.isEmpty() ? new byte[0] : Der.sequence(entries.toArray(byte[][]::new)),
            Der.explicit(
                0, Der.sequence(identifier(root, false), number, indirect ? spans : new byte[0])));
    return Der.sequence(body, algorithm(), Der.bits(0, sign(root, body)));
  }

  // ---- names and extensions

  private byte[] name(Part of) {
    return Der.sequence(
        attribute("2.5.4.11", Der.utf8("Engineering")),
        attribute("2.5.4.6", Der.printable("US")),
        attribute("2.5.4.7", Der.utf8("Santa Clara")),
        attribute("2.5.4.8", Der.utf8("CA")),
        attribute("2.5.4.10", Der.utf8("Advanced Micro Devices")),
        attribute("2.5.4.3", Der.utf8(of.common(product))),
        attribute("2.5.4.13", Der.utf8(DESCRIPTION)));
  }

  private static byte[] attribute(String oid, byte[] value) {
    return Der.set(Der.sequence(Der.oid(oid), value));
  }

  private static byte[] extension(String oid, byte[] value) {
    return Der.sequence(Der.oid(oid), Der.octets(value));
  }

  private static byte[] critical(String oid, byte[] value) {
    return Der.sequence(Der.oid(oid), Der.yes(), Der.octets(value));
  }

  private static byte[] usage(int bits) {
    return critical(
        "2.5.29.15", Der.bits(Integer.numberOfTrailingZeros(bits), new byte[] {(byte) bits}));
  }

  private static byte[] authority(byte[] constraints) {
    return critical("2.5.29.19", constraints);
  }

  private static byte[] identifier(RSAPrivateCrtKey key, boolean own) {
    byte[] id = Arrays.copyOf(SevCrypto.sha256(publicKey(key)), 20);
    return own
        ? extension("2.5.29.14", Der.octets(id))
        : extension("2.5.29.35", Der.sequence(Der.plain(0, id)));
  }

  /** {@return where the list is that says whether a certificate is revoked} */
  private byte[] revocations(Part of) {
    String kind = of == Part.ASVK ? "vlek" : "vcek";
    byte[] url =
        ("https://kdsintf.amd.com/" + kind + "/v1/" + product.text() + "/crl")
            .getBytes(StandardCharsets.US_ASCII);
    byte[] names = Der.implicit(0, Der.implicit(0, Der.plain(6, url)));
    return extension("2.5.29.31", Der.sequence(Der.sequence(names)));
  }

  private byte[] chipExtensions(EndorsementKey chip) {
    byte[] id = Arrays.copyOf(chip.chipId(), product.chipIdBytes());
    String name = product == SnpProduct.TURIN ? product.text() : product.text() + "-B0";
    return join(described(name), extension(EXTENSIONS + "4", id));
  }

  /** A VLEK is of no chip, and says no stepping. */
  private byte[] lentExtensions() {
    return join(described(product.text()), extension(EXTENSIONS + "5", Der.ia5(LENT_TO)));
  }

  private byte[] described(String name) {
    TcbVersion tcb = product.tcb();
    boolean turin = product == SnpProduct.TURIN;
    return join(
        extension(EXTENSIONS + "1", Der.integer(turin ? 1 : 0)),
        extension(EXTENSIONS + "2", Der.ia5(name)),
        level(1, tcb.bootLoader()),
        level(2, tcb.tee()),
        turin ? level(9, tcb.fmc()) : level(4, 0),
        level(5, 0),
        level(6, 0),
        level(7, 0),
        level(3, tcb.snp()),
        level(8, tcb.microcode()));
  }

  private static byte[] level(int number, int value) {
    return extension(EXTENSIONS + "3." + number, Der.integer(value));
  }

  private static byte[] join(byte[]... parts) {
    int n = 0;
    for (byte[] p : parts) {
      n += p.length;
    }
    byte[] out = new byte[n];
    int at = 0;
    for (byte[] p : parts) {
      System.arraycopy(p, 0, out, at, p.length);
      at += p.length;
    }
    return out;
  }

  // ---- keys and signatures

  private static RSAPrivateCrtKey key(Part of) {
    try (InputStream in = EndorsementChain.class.getResourceAsStream("test-" + of.file + ".pem")) {
      String pem = new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.US_ASCII);
      byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[^-]*-----", ""));
      PrivateKey k = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(der));
      return (RSAPrivateCrtKey) k;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no RSA", e);
    }
  }

  private static byte[] publicKey(RSAPrivateCrtKey k) {
    try {
      return KeyFactory.getInstance("RSA")
          .generatePublic(new RSAPublicKeySpec(k.getModulus(), k.getPublicExponent()))
          .getEncoded();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no RSA", e);
    }
  }

  private static byte[] algorithm() {
    byte[] hash = Der.sequence(Der.oid(SHA384), Der.none());
    return Der.sequence(
        Der.oid(RSASSA_PSS),
        Der.sequence(
            Der.explicit(0, hash),
            Der.explicit(1, Der.sequence(Der.oid(MGF1), hash)),
            Der.explicit(2, Der.integer(HASH_BYTES)),
            Der.explicit(3, Der.integer(1))));
  }

  private static byte[] signed(
      RSAPrivateCrtKey by,
      int serial,
      byte[] issuer,
      byte[] subject,
      byte[] publicKey,
      byte[] extensions) {
    byte[] body =
        Der.sequence(
            Der.explicit(0, Der.integer(VERSION_3)),
            Der.integer(serial),
            algorithm(),
            issuer,
            Der.sequence(Der.time(FROM), Der.time(UNTIL)),
            subject,
            publicKey,
            Der.explicit(3, Der.sequence(extensions)));
    return Der.sequence(body, algorithm(), Der.bits(0, sign(by, body)));
  }

  /**
   * RSASSA-PSS whose salt is a hash of what is signed, so that a certificate is always the same.
   */
  private static byte[] sign(RSAPrivateCrtKey by, byte[] body) {
    try {
      Signature s = Signature.getInstance("RSASSA-PSS");
      s.setParameter(SIGNATURE);
      s.initSign(by, new Salt(SevCrypto.sha384(body)));
      s.update(body);
      return s.sign();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no RSASSA-PSS", e);
    }
  }

  /** Gives the bytes that it was made with. */
  private static final class Salt extends SecureRandom {
    private static final long serialVersionUID = 1;

    private final byte[] salt;

    Salt(byte[] salt) {
      this.salt = salt;
    }

    @Override
    public void nextBytes(byte[] to) {
      for (int i = 0; i < to.length; i++) {
        to[i] = salt[i % salt.length];
      }
    }
  }
}
