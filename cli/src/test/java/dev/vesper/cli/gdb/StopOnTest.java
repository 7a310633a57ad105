package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Events at which a client has the guest stand still. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
final class StopOnTest {
  @TempDir Path dir;

  @Test
  void eventsStopTheGuest() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, Locore.image())) {
      assertThat(s.monitor("stop-on 0x72")).contains("stopped at vc 0x72");
      s.say("c");
      assertThat(s.answer()).startsWith("O" + Packets.hex("vesper: VcRaised"));
      assertThat(s.answer()).startsWith("T05");
      assertThat(s.monitor("stop-on none")).contains("not stopped");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "ES, vc cpuid, 'vc 0x72', 'VcRaised 0x72 SVM_VMEXIT_CPUID at 0x'",
    "ES, vmgexit, vmgexit, 'GhcbExchange 0x'",
    "ES, vmgexit 7b, vmgexit 0x7b, 'GhcbExchange 0x7b SVM_VMEXIT_IOIO at 0x'",
    "ES, inject, inject, 'Injected vector 0x'",
    "ES, page-state, page-state, 'PageStateChanged 0x'",
    "SNP, page-state, page-state, 'Rmpadjust 0x'",
    "ES, shared-write, shared-write, 'shared write of '",
    "SNP, shared-write, shared-write, 'shared write of '"
  })
  void theGuestStandsStillAtEachKindOfEvent(
      SevMode mode, String asked, String said, String happened) throws Exception {
    try (GdbSession s = new GdbSession(dir, mode, Locore.image())) {
      assertThat(s.monitor("stop-on " + asked)).isEqualTo("the guest is stopped at " + said + "\n");
      s.say("c");
      assertThat(s.answer()).startsWith("O" + Packets.hex("vesper: " + happened));
      assertThat(s.answer()).startsWith("T05");
      assertThat(s.monitor("stop-off " + asked)).contains("not stopped");
    }
  }

  /** The page that the guest asks its host by. */
  @Test
  void writesToASharedPageAreWaitedForInBothDirections() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, Locore.image())) {
      s.monitor("stop-on exchange 2");
      stop(s, "c");
      Matcher ghcb = Pattern.compile("ghcb 0x(\\w+)000 ").matcher(s.monitor("exchange-log 1"));
      assertThat(ghcb.find()).isTrue();
      s.monitor("stop-off");
      String page = "shared-write 0x" + ghcb.group(1) + "000";
      assertThat(s.monitor("stop-on shared-write 0x" + ghcb.group(1) + "123")).contains(page);
      List<String> stops = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        String stop = stop(s, "c");
        assertThat(stop).containsPattern("shared write of \\d+ bytes to 0x" + ghcb.group(1));
        stops.add(stop);
      }
      for (int i = 2; i >= 1; i--) {
        String back = stop(s, "bc");
        assertThat(said(back)).as("the same write").isEqualTo(said(stops.get(i)));
        assertThat(place(s)).as("before it").isEqualTo(place(stops.get(i)) - 1);
      }
      assertThat(stop(s, "c")).isEqualTo(stops.get(1));
      assertThat(s.monitor("stop-off " + page)).contains("not stopped");
      assertThat(s.monitor("stop-on shared-write 0x7fff000")).contains("0x7fff000");
      s.say("bc");
      assertThat(s.answer()).contains("replaylog:begin");
    }
  }

  private static long place(String stop) {
    return Long.parseLong(stop.substring(0, stop.indexOf(' ')));
  }

  private static String said(String stop) {
    return stop.substring(stop.indexOf(' '));
  }

  @Test
  void withoutSevAllMemoryIsShared() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.OFF, "on: jmp on")) {
      assertThat(s.monitor("stop-on shared-write")).contains("all memory is shared");
      assertThat(s.monitor("stop-on")).contains("not stopped");
    }
  }

  private static String text(String output) {
    return new String(GdbClient.bytes(output.substring(1)), StandardCharsets.UTF_8);
  }

  /** {@return how many instructions there were} */
  private static long place(GdbSession s) {
    return s.machine.instructions();
  }

  /** {@return what the guest has stopped at, and where} */
  private static String stop(GdbSession s, String how) throws Exception {
    s.say(how);
    String said = text(s.answer());
    assertThat(s.answer()).startsWith("T05");
    return place(s) + " " + said;
  }

  @ParameterizedTest
  @CsvSource({
    "ES, vc",
    "ES, vc cpuid",
    "ES, vmgexit 7b",
    "SNP, vmgexit",
    "SNP, page-state",
    "SNP, inject"
  })
  void theGuestGoesBackToEvents(SevMode mode, String what) throws Exception {
    try (GdbSession s = new GdbSession(dir, mode, Locore.image())) {
      s.monitor("stop-on " + what);
      List<String> stops = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        stops.add(stop(s, "c"));
      }
      for (int i = 3; i >= 0; i--) {
        assertThat(stop(s, "bc")).isEqualTo(stops.get(i));
      }
      assertThat(stop(s, "c")).isEqualTo(stops.get(1));
      s.monitor("stop-off");
      s.say("bc");
      assertThat(s.answer()).contains("replaylog:begin");
    }
  }

  /** Numbers of exchanges are those of the whole run, wherever the guest stands. */
  @Test
  void theGuestGoesToExchangesByTheirNumbers() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.SNP, Locore.image())) {
      Map<Integer, String> stops = new HashMap<>();
      for (int n : new int[] {2, 9, 5}) {
        assertThat(s.monitor("stop-on exchange " + n)).contains("exchange " + n);
        stops.put(n, stop(s, n == 5 ? "bc" : "c"));
        String log = s.monitor("exchange-log 2");
        assertThat(log).startsWith(n + " exchanges\nexchange " + (n - 1) + " cpu 0");
        assertThat(log)
            .contains("\nexchange " + n + " cpu 0")
            .doesNotContain("exchange " + (n + 1));
        s.monitor("stop-off");
      }
      String exceptions = s.monitor("vc-log 1");
      s.monitor("stop-on exchange 2");
      assertThat(stop(s, "bc")).isEqualTo(stops.get(2));
      s.monitor("stop-on exchange 5");
      assertThat(stop(s, "c")).isEqualTo(stops.get(5));
      assertThat(s.monitor("vc-log 1")).isEqualTo(exceptions);
    }
  }

  /** Another future has exchanges of its own, with the numbers that those of the other one had. */
  @Test
  void anotherFutureHasOtherExchanges() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, Locore.image())) {
      s.monitor("stop-on exchange 6");
      stop(s, "c");
      String whole = s.monitor("vc-list 50");
      s.monitor("stop-on exchange 3");
      stop(s, "bc");
      String part = s.monitor("vc-list 50");
      assertThat(whole).startsWith(part.substring(0, part.indexOf("\n  ")));
      assertThat(s.ask("P3=0100000000000000")).isEqualTo("OK");
      s.monitor("stop-on exchange 5");
      stop(s, "c");
      assertThat(s.monitor("exchange-log 9")).startsWith("5 exchanges\nexchange 1 ");
      assertThat(s.monitor("exchange-log 9").lines().filter(l -> l.startsWith("exchange ")))
          .hasSize(5);
    }
  }

  /** The first page whose state changes, and one behind it in the same instruction's run. */
  @Test
  void theStateOfOnePageIsWaitedFor() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, "mov [0x30002000], eax\nhlt\n")) {
      assertThat(s.monitor("stop-on page-state 0x12345")).contains("page-state 0x12000");
      assertThat(s.monitor("stop-on page-state")).contains("0x12000, page-state");
      assertThat(s.monitor("stop-off page-state 0x77000")).contains("not stopped at page-state");
      assertThat(s.monitor("stop-off vc cpuid nothing")).contains("stop-on takes");
      assertThat(s.monitor("stop-on breach")).contains("--check");
      assertThat(s.monitor("stop-off page-state")).isEqualTo(s.monitor("stop-on"));
      assertThat(s.monitor("stop-off")).contains("not stopped");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "triple-fault, 'mov eax, 0x1234\ncpuid\nhlt\n', AutomaticExit",
    "termination, 'mov ecx, 0xc0010130\n"
        + "mov eax, 0x100\n"
        + "xor edx, edx\n"
        + "wrmsr\n"
        + "vmgexit\n"
        + "', MsrExchange"
  })
  void theEndOfALifeIsWaitedFor(String asked, String source, String event) throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, source.replace("\\n", "\n"))) {
      assertThat(s.monitor("stop-on " + asked)).contains("stopped at " + asked);
      s.say("c");
      assertThat(s.answer()).startsWith("O");
      assertThat(s.answer()).as(event).startsWith("T06");
    }
  }

  @Test
  void eventsThatAreStoppedAtHaveAnEnd() throws Exception {
    try (GdbSession s = new GdbSession(dir, SevMode.ES, "on: jmp on")) {
      for (int i = 0; i < 64; i++) {
        assertThat(s.monitor("stop-on %x".formatted(i))).contains("0x%x".formatted(i));
      }
      assertThat(s.monitor("stop-on 40")).contains("64 already").doesNotContain("0x40");
      assertThat(s.monitor("stop-on 0x3f")).as("the same again").doesNotContain("already");
      assertThat(s.monitor("stop-on none")).contains("not stopped");
    }
  }
}
