package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.net.Outside;
import dev.vesper.machine.device.net.UserNetwork;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The gateway of a user network as a router of IPv6, spoken to in frames. */
final class UserNetworkV6Test {
  private static final String MAC = "525400123456";
  private static final String GUEST = "fec00000000000005054 00fffe123456";
  private static final String GATEWAY = "fec00000000000000000000000000002";
  private static final String NAME_SERVER = "fec00000000000000000000000000003";
  private static final String LINK_LOCAL = "fe800000000000000000000000000002";
  private static final String ALL_ROUTERS = "ff020000000000000000000000000002";
  private static final String SERVERS = "ff020000000000000000000000010002";
  private static final String NOBODY = "00000000000000000000000000000000";
  private static final String ELSEWHERE = "20010db8000000000000000000000001";
  private static final int IP = 14;
  private static final int BODY = 54;

  private final List<ByteBuffer> received = new ArrayList<>();
  private final ByteArrayOutputStream written = new ByteArrayOutputStream();
  private final UserNetwork network = new UserNetwork(new OnePort());

  UserNetworkV6Test() {
    network.connect(b -> received.add(ByteBuffer.wrap(b)));
  }

  /** Port 80 of the gateway echoes nothing and says hello. */
  private final class OnePort implements Outside {
    @Override
    public boolean any() {
      return true;
    }

    @Override
    public @Nullable Visitor visitor() {
      return null;
    }

    @Override
    public @Nullable Stream connect(int port) {
      return port == 80 ? new Hello() : null;
    }

    @Override
    public boolean await(long nanos) {
      return false;
    }
  }

  private final class Hello implements Outside.Stream {
    private final ByteBuffer hello = ByteBuffer.wrap("hello".getBytes(StandardCharsets.US_ASCII));

    @Override
    public boolean ready() {
      return true;
    }

    @Override
    public int read(ByteBuffer to) {
      int n = hello.remaining();
      to.put(hello);
      return n;
    }

    @Override
    public void write(ByteBuffer from) {
      while (from.hasRemaining()) {
        written.write(from.get());
      }
    }

    @Override
    public void finish() {
      // nothing more comes
    }

    @Override
    public void close() {
      // it is gone
    }
  }

  private static byte[] bytes(String hex) {
    return HexFormat.of().parseHex(hex.replace(" ", ""));
  }

  private static int sum(ByteBuffer b, int from, int length) {
    int s = 0;
    for (int i = 0; i < length; i++) {
      s += (b.get(from + i) & 0xFF) << ((i & 1) == 0 ? 8 : 0);
    }
    while (s >> 16 != 0) {
      s = (s & 0xFFFF) + (s >> 16);
    }
    return s;
  }

  /** The sum that makes a packet's checksum right: addresses, length, protocol, body. */
  private static int whole(ByteBuffer f, int protocol) {
    int n = f.capacity() - BODY;
    int s = sum(f, IP + 8, 32) + n + protocol + sum(f, BODY, n);
    while (s >> 16 != 0) {
      s = (s & 0xFFFF) + (s >> 16);
    }
    return s;
  }

  /**
   * A frame of the guest's.
   *
   * @param checksum where in the body it belongs, or -1
   */
  private static byte[] frame(
      int protocol, int hops, String from, String to, String body, int checksum) {
    byte[] b = bytes(body);
    ByteBuffer f = ByteBuffer.allocate(BODY + b.length);
    f.put(bytes("525600000002")).put(bytes(MAC)).putShort((short) 0x86DD);
    f.putInt(0x6000_0000).putShort((short) b.length).put((byte) protocol).put((byte) hops);
    f.put(bytes(from)).put(bytes(to)).put(b);
    if (checksum >= 0) {
      f.putShort(BODY + checksum, (short) ~whole(f, protocol));
    }
    return f.array();
  }

  private ByteBuffer ask(byte[] frame) {
    received.clear();
    network.send(frame);
    return received.isEmpty() ? ByteBuffer.allocate(0) : received.get(0);
  }

  private ByteBuffer icmp(int hops, String from, String to, String body) {
    return ask(frame(58, hops, from, to, body, 2));
  }

  private static String hex(ByteBuffer b, int at, int n) {
    byte[] v = new byte[n];
    b.get(at, v);
    return HexFormat.of().formatHex(v);
  }

  private static String plain(String s) {
    return s.replace(" ", "");
  }

  private void isGood(ByteBuffer f, int protocol) {
    assertThat(f.getShort(12)).isEqualTo((short) 0x86DD);
    assertThat(f.get(IP + 6)).isEqualTo((byte) protocol);
    assertThat(f.getShort(IP + 4)).as("length").isEqualTo((short) (f.capacity() - BODY));
    assertThat(whole(f, protocol)).as("checksum").isEqualTo(0xFFFF);
  }

  @Test
  void aSolicitedRouterAdvertisesItsPrefix() {
    ByteBuffer r = icmp(255, NOBODY, ALL_ROUTERS, "85000000 00000000");
    isGood(r, 58);
    assertThat(hex(r, 0, 6)).as("to all nodes").isEqualTo("333300000001");
    assertThat(hex(r, 6, 6)).isEqualTo("525600000002");
    assertThat(hex(r, IP + 8, 16)).isEqualTo(LINK_LOCAL);
    assertThat(r.get(IP + 7)).as("hop limit").isEqualTo((byte) 255);
    assertThat(hex(r, BODY, 2)).isEqualTo("8600");
    assertThat(hex(r, BODY + 4, 4))
        .as("64 hops, other configuration, 1800 s")
        .isEqualTo("40400708");
    assertThat(hex(r, BODY + 16, 8)).as("its link address").isEqualTo("0101525600000002");
    assertThat(hex(r, BODY + 24, 4)).as("prefix of 64, on link, autonomous").isEqualTo("030440c0");
    assertThat(hex(r, BODY + 40, 16)).isEqualTo("fec0" + "0".repeat(28));
  }

  @Test
  void theRouterAdvertisesAgainBeforeItIsForgotten() {
    assertThat(network.nextEvent())
        .as("only for guests that have asked")
        .isLessThan(1_000_000_000L);
    icmp(255, NOBODY, ALL_ROUTERS, "85000000 00000000");
    received.clear();
    network.advance(399_000_000_000L);
    assertThat(received).isEmpty();
    network.advance(400_000_000_000L);
    assertThat(received).hasSize(1);
    assertThat(received.get(0).get(BODY)).isEqualTo((byte) 134);
  }

  @Test
  void theGatewaysAddressesHaveLinkAddresses() {
    for (String target : List.of(GATEWAY, LINK_LOCAL, NAME_SERVER)) {
      ByteBuffer r = icmp(255, GUEST, target, "87000000 00000000" + target + "0101" + MAC);
      isGood(r, 58);
      assertThat(hex(r, 0, 6)).isEqualTo(MAC);
      assertThat(hex(r, BODY, 1)).isEqualTo("88");
      assertThat(hex(r, BODY + 4, 4))
          .as("solicited, override; router")
          .isEqualTo(target.equals(NAME_SERVER) ? "60000000" : "e0000000");
      assertThat(hex(r, BODY + 8, 16)).isEqualTo(target);
      assertThat(hex(r, BODY + 24, 8))
          .isEqualTo("0201525600" + target.substring(28, 32).replaceFirst("^", "00"));
    }
  }

  @Test
  void whoHasNoAddressIsAnsweredWithAllOthers() {
    ByteBuffer r = icmp(255, NOBODY, GATEWAY, "87000000 00000000" + GATEWAY);
    assertThat(hex(r, 0, 6)).isEqualTo("333300000001");
    assertThat(hex(r, BODY + 4, 4)).as("not solicited").isEqualTo("a0000000");
  }

  @Test
  void othersAddressesAreFree() {
    assertThat(icmp(255, NOBODY, GUEST, "87000000 00000000" + GUEST).capacity()).isZero();
  }

  @Test
  void neighboursFromFarAwayAreNotBelieved() {
    assertThat(icmp(64, GUEST, GATEWAY, "87000000 00000000" + GATEWAY).capacity()).isZero();
    assertThat(icmp(64, NOBODY, ALL_ROUTERS, "85000000 00000000").capacity()).isZero();
    assertThat(icmp(255, GUEST, GATEWAY, "87010000 00000000" + GATEWAY).capacity()).isZero();
  }

  @Test
  void pingsComeBack() {
    for (String to : List.of(GATEWAY, LINK_LOCAL)) {
      ByteBuffer r = icmp(64, GUEST, to, "80000000 12340001 6162636465");
      isGood(r, 58);
      assertThat(hex(r, BODY, 2)).isEqualTo("8100");
      assertThat(hex(r, BODY + 4, 9)).isEqualTo("123400016162636465");
      assertThat(hex(r, IP + 8, 16)).isEqualTo(to);
      assertThat(hex(r, IP + 24, 16)).isEqualTo(plain(GUEST));
    }
    byte[] bad = frame(58, 64, GUEST, GATEWAY, "80000000 12340001 61626364", -1);
    assertThat(ask(bad).capacity()).as("a wrong sum").isZero();
    assertThat(icmp(64, GUEST, ELSEWHERE, "80000000 12340001 61").capacity()).isZero();
  }

  @Test
  void packetsWithExtensionHeadersAreUnderstood() {
    byte[] inner = frame(58, 64, GUEST, GATEWAY, "80000000 12340001", 2);
    ByteBuffer f = ByteBuffer.allocate(inner.length + 8);
    f.put(inner, 0, BODY).put(bytes("3a00 010400000000")).put(inner, BODY, 8);
    f.put(IP + 6, (byte) 0).putShort(IP + 4, (short) 16);
    assertThat(ask(f.array()).get(BODY)).isEqualTo((byte) 129);
  }

  @Test
  void nobodyListensToDatagrams() {
    ByteBuffer r = ask(frame(17, 64, GUEST, NAME_SERVER, "c0000035 000c0000 61626364", 6));
    isGood(r, 58);
    assertThat(hex(r, BODY, 2)).as("port unreachable").isEqualTo("0104");
    assertThat(hex(r, BODY + 8, 4)).as("it quotes").isEqualTo("60000000");
    ByteBuffer far = ask(frame(17, 64, GUEST, ELSEWHERE, "c0000035 000c0000 61626364", 6));
    assertThat(hex(far, BODY, 2)).as("no route").isEqualTo("0100");
    assertThat(ask(frame(17, 64, GUEST, ALL_ROUTERS, "c0000035 00080000", 6)).capacity()).isZero();
  }

  @Test
  void informationIsGivenByDhcp() {
    String request = "0b123456 0001 000a 00030001" + MAC + "0006 0002 0017";
    int n = plain(request).length() / 2 + 8;
    ByteBuffer r =
        ask(
            frame(
                17,
                1,
                GUEST,
                SERVERS,
                "02220223" + String.format("%04x", n) + "0000" + request,
                6));
    isGood(r, 17);
    assertThat(hex(r, BODY, 4)).as("ports").isEqualTo("02230222");
    assertThat(hex(r, BODY + 8, 4)).as("a reply to it").isEqualTo("07123456");
    assertThat(hex(r, BODY + 12, 14)).as("the client's ID").isEqualTo("0001000a00030001" + MAC);
    assertThat(hex(r, BODY + 26, 14)).isEqualTo("0002000a00030001525600000002");
    String other = "0b123456 0002 0002 0000";
    assertThat(ask(frame(17, 1, GUEST, SERVERS, "02220223 00120000" + other, 6)).capacity())
        .as("for another server")
        .isZero();
  }

  private static String tcp(int sequence, int acknowledged, int flags, String data) {
    return String.format("c0000050 %08x %08x 50%02x ffff 0000 0000", sequence, acknowledged, flags)
        + data;
  }

  @Test
  void connectionsGoOutWhereTheyAreLet() {
    ByteBuffer r = ask(frame(6, 64, GUEST, GATEWAY, tcp(7, 0, 2, ""), 16));
    isGood(r, 6);
    assertThat(r.get(BODY + 13)).as("SYN, ACK").isEqualTo((byte) 0x12);
    assertThat(hex(r, BODY + 20, 4)).as("segments of 1440").isEqualTo("020405a0");
    int number = r.getInt(BODY + 4) + 1;
    received.clear();
    network.send(frame(6, 64, GUEST, GATEWAY, tcp(8, number, 0x18, "6869"), 16));
    network.advance(10_000_000L);
    assertThat(written.toString(StandardCharsets.US_ASCII)).isEqualTo("hi");
    assertThat(received)
        .anySatisfy(
            f -> {
              isGood(f, 6);
              assertThat(hex(f, f.capacity() - 5, 5)).as("hello").isEqualTo("68656c6c6f");
            });
  }

  @Test
  void otherConnectionsAreRefused() {
    ByteBuffer r = ask(frame(6, 64, GUEST, ELSEWHERE, tcp(7, 0, 2, ""), 16));
    isGood(r, 6);
    assertThat(r.get(BODY + 13)).as("RST, ACK").isEqualTo((byte) 0x14);
    assertThat(r.getInt(BODY + 8)).isEqualTo(8);
  }

  @Test
  void anyFrameIsBorne() {
    Random random = new Random(6);
    List<byte[]> good =
        List.of(
            frame(58, 255, NOBODY, ALL_ROUTERS, "85000000 00000000", 2),
            frame(58, 255, GUEST, GATEWAY, "87000000 00000000" + GATEWAY + "0101" + MAC, 2),
            frame(17, 1, GUEST, SERVERS, "02220223 00140000 0b123456 0006 0002 0017", 6),
            frame(6, 64, GUEST, GATEWAY, tcp(7, 0, 2, ""), 16),
            frame(0, 64, GUEST, GATEWAY, "3a00 010400000000 80000000 12340001", -1));
    for (int i = 0; i < 200_000; i++) {
      byte[] b = good.get(random.nextInt(good.size())).clone();
      int length = random.nextInt(8) == 0 ? random.nextInt(b.length) : b.length;
      b = java.util.Arrays.copyOf(b, length);
      for (int n = random.nextInt(5); n > 0 && length > 15; n--) {
        b[14 + random.nextInt(length - 14)] = (byte) random.nextInt();
      }
      if (length > BODY + 4 && b[IP + 6] == 58) {
        // So that more than the sum is looked at.
        ByteBuffer f = ByteBuffer.wrap(b).putShort(BODY + 2, (short) 0);
        f.putShort(BODY + 2, (short) ~whole(f, 58));
      }
      received.clear();
      network.send(b);
      network.advance(i * 1_000_000L);
      assertThat(received).hasSizeLessThan(200);
      for (ByteBuffer r : received) {
        assertThat(r.capacity()).isBetween(42, 1514);
      }
    }
  }
}
