package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.Pipe;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A client says each packet, and the guest does what it says and nothing else. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
final class GdbServerTest {
  /** Counts in RAX and at 300000; reads 300008. It begins at 100000. */
  private static final String COUNTS =
      """
          mov ebx, 0x300000
          xor eax, eax
      again:
          inc rax
          mov [rbx], rax
          mov rcx, [rbx+8]
          jmp short again
      """;

  private static final long AGAIN = 0x10_0007;
  private static final long STORE = AGAIN + 3;
  private static final int RAX = 0;
  private static final int RCX = 2;
  private static final int RIP = RegisterSet.RIP;

  @TempDir Path dir;

  private GdbSession session(SevMode mode) throws Exception {
    GdbSession s = new GdbSession(dir, mode, COUNTS);
    assertThat(s.ask("qSupported:multiprocess+;swbreak+;hwbreak+"))
        .contains("PacketSize=20000", "vContSupported+", "ConditionalBreakpoints+");
    return s;
  }

  private GdbSession session() throws Exception {
    return session(SevMode.ES);
  }

  private static String at(long address) {
    return Long.toHexString(address);
  }

  @ParameterizedTest
  @EnumSource(SevMode.class)
  void aBreakpointIsMetInEachMode(SevMode mode) throws Exception {
    try (GdbSession s = session(mode)) {
      assertThat(s.ask("?")).isEqualTo("T05thread:p1.1;core:0;");
      assertThat(s.register(RIP)).isEqualTo(0x10_0000);
      assertThat(s.ask("Z0," + at(STORE) + ",1")).isEqualTo("OK");
      assertThat(s.ask("vCont;c")).isEqualTo("T05thread:p1.1;core:0;swbreak:;");
      assertThat(s.register(RIP)).isEqualTo(STORE);
      assertThat(s.register(RAX)).isEqualTo(1);
      assertThat(s.ask("c")).endsWith("swbreak:;");
      assertThat(s.register(RAX)).isEqualTo(2);
      assertThat(s.ask("z0," + at(STORE) + ",1")).isEqualTo("OK");
      assertThat(s.ask("Z1," + at(AGAIN) + ",1")).isEqualTo("OK");
      assertThat(s.ask("vCont;c:p1.-1")).endsWith("hwbreak:;");
      assertThat(s.register(RIP)).isEqualTo(AGAIN);
      assertThat(GdbSession.bytes(s.ask("m100000,5"))).startsWith(0xbb, 0, 0, 0x30, 0);
    }
  }

  /** RAX = 1000: reg 0, const16, equal, end. */
  @Test
  void aConditionIsJudgedWithoutTheClient() throws Exception {
    try (GdbSession s = session()) {
      assertThat(s.ask("Z0," + at(AGAIN) + ",1;X8,2600002303e81327")).isEqualTo("OK");
      assertThat(s.ask("vCont;c")).endsWith("swbreak:;");
      assertThat(s.register(RAX)).isEqualTo(1000);
      // The same of memory: const32 0x300000, ref64, const16 1500, equal, end.
      assertThat(s.ask("z0," + at(AGAIN) + ",1")).isEqualTo("OK");
      assertThat(s.ask("Z1," + at(AGAIN) + ",1;Xb,24003000001a2305dc1327")).isEqualTo("OK");
      assertThat(s.ask("vCont;c")).endsWith("hwbreak:;");
      assertThat(s.register(RAX)).isEqualTo(1500);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "'Z2,300000,8', watch:300000;, 3",
    "'Z3,300008,4', rwatch:300008;, 4",
    "'Z4,300004,8', awatch:300004;, 3"
  })
  void dataIsWatched(String point, String why, int stepsBehindInc) throws Exception {
    try (GdbSession s = session()) {
      assertThat(s.ask(point)).isEqualTo("OK");
      assertThat(s.ask("vCont;c")).endsWith(why);
      assertThat(s.register(RIP))
          .as("behind the instruction")
          .isEqualTo(stepsBehindInc == 3 ? STORE + 3 : STORE + 7);
      assertThat(s.ask("z" + point.substring(1))).isEqualTo("OK");
      assertThat(s.ask("Z0," + at(AGAIN) + ",1")).isEqualTo("OK");
      assertThat(s.ask("vCont;c")).endsWith("swbreak:;");
    }
  }

  @Test
  void stepsAreOneInstructionOrARange() throws Exception {
    try (GdbSession s = session()) {
      assertThat(s.ask("vCont;s:p1.1;c:p1.-1")).isEqualTo("T05thread:p1.1;core:0;");
      assertThat(s.register(RIP)).isEqualTo(0x10_0005);
      assertThat(s.ask("s")).startsWith("T05");
      assertThat(s.register(RIP)).isEqualTo(AGAIN);
      assertThat(s.ask("vCont;r" + at(AGAIN) + "," + at(STORE + 3) + ":p1.1")).startsWith("T05");
      assertThat(s.register(RIP)).isEqualTo(STORE + 3);
      assertThat(s.ask("s" + at(STORE))).as("from elsewhere").startsWith("T05");
      assertThat(s.register(RIP)).isEqualTo(STORE + 3);
    }
  }

  /** A processor that waits to be started is in 16-bit code. */
  @Test
  void anInstructionPointerIsNoLongerThanTheCodesMode() throws Exception {
    try (Machine m =
        new Machine(
            MachineSpec.builder(SevMode.ES, FlatGuest.image(COUNTS), b -> {})
                .memoryBytes(64 << 20)
                .processors(2)
                .build())) {
      m.observer().vcpu(1).setRip(0x1234_0000_5678L);
      assertThat(m.observer().vcpu(1).rip()).isEqualTo(0x5678);
      m.observer().vcpu(0).setRip(0x1234_0000_5678L);
      assertThat(m.observer().vcpu(0).rip()).isEqualTo(0x1234_0000_5678L);
    }
  }

  @Test
  void ctrlCHasTheGuestStandStill() throws Exception {
    try (GdbSession s = session()) {
      for (int i = 0; i < 20; i++) {
        s.say("vCont;c");
        s.raw(new byte[] {3});
        assertThat(s.answer()).startsWith("T02thread:p1.1;");
      }
      assertThat(s.ask("qfThreadInfo")).isEqualTo("mp1.1");
    }
  }

  @Test
  void registersAreWrittenWhereThatMeansNoMore() throws Exception {
    try (GdbSession s = session()) {
      assertThat(s.ask("P0=8877665544332211")).isEqualTo("OK");
      assertThat(s.register(RAX)).isEqualTo(0x1122_3344_5566_7788L);
      assertThat(s.machine.observer().vcpu(0).gpr(0)).isEqualTo(0x1122_3344_5566_7788L);
      String all = s.ask("g");
      assertThat(all).startsWith("8877665544332211");
      assertThat(s.ask("G" + "01".repeat(8) + all.substring(16))).isEqualTo("OK");
      assertThat(s.register(RAX)).isEqualTo(0x0101_0101_0101_0101L);
      assertThat(s.ask("P12=00000000")).as("CS").isEqualTo("E95");
      assertThat(s.ask("P0=00")).isEqualTo("E22");
      assertThat(s.ask("pffff")).isEqualTo("E14");
      assertThat(s.ask("p8000000000000000")).isEqualTo("E14");
    }
  }

  /** What is too short must not have been written to half of what it is. */
  @Test
  void allRegistersAreWrittenOrNone() throws Exception {
    try (GdbSession s = session()) {
      String all = s.ask("g");
      String other = "01".repeat(8) + all.substring(16);
      assertThat(s.ask("G" + other.substring(0, all.length() - 2))).isEqualTo("E22");
      assertThat(s.ask("G" + other.substring(0, all.length() - 2) + "zz")).isEqualTo("E22");
      assertThat(s.register(RAX)).isZero();
    }
  }

  /** Its upper halves, and what it does not have, stay as they are. */
  @Test
  void registersOf32BitCodeAreWrittenAsItHasThem() throws Exception {
    String source =
        """
            mov rax, 0x00cf9b000000ffff
            mov ebx, 0x300000
            mov [rbx+8], rax
            mov dword [rbx+16], 0x0000000f
            mov [rbx+18], rbx
            lgdt [rbx+16]
            mov rax, 0x1122334455667788
            mov r8d, 0x99
            mov dword [rbx+32], 0x101000
            mov dword [rbx+36], 8
            mov dword [0x101000], 0xfeeb
            jmp far [rbx+32]
        """;
    try (GdbSession s = new GdbSession(dir, SevMode.OFF, source)) {
      while (s.machine.observer().vcpu(0).bits() == 64) {
        assertThat(s.ask("s")).startsWith("T05");
      }
      assertThat(s.register(RAX)).isEqualTo(0x5566_7788);
      assertThat(s.ask("P8=7700000000000000")).as("R8").isEqualTo("E95");
      assertThat(s.ask("P8=0000000000000000")).isEqualTo("OK");
      assertThat(s.machine.observer().vcpu(0).gpr(8)).isEqualTo(0x99);
      assertThat(s.ask("P0=0102030400000000")).isEqualTo("OK");
      assertThat(s.machine.observer().vcpu(0).gpr(0)).isEqualTo(0x1122_3344_0403_0201L);
      assertThat(s.ask("P0=0102030405000000")).isEqualTo("E95");
    }
  }

  /** -1 == RAX, as gdb has it: const8, ext, reg, equal, end; RAX < -1 is never true. */
  @Test
  void constantsOfConditionsHaveSigns() throws Exception {
    try (GdbSession s = session()) {
      assertThat(s.ask("P0=fdffffffffffffff")).isEqualTo("OK");
      assertThat(s.ask("Z0," + at(STORE) + ",1;X9,22ff16082600001327")).isEqualTo("OK");
      assertThat(s.ask("P10=0700100000000000")).isEqualTo("OK");
      assertThat(s.ask("c")).endsWith("swbreak:;");
      assertThat(s.register(RAX)).isEqualTo(-1);
    }
  }

  /** Code that is changed is executed so, and no other memory is touched. */
  @Test
  void memoryIsWrittenAsTheGuestHasIt() throws Exception {
    try (GdbSession s = session()) {
      s.ask("Z0," + at(AGAIN) + ",1");
      s.ask("vCont;c");
      assertThat(s.ask("M" + at(AGAIN) + ",3:909090")).isEqualTo("OK");
      assertThat(s.ask("vCont;c")).endsWith("swbreak:;");
      assertThat(s.ask("vCont;c")).endsWith("swbreak:;");
      assertThat(s.register(RAX)).as("nothing counts any more").isZero();
      assertThat(s.ask("M300008,8:0807060504030201")).isEqualTo("OK");
      assertThat(s.ask("vCont;c")).endsWith("swbreak:;");
      assertThat(s.register(RCX)).isEqualTo(0x0102_0304_0506_0708L);
      s.raw(
          Packets.framed(new byte[] {'X', '3', '0', '0', '0', '1', '0', ',', '2', ':', '}', 3, 5}));
      assertThat(s.answer()).isEqualTo("OK");
      assertThat(s.ask("m300010,2")).isEqualTo("2305");
      assertThat(s.ask("x300008,8")).isEqualTo("b\b\7\6\5\4\3\2\1");
      assertThat(s.ask("m" + at(1L << 40) + ",4")).isEqualTo("E14");
      assertThat(s.ask("M" + at(1L << 40) + ",1:00")).isEqualTo("E14");
      assertThat(s.ask("qSearch:memory:300000;100;" + "\5\4\3")).isEqualTo("1,30000b");
      assertThat(s.ask("qSearch:memory:300000;8;" + "\5\4\3")).isEqualTo("0");
    }
  }

  @Test
  void aSearchHasAnEndAndIsInterrupted() throws Exception {
    try (GdbSession s = session()) {
      assertThat(s.ask("qSearch:memory:300000;ffffffffffffffff;never there")).isEqualTo("E27");
      assertThat(s.ask("qSearch:memory:300000;40000001;never there")).isEqualTo("E27");
      assertThat(s.ask("qSearch:memory:300000;10000;never there")).isEqualTo("0");
      assertThat(s.ask("qSearch:memory:0;400000;" + "x".repeat(4097))).isEqualTo("E22");
      s.say("qSearch:memory:4000000;40000000;never there");
      s.raw(new byte[] {3});
      assertThat(s.answer()).isEqualTo("E04");
      assertThat(s.ask("?")).as("nothing else comes of it").startsWith("T05");
      s.say("qSearch:memory:4000000;40000000;never there");
      s.connectAgain();
      assertThat(s.ask("?")).startsWith("T");
    }
  }

  @Test
  void theHostSeesCiphertext() throws Exception {
    try (GdbSession s = session()) {
      String guest = s.ask("m100000,10");
      assertThat(s.monitor("host-view on")).contains("encrypted");
      assertThat(s.ask("m100000,10")).isNotEqualTo(guest).hasSize(32);
      s.monitor("host-view off");
      assertThat(s.ask("m100000,10")).isEqualTo(guest);
      assertThat(s.ask("Qqemu.PhyMemMode:1")).isEqualTo("OK");
      assertThat(s.ask("m100000,10")).isEqualTo(guest);
      assertThat(s.ask("qqemu.PhyMemMode")).isEqualTo("1");
    }
  }

  @Test
  void looksChangeNothing() throws Exception {
    try (GdbSession s = session()) {
      String before = s.machine.stateHash();
      s.ask("g");
      s.ask("m100000,1000");
      s.monitor("info registers");
      s.ask("qXfer:features:read:target.xml:0,ffff");
      assertThat(s.machine.stateHash()).isEqualTo(before);
    }
  }

  @Test
  void theMonitorSaysWhatClientsTakeApart() throws Exception {
    try (GdbSession s = session()) {
      assertThat(s.monitor("info registers"))
          .startsWith("\nCPU#0\nRAX=0000000000000000 ")
          .contains("\nCS =0010 0000000000000000 ffffffff 00")
          .containsPattern("GDT=     [0-9a-f]{16} [0-9a-f]{8}\n");
      assertThat(s.monitor("info version")).isNotBlank();
      assertThat(s.monitor("gva2gpa 0x100000")).isEqualTo("gpa: 0x100000\n");
      assertThat(s.monitor("gva2gpa 0x10000000000")).isEqualTo("Unmapped\n");
      assertThat(s.monitor("gva2gpa x")).contains("invalid char 'x'");
      assertThat(s.monitor("fly away")).isEqualTo("unknown command: 'fly away'\n");
      assertThat(s.monitor("stop-on what")).contains("stop-on takes");
      assertThat(s.ask("Qqemu.sstepbits")).contains("ENABLE=");
      assertThat(s.ask("qOffsets")).isEmpty();
    }
  }

  @Test
  void theDescriptionComesInParts() throws Exception {
    try (GdbSession s = session()) {
      StringBuilder xml = new StringBuilder();
      String part;
      do {
        part = s.ask("qXfer:features:read:target.xml:%x,100".formatted(xml.length()));
        xml.append(part.substring(1));
      } while (part.startsWith("m"));
      assertThat(xml.toString())
          .startsWith("<?xml")
          .endsWith("</target>")
          .contains(
              "org.gnu.gdb.i386.core",
              "org.gnu.gdb.i386.avx",
              "name=\"zmm31h\"",
              "name=\"ghcb_msr\"");
      assertThat(s.ask("qXfer:threads:read::0,fff"))
          .startsWith("l")
          .contains("<thread id=\"p1.1\" core=\"0\"", "64-bit, CPL 0]");
      assertThat(s.ask("qXfer:memory-map:read::0,fff")).startsWith("l").contains("\"ram\"");
      assertThat(s.ask("qXfer:features:read:other.xml:0,fff")).isEqualTo("E00");
      assertThat(s.ask("qXfer:features:read:target.xml:8000000000000000,fff")).isEqualTo("l");
    }
  }

  @ParameterizedTest
  @EnumSource(SevMode.class)
  void aGuestGoesBackByStepsAndToBreakpoints(SevMode mode) throws Exception {
    try (GdbSession s = session(mode)) {
      s.ask("Z0," + at(STORE) + ",1");
      for (int i = 1; i <= 5; i++) {
        assertThat(s.ask("c")).startsWith("T05");
        assertThat(s.register(RAX)).isEqualTo(i);
      }
      assertThat(s.ask("bs")).startsWith("T05").doesNotContain("replaylog");
      assertThat(s.register(RIP)).isEqualTo(AGAIN);
      assertThat(s.register(RAX)).isEqualTo(4);
      assertThat(s.ask("s")).startsWith("T05");
      assertThat(s.register(RAX)).isEqualTo(5);
      for (int i = 4; i >= 1; i--) {
        assertThat(s.ask("bc")).startsWith("T05").contains("swbreak:;");
        assertThat(s.register(RAX)).isEqualTo(i);
        assertThat(s.register(RIP)).isEqualTo(STORE);
      }
      assertThat(s.ask("bc")).startsWith("T05").contains("replaylog:begin;");
      assertThat(s.ask("c")).startsWith("T05").contains("swbreak:;");
      assertThat(s.register(RAX)).isEqualTo(1);
    }
  }

  /** Before the write, so that the client finds the value that was there. */
  @Test
  void aGuestGoesBackToWhoWroteAndByConditions() throws Exception {
    try (GdbSession s = session()) {
      s.ask("Z2,300000,8");
      for (int i = 1; i <= 4; i++) {
        assertThat(s.ask("c")).contains("watch:300000;");
      }
      assertThat(s.ask("bc")).startsWith("T05").contains("watch:300000;");
      assertThat(s.register(RIP)).isEqualTo(STORE);
      assertThat(s.register(RAX)).isEqualTo(4);
      assertThat(s.ask("m300000,1")).isEqualTo("03");
      assertThat(s.ask("z2,300000,8")).isEqualTo("OK");
      // reg 0 (RAX) == 2, in gdb's byte code.
      s.ask("Z0," + at(STORE) + ",1;X7,260000220213" + "27");
      assertThat(s.ask("bc")).startsWith("T05");
      assertThat(s.register(RAX)).isEqualTo(2);
    }
  }

  @Test
  void aChangedGuestHasNoPastBeforeThat() throws Exception {
    try (GdbSession s = session()) {
      s.ask("Z0," + at(STORE) + ",1");
      s.ask("c");
      s.ask("c");
      assertThat(s.ask("P0=6400000000000000")).isEqualTo("OK");
      s.say("bc");
      assertThat(s.answer())
          .isEqualTo(
              "O"
                  + Packets.hex(
                      "vesper: the past begins where the debugger has changed the guest\n"));
      assertThat(s.answer()).contains("replaylog:begin;");
      assertThat(s.ask("c")).contains("swbreak:;");
      assertThat(s.register(RAX)).isEqualTo(0x65);
    }
  }

  /** What it died of is not the end: it goes back, and comes to the same again. */
  @Test
  void aGuestThatHasDiedGoesBack() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, "mov eax, 0x1234\ncpuid\nhlt\n")) {
      for (int i = 0; i < 2; i++) {
        s.say("c");
        while (s.answer().startsWith("O")) {}
        assertThat(s.ask("bs")).startsWith("T05");
        assertThat(s.ask("bc")).contains("replaylog:begin;");
        assertThat(s.register(RAX)).isNotEqualTo(0x1234);
      }
      s.say("c");
      assertThat(s.answer()).startsWith("O");
      assertThat(s.answer()).startsWith("T06");
      assertThat(s.register(RAX)).isEqualTo(0x1234);
      assertThat(s.ask("c")).startsWith("W05");
    }
  }

  /** There is no table of handlers: what it died of can be looked at. */
  @Test
  void aGuestThatDiesCanBeLookedAt() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, "mov eax, 0x1234\ncpuid\nhlt\n")) {
      s.say("c");
      assertThat(s.answer()).startsWith("O" + Packets.hex("vesper: "));
      assertThat(s.answer()).startsWith("T06");
      assertThat(s.register(RAX)).isEqualTo(0x1234);
      assertThat(s.ask("c")).startsWith("W05");
      assertThat(s.outcome().status()).isEqualTo(Outcome.SHUTDOWN);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"k", "vKill;1"})
  void aClientEndsTheRun(String how) throws Exception {
    try (GdbSession s = session()) {
      s.say(how);
      assertThat(s.outcome().status()).isEqualTo(Outcome.QUIT);
    }
  }

  /** The next one finds the guest as it was left; breakpoints go with who has set them. */
  @Test
  void clientsComeAndGo() throws Exception {
    try (GdbSession s = session()) {
      s.ask("Z0," + at(STORE) + ",1");
      s.ask("c");
      s.connectAgain();
      assertThat(s.ask("?")).startsWith("T05thread:1;");
      assertThat(s.register(RIP)).isEqualTo(STORE);
      // Who comes at once has it stand still again before it has done anything.
      while (s.register(RAX) == 1) {
        assertThat(s.ask("D")).isEqualTo("OK");
        s.connectAgain();
        assertThat(s.ask("?")).startsWith("T05");
      }
      assertThat(s.register(RAX)).as("it has gone on meanwhile").isGreaterThan(1);
    }
  }

  /** What one has asked for is not the next one's, and nobody is stood still for. */
  @Test
  void whatAClientHasSetGoesWithIt() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, Locore.image())) {
      s.monitor("host-view on");
      s.ask("Qqemu.PhyMemMode:1");
      s.connectAgain();
      assertThat(s.monitor("host-view")).contains("as the guest sees it");
      assertThat(s.ask("qqemu.PhyMemMode")).isEqualTo("0");
      assertThat(s.monitor("stop-on vc")).contains("stopped at vc");
      assertThat(s.ask("D")).isEqualTo("OK");
      s.leave();
      assertThat(s.outcome().status()).as("it has run to its end").isNotEqualTo(Outcome.LIMIT);
    }
  }

  /** Answers are more than a socket holds. The run must not wait for who does not take them. */
  @Test
  void aClientThatDoesNotReadIsPutOut() throws Exception {
    try (GdbSession s = session()) {
      byte[] question = Packets.framed(Packets.text("m100000,ffff"));
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 100_000; i++) {
                  s.raw(question);
                }
              })
          .isInstanceOf(IOException.class);
      s.connectAgain();
      assertThat(s.ask("?")).startsWith("T05");
      s.say("k");
      assertThat(s.outcome().status()).isEqualTo(Outcome.QUIT);
    }
  }

  /** As behind gdb's {@code target remote |}, when gdb has died. */
  @Test
  void whoWasTheOnlyOneEndsAStandingRun() throws Exception {
    try (Machine m =
            new Machine(
                MachineSpec.builder(SevMode.ES, FlatGuest.image(COUNTS), b -> {})
                    .memoryBytes(64 << 20)
                    .build());
        GdbServer server =
            GdbServer.over(
                Channels.newChannel(new ByteArrayInputStream(Packets.framed(Packets.text("?")))),
                Channels.newChannel(new ByteArrayOutputStream()),
                true)) {
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
      Outcome late = new Outcome(Outcome.LIMIT, "nobody comes any more");
      Outcome o = server.run(m, () -> System.nanoTime() > end ? late : null, () -> {});
      assertThat(o.status()).isEqualTo(Outcome.QUIT);
    }
  }

  /** A processor that waits to be started does not step; whoever waits for that may leave. */
  @Test
  void aStepThatNobodyWaitsForDoesNotHoldTheGuestUp() throws Exception {
    String starts =
        """
            mov ebx, 0xfee00000
            mov ecx, 3000000
        later:
            dec ecx
            jnz later
            mov dword [rbx+0x310], 0x01000000
            mov dword [rbx+0x300], 0x4600
        on: jmp on
        """;
    PipedInputStream in = new PipedInputStream();
    try (Machine m =
            new Machine(
                MachineSpec.builder(SevMode.OFF, FlatGuest.image(starts), b -> {})
                    .memoryBytes(64 << 20)
                    .processors(2)
                    .build());
        PipedOutputStream client = new PipedOutputStream(in);
        GdbServer server =
            GdbServer.over(
                Channels.newChannel(in), Channels.newChannel(new ByteArrayOutputStream()), true)) {
      client.write(Packets.framed(Packets.text("vCont;s:2")));
      client.close();
      m.limit(m.instructions() + 20_000_000, Long.MAX_VALUE);
      Outcome o = server.run(m, () -> null, () -> {});
      // It depends on who is first, the processor or the news that nobody waits.
      assertThat(o.reason()).containsAnyOf("instruction limit", "the debugger has gone");
    }
  }

  private static String text(ByteArrayOutputStream sent) {
    return sent.toString(StandardCharsets.ISO_8859_1);
  }

  /** As vmd(8) restarts a guest: who debugs it hears of its end when there is none behind it. */
  @Test
  void aMachineThatFollowsAnotherIsTheSameSession() throws Exception {
    MachineSpec spec =
        MachineSpec.builder(SevMode.ES, FlatGuest.image("mov eax, 0x1234\ncpuid\nhlt\n"), b -> {})
            .memoryBytes(64 << 20)
            .build();
    ByteArrayOutputStream sent = new ByteArrayOutputStream();
    ByteBuffer go = ByteBuffer.wrap(Packets.framed(Packets.text("c")));
    Pipe client = Pipe.open();
    try (Pipe.SinkChannel sink = client.sink();
        GdbServer server = GdbServer.over(client.source(), Channels.newChannel(sent), true)) {
      for (int i = 1; i <= 2; i++) {
        int deaths = i;
        sink.write(go.duplicate());
        // While the guest runs nobody asks for more.
        Thread then =
            Thread.startVirtualThread(
                () -> {
                  try {
                    while (text(sent).split("\\$T06", -1).length <= deaths) {
                      Thread.sleep(2);
                    }
                    sink.write(go.duplicate());
                  } catch (IOException | InterruptedException e) {
                    throw new AssertionError(e);
                  }
                });
        try (Machine m = new Machine(spec)) {
          assertThat(server.run(m, () -> null, () -> {}).is(Outcome.SHUTDOWN)).isTrue();
        }
        then.join();
      }
      server.conclude(new Outcome(Outcome.SHUTDOWN, "at last"));
    }
    String all = text(sent);
    assertThat(all.split("\\$T06", -1)).as("deaths").hasSize(3);
    assertThat(all.split("\\$W", -1)).as("ends").hasSize(2);
  }

  @Test
  void whatIsNotKnownOrNotOfferedIsAnswered() throws Exception {
    try (GdbSession s = session()) {
      for (String p :
          new String[] {
            "vMustReplyEmpty", "qTStatus", "zz", "!", "", "vFile:setfs:0", "QNonStop:1"
          }) {
        assertThat(s.ask(p)).as(p).isIn("", "E22");
      }
      assertThat(s.ask("bs")).startsWith("T05").contains("replaylog:begin;");
      assertThat(s.ask("bc")).startsWith("T05").contains("replaylog:begin;");
      assertThat(s.ask("bx")).isEmpty();
      assertThat(s.ask("bs1")).isEmpty();
      assertThat(s.ask("vCont;x")).isEqualTo("E22");
      assertThat(s.ask("Hg9")).isEqualTo("E22");
      assertThat(s.ask("Z0,zz,1")).isEqualTo("E22");
      assertThat(s.ask("Z2,300000,0")).isEqualTo("E22");
      assertThat(s.ask("Z0,0,1;X5,26")).isEqualTo("E22");
      assertThat(s.ask("?")).startsWith("T05");
      s.raw(Packets.text("$g#00"));
      s.raw(Packets.framed(Packets.text("?")));
      assertThat(s.answer()).as("of what came through").startsWith("T05");
      assertThat(s.ask("QStartNoAckMode")).isEqualTo("OK");
      assertThat(s.ask("?")).startsWith("T05");
    }
  }
}
