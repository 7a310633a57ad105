package dev.vesper.campaign;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStore.Kind;
import dev.vesper.fuzz.store.CampaignStoreProvider.JoinOptions;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InvalidClassException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A member with certificates, and those that are none of its cluster, or mean harm within it. */
final class StrangersTest {
  @TempDir private static Path folder;
  private static Path certificates;
  private static Members members;
  private static CampaignStore a;

  @BeforeAll
  static void join() throws IOException, CampaignException {
    certificates = Members.certificates(folder.resolve("tls"), "a", "b");
    members = new Members(folder.resolve("m"), certificates);
    a = members.join("a");
  }

  @AfterAll
  static void leave() {
    members.close();
  }

  private static String place() {
    return members.places.getOrDefault("a", "");
  }

  private static InetSocketAddress address() throws CampaignException {
    return MemberSettings.place("join", place());
  }

  @Test
  void aForeignCertificateStaysOutside() throws IOException {
    Path foreign = Members.certificates(folder.resolve("foreign"), "b");
    try (Members others = new Members(folder.resolve("f"), foreign)) {
      assertThatThrownBy(() -> others.join("b", place()))
          .isInstanceOf(CampaignException.class)
          .hasMessageStartingWith(place() + ": no member of this cluster's authority")
          .message()
          .doesNotContain("\n");
    }
    assertThat(a.names(Kind.QUEUE)).isNotNull();
  }

  @Test
  void whoHasNoCertificateStaysOutside() throws IOException, InterruptedException {
    // It connects, and is turned away when it says what is no TLS.
    try (Socket s = new Socket("127.0.0.1", Integer.parseInt(place().substring(10)))) {
      s.setSoTimeout(10_000);
      s.getOutputStream().write("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
      int n = 0;
      while (s.getInputStream().read() >= 0) {
        // An alert of TLS, and then the end.
        assertThat(++n).isLessThan(100);
      }
    }
    long until = System.nanoTime() + 10_000_000_000L;
    while (members.said.stream().noneMatch(l -> l.contains("no certificate of this cluster's"))
        && System.nanoTime() < until) {
      Thread.sleep(20);
    }
    assertThat(members.said)
        .anyMatch(
            l -> l.matches("refused /127.0.0.1:\\d+: no certificate of this cluster's authority"));
  }

  @Test
  void whoSaysNothingKeepsNobodyWaiting() throws IOException, CampaignException {
    List<Socket> silent = new ArrayList<>();
    try {
      for (int i = 0; i < 20; i++) {
        Socket s = new Socket();
        s.connect(address(), 5000);
        silent.add(s);
      }
      MemberKeys keys = MemberKeys.of(certificates, "b");
      assertThat(Knock.at(List.of(address()), keys)).isTrue();
    } finally {
      for (Socket s : silent) {
        s.close();
      }
    }
  }

  @Test
  void offLoopbackWithoutCertificatesIsRefusedInALineThatSaysHow() {
    for (Map<String, String> settings :
        List.of(
            Map.of("listen", "192.0.2.1:7799"),
            Map.of("join", "192.0.2.1:7799"),
            Map.of("join", "127.0.0.1:7799,[2001:db8::1]:7799"),
            Map.of("join", "dns:vesper.fuzz.svc.cluster.local"))) {
      assertThatThrownBy(
              () -> MemberSettings.of(new JoinOptions("t", "m", folder.resolve("x"), settings)))
          .isInstanceOf(CampaignException.class)
          .hasMessage(
              "off loopback members need certificates: vesper fuzz certs DIR --member m makes them,"
                  + " tls=DIR names them");
    }
  }

  @Test
  void socketsThemselvesDoNotLeaveLoopbackWithoutCertificates() throws IOException {
    Sockets plain = new Sockets(null, l -> {});
    try (Socket s = plain.createSocket("x")) {
      assertThatThrownBy(() -> s.connect(new InetSocketAddress("192.0.2.1", 7799), 100))
          .hasMessageContaining("off loopback with certificates alone");
    }
    try (var s = plain.createServerSocket("x")) {
      assertThatThrownBy(() -> s.bind(new InetSocketAddress("0.0.0.0", 0), 1))
          .hasMessageContaining("one address");
    }
  }

  @Test
  void whatIsMissingIsNamed() {
    record Case(Map<String, String> settings, String line) {}
    for (Case c :
        List.of(
            new Case(
                Map.of("tls", folder + "/none"),
                "authority.crt: cannot be read; it should be the cluster's authority"),
            new Case(
                Map.of("tls", certificates.toString()),
                "nobody.crt: cannot be read; it should be this member's certificate"),
            new Case(Map.of("listen", "0.0.0.0:1"), "one address of this computer"),
            new Case(Map.of("listen", "127.0.0.1"), "listen takes HOST:PORT"),
            new Case(Map.of("join", "127.0.0.1:65536"), "join takes HOST:PORT"),
            new Case(Map.of("lisen", "x"), "not 'lisen'"))) {
      assertThatThrownBy(
              () ->
                  MemberSettings.of(
                      new JoinOptions("t", "nobody", folder.resolve("x"), c.settings)))
          .isInstanceOf(CampaignException.class)
          .hasMessageContaining(c.line)
          .message()
          .doesNotContain("\n");
    }
  }

  @Test
  void nobodyAtTheAddressIsSaid() throws IOException {
    String nobody = Members.free();
    try (Members alone = new Members(folder.resolve("n"), null)) {
      assertThatThrownBy(() -> alone.join("n", nobody))
          .isInstanceOf(CampaignException.class)
          .hasMessage("nobody answers at " + nobody + "; the first member starts without join");
    }
  }

  @Test
  void aMemberOfAnotherCampaignIsNone() throws IOException {
    JoinOptions o =
        new JoinOptions(
            "another",
            "b",
            folder.resolve("another"),
            Map.of("listen", Members.free(), "join", place(), "tls", certificates.toString()));
    assertThatThrownBy(() -> new ClusterStoreProvider(l -> {}).join(o))
        .isInstanceOf(CampaignException.class)
        .hasMessage("who answers at " + place() + " is no member of campaign another");
  }

  @Test
  void membersOfAnotherSchemaStayOutside() throws IOException, CampaignException {
    JoinOptions o =
        new JoinOptions("future", "f", folder.resolve("future"), Map.of("listen", Members.free()));
    MemberSettings s = MemberSettings.of(o);
    try (Caches future = new Caches(s, new Network(s, List.of(), l -> {}))) {
      future.work.put(
          Envelope.key(Types.SCHEMA, Cluster.bytes("version")), Cluster.bytes("schema 99"));
      JoinOptions now =
          new JoinOptions(
              "future",
              "n",
              folder.resolve("now"),
              Map.of("listen", Members.free(), "join", MemberSettings.show(s.listen())));
      assertThatThrownBy(() -> new ClusterStoreProvider(l -> {}).join(now))
          .isInstanceOf(CampaignException.class)
          .hasMessageContaining("another version of the schema than this one's, 1; use the same");
    }
  }

  @Test
  void objectsOfJavasAreRefused() throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (ObjectOutputStream o = new ObjectOutputStream(out)) {
      o.writeObject(new ArrayList<>(List.of("x")));
    }
    try (ObjectInputStream in =
        new ObjectInputStream(new ByteArrayInputStream(out.toByteArray()))) {
      assertThatThrownBy(in::readObject).isInstanceOf(InvalidClassException.class);
    }
  }
}
