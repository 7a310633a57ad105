package dev.vesper.machine.launch;

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
import java.util.Arrays;
import java.util.Base64;
import java.util.Objects;

/**
 * Certificates for an {@link EndorsementKey}, in the form of those that AMD's key service gives
 * (spec: snp 7.5): ARK, which signs itself, ASK and VCEK. Their keys are no secret, and each
 * subject says that it is of a test chain: who trusts this ARK trusts everybody.
 *
 * <p>ARK and ASK are the same for all seeds, so that a verifier has to be told of them once. All
 * bytes are decided by product and seed.
 */
public final class EndorsementChain {
  /** What each subject has as its description. */
  public static final String DESCRIPTION = "Vesper test chain";

  /** How all of them are signed: RSASSA-PSS with SHA-384 and a salt as long as the hash. */
  public static final PSSParameterSpec SIGNATURE =
      new PSSParameterSpec(
          "SHA-384", "MGF1", MGF1ParameterSpec.SHA384, 48, PSSParameterSpec.TRAILER_FIELD_BC);

  private static final String RSASSA_PSS = "1.2.840.113549.1.1.10";
  private static final String MGF1 = "1.2.840.113549.1.1.8";
  private static final String SHA384 = "2.16.840.1.101.3.4.2.2";
  private static final String EXTENSIONS = "1.3.6.1.4.1.3704.1.";
  private static final int HASH_BYTES = 48;
  private static final int VERSION_3 = 2;
  private static final int ARK_SERIAL = 0x10000;
  private static final int ASK_SERIAL = 0x10001;

  /** Bits of a key's usage, from the left: signs certificates; signs lists of revoked ones too. */
  private static final int CERT_SIGN = 0x04;

  private static final int CERT_AND_CRL_SIGN = 0x06;

  private final byte[] ark;
  private final byte[] ask;
  private final byte[] vcek;

  private EndorsementChain(byte[] ark, byte[] ask, byte[] vcek) {
    this.ark = ark;
    this.ask = ask;
    this.vcek = vcek;
  }

  /** {@return the certificates for the chip of a seed} */
  public static EndorsementChain of(SnpProduct product, long seed) {
    RSAPrivateCrtKey root = key("ark");
    RSAPrivateCrtKey intermediate = key("ask");
    String name = product.text();
    byte[] rootName = name("ARK-" + name);
    byte[] intermediateName = name("SEV-" + name);
    byte[] list = revocations(name);
    byte[] ark =
        signed(
            root,
            ARK_SERIAL,
            rootName,
            rootName,
            publicKey(root),
            usage(CERT_AND_CRL_SIGN),
            identifier(root, true),
            authority(Der.sequence(Der.yes())),
            list);
    byte[] ask =
        signed(
            root,
            ASK_SERIAL,
            rootName,
            intermediateName,
            publicKey(intermediate),
            identifier(intermediate, true),
            identifier(root, false),
            authority(Der.sequence(Der.yes(), Der.integer(0))),
            usage(CERT_SIGN),
            list);
    EndorsementKey chip = EndorsementKey.of(product, seed);
    byte[] vcek =
        signed(
            intermediate,
            0,
            intermediateName,
            name("SEV-VCEK"),
            chip.publicKey().getEncoded(),
            chipExtensions(chip));
    return new EndorsementChain(ark, ask, vcek);
  }

  /** {@return the root's certificate, X.509 in DER} */
  public byte[] ark() {
    return ark.clone();
  }

  /** {@return the certificate that the root has signed, X.509 in DER} */
  public byte[] ask() {
    return ask.clone();
  }

  /** {@return the certificate of the chip's key, X.509 in DER} */
  public byte[] vcek() {
    return vcek.clone();
  }

  /** {@return what an extended guest request gives a guest: VCEK, ASK and ARK} */
  public byte[] table() {
    return new CertificateTable()
        .with(CertificateTable.VCEK, vcek)
        .with(CertificateTable.ASK, ask)
        .with(CertificateTable.ARK, ark)
        .encode();
  }

  // ---- names and extensions

  private static byte[] name(String common) {
    return Der.sequence(
        attribute("2.5.4.11", Der.utf8("Engineering")),
        attribute("2.5.4.6", Der.printable("US")),
        attribute("2.5.4.7", Der.utf8("Santa Clara")),
        attribute("2.5.4.8", Der.utf8("CA")),
        attribute("2.5.4.10", Der.utf8("Advanced Micro Devices")),
        attribute("2.5.4.3", Der.utf8(common)),
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

  private static byte[] revocations(String product) {
    byte[] url =
        ("https://kdsintf.amd.com/vcek/v1/" + product + "/crl").getBytes(StandardCharsets.US_ASCII);
    byte[] names = Der.implicit(0, Der.implicit(0, Der.plain(6, url)));
    return extension("2.5.29.31", Der.sequence(Der.sequence(names)));
  }

  private static byte[] chipExtensions(EndorsementKey chip) {
    SnpProduct product = chip.product();
    TcbVersion tcb = product.tcb();
    boolean turin = product == SnpProduct.TURIN;
    byte[] id = Arrays.copyOf(chip.chipId(), product.chipIdBytes());
    String name = turin ? product.text() : product.text() + "-B0";
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
        level(8, tcb.microcode()),
        extension(EXTENSIONS + "4", id));
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

  private static RSAPrivateCrtKey key(String name) {
    try (InputStream in = EndorsementChain.class.getResourceAsStream("test-" + name + ".pem")) {
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
      byte[]... extensions) {
    byte[] body =
        Der.sequence(
            Der.explicit(0, Der.integer(VERSION_3)),
            Der.integer(serial),
            algorithm(),
            issuer,
            Der.sequence(Der.time("250101000000Z"), Der.time("491231235959Z")),
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
