package dev.vesper.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.util.Date;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class MemberCertificatesTest {
  private static final Clock CLOCK = Clock.systemUTC();

  @TempDir private Path folder;

  private X509Certificate read(String file) throws IOException, GeneralSecurityException {
    try (InputStream in = Files.newInputStream(folder.resolve(file))) {
      return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
    }
  }

  private void validate(String member, X509Certificate authority)
      throws IOException, GeneralSecurityException {
    PKIXParameters p = new PKIXParameters(Set.of(new TrustAnchor(authority, null)));
    p.setRevocationEnabled(false);
    CertPathValidator.getInstance("PKIX")
        .validate(
            CertificateFactory.getInstance("X.509")
                .generateCertPath(List.of(read(member + ".crt"))),
            p);
  }

  @Test
  void theAuthoritySignsEachMembersCertificate() throws IOException, GeneralSecurityException {
    assertThat(MemberCertificates.write(folder, List.of("a", "b-2"), CLOCK))
        .extracting(p -> p.getFileName().toString())
        .containsExactly("authority.crt", "authority.key", "a.crt", "a.key", "b-2.crt", "b-2.key");
    X509Certificate authority = read("authority.crt");
    validate("a", authority);
    validate("b-2", authority);
    assertThat(read("b-2.crt").getSubjectX500Principal().getName()).isEqualTo("CN=b-2");
    assertThat(authority.getBasicConstraints()).isZero();
    assertThat(read("a.crt").getBasicConstraints()).isEqualTo(-1);
    assertThat(read("a.crt").getExtendedKeyUsage())
        .containsExactlyInAnyOrder("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2");
    assertThat(read("a.crt").getNotAfter()).isAfter(new Date());
  }

  @Test
  void membersAreAddedLater() throws IOException, GeneralSecurityException {
    MemberCertificates.write(folder, List.of("a"), CLOCK);
    X509Certificate authority = read("authority.crt");
    assertThat(MemberCertificates.write(folder, List.of("b"), CLOCK)).hasSize(2);
    assertThat(read("authority.crt")).isEqualTo(authority);
    validate("b", authority);
  }

  @Test
  void anotherFoldersAuthorityIsAnother() throws IOException, GeneralSecurityException {
    MemberCertificates.write(folder, List.of("a"), CLOCK);
    X509Certificate authority = read("authority.crt");
    MemberCertificates.write(folder.resolve("x"), List.of("b"), CLOCK);
    assertThatThrownBy(() -> validate("x/b", authority))
        .isInstanceOf(GeneralSecurityException.class);
  }

  @Test
  void keysCanBeReadByTheirOwnerAlone() throws IOException {
    for (Path p : MemberCertificates.write(folder, List.of("a"), CLOCK)) {
      if (p.toString().endsWith(".key")
          && p.getFileSystem().supportedFileAttributeViews().contains("posix")) {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(p)))
            .isEqualTo("rw-------");
      }
    }
  }

  @Test
  void namesThatAreNoneOrTakenAreRefusedBeforeAnythingIsWritten() throws IOException {
    for (String name : List.of("", "a/b", "..", "authority", "a b", "x".repeat(64))) {
      assertThatThrownBy(() -> MemberCertificates.write(folder, List.of("ok", name), CLOCK))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("--member takes");
    }
    assertThat(folder).isEmptyDirectory();
    MemberCertificates.write(folder, List.of("ok"), CLOCK);
    assertThatThrownBy(() -> MemberCertificates.write(folder, List.of("ok"), CLOCK))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("ok.crt is there already");
  }

  @Test
  void anAuthorityThatIsNoneIsSaid() throws IOException {
    MemberCertificates.write(folder, List.of("a"), CLOCK);
    Files.writeString(folder.resolve("authority.key"), "no key", StandardCharsets.US_ASCII);
    assertThatThrownBy(() -> MemberCertificates.write(folder, List.of("b"), CLOCK))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("not the authority's key");
    Files.writeString(folder.resolve("authority.crt"), "no certificate", StandardCharsets.US_ASCII);
    assertThatThrownBy(() -> MemberCertificates.write(folder, List.of("b"), CLOCK))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("not a certificate");
  }
}
