package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The high precision event timer, by the IA-PC HPET specification 1.0a. */
final class HpetTest {
  private static final int CAPABILITIES = 0;
  private static final int CONFIGURATION = 0x10;
  private static final int STATUS = 0x20;
  private static final int COUNTER = 0xF0;
  private static final long ENABLE = 1;
  private static final long LEGACY = 2;

  private static final int LEVEL = 2;
  private static final int INTERRUPT = 4;
  private static final int PERIODIC = 8;
  private static final int SET_VALUE = 0x40;
  private static final int ONLY_32 = 0x100;

  private final List<String> events = new ArrayList<>();
  private long now;
  private final Hpet hpet =
      new Hpet(() -> now, (line, on) -> events.add(line + (on ? " up" : " down")));

  private long get(int register) {
    return hpet.read(register, 8);
  }

  private void set(int register, long value) {
    hpet.write(register, 8, value);
  }

  private static int configuration(int timer) {
    return 0x100 + 0x20 * timer;
  }

  private static int comparator(int timer) {
    return 0x108 + 0x20 * timer;
  }

  private static int route(int input) {
    return input << 9;
  }

  /** Lets time pass as the run loop does: from one event to the next. */
  private void until(long end) {
    while (hpet.nextEvent() <= end) {
      now = Math.max(now, hpet.nextEvent());
      hpet.advance(now);
    }
    now = end;
    hpet.advance(now);
  }

  @BeforeEach
  void start() {
    now = 1_000;
  }

  @Test
  void capabilitiesSayHowFastAndHowManyTimers() {
    long v = get(CAPABILITIES);
    assertThat(v >>> 32).as("femtoseconds a tick").isEqualTo(10_000_000);
    assertThat(v >> 8 & 31).as("the last timer's number").isEqualTo(2);
    assertThat(v >> 13 & 1).as("64 bits").isEqualTo(1);
    assertThat(v >> 15 & 1).as("legacy replacement").isEqualTo(1);
    assertThat(v & 0xFF).as("revision is not zero").isNotZero();
    set(CAPABILITIES, 0);
    assertThat(get(CAPABILITIES)).as("read-only").isEqualTo(v);
  }

  @Test
  void theCounterStandsUntilItIsEnabledAndKeepsItsValueWhenItIsStopped() {
    set(COUNTER, 500);
    now += 10_000;
    assertThat(get(COUNTER)).isEqualTo(500);
    set(CONFIGURATION, ENABLE);
    now += 10_000;
    assertThat(get(COUNTER)).isEqualTo(1_500);
    set(CONFIGURATION, 0);
    now += 10_000;
    assertThat(get(COUNTER)).isEqualTo(1_500);
  }

  @Test
  void halvesOfTheCounterCanBeWrittenAndReadAlone() {
    hpet.write(COUNTER + 4, 4, 0x1234_5678L);
    hpet.write(COUNTER, 4, 0x9ABC_DEF0L);
    assertThat(get(COUNTER)).isEqualTo(0x1234_5678_9ABC_DEF0L);
    assertThat(hpet.read(COUNTER + 4, 4) & 0xFFFF_FFFFL).isEqualTo(0x1234_5678L);
  }

  @Test
  void aOneShotTimerRaisesItsInputOnceByAnEdge() {
    set(configuration(0), INTERRUPT | route(20));
    set(comparator(0), 100);
    set(CONFIGURATION, ENABLE);
    until(now + 990);
    assertThat(events).isEmpty();
    until(now + 10);
    assertThat(events).containsExactly("20 up", "20 down");
    assertThat(get(STATUS)).as("edges leave no status").isZero();
    until(now + 100_000);
    assertThat(events).hasSize(2);
  }

  @Test
  void aTimerThatIsNotEnabledRaisesNothing() {
    set(configuration(0), route(20));
    set(comparator(0), 100);
    set(CONFIGURATION, ENABLE);
    until(now + 100_000);
    assertThat(events).isEmpty();
    assertThat(hpet.nextEvent()).isEqualTo(Timed.NEVER);
  }

  @Test
  void aStoppedCounterRaisesNothing() {
    set(configuration(0), INTERRUPT | route(20));
    set(comparator(0), 100);
    until(now + 100_000);
    assertThat(events).isEmpty();
  }

  @Test
  void aComparatorThatHasPassedWaitsForTheCounterToComeAround() {
    set(CONFIGURATION, ENABLE);
    until(now + 10_000);
    set(configuration(0), INTERRUPT | route(20));
    set(comparator(0), 100);
    until(now + 1_000_000);
    assertThat(events).isEmpty();
  }

  @Test
  void aPeriodicTimerRepeatsFromItsFirstValueByItsPeriod() {
    set(configuration(1), INTERRUPT | PERIODIC | SET_VALUE | route(21));
    set(comparator(1), 70);
    set(comparator(1), 50);
    set(CONFIGURATION, ENABLE);
    until(now + 699);
    assertThat(events).isEmpty();
    until(now + 1);
    assertThat(events).hasSize(2);
    until(now + 499);
    assertThat(events).hasSize(2);
    until(now + 1);
    assertThat(events).hasSize(4);
    until(now + 5_000);
    assertThat(events).as("ten periods").hasSize(24).contains("21 up");
  }

  @Test
  void aComparatorReadsAsTheNextMatchOfAPeriodicTimer() {
    set(configuration(0), INTERRUPT | PERIODIC | SET_VALUE | route(20));
    set(comparator(0), 100);
    set(CONFIGURATION, ENABLE);
    until(now + 2_500);
    assertThat(get(comparator(0))).isEqualTo(300);
  }

  @Test
  void aTimerOf32BitsMatchesEachTimeItsCounterComesAround() {
    long round = (1L << 32) * 10;
    set(configuration(2), INTERRUPT | ONLY_32 | route(22));
    set(comparator(2), 100);
    set(CONFIGURATION, ENABLE);
    until(now + 1_000);
    assertThat(events).hasSize(2);
    until(now + round - 10);
    assertThat(events).hasSize(2);
    until(now + 10);
    assertThat(events).as("after 2^32 ticks").hasSize(4);
  }

  @Test
  void aPeriodicTimerOf32BitsKeepsItsPhaseBeyond32Bits() {
    set(COUNTER, (1L << 32) - 50);
    set(configuration(0), INTERRUPT | PERIODIC | ONLY_32 | SET_VALUE | route(20));
    set(comparator(0), (1L << 32) - 20);
    set(comparator(0), 60);
    set(CONFIGURATION, ENABLE);
    until(now + 300);
    assertThat(events).as("at 2^32 - 20").hasSize(2);
    until(now + 590);
    assertThat(events).hasSize(2);
    until(now + 10);
    assertThat(events).as("at 2^32 + 40").hasSize(4);
    until(now + 600);
    assertThat(events).as("at 2^32 + 100").hasSize(6);
  }

  @Test
  void aLevelStaysUpUntilItsStatusIsWrittenWithOne() {
    set(configuration(0), INTERRUPT | LEVEL | route(20));
    set(comparator(0), 100);
    set(CONFIGURATION, ENABLE);
    until(now + 1_000);
    assertThat(events).containsExactly("20 up");
    assertThat(get(STATUS)).isEqualTo(1);
    set(STATUS, 0);
    set(STATUS, 2);
    assertThat(events).as("zeros and others' bits do nothing").hasSize(1);
    assertThat(get(STATUS)).isEqualTo(1);
    set(STATUS, 1);
    assertThat(events).containsExactly("20 up", "20 down");
    assertThat(get(STATUS)).isZero();
  }

  @Test
  void legacyReplacementRoutesTheFirstTwoTimersAsThe8254AndTheClock() {
    for (int i = 0; i < 3; i++) {
      set(configuration(i), INTERRUPT | route(20 + i));
      set(comparator(i), 100 + i);
    }
    set(CONFIGURATION, ENABLE | LEGACY);
    assertThat(hpet.legacyReplacement()).isTrue();
    until(now + 2_000);
    assertThat(events).containsExactly("0 up", "0 down", "8 up", "8 down", "22 up", "22 down");
    set(CONFIGURATION, LEGACY);
    assertThat(hpet.legacyReplacement()).as("only while it runs").isFalse();
  }

  @Test
  void aTimerSaysWhatItCanDoAndKeepsOnlyWhatItHas() {
    long can = get(configuration(0));
    assertThat(can & 0x30).as("periodic, 64 bits").isEqualTo(0x30);
    assertThat(can >>> 32 & 1 << 20).as("input 20 can be had").isNotZero();
    set(configuration(0), -1L);
    long v = get(configuration(0));
    assertThat(v >>> 32).as("routes are read-only").isEqualTo(can >>> 32);
    assertThat(v & 0xC081).as("bit 0, 7, FSB delivery and its enable are not there").isZero();
    set(configuration(0), 0);
    assertThat(get(configuration(0)) & 0xFFFF_FFFFL).isEqualTo(0x30);
  }

  @Test
  void periodsThatPassUnseenAreOneInterruptAndTheNextIsInTime() {
    set(configuration(0), INTERRUPT | PERIODIC | SET_VALUE | route(20));
    set(comparator(0), 100);
    set(CONFIGURATION, ENABLE);
    long begin = now;
    now += 10_500;
    hpet.advance(now);
    assertThat(events).hasSize(2);
    assertThat(hpet.nextEvent()).isEqualTo(begin + 11_000);
  }
}
