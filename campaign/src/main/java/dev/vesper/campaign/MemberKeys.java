package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * A member's key and certificate, and the one authority that it trusts, as {@code vesper fuzz
 * certs} makes them. Nothing that the computer trusts otherwise counts here.
 */
final class MemberKeys {
  private static final String VERSION = "TLSv1.3";
  private static final char[] NO_PASSWORD = new char[0];

  private final SSLContext context;

  private MemberKeys(SSLContext context) {
    this.context = context;
  }

  /**
   * Reads {@code authority.crt}, {@code NAME.crt} and {@code NAME.key} of a folder.
   *
   * @throws CampaignException if one of them is missing or not what it should be, or the authority
   *     has not signed the member's
   */
  static MemberKeys of(Path folder, String name) throws CampaignException {
    Path trusted = folder.resolve("authority.crt");
    Path own = folder.resolve(name + ".crt");
    X509Certificate authority =
        certificate(trusted, "the cluster's authority; vesper fuzz certs " + folder + " makes one");
    X509Certificate member =
        certificate(
            own,
            "this member's certificate; vesper fuzz certs "
                + folder
                + " --member "
                + name
                + " makes it");
    try {
      member.verify(authority.getPublicKey());
      member.checkValidity();
      authority.checkValidity();
    } catch (GeneralSecurityException e) {
      throw new CampaignException(
          own + ": not a good certificate of " + trusted + " (" + e.getMessage() + ")");
    }
    return new MemberKeys(context(authority, member, key(folder.resolve(name + ".key"), member)));
  }

  private static SSLContext context(X509Certificate authority, X509Certificate own, PrivateKey key)
      throws CampaignException {
    try {
      KeyStore keys = KeyStore.getInstance("PKCS12");
      keys.load(null, NO_PASSWORD);
      keys.setKeyEntry("member", key, NO_PASSWORD, new Certificate[] {own, authority});
      KeyManagerFactory k = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      k.init(keys, NO_PASSWORD);
      KeyStore trusted = KeyStore.getInstance("PKCS12");
      trusted.load(null, NO_PASSWORD);
      trusted.setCertificateEntry("authority", authority);
      TrustManagerFactory t =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      t.init(trusted);
      SSLContext c = SSLContext.getInstance(VERSION);
      c.init(k.getKeyManagers(), t.getTrustManagers(), null);
      return c;
    } catch (GeneralSecurityException | IOException e) {
      throw new CampaignException(
          "this Java cannot do " + VERSION + " with these keys: " + e.getMessage());
    }
  }

  private static X509Certificate certificate(Path p, String what) throws CampaignException {
    try (InputStream in = Files.newInputStream(p)) {
      return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
    } catch (IOException e) {
      throw new CampaignException(p + ": cannot be read; it should be " + what);
    } catch (GeneralSecurityException e) {
      throw new CampaignException(p + ": not a certificate; it should be " + what);
    }
  }

  private static PrivateKey key(Path p, X509Certificate of) throws CampaignException {
    try {
      String text =
          Files.readString(p, StandardCharsets.US_ASCII).replaceAll("-----[A-Z ]+-----|\\s", "");
      return KeyFactory.getInstance(of.getPublicKey().getAlgorithm())
          .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
    } catch (IOException e) {
      throw new CampaignException(p + ": cannot be read; it should be this member's key");
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      throw new CampaignException(p + ": not this member's key (PKCS #8, PEM)");
    }
  }

  /** {@return a connection that is not made yet} */
  SSLSocket socket() throws IOException {
    SSLSocket s = (SSLSocket) context.getSocketFactory().createSocket();
    s.setSSLParameters(mutual(s.getSSLParameters()));
    return s;
  }

  /** {@return a door that is not bound yet} */
  SSLServerSocket door() throws IOException {
    SSLServerSocket s = (SSLServerSocket) context.getServerSocketFactory().createServerSocket();
    s.setSSLParameters(mutual(s.getSSLParameters()));
    return s;
  }

  private static SSLParameters mutual(SSLParameters p) {
    p.setProtocols(new String[] {VERSION});
    p.setNeedClientAuth(true);
    return p;
  }
}
