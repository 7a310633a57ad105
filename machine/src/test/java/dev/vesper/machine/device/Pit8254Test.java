package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The 8254 as its data sheet (Intel 231164) has it. Counter 2 is looked at, whose gate and output
 * are at port 61h, in pulses of its clock; counter 0 for its interrupts.
 */
final class Pit8254Test {
  private static final int HZ = 1_193_182;
  private static final int LOW_HIGH = 3;

  private final List<Long> rises = new ArrayList<>();
  private long pulse = 1000;
  private boolean level;
  private final Pit8254 pit = new Pit8254(this::nanos, this::line);

  private long nanos() {
    return (pulse * 1_000_000_000L + HZ - 1) / HZ;
  }

  private void line(int number, boolean on) {
    assertThat(number).isZero();
    if (on && !level) {
      rises.add(pulse);
    }
    level = on;
  }

  private void after(long pulses) {
    pulse += pulses;
  }

  private void control(int counter, int access, int mode, boolean bcd) {
    pit.write(0x43, 1, counter << 6 | access << 4 | mode << 1 | (bcd ? 1 : 0));
  }

  private void count(int counter, int n) {
    pit.write(0x40 + counter, 1, n & 0xFF);
    pit.write(0x40 + counter, 1, n >> 8);
  }

  private void gate(boolean on) {
    pit.write(0x61, 1, on ? 1 : 0);
  }

  private boolean out() {
    return (pit.read(0x61, 1) & 0x20) != 0;
  }

  private int read(int counter) {
    return pit.read(0x40 + counter, 1) | pit.read(0x40 + counter, 1) << 8;
  }

  /** Levels of the output at successive pulses. */
  private String wave(int pulses) {
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < pulses; i++) {
      b.append(out() ? '-' : '_');
      after(1);
    }
    return b.toString();
  }

  /** The counter starts at the pulse after the write of the count. */
  private void start(int mode, int n) {
    control(2, LOW_HIGH, mode, false);
    count(2, n);
    after(1);
  }

  @Test
  void mode0RaisesItsOutputWhenTheCountIsOut() {
    gate(true);
    control(2, LOW_HIGH, 0, false);
    assertThat(out()).as("the control word lowers it").isFalse();
    count(2, 4);
    assertThat(wave(8)).as("N + 1 pulses after the write").isEqualTo("_____---");
    assertThat(read(2)).as("it goes on below 0").isEqualTo(0xFFFF - 2);
  }

  @Test
  void mode0StandsWhileTheGateIsLow() {
    gate(true);
    start(0, 10);
    after(3);
    gate(false);
    after(100);
    assertThat(read(2)).isEqualTo(7);
    assertThat(out()).isFalse();
    gate(true);
    after(7);
    assertThat(out()).isTrue();
  }

  @Test
  void mode0IsStoppedByTheFirstByteOfANewCount() {
    gate(true);
    start(0, 3);
    after(5);
    assertThat(out()).isTrue();
    pit.write(0x42, 1, 5);
    assertThat(out()).as("the output falls at once").isFalse();
    after(50);
    assertThat(out()).isFalse();
    pit.write(0x42, 1, 0);
    assertThat(wave(7)).isEqualTo("______-");
  }

  @Test
  void mode1GivesAPulseOfNForEachTrigger() {
    gate(false);
    start(1, 3);
    assertThat(wave(5)).as("nothing happens before").isEqualTo("-----");
    gate(true);
    assertThat(wave(6)).isEqualTo("-___--");
    gate(false);
    assertThat(wave(2)).isEqualTo("--");
    gate(true);
    after(2);
    gate(false);
    gate(true);
    assertThat(wave(6)).as("a trigger within the pulse begins it anew").isEqualTo("____--");
  }

  @Test
  void mode1TakesANewCountAtTheNextTrigger() {
    start(1, 3);
    gate(true);
    count(2, 5);
    assertThat(wave(6)).isEqualTo("-___--");
    gate(false);
    gate(true);
    assertThat(wave(8)).isEqualTo("-_____--");
  }

  @Test
  void mode2IsLowForTheLastPulseOfEachPeriod() {
    gate(true);
    start(2, 4);
    assertThat(wave(10)).isEqualTo("---_---_--");
    assertThat(read(2)).isEqualTo(2);
  }

  @Test
  void mode2IsHighWhileTheGateIsLowAndBeginsAnewWithIt() {
    gate(true);
    start(2, 4);
    after(3);
    assertThat(out()).isFalse();
    gate(false);
    assertThat(wave(6)).isEqualTo("------");
    gate(true);
    after(1);
    assertThat(wave(5)).isEqualTo("---_-");
  }

  @Test
  void mode2TakesANewCountAtTheEndOfThePeriod() {
    gate(true);
    start(2, 4);
    after(1);
    count(2, 3);
    assertThat(wave(10)).isEqualTo("--_--_--_-");
  }

  @Test
  void mode3IsASquareWave() {
    gate(true);
    start(3, 6);
    assertThat(wave(12)).isEqualTo("---___---___");
    start(3, 5);
    assertThat(wave(10)).as("an odd count is high for one pulse more").isEqualTo("---__---__");
  }

  @Test
  void mode3CountsByTwo() {
    gate(true);
    start(3, 8);
    List<Integer> seen = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      seen.add(read(2));
      after(1);
    }
    assertThat(seen).containsExactly(8, 6, 4, 2, 8, 6);
  }

  @Test
  void mode3TakesANewCountAtTheEndOfTheHalf() {
    gate(true);
    start(3, 6);
    after(1);
    count(2, 4);
    assertThat(wave(10)).as("two more high ones, then halves of two").isEqualTo("--__--__--");
    start(3, 6);
    after(4);
    count(2, 4);
    assertThat(wave(8)).isEqualTo("__--__--");
  }

  @Test
  void mode4StrobesOnce() {
    gate(true);
    control(2, LOW_HIGH, 4, false);
    count(2, 3);
    assertThat(wave(8)).as("low for one pulse, N + 1 after the write").isEqualTo("----_---");
    assertThat(read(2)).as("it goes on").isEqualTo(0xFFFC);
  }

  @Test
  void mode5StrobesAfterEachTrigger() {
    start(5, 3);
    assertThat(wave(6)).isEqualTo("------");
    gate(true);
    assertThat(wave(6)).isEqualTo("----_-");
    gate(false);
    gate(true);
    assertThat(wave(6)).isEqualTo("----_-");
  }

  @Test
  void modes6And7Are2And3() {
    gate(true);
    start(6, 3);
    assertThat(wave(6)).isEqualTo("--_--_");
    start(7, 4);
    assertThat(wave(6)).isEqualTo("--__--");
  }

  @Test
  void aLatchedCountStaysUntilItIsRead() {
    gate(true);
    start(2, 1000);
    after(100);
    pit.write(0x43, 1, 0x80);
    after(50);
    pit.write(0x43, 1, 0x80);
    after(50);
    assertThat(read(2)).as("the second latch command is ignored").isEqualTo(900);
    assertThat(read(2)).isEqualTo(800);
  }

  @Test
  void readBackLatchesStatusThenCount() {
    gate(true);
    control(2, LOW_HIGH, 2, false);
    pit.write(0x43, 1, 0xE8);
    assertThat(pit.read(0x42, 1)).as("out, no count yet, both bytes, mode 2").isEqualTo(0xF4);
    count(2, 1000);
    after(11);
    pit.write(0x43, 1, 0xC8);
    after(5);
    assertThat(pit.read(0x42, 1)).isEqualTo(0xB4);
    assertThat(read(2)).isEqualTo(990);
    assertThat(read(2)).isEqualTo(985);
  }

  @Test
  void readBackCanMeanSeveralCounters() {
    for (int i = 0; i < 3; i++) {
      control(i, LOW_HIGH, 0, false);
    }
    gate(true);
    for (int i = 0; i < 3; i++) {
      count(i, 100 * (i + 1));
    }
    after(11);
    pit.write(0x43, 1, 0xDE);
    after(20);
    assertThat(read(0)).isEqualTo(90);
    assertThat(read(1)).isEqualTo(190);
    assertThat(read(2)).isEqualTo(290);
  }

  @Test
  void aNewCountIsNullUntilItIsTaken() {
    gate(true);
    start(2, 10);
    after(2);
    count(2, 20);
    pit.write(0x43, 1, 0xE8);
    assertThat(pit.read(0x42, 1) & 0x40).isEqualTo(0x40);
    after(8);
    pit.write(0x43, 1, 0xE8);
    assertThat(pit.read(0x42, 1) & 0x40).isZero();
  }

  @Test
  void oneByteIsReadAndWrittenWhereTheControlWordSaysSo() {
    gate(true);
    control(2, 1, 2, false);
    pit.write(0x42, 1, 200);
    after(11);
    assertThat(pit.read(0x42, 1)).isEqualTo(190);
    assertThat(pit.read(0x42, 1)).isEqualTo(190);
    control(2, 2, 2, false);
    pit.write(0x42, 1, 0x12);
    after(1);
    assertThat(pit.read(0x42, 1)).isEqualTo(0x12);
    after(1);
    assertThat(pit.read(0x42, 1)).as("1200h less one").isEqualTo(0x11);
  }

  @Test
  void decimalCountersCountInDecimal() {
    gate(true);
    control(2, LOW_HIGH, 0, true);
    count(2, 0x1000);
    after(2);
    assertThat(read(2)).isEqualTo(0x0999);
    control(2, LOW_HIGH, 0, true);
    count(2, 0);
    after(2);
    assertThat(read(2)).as("0 is 10000").isEqualTo(0x9999);
    after(9999);
    assertThat(out()).isTrue();
  }

  @Test
  void zeroIsTheLargestCount() {
    gate(true);
    start(2, 0);
    assertThat(read(2)).isZero();
    after(1);
    assertThat(read(2)).isEqualTo(0xFFFF);
    after(65_534);
    assertThat(out()).isFalse();
  }

  /** Lets counter 0's events happen until a pulse. */
  private void runUntil(long end) {
    while (pit.nextEvent() <= end * 1_000_000_000L / HZ) {
      pulse = pit.nextEvent() * HZ / 1_000_000_000L;
      pit.advance(pit.nextEvent());
    }
    pulse = end;
  }

  @Test
  void counter0InterruptsAtTheEndOfEachPeriod() {
    for (int mode : new int[] {2, 3}) {
      rises.clear();
      control(0, LOW_HIGH, mode, false);
      count(0, 100);
      long from = pulse + 1;
      runUntil(from + 350);
      assertThat(rises).containsExactly(from + 100, from + 200, from + 300);
    }
  }

  @Test
  void counter0InterruptsOnceInModes0And4() {
    control(0, LOW_HIGH, 0, false);
    count(0, 100);
    long from = pulse + 1;
    runUntil(from + 350);
    assertThat(rises).containsExactly(from + 100);
    rises.clear();
    control(0, LOW_HIGH, 4, false);
    count(0, 100);
    from = pulse + 1;
    runUntil(from + 350);
    assertThat(rises).containsExactly(from + 101);
  }

  @Test
  void counter0IsNeverTriggeredInModes1And5() {
    for (int mode : new int[] {1, 5}) {
      control(0, LOW_HIGH, mode, false);
      count(0, 100);
      assertThat(pit.nextEvent()).isEqualTo(Timed.NEVER);
    }
  }

  @Test
  void aNewCountOfCounter0ChangesItsNextPeriod() {
    control(0, LOW_HIGH, 2, false);
    count(0, 100);
    long from = pulse + 1;
    runUntil(from + 50);
    count(0, 30);
    runUntil(from + 170);
    assertThat(rises).containsExactly(from + 100, from + 130, from + 160);
  }

  @Test
  void theRefreshBitToggles() {
    assertThat(pit.read(0x61, 1) ^ pit.read(0x61, 1)).isEqualTo(0x10);
  }
}
