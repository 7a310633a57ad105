package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** A client may say anything: each packet has one answer, and nothing comes of the rest. */
final class HostilePacketsTest {
  private static final int PACKETS = Boolean.getBoolean("long") ? 100_000 : 20_000;

  /** Packets that mean something, of which others are made. */
  static final String[] TRUE = {
    "?",
    "g",
    "p10",
    "P0=8877665544332211",
    "m100000,40",
    "x100000,40",
    "M300000,2:1234",
    "X300000,2:ab",
    "Hg0",
    "Hcp1.-1",
    "Tp1.1",
    "Z0,100007,1;X8,2600002303e81327",
    "Z1,100007,1",
    "Z2,300000,8",
    "Z3,300000,8",
    "Z4,300000,8",
    "z2,300000,8",
    "c",
    "s100000",
    "C05",
    "S05;100000",
    "vCont?",
    "vCont;c",
    "vCont;s:p1.1;c",
    "vCont;r100000,100010:p1.1",
    "vAttach;1",
    "bs",
    "bc",
    "qRcmd," + Packets.hex("stop-on vmgexit 7b"),
    "qRcmd," + Packets.hex("stop-on page-state 300000"),
    "qRcmd," + Packets.hex("stop-on breach scratch-valid"),
    "qRcmd," + Packets.hex("stop-off vc"),
    "qRcmd," + Packets.hex("stop-on exchange 3"),
    "qRcmd," + Packets.hex("exchange-log 5"),
    "qRcmd," + Packets.hex("vc-log 5"),
    "qRcmd," + Packets.hex("page-state 300000"),
    "qRcmd," + Packets.hex("vmsa"),
    "qRcmd," + Packets.hex("stop-on shared-write 300000"),
    "qRcmd," + Packets.hex("stop-off shared-write 300000"),
    "qRcmd," + Packets.hex("stop-on shared-write"),
    "qSupported:multiprocess+;swbreak+;hwbreak+",
    "qAttached",
    "qC",
    "qfThreadInfo",
    "qsThreadInfo",
    "qThreadExtraInfo,p1.1",
    "qXfer:features:read:target.xml:0,100",
    "qXfer:threads:read::0,fff",
    "qXfer:memory-map:read::0,fff",
    "qSearch:memory:300000;100;abc",
    "qRcmd,696e666f",
    "qHostInfo",
    "qRcmd,73746f702d6f6e2030783732",
    "Qqemu.PhyMemMode:1",
    "Qqemu.sstep=1",
    "qqemu.Supported",
    "G" + "00".repeat(100),
    "vKill",
    "zzz",
    ""
  };

  private static byte[] mutated(Random r) {
    byte[] p = Packets.text(TRUE[r.nextInt(TRUE.length)]);
    List<Byte> b = new ArrayList<>();
    for (byte x : p) {
      b.add(x);
    }
    for (int n = r.nextInt(4); n > 0; n--) {
      int at = r.nextInt(b.size() + 1);
      switch (r.nextInt(4)) {
        case 0 -> b.add(at, (byte) r.nextInt(256));
        case 1 -> b.add(at, (byte) "0123456789abcdef,;:-+=p.".charAt(r.nextInt(24)));
        case 2 -> {
          if (at < b.size()) {
            b.remove(at);
          }
        }
        default -> {
          if (at < b.size()) {
            b.set(at, (byte) "ffffffff0,;:XsrZ".charAt(r.nextInt(16)));
          }
        }
      }
    }
    byte[] out = new byte[b.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = b.get(i);
    }
    return out;
  }

  @Test
  void eachPacketHasAnAnswer() throws Exception {
    ByteArrayOutputStream sent = new ByteArrayOutputStream();
    Client c =
        new Client(
            Channels.newChannel(new ByteArrayInputStream(new byte[0])),
            new Client.Outgoing() {
              @Override
              public void send(byte[] b) {
                sent.writeBytes(b);
              }

              @Override
              public void close() {}
            });
    Points points = new Points();
    try (Machine m =
        new Machine(
            MachineSpec.builder(
                    SevMode.ES,
                    FlatGuest.image(
                        "mov esp, 0x380000\nagain: inc rax\npush rax\npop rcx\njmp again"),
                    b -> {})
                .memoryBytes(8 << 20)
                .build())) {
      List<RegisterSet.Register> all = new RegisterSet(m.observer().vcpu(0)).all();
      points.of(m, all);
      Monitor monitor = new Monitor(m);
      Past past = new Past(m, true);
      past.begin();
      Stub s = new Stub(c, points, m, monitor, past, all, () -> false);
      Random r = new Random(28);
      int[] steps = new int[2];
      for (int i = 0; i < PACKETS; i++) {
        byte[] p = mutated(r);
        sent.reset();
        Stub.Then then = s.take(p);
        if (then == Stub.Then.STAND || then == Stub.Then.DETACH) {
          assertThat(sent.size()).as(Packets.text(p)).isGreaterThanOrEqualTo(4);
        } else if (i % 8 == 0 && then == Stub.Then.GO) {
          steps[s.resume().back() ? 1 : 0]++;
          move(m, past, monitor.stops().until(), s.resume());
        }
      }
      assertThat(Math.min(steps[0], steps[1])).as("on and back").isGreaterThan(PACKETS / 2000);
      past.end();
      points.clear();
      m.run(Until.instructions(m.instructions() + 1000));
    }
  }

  /** Goes on by a few instructions, or back as far as that leads; the past is always there. */
  private static void move(Machine m, Past past, Until events, Resume how) {
    long before = m.instructions();
    if (how.back()) {
      past.back(how.step(), events, x -> true);
      assertThat(m.instructions()).isLessThanOrEqualTo(before);
    } else if (how.isStep()) {
      past.step(how.step());
    } else {
      past.run(events.or(Until.instructions(before + 50)));
    }
  }

  /** What a stranger sets has an end, in memory and in the time that it takes when it is met. */
  @Test
  void conditionsHaveAnEnd() throws Exception {
    Points points = new Points();
    String condition = "X8,2600002303e81327";
    assertThat(points.change(true, "0,1000,1;" + condition.repeat(64))).isEqualTo("OK");
    assertThat(points.change(true, "0,2000,1;" + condition.repeat(65))).isEqualTo("E22");
    String large = ";Xf000," + "22".repeat(0xF000);
    int taken = 0;
    while (taken < 1000
        && points.change(true, "1," + Integer.toHexString(taken) + ",1" + large).equals("OK")) {
      taken++;
    }
    assertThat(taken).isBetween(60, 70);
    assertThat(points.change(true, "1,0,1" + large)).as("in the place of the same").isEqualTo("OK");
    points.clear();
    assertThat(points.change(true, "0,2000,1" + large)).isEqualTo("OK");
  }

  /** Ten thousand watchpoints at one place, none of whose conditions ends by itself. */
  @Test
  void conditionsOfOneStopHaveAnEndTogether() throws Exception {
    try (Machine m =
        new Machine(
            MachineSpec.builder(SevMode.ES, FlatGuest.image("nop\nhlt"), b -> {})
                .memoryBytes(8 << 20)
                .build())) {
      Points points = new Points();
      points.of(m, new RegisterSet(m.observer().vcpu(0)).all());
      for (int i = 0; i < 10_000; i++) {
        // goto 0
        String point = "4,300000,%x;X3,210000".formatted(i + 8);
        assertThat(points.change(true, point)).isEqualTo("OK");
      }
      Stop.Watchpoint s = new Stop.Watchpoint(0, 0x30_0000, 8, true, 0);
      assertThat(points.report(s, m.observer().vcpu(0))).startsWith("awatch");
      AgentExpression.Budget budget = new AgentExpression.Budget();
      AgentExpression.World none = new GuestWorld(m.observer().vcpu(0), List.of());
      int worked = 0;
      while (!budget.isSpent() && worked < 1_000_000) {
        // const8 0, end
        AgentExpression.value(new byte[] {0x22, 0, 0x27}, none, budget);
        worked++;
      }
      assertThat(worked).isLessThanOrEqualTo(200_000);
      points.clear();
    }
  }

  @Test
  void bytesThatAreNoPacketsAreBorne() {
    Random r = new Random(29);
    PacketReader reader = new PacketReader();
    int packets = 0;
    for (int i = 0; i < 4_000_000; i++) {
      int b = r.nextInt(8) == 0 ? "$#}*\3+-".charAt(r.nextInt(7)) : r.nextInt(256);
      packets += reader.take(b) instanceof PacketReader.Packet ? 1 : 0;
    }
    assertThat(packets).as("by chance").isPositive();
    byte[] large = Packets.framed(new byte[Packets.LARGEST + 1]);
    PacketReader.Message last = null;
    for (byte b : large) {
      last = reader.take(b & 0xFF);
    }
    assertThat(last).isInstanceOf(PacketReader.Broken.class);
  }

  @Test
  void expressionsHaveAnEnd() {
    Random r = new Random(30);
    AgentExpression.World nothing =
        new AgentExpression.World() {
          @Override
          public long register(int number) {
            return number;
          }

          @Override
          public long memory(long address, int bytes) {
            return address;
          }
        };
    int worked = 0;
    for (int i = 0; i < 100_000; i++) {
      byte[] code = new byte[1 + r.nextInt(12)];
      for (int n = 0; n < code.length; n++) {
        code[n] = (byte) (r.nextInt(6) == 0 ? r.nextInt(256) : 2 + r.nextInt(0x32));
      }
      code[code.length - 1] = 0x27;
      try {
        AgentExpression.value(code, nothing, new AgentExpression.Budget());
        worked++;
      } catch (AgentExpression.Malformed e) {
        assertThat(e.getMessage()).isNotEmpty();
      }
    }
    assertThat(worked).isGreaterThan(1000);
  }
}
