package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.cli.attest.KeyService;
import dev.vesper.cli.attest.Pem;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.SnpProduct;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The certificates of this machine's chips by the paths of AMD's key service. */
final class KeyServiceTest {
  private static KeyService service;

  private record Answer(int status, String type, byte[] body) {}

  @BeforeAll
  static void start() throws IOException {
    service = KeyService.start(new InetSocketAddress("127.0.0.1", 0), 7, Set.of());
  }

  @AfterAll
  static void stop() {
    service.close();
  }

  private static Answer get(String method, String path) throws IOException {
    HttpURLConnection c =
        (HttpURLConnection)
            URI.create("http://127.0.0.1:" + service.address().getPort() + path)
                .toURL()
                .openConnection();
    c.setRequestMethod(method);
    int status = c.getResponseCode();
    try (InputStream in = status < 400 ? c.getInputStream() : c.getErrorStream()) {
      return new Answer(status, c.getContentType(), in.readAllBytes());
    }
  }

  private static String chip(SnpProduct p) {
    byte[] id = EndorsementKey.of(p, 7).chipId();
    return HexFormat.of().formatHex(Arrays.copyOf(id, p == SnpProduct.TURIN ? 8 : 64));
  }

  private static String levels(SnpProduct p) {
    return switch (p) {
      case MILAN -> "?blSPL=3&teeSPL=0&snpSPL=8&ucodeSPL=115";
      case GENOA -> "?blSPL=09&teeSPL=00&snpSPL=23&ucodeSPL=72";
      case TURIN -> "?fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=3&ucodeSPL=71";
    };
  }

  @ParameterizedTest
  @EnumSource
  void aChipsKeyAndItsChain(SnpProduct p) throws Exception {
    EndorsementChain c = EndorsementChain.of(p, 7);
    Answer vcek = get("GET", "/vcek/v1/" + p.text() + "/" + chip(p) + levels(p));
    assertThat(vcek.status).isEqualTo(200);
    assertThat(vcek.type).isEqualTo("application/octet-stream");
    assertThat(vcek.body).isEqualTo(c.vcek());
    Answer chain = get("GET", "/vcek/v1/" + p.text() + "/cert_chain");
    String[] pem =
        new String(chain.body, StandardCharsets.US_ASCII).split("(?<=END CERTIFICATE-----\n)");
    assertThat(pem).hasSize(2);
    assertThat(AttestSamples.certificate(pem[0].getBytes(StandardCharsets.US_ASCII)))
        .isEqualTo(AttestSamples.certificate(c.ask()));
    assertThat(AttestSamples.certificate(pem[1].getBytes(StandardCharsets.US_ASCII)))
        .isEqualTo(AttestSamples.certificate(c.ark()));
  }

  @ParameterizedTest
  @EnumSource
  void aKeyThatIsLentItsChainAndTheLists(SnpProduct p) throws Exception {
    EndorsementChain c = EndorsementChain.of(p, 1);
    String path = "/vlek/v1/" + p.text() + "/";
    assertThat(get("GET", path + "cert" + levels(p)).body)
        .isEqualTo(c.certificate(EndorsementChain.Part.VLEK));
    assertThat(new String(get("GET", path + "cert_chain").body, StandardCharsets.US_ASCII))
        .startsWith(
            new String(
                Pem.of(c.certificate(EndorsementChain.Part.ASVK)), StandardCharsets.US_ASCII));
    for (String list : new String[] {path + "crl", "/vcek/v1/" + p.text() + "/crl"}) {
      Answer crl = get("GET", list);
      assertThat(crl.type).isEqualTo("application/pkix-crl");
      assertThat(crl.body).isEqualTo(c.revoked(Set.of()));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "GET, /, 404, 'there are Milan, Genoa and Turin below'",
    "GET, /vcek/v1/Rome/cert_chain, 404, 'there are Milan, Genoa and Turin below'",
    "GET, /vlek/v1/Milan/CHIP, 404, 'there are cert, cert_chain and crl'",
    "GET, /vlek/v1/Milan/cert, 400, 'blSPL is missing, or no number'",
    "GET, /vcek/v1/Milan/00?blSPL=3, 404, the only chip here is",
    "GET, /vcek/v1/Milan/CHIP, 400, 'blSPL is missing, or no number'",
    "GET, /vcek/v1/Milan/CHIP?blSPL=x, 400, 'blSPL is missing, or no number'",
    "GET, /vcek/v1/Milan/CHIP?blSPL=3&teeSPL=0&snpSPL=9&ucodeSPL=115, 404, the only TCB version",
    "POST, /vcek/v1/Milan/cert_chain, 405, only GET"
  })
  void othersAreRefusedInALine(String method, String path, int status, String words)
      throws IOException {
    Answer a = get(method, path.replace("CHIP", chip(SnpProduct.MILAN)));
    assertThat(a.status).isEqualTo(status);
    assertThat(new String(a.body, StandardCharsets.UTF_8)).contains(words).hasLineCount(1);
  }

  @Test
  void aPortThatIsTakenIsSaid() {
    CommandResult r =
        CommandResult.of("attest", "certs", "--serve", "127.0.0.1:" + service.address().getPort());
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).startsWith("vesper: cannot serve at ").hasLineCount(1);
  }
}
