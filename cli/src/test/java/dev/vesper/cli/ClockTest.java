package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.time.ZoneId;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** QEMU's words for the guest's clock. */
final class ClockTest {
  private static final Instant NOW = Instant.parse("2026-07-01T12:00:00Z");
  private static final ZoneId ZONE = ZoneId.of("Europe/Berlin");

  private static String start(String option) {
    return Instant.ofEpochSecond(Clock.start(option, NOW, ZONE)).toString();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "''                       | 2027-01-01T00:00:00Z",
        "clock=vm,driftfix=none   | 2027-01-01T00:00:00Z",
        "base=utc                 | 2026-07-01T12:00:00Z",
        "base=localtime           | 2026-07-01T14:00:00Z",
        "base=2030-02-03          | 2030-02-03T00:00:00Z",
        "base=2030-02-03T04:05:06 | 2030-02-03T04:05:06Z"
      })
  void theClockStartsWhereItIsTold(String option, String date) {
    assertThat(start(option)).isEqualTo(date);
  }

  @Test
  void theDateIsLaterThanWhatOpenBsdTakesForABadClock() {
    assertThat(start("")).isGreaterThan("2024-12-18");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "clock=host       | virtual time",
        "clock=rt         | virtual time",
        "driftfix=slew    | no tick is lost",
        "base=yesterday   | a date is",
        "base=1969-12-31  | from 1970",
        "base             | takes base=utc",
        "tick=1           | not 'tick=1'"
      })
  void whatCannotBeIsRefusedWithItsReason(String option, String reason) {
    assertThatThrownBy(() -> start(option))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(reason);
  }
}
