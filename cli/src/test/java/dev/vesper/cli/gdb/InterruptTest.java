package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** Ctrl-C as the protocol has it: a byte 03 between packets, in both directions. */
@Timeout(value = 20, unit = TimeUnit.MINUTES)
final class InterruptTest {
  private static final byte[] CTRL_C = {3};
  private static final String STOPPED = "T02thread:p1.1;core:0;";

  /** Nothing is ever written there, but it has to be looked for all the way. */
  private static final String NEVER = "Z2,300000,8";

  private static final int ROUNDS = 25;

  @TempDir Path dir;

  /** {@return the number of the register that counts instructions, as the target describes it} */
  private static int counter(GdbClient c) throws Exception {
    String all = c.ask("qXfer:features:read:target.xml:0,fff0");
    assertThat(all).startsWith("l");
    String before = all.substring(0, all.indexOf("\"icount\""));
    return before.split("<reg name=", -1).length - 2;
  }

  private String serve(MachineSpec spec, RealGdb.Session client) throws Exception {
    Outcome[] ended = new Outcome[1];
    try (ServerSocketChannel s = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      s.bind(UnixDomainSocketAddress.of(dir.resolve("socket")));
      String said = RealGdb.serve(spec, s, client, ended);
      assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
      return said;
    }
  }

  /** Runs for a while, and then stays there. */
  private static final String LONG_LOOP =
      """
          mov ecx, 200000000
      on: dec ecx
          jnz short on
      there:
          nop
          jmp short there
      """;

  @Test
  void aRunIsInterruptedInBothDirections() throws Exception {
    MachineSpec spec =
        MachineSpec.builder(SevMode.ES, FlatGuest.image(LONG_LOOP), b -> {})
            .memoryBytes(64L << 20)
            .build();
    serve(
        spec,
        () -> {
          try (GdbClient c = new GdbClient(dir.resolve("socket"))) {
            c.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
            int icount = counter(c);
            assertThat(c.ask("Z1,100009,1")).isEqualTo("OK");
            assertThat(c.ask("vCont;c")).as("the first one comes to it").endsWith("hwbreak:;");
            assertThat(c.register(icount)).isEqualTo(400_000_001);
            assertThat(c.ask("z1,100009,1")).isEqualTo("OK");
            assertThat(c.ask(NEVER)).isEqualTo("OK");
            long last = 0;
            for (String on : new String[] {"c", "vCont;c:p1.-1"}) {
              c.say(on);
              c.raw(CTRL_C);
              assertThat(c.answer()).isEqualTo(STOPPED);
              assertThat(c.register(icount)).isGreaterThanOrEqualTo(last);
              last = c.register(icount);
            }
            c.say("bc");
            c.raw(CTRL_C);
            assertThat(c.answer()).isEqualTo(STOPPED);
            assertThat(c.register(icount)).isBetween(1L, last);
            assertThat(c.ask("bc")).as("what is there").contains("replaylog:begin");
            c.raw(CTRL_C);
            assertThat(c.ask("?")).as("one that nobody needs has no answer").startsWith("T05");
            c.say("k");
            return "";
          }
        });
  }

  /** Says how long it takes from the byte to the answer, of a guest that has booted. */
  @Test
  @Tag("slow")
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void aBootedKernelIsInterruptedSoon() throws Exception {
    String said =
        serve(
            DebianGuest.spec(SevMode.ES).build(),
            () -> {
              try (GdbClient c = new GdbClient(dir.resolve("socket"))) {
                c.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
                String place = fault();
                assertThat(c.ask("Z1," + place + ",1")).isEqualTo("OK");
                assertThat(c.ask("vCont;c")).as("do_user_addr_fault").endsWith("hwbreak:;");
                assertThat(c.ask("z1," + place + ",1")).isEqualTo("OK");
                assertThat(c.ask(NEVER)).isEqualTo("OK");
                Random chance = new Random(3);
                int icount = counter(c);
                List<Long> on = new ArrayList<>();
                List<Long> back = new ArrayList<>();
                StringBuilder b = new StringBuilder();
                for (int i = 0; i < ROUNDS; i++) {
                  on.add(interrupted(c, "vCont;c", 50 + chance.nextInt(400)));
                  b.append(c.register(icount)).append(' ');
                  back.add(interrupted(c, "bc", 50 + chance.nextInt(1500)));
                  b.append(c.register(icount)).append('\n');
                }
                c.say("k");
                return b + figures("on", on) + figures("back", back);
              }
            });
    System.out.println(said);
  }

  private String fault() throws Exception {
    String names = Tools.run("nm", DebianGuest.symbols(dir).toString());
    return names
        .lines()
        .filter(l -> l.endsWith(" do_user_addr_fault"))
        .map(l -> l.substring(0, 16))
        .findFirst()
        .orElseThrow();
  }

  /** {@return microseconds from Ctrl-C to the answer} */
  private static long interrupted(GdbClient c, String how, int millis) throws Exception {
    c.say(how);
    Thread.sleep(millis);
    long began = System.nanoTime();
    c.raw(CTRL_C);
    String a = c.answer();
    long took = TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - began);
    assertThat(a).as("after " + took).startsWith("T02");
    assertThat(took).isLessThan(60_000_000);
    return took;
  }

  private static String figures(String name, List<Long> micros) {
    List<Long> m = new ArrayList<>(micros);
    Collections.sort(m);
    return "%s: %d times, median %d us, most %d us %s%n"
        .formatted(name, m.size(), m.get(m.size() / 2), m.getLast(), micros);
  }
}
