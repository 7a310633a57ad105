package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.host.GuestRam;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;

/** The real-time clock as the data sheet of the MC146818A has it. */
final class CmosRtcTest {
  private static final long SECOND = 1_000_000_000L;
  private static final long MICRO = 1_000L;
  private static final int UPDATE_IN_PROGRESS = 0x80;

  private long time;
  private boolean line;
  private int rises;
  private int wakes;
  private final CmosRtc rtc =
      new CmosRtc(() -> time, this::line, seconds("2026-12-31T23:59:57"), GuestRam.below(64 << 20));

  CmosRtcTest() {
    rtc.onAlarm(() -> wakes++);
  }

  private static long seconds(String date) {
    return LocalDateTime.parse(date).toEpochSecond(ZoneOffset.UTC);
  }

  private void line(int number, boolean on) {
    assertThat(number).isEqualTo(8);
    rises += on && !line ? 1 : 0;
    line = on;
  }

  private int get(int register) {
    rtc.write(0x70, 1, register);
    return rtc.read(0x71, 1);
  }

  private void put(int register, int v) {
    rtc.write(0x70, 1, register);
    rtc.write(0x71, 1, v);
  }

  /** Time passes, and events happen when they are due. */
  private void after(long nanos) {
    long end = time + nanos;
    while (rtc.nextEvent() <= end) {
      assertThat(rtc.nextEvent()).as("an event is not in the past").isGreaterThanOrEqualTo(time);
      time = rtc.nextEvent();
      rtc.advance(time);
    }
    time = end;
  }

  /** Century, year, month, day, hour, minute, second as hexadecimal digits. */
  private String date() {
    return String.format(
        "%02x%02x-%02x-%02x %02x:%02x:%02x",
        get(0x32), get(9), get(8), get(7), get(4), get(2), get(0));
  }

  private void set(int... registersAndValues) {
    put(0x0B, get(0x0B) | 0x80);
    for (int i = 0; i < registersAndValues.length; i += 2) {
      put(registersAndValues[i], registersAndValues[i + 1]);
    }
    put(0x0B, get(0x0B) & 0x7F);
  }

  @Test
  void theClockGoesOnOverTheEndOfTheYear() {
    assertThat(date()).isEqualTo("2026-12-31 23:59:57");
    assertThat(get(6)).as("Thursday").isEqualTo(5);
    after(3 * SECOND);
    assertThat(date()).isEqualTo("2027-01-01 00:00:00");
    assertThat(get(6)).as("Friday").isEqualTo(6);
  }

  @Test
  void theClockCanBeSet() {
    set(9, 0x99, 0x32, 0x19, 8, 0x02, 7, 0x28, 4, 0x23, 2, 0x59, 0, 0x59, 6, 7);
    assertThat(date()).isEqualTo("1999-02-28 23:59:59");
    after(SECOND);
    assertThat(date()).isEqualTo("1999-03-01 00:00:00");
    assertThat(get(6)).as("the day of the week comes around").isEqualTo(1);
    set(9, 0x99, 8, 0x12, 7, 0x31, 4, 0x23, 2, 0x59, 0, 0x59);
    after(SECOND);
    assertThat(date()).as("the century goes on").isEqualTo("2000-01-01 00:00:00");
  }

  @Test
  void leapYearsHaveALeapDay() {
    set(9, 0x28, 8, 0x02, 7, 0x28, 4, 0x23, 2, 0x59, 0, 0x59);
    after(SECOND);
    assertThat(date()).isEqualTo("2028-02-29 00:00:00");
  }

  @Test
  void setStopsUpdates() {
    put(0x0B, 0x82);
    after(10 * SECOND);
    assertThat(date()).isEqualTo("2026-12-31 23:59:57");
    assertThat(get(0x0A) & UPDATE_IN_PROGRESS).isZero();
    put(0x0B, 0x02);
    after(SECOND);
    assertThat(date()).isEqualTo("2026-12-31 23:59:58");
  }

  @Test
  void setTakesBackTheUpdateEndedInterrupt() {
    put(0x0B, 0x92);
    assertThat(get(0x0B)).isEqualTo(0x82);
  }

  @Test
  void theUpdateIsAnnounced() {
    after(SECOND - 2_229 * MICRO);
    assertThat(get(0x0A) & UPDATE_IN_PROGRESS).isZero();
    after(MICRO);
    assertThat(get(0x0A) & UPDATE_IN_PROGRESS).isEqualTo(UPDATE_IN_PROGRESS);
    assertThat(get(0)).as("at least 244 microseconds before").isEqualTo(0x57);
    after(2_228 * MICRO);
    assertThat(get(0x0A) & UPDATE_IN_PROGRESS).isZero();
    assertThat(get(0)).isEqualTo(0x58);
  }

  @Test
  void theDividerInResetHoldsTheClockAndItsFirstUpdateIsHalfASecondAfter() {
    after(SECOND / 4);
    put(0x0A, 0x70);
    after(10 * SECOND);
    assertThat(get(0)).isEqualTo(0x57);
    put(0x0A, 0x26);
    after(SECOND / 2 - MICRO);
    assertThat(get(0)).isEqualTo(0x57);
    after(MICRO);
    assertThat(get(0)).isEqualTo(0x58);
    after(SECOND - MICRO);
    assertThat(get(0)).isEqualTo(0x58);
    after(MICRO);
    assertThat(get(0)).isEqualTo(0x59);
  }

  @Test
  void binaryAndTwelveHours() {
    put(0x0B, 0x86);
    put(4, 23);
    put(2, 59);
    put(0, 59);
    put(9, 26);
    put(0x32, 20);
    put(8, 12);
    put(7, 31);
    put(0x0B, 0x06);
    after(SECOND);
    assertThat(date()).as("2027 in binary").isEqualTo("141b-01-01 00:00:00");
    put(0x0B, 0x80);
    put(4, 0x92);
    put(2, 0x59);
    put(0, 0x59);
    put(0x0B, 0);
    after(SECOND);
    assertThat(get(4)).as("1 in the afternoon").isEqualTo(0x81);
    set(4, 0x91, 2, 0x59, 0, 0x59);
    after(SECOND);
    assertThat(get(4)).as("midnight is 12 in the morning").isEqualTo(0x12);
    set(4, 0x11, 2, 0x59, 0, 0x59);
    after(SECOND);
    assertThat(get(4)).as("noon is 12 in the afternoon").isEqualTo(0x92);
  }

  @Test
  void theAlarmInterruptsAtItsTime() {
    put(5, 0x00);
    put(3, 0x00);
    put(1, 0x02);
    put(0x0B, 0x22);
    after(5 * SECOND - 1);
    assertThat(line).isFalse();
    after(1);
    assertThat(line).isTrue();
    assertThat(wakes).isEqualTo(1);
    assertThat(get(0x0C)).as("request, and all three flags").isEqualTo(0xF0);
    assertThat(line).as("the read takes the request back").isFalse();
    assertThat(get(0x0C)).isZero();
    after(86_400 * SECOND);
    assertThat(wakes).as("every day").isEqualTo(2);
  }

  @Test
  void theAlarmNeedNotCare() {
    put(1, 0x59);
    put(3, 0xC0);
    put(5, 0xFF);
    put(0x0B, 0x22);
    after(2 * SECOND);
    assertThat(get(0x0C) & 0xA0).as("every minute").isEqualTo(0xA0);
    after(60 * SECOND);
    assertThat(get(0x0C) & 0xA0).isEqualTo(0xA0);
    put(1, 0xC0);
    for (int i = 0; i < 3; i++) {
      after(SECOND);
      assertThat(get(0x0C) & 0xA0).as("every second").isEqualTo(0xA0);
    }
    assertThat(rises).isEqualTo(5);
  }

  @Test
  void anAlarmThatNoTimeHasNeverComes() {
    put(1, 0x60);
    put(0x0B, 0x22);
    assertThat(rtc.nextEvent()).isEqualTo(Timed.NEVER);
    after(200_000 * SECOND);
    assertThat(get(0x0C) & 0x20).isZero();
  }

  @Test
  void flagsAreSetWithoutTheirInterrupts() {
    put(1, 0xC0);
    put(3, 0xC0);
    put(5, 0xC0);
    after(SECOND);
    assertThat(get(0x0C)).as("periodic, alarm, update; no request").isEqualTo(0x70);
    assertThat(rises).isZero();
  }

  @Test
  void aFlagThatWaitsInterruptsWhenItIsEnabled() {
    after(SECOND);
    put(0x0B, 0x12);
    assertThat(line).isTrue();
    put(0x0B, 0x02);
    assertThat(line).isFalse();
  }

  @Test
  void updateEndedInterruptsEachSecond() {
    put(0x0B, 0x12);
    for (int i = 1; i <= 3; i++) {
      after(SECOND);
      assertThat(rises).isEqualTo(i);
      assertThat(get(0x0C) & 0x90).isEqualTo(0x90);
    }
    after(5 * SECOND);
    assertThat(rises).as("nobody reads register C").isEqualTo(4);
  }

  @Test
  void thePeriodicInterruptHasFifteenRates() {
    int[] hertz = {0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2};
    for (int rate = 0; rate < hertz.length; rate++) {
      put(0x0A, 0x20 | rate);
      get(0x0C);
      put(0x0B, 0x42);
      int n = 0;
      long end = time + SECOND;
      while (rtc.nextEvent() <= end) {
        time = rtc.nextEvent();
        rtc.advance(time);
        assertThat(get(0x0C) & 0xC0).isEqualTo(0xC0);
        n++;
      }
      time = end;
      put(0x0B, 0x02);
      assertThat(n).as("rate " + rate).isEqualTo(hertz[rate]);
    }
  }

  @Test
  void registersCAndDAreReadOnly() {
    put(0x0C, 0xFF);
    put(0x0D, 0);
    assertThat(get(0x0C)).isZero();
    assertThat(get(0x0D)).as("memory and time are valid").isEqualTo(0x80);
    put(0x0A, 0xA6);
    assertThat(get(0x0A)).as("nor is update in progress to be written").isEqualTo(0x26);
  }

  @Test
  void resetTakesInterruptsBackAndLeavesTimeAndAlarm() {
    put(1, 0x58);
    put(0x0B, 0x7A);
    after(SECOND);
    assertThat(line).isTrue();
    CmosRtc after = new CmosRtc(() -> time, this::line, 0, GuestRam.below(64 << 20));
    after.resetFrom(rtc);
    assertThat(line).isFalse();
    int[] kept = {0x0B, 0x02, 0x0C, 0, 1, 0x58, 0, 0x58, 9, 0x26};
    for (int i = 0; i < kept.length; i += 2) {
      after.write(0x70, 1, kept[i]);
      assertThat(after.read(0x71, 1)).isEqualTo(kept[i + 1]);
    }
  }

  @Test
  void memoryKeepsWhatIsWritten() {
    for (int i = 0x0E; i < 0x80; i++) {
      if (i != 0x32) {
        put(i, i ^ 0x5A);
        assertThat(get(i)).isEqualTo(i ^ 0x5A);
      }
    }
    put(0x80 | 0x40, 7);
    assertThat(get(0x40)).as("bit 7 of the index masks NMI and chooses nothing").isEqualTo(7);
  }

  @Test
  void whatNoCalendarHasIsCarriedOver() {
    set(7, 0x31, 8, 0x02, 9, 0x27, 4, 0x24, 2, 0x60, 0, 0x59);
    assertThat(get(8)).isEqualTo(2);
    after(SECOND);
    assertThat(date()).isEqualTo("2027-03-04 01:01:00");
  }
}
