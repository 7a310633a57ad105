package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.device.net.Outside;
import dev.vesper.machine.device.net.UserNetwork;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A user network that leads out and in: frames that a guest sends, each behind its length and how
 * much time passes. Checksums are made right if the first byte says so.
 */
public final class NetworkTarget implements FuzzTarget {
  private static final String GUEST = "525400123456";
  private static final int MOST_FRAMES = 64;

  @Override
  public String name() {
    return "network";
  }

  @Override
  public List<String> covers() {
    return List.of("dev.vesper.machine.device.net.");
  }

  @Override
  public int longest() {
    return 4096;
  }

  static byte[] arp() {
    return hex(
        "ffffffffffff" + GUEST + "08060001080006040001" + GUEST + "0a00020f0000000000000a000202");
  }

  private static byte[] hex(String s) {
    return HexFormat.of().parseHex(s.replace(" ", ""));
  }

  private static byte[] ip4(int protocol, String to, String body) {
    int length = 20 + body.replace(" ", "").length() / 2;
    return hex(
        "525500020202"
            + GUEST
            + "08004500"
            + String.format("%04x", length)
            + "0000400040"
            + String.format("%02x", protocol)
            + "00000a00020f"
            + to
            + body);
  }

  private static byte[] ip6(int next, String to, String body) {
    return hex(
        "525500020202"
            + GUEST
            + "86dd60000000"
            + String.format("%04x", body.replace(" ", "").length() / 2)
            + String.format("%02x", next)
            + "ff"
            + "fec0000000000000505400fffe123456"
            + to
            + body);
  }

  private static byte[] tcp(int flags, int sequence, int acknowledged) {
    return ip4(
        6,
        "0a000202",
        String.format("040000500000%04x%08x50%02xffff00000000", sequence, acknowledged, flags)
            + (flags == 0x18 ? "474554" : ""));
  }

  private static byte[] frames(byte[]... frames) {
    Words w = new Words().u8(1);
    for (byte[] f : frames) {
      w.u16(f.length).u8(3).bytes(f);
    }
    return w.done();
  }

  @Override
  public List<byte[]> seeds() {
    String gateway6 = "fec00000000000000000000000000002";
    return List.of(
        frames(arp()),
        frames(ip4(1, "0a000202", "0800000012340001 61626364")),
        frames(
            ip4(
                17,
                "ffffffff",
                "00440043 00f80000 01010600 12345678 00000000"
                    + "00".repeat(16)
                    + GUEST
                    + "00".repeat(10 + 192)
                    + "63825363 350101 ff")),
        frames(arp(), tcp(2, 1, 0), tcp(0x10, 2, 1), tcp(0x18, 2, 1), tcp(0x11, 5, 1)),
        frames(arp(), tcp(2, 1, 0), tcp(4, 2, 0)),
        frames(ip6(58, gateway6, "80000000 12340001 6162")),
        frames(ip6(58, "ff020000000000000000000000000002", "85000000 00000000")),
        frames(
            ip6(58, "ff0200000000000000000001ff000002", "87000000 00000000" + gateway6),
            ip6(17, "ff020000000000000000000000010002", "02220223 000c0000 0b123456")),
        frames(ip6(6, gateway6, "04000050 00000001 00000000 5002ffff 00000000")));
  }

  /** Everybody answers with what he was told; one visitor comes. */
  private static final class Others implements Outside {
    private boolean came;

    @Override
    public boolean any() {
      return true;
    }

    @Override
    public @Nullable Visitor visitor() {
      boolean first = !came;
      came = true;
      return first ? new Visitor(new Echo(), UserNetwork.GUEST, 22) : null;
    }

    @Override
    public @Nullable Stream connect(int port) {
      return port == 80 ? new Echo() : null;
    }

    @Override
    public void await(long nanos) {
      // Nothing is waited for.
    }
  }

  private static final class Echo implements Outside.Stream {
    private final ByteBuffer kept = ByteBuffer.allocate(4096);

    @Override
    public boolean ready() {
      return true;
    }

    @Override
    public int read(ByteBuffer to) {
      kept.flip();
      int n = Math.min(to.remaining(), kept.remaining());
      for (int i = 0; i < n; i++) {
        to.put(kept.get());
      }
      kept.compact();
      return n;
    }

    @Override
    public void write(ByteBuffer from) throws IOException {
      while (from.hasRemaining() && kept.hasRemaining()) {
        kept.put(from.get());
      }
    }

    @Override
    public void finish() {
      // There is nobody to tell.
    }

    @Override
    public void close() {
      // There is nothing to let go of.
    }
  }

  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    boolean sums = (in.u8() & 1) != 0;
    UserNetwork n = new UserNetwork(new Others());
    long[] bytes = {0};
    n.connect(f -> bytes[0] += f.length);
    long now = 0;
    for (int i = 0; i < MOST_FRAMES && in.more(); i++) {
      int length = in.u16() & 0x7FF;
      now += 1_000_000L * in.u8();
      byte[] frame = in.bytes(length);
      if (sums) {
        sum(frame);
      }
      n.send(frame);
      n.advance(now);
    }
    n.advance(now + 10_000_000_000L);
    n.close();
    if (bytes[0] > 1 << 24) {
      throw new IllegalStateException(bytes[0] + " bytes of answers");
    }
  }

  /** Makes the sums of IP, TCP, UDP and ICMP right, as far as the frame goes. */
  private static void sum(byte[] f) {
    if (f.length < 34) {
      return;
    }
    boolean six = (f[12] & 0xFF) == 0x86;
    if (!six) {
      f[24] = 0;
      f[25] = 0;
      put(f, 24, add(f, 14, 20, 0));
    }
    int start = six ? 54 : 34;
    int protocol = six ? f[20] : f[23];
    int at =
        switch (protocol) {
          case 6 -> start + 16;
          case 17 -> start + 6;
          case 1, 58 -> start + 2;
          default -> -1;
        };
    if (at < 0 || at + 2 > f.length) {
      return;
    }
    f[at] = 0;
    f[at + 1] = 0;
    int bytes = f.length - start;
    long pseudo = protocol == 1 ? 0 : protocol + bytes;
    if (protocol != 1) {
      pseudo += six ? sumOf(f, 22, 32) : sumOf(f, 26, 8);
    }
    put(f, at, add(f, start, bytes, pseudo));
  }

  private static long sumOf(byte[] f, int at, int n) {
    long s = 0;
    for (int i = 0; i < n; i++) {
      s += (f[at + i] & 0xFF) << (i % 2 == 0 ? 8 : 0);
    }
    return s;
  }

  private static int add(byte[] f, int at, int n, long more) {
    long s = sumOf(f, at, n) + more;
    while (s > 0xFFFF) {
      s = (s & 0xFFFF) + (s >> 16);
    }
    return (int) ~s & 0xFFFF;
  }

  private static void put(byte[] f, int at, int v) {
    f[at] = (byte) (v >> 8);
    f[at + 1] = (byte) v;
  }
}
