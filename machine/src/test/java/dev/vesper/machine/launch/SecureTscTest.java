package dev.vesper.machine.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.math.BigInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class SecureTscTest {
  /** Scales are those of the firmware's rule: rounded up in the last of 32 binary places. */
  @ParameterizedTest
  @CsvSource({
    "100000, 0x1_0000_0000, 100",
    "1000000, 0xA_0000_0000, 1000",
    "2400000, 0x18_0000_0000, 2400",
    "2445445, 0x18_7456_D5D0, 2445",
    "1, 0xA7C6, 0",
    "25599999, 0xFF_FFFF_583B, 25599"
  })
  void theScaleIsOfTheReferenceClock(long kilohertz, String scale, long megahertz) {
    SecureTsc t = SecureTsc.ofKilohertz(kilohertz);
    assertThat(t.scale()).isEqualTo(Long.decode(scale.replace("_", "")));
    assertThat(t.megahertz()).isEqualTo(megahertz);
    assertThat(t.offset()).isZero();
  }

  @Test
  void onlyFortyBitsOfAScaleCount() {
    assertThat(new SecureTsc(-1L, 5).scale()).isEqualTo(0xFF_FFFF_FFFFL);
  }

  /** The rate is 0.2 % below the nominal one, as the secrets page says, whatever the time. */
  @ParameterizedTest
  @CsvSource({
    "1000000, 0",
    "1000000, 1",
    "2000000, 999999999",
    "2445445, 123456789012345",
    "25599999, 4611686018427387",
    "1, 1000000000"
  })
  void theCounterIsSlowerInTheMean(long kilohertz, long nanos) {
    BigInteger exact =
        BigInteger.valueOf(nanos)
            .multiply(BigInteger.valueOf(kilohertz))
            .multiply(BigInteger.valueOf(998))
            .divide(BigInteger.valueOf(1_000_000_000));
    long at = SecureTsc.ofKilohertz(kilohertz).at(nanos);
    // The rate itself has 32 binary places, like the scale.
    long apart = 2 + (long) (nanos / 0x1p31);
    assertThat(BigInteger.valueOf(at).subtract(exact).abs().longValueExact()).isLessThan(apart);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 1_000, 1_000_000, 2_445_445, 25_599_999})
  void aTimeIsFoundByTheCounter(long kilohertz) {
    SecureTsc t = new SecureTsc(SecureTsc.ofKilohertz(kilohertz).scale(), 12345);
    for (long nanos = 1; nanos < 1L << 50; nanos = nanos * 7 + 3) {
      long there = t.reaches(t.at(nanos));
      assertThat(t.at(there)).isEqualTo(t.at(nanos));
      assertThat(there).isLessThanOrEqualTo(nanos);
      assertThat(there == 0 || t.at(there - 1) < t.at(nanos)).isTrue();
    }
  }

  @Test
  void aCounterThatStandsStillReachesNothing() {
    SecureTsc t = new SecureTsc(0, 7);
    assertThat(t.at(1L << 60)).isEqualTo(7);
    assertThat(t.reaches(8)).isEqualTo(Long.MAX_VALUE);
  }

  /** As a paravirtual clock computes: shifted, multiplied, the upper half. */
  @ParameterizedTest
  @ValueSource(longs = {1_000, 100_000, 1_000_000, 2_445_445, 25_599_999})
  void theLengthOfATickGivesTimeBack(long kilohertz) {
    SecureTsc t = SecureTsc.ofKilohertz(kilohertz);
    SecureTsc.TickLength l = t.tick();
    assertThat(l.multiplier()).isBetween(1L << 31, (1L << 32) - 1);
    long nanos = 3_600_000_000_000L;
    BigInteger ticks = BigInteger.valueOf(t.at(nanos)).shiftLeft(l.shift());
    long back = ticks.multiply(BigInteger.valueOf(l.multiplier())).shiftRight(32).longValueExact();
    assertThat(back).isCloseTo(nanos, within(nanos / 100_000_000));
  }
}
