package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The serial port as vmd(8) has it, in its ns8250.c, where that differs from the chip too. */
final class Ns8250Test {
  private static final int BASE = 0x2F8;
  private static final int DATA = 0;
  private static final int IER = 1;
  private static final int IIR = 2;
  private static final int LCR = 3;
  private static final int MCR = 4;
  private static final int LSR = 5;
  private static final int MSR = 6;
  private static final int SCRATCH = 7;
  private static final int LATCH = 0x80;
  private static final int RECEIVED = 1;
  private static final int TRANSMITTED = 2;

  private final List<Boolean> line = new ArrayList<>();
  private final StringBuilder sent = new StringBuilder();
  private long now = 1_000;
  private final Ns8250 uart =
      new Ns8250(BASE, 3, this::drive, b -> sent.append((char) b), () -> now);

  private void drive(int number, boolean on) {
    assertThat(number).isEqualTo(3);
    line.add(on);
  }

  private int in(int register) {
    return uart.read(BASE + register, 1);
  }

  private void out(int register, int v) {
    uart.write(BASE + register, 1, v);
  }

  private void edge() {
    assertThat(line).containsExactly(false, true);
    line.clear();
  }

  @Test
  void registersAreAsVmdStartsThem() {
    assertThat(in(IER)).isZero();
    assertThat(in(IIR)).as("zero at first").isZero();
    assertThat(in(LCR)).isZero();
    assertThat(in(MCR)).isZero();
    assertThat(in(LSR)).isEqualTo(0x60);
    assertThat(in(MSR)).isEqualTo(0xB0);
    assertThat(uart.canReceive()).isTrue();
    assertThat(uart.nextEvent()).isEqualTo(Timed.NEVER);
  }

  @Test
  void lineAndModemControlAreKept() {
    out(LCR, 0x1B);
    out(MCR, 0x0B);
    out(LSR, 0xFF);
    out(MSR, 0xFF);
    out(IIR, 7);
    assertThat(in(LCR)).isEqualTo(0x1B);
    assertThat(in(MCR)).isEqualTo(0x0B);
    assertThat(in(LSR)).isEqualTo(0x60);
    assertThat(in(MSR)).isEqualTo(0xB0);
  }

  @Test
  void thereIsNoScratchRegister() {
    out(SCRATCH, 0x5A);
    assertThat(in(SCRATCH)).isEqualTo(0xFF);
  }

  @Test
  void theDivisorLatchIsBehindDataAndInterruptEnable() {
    out(IER, RECEIVED);
    out(LCR, LATCH);
    out(DATA, 0x34);
    out(IER, 0x12);
    assertThat(in(DATA)).isEqualTo(0x34);
    assertThat(in(IER)).isEqualTo(0x12);
    out(DATA, 0x56);
    assertThat(in(IER)).isEqualTo(0x12);
    out(IER, 0x78);
    assertThat(in(DATA)).isEqualTo(0x56);
    out(LCR, 0);
    assertThat(in(IER)).isEqualTo(RECEIVED);
    assertThat(sent).isEmpty();
  }

  @Test
  void aByteIsReceivedWithAnEdgeAndReadOnce() {
    out(IER, RECEIVED);
    line.clear();
    uart.receive(0x1C1);
    edge();
    assertThat(uart.canReceive()).isFalse();
    assertThat(in(LSR)).isEqualTo(0x61);
    assertThat(in(MSR)).as("the receiver's bit is here too").isEqualTo(0xB1);
    assertThat(in(IIR)).isEqualTo(4);
    assertThat(in(DATA)).isEqualTo(0xC1);
    assertThat(line).as("nothing is pending any more").containsExactly(false);
    assertThat(in(IIR)).isEqualTo(1);
    assertThat(in(LSR)).isEqualTo(0x60);
    assertThat(in(DATA)).as("an empty receiver").isZero();
  }

  @Test
  void whatIsReceivedBeforeAnybodyListensIsToldWhenTheyDo() {
    uart.receive('a');
    assertThat(line).isEmpty();
    assertThat(in(IIR)).isZero();
    line.clear();
    out(IER, RECEIVED);
    edge();
    assertThat(in(IIR)).isEqualTo(4);
    out(IER, RECEIVED);
    assertThat(line).as("they listened already").isEmpty();
  }

  @Test
  void listeningToAnEmptyReceiverIsQuiet() {
    out(IER, RECEIVED);
    assertThat(line).isEmpty();
  }

  @Test
  void sendingIsInterruptedOnlyIfItIsEnabled() {
    out(DATA, 'a');
    assertThat(sent.toString()).isEqualTo("a");
    edge();
    in(IIR);
    line.clear();
    out(DATA, 'b');
    assertThat(line).as("no cause is pending").isEmpty();
    out(IER, TRANSMITTED);
    out(DATA, 'c');
    assertThat(line).containsExactly(false, true);
    assertThat(in(IIR)).isEqualTo(2);
    assertThat(line).as("reading the cause ends it").containsExactly(false, true, false);
    assertThat(in(IIR)).isEqualTo(1);
    assertThat(sent.toString()).isEqualTo("abc");
  }

  @Test
  void enablingTheTransmitInterruptMakesItPendWithoutAnEdge() {
    in(IIR);
    line.clear();
    out(IER, TRANSMITTED);
    assertThat(line).isEmpty();
    assertThat(in(IIR)).as("vmd leaves the bit that says that nothing is").isEqualTo(3);
  }

  /** Each access to the data register raises anew what is pending. */
  @Test
  void readingDataRaisesTheTransmitInterruptAgain() {
    out(IER, RECEIVED | TRANSMITTED);
    uart.receive('a');
    line.clear();
    assertThat(in(DATA)).isEqualTo('a');
    edge();
    assertThat(in(IIR)).isEqualTo(2);
  }

  @Test
  void readingTheCauseEndsTheTransmitInterruptOnly() {
    out(IER, RECEIVED | TRANSMITTED);
    uart.receive('a');
    line.clear();
    assertThat(in(IIR)).isEqualTo(6);
    assertThat(line).isEmpty();
    assertThat(in(IIR)).isEqualTo(4);
  }

  private void speed(int divisor) {
    out(LCR, LATCH);
    out(DATA, divisor & 0xFF);
    out(IER, divisor >> 8);
    out(LCR, 3);
  }

  /** At 115200 baud 14 bytes take a millisecond; vmd counts in bursts of ten. */
  @Test
  void afterABurstTheTransmitterPausesForTenMilliseconds() {
    out(IER, TRANSMITTED);
    for (int i = 0; i < 139; i++) {
      out(DATA, 'x');
    }
    assertThat(uart.nextEvent()).isEqualTo(Timed.NEVER);
    assertThat(in(IIR)).isEqualTo(2);
    line.clear();
    out(DATA, 'x');
    assertThat(uart.nextEvent()).isEqualTo(now + 10_000_000);
    assertThat(line).isEmpty();
    assertThat(in(IIR)).as("busy").isEqualTo(1);
    line.clear();
    long due = uart.nextEvent();
    uart.advance(due - 1);
    assertThat(line).isEmpty();
    uart.advance(due);
    edge();
    assertThat(uart.nextEvent()).isEqualTo(Timed.NEVER);
    assertThat(in(IIR)).isEqualTo(2);
    assertThat(sent).hasSize(140);
  }

  @Test
  void theBurstFollowsTheBaudRate() {
    speed(12);
    out(IER, TRANSMITTED);
    for (int i = 0; i < 9; i++) {
      out(DATA, 'x');
    }
    assertThat(uart.nextEvent()).isEqualTo(Timed.NEVER);
    out(DATA, 'x');
    assertThat(uart.nextEvent()).isNotEqualTo(Timed.NEVER);
    uart.advance(uart.nextEvent());
    speed(0);
    for (int i = 0; i < 10; i++) {
      out(DATA, 'x');
    }
    assertThat(uart.nextEvent()).as("a divisor of zero is none").isNotEqualTo(Timed.NEVER);
  }

  @Test
  void aSlowLineNeverPauses() {
    speed(0x180);
    out(IER, TRANSMITTED);
    for (int i = 0; i < 1000; i++) {
      out(DATA, 'x');
    }
    assertThat(uart.nextEvent()).isEqualTo(Timed.NEVER);
  }
}
