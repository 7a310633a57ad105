package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.spec.SevMode;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
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
    "SNP, page-state, page-state, 'Rmpadjust 0x'"
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
