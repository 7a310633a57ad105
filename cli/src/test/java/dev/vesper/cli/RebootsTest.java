package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.ResetPolicy;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code -no-reboot} and {@code -action reboot=}. */
final class RebootsTest {
  private static final long MINUTE = 60_000_000_000L;

  @TempDir static Path dir;

  @BeforeAll
  static void makeGuests() throws Exception {
    // Says how often it was started, in memory that resets keep, and ends at the fifth time.
    String counts =
        """
            inc byte [0x300000]
            mov al, [0x300000]
            add al, 48
            mov dx, 0x3f8
            out dx, al
            cmp al, 53
            jne reset
            mov al, 0x10
            out 0xf4, al
        reset:
        """;
    Files.write(dir.resolve("asks"), FlatGuest.image(counts + "mov al, 0xfe\nout 0x64, al\nhlt"));
    // What was never written is no number in a private page.
    Files.write(
        dir.resolve("private"),
        FlatGuest.image("mov al, 49\nmov dx, 0x3f8\nout dx, al\nmov al, 0xfe\nout 0x64, al\nhlt"));
    Files.write(dir.resolve("faults"), FlatGuest.image(counts + "lidt [0x8000]\nint3"));
  }

  @ParameterizedTest
  @CsvSource({
    "off, asks, -no-reboot, 0, 1, ''",
    "off, asks, -action reboot=shutdown, 0, 1, ''",
    "off, asks, -action reboot=reset, 33, 12345, it starts again",
    "off, asks, , 6, 123, guest asked for a reset for the third time",
    "off, faults, , 5, 123, (triple fault) for the third time",
    "off, faults, -no-reboot, 5, 1, triple fault",
    "sev, private, , 0, 1, which encrypted guests cannot have",
    "sev, private, -no-reboot, 0, 1, ''"
  })
  void whatAResetDoes(
      String sev, String image, String option, int status, String console, String said) {
    Path written = dir.resolve("console");
    String line =
        "run --sev %s %s %s -serial file:%s --limit-insns 100000"
            .formatted(sev, dir.resolve(image), option == null ? "" : option, written);
    CommandResult r = CommandResult.of(line.split(" +"));
    assertThat(r.err()).contains(said);
    if (said.isEmpty()) {
      assertThat(r.err()).isEmpty();
    }
    assertThat(written).hasContent(console);
    assertThat(r.status()).as(r.err()).isEqualTo(status);
  }

  /** What is no shutdown, or is to end the run, keeps nothing. */
  @ParameterizedTest
  @CsvSource({
    "-no-shutdown -action shutdown=poweroff, asks, 0, ''",
    "-no-shutdown, faults, 5, triple fault"
  })
  void whatAShutdownDoes(String options, String image, int status, String said) {
    String line =
        "run --sev off %s -no-reboot %s -serial none".formatted(dir.resolve(image), options);
    CommandResult r = CommandResult.of(line.split(" +"));
    assertThat(r.err()).contains(said);
    assertThat(r.status()).as(r.err()).isEqualTo(status);
  }

  @Test
  void whoLivesForAMinuteMayStartAgainAsOftenAsItLikes() {
    Reboots r = new Reboots(Reboots.Action.AUTO);
    Outcome asked = new Outcome(Outcome.POWER_OFF, "asked");
    for (int i = 0; i < 10; i++) {
      assertThat(r.decide(new ResetPolicy.Reset(asked, i % 3 == 0 ? MINUTE : 1, true))).isNull();
    }
    assertThat(r.decide(new ResetPolicy.Reset(asked, 1, true))).isNull();
    assertThat(r.decide(new ResetPolicy.Reset(asked, 1, true))).isNull();
    assertThat(r.decide(new ResetPolicy.Reset(asked, 1, true))).isNotNull();
  }
}
