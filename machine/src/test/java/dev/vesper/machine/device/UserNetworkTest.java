package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.net.UserNetwork;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The gateway of a user network, spoken to in frames. */
final class UserNetworkTest {
  private static final String MAC = "525400123456";
  private final List<byte[]> received = new ArrayList<>();
  private final UserNetwork network = new UserNetwork();

  UserNetworkTest() {
    network.connect(received::add);
  }

  private ByteBuffer ask(String hex) {
    received.clear();
    network.send(HexFormat.of().parseHex(hex.replace(" ", "")));
    return received.isEmpty() ? ByteBuffer.allocate(0) : ByteBuffer.wrap(received.get(0));
  }

  private static String ip(int protocol, int length, String to, String body) {
    return "525500020202 "
        + MAC
        + " 0800 4500"
        + String.format("%04x", 20 + length)
        + "00004000 40"
        + String.format("%02x", protocol)
        + "0000 0a00020f "
        + to
        + body;
  }

  @Test
  void theGatewayHasAnAddress() {
    ByteBuffer r =
        ask(
            "ffffffffffff "
                + MAC
                + " 0806 0001 0800 06 04 0001 "
                + MAC
                + " 0a00020f 000000000000 0a000202");
    assertThat(r.getShort(20)).isEqualTo((short) 2);
    assertThat(r.getInt(28)).isEqualTo(0x0A00_0202);
    assertThat(
            ask("ffffffffffff "
                    + MAC
                    + " 0806 0001 0800 06 04 0001 "
                    + MAC
                    + " 0a00020f 000000000000 0a000263")
                .capacity())
        .isZero();
  }

  @Test
  void pingsComeBackWithTheirSums() {
    ByteBuffer r = ask(ip(1, 12, "0a000202", "0800 0000 1234 0001 61626364"));
    assertThat(r.get(34)).isZero();
    assertThat(r.getInt(42)).isEqualTo(0x6162_6364);
    int s = 0;
    for (int i = 34; i < 46; i += 2) {
      s += r.getShort(i) & 0xFFFF;
    }
    assertThat((s & 0xFFFF) + (s >> 16)).isEqualTo(0xFFFF);
  }

  private static String dhcp(int kind, String more) {
    String m =
        "01010600 deadbeef 00000000 00000000 00000000 00000000 00000000"
            + MAC
            + "00".repeat(10 + 192)
            + "63825363 3501"
            + String.format("%02x", kind)
            + more
            + "ff";
    int n = m.replace(" ", "").length() / 2;
    return ip(17, 8 + n, "ffffffff", "00440043" + String.format("%04x", 8 + n) + "0000" + m);
  }

  @Test
  void addressesAreOfferedAndGiven() {
    ByteBuffer offer = ask(dhcp(1, ""));
    assertThat(offer.getInt(46)).as("transaction").isEqualTo(0xDEAD_BEEF);
    assertThat(offer.getInt(58)).as("yiaddr").isEqualTo(0x0A00_020F);
    assertThat(offer.getShort(283)).as("offer").isEqualTo((short) 0x0102);
    assertThat(ask(dhcp(3, "32040a00020f")).getShort(283)).as("ack").isEqualTo((short) 0x0105);
    assertThat(ask(dhcp(3, "32040a000299")).getShort(283)).as("nak").isEqualTo((short) 0x0106);
  }

  @Test
  void connectionsAreRefused() {
    ByteBuffer r = ask(ip(6, 20, "5db8d822", "c000 0050 00000007 00000000 5002 ffff 0000 0000"));
    assertThat(r.get(47)).as("RST, ACK").isEqualTo((byte) 0x14);
    assertThat(r.getInt(42)).as("acknowledges SYN").isEqualTo(8);
  }

  @Test
  void anyFrameIsBorne() {
    Random r = new Random(4);
    byte[] good = HexFormat.of().parseHex(dhcp(1, "").replace(" ", ""));
    for (int i = 0; i < 100_000; i++) {
      byte[] b = r.nextBoolean() ? new byte[r.nextInt(120)] : good.clone();
      if (b != good && b.length < 100) {
        r.nextBytes(b);
      }
      for (int n = 0; n < 5 && b.length > 20; n++) {
        b[12 + r.nextInt(b.length - 12)] = (byte) r.nextInt();
      }
      if (b.length > 14 && r.nextBoolean()) {
        b[12] = 8;
        b[13] = (byte) (r.nextBoolean() ? 6 : 0);
        b[14] = 0x45;
      }
      network.send(b);
    }
    assertThat(received).isNotEmpty();
  }
}
