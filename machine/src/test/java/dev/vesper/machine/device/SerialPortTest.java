package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Input that waits before a guest's driver is ready, at both kinds of serial port. */
final class SerialPortTest {
  private static final int BASE = 0x3F8;

  private final Uart16550 uart = new Uart16550(BASE, 4, (n, on) -> {}, b -> {});
  private final Ns8250 plain = new Ns8250(BASE, 4, (n, on) -> {}, b -> {}, () -> 0);

  private static void look(SerialPort p, int times) {
    for (int i = 0; i < times; i++) {
      p.read(BASE + 5, 1);
    }
  }

  /** A driver that has looked at the line status a few times and then halts waits for no key. */
  @Test
  void aHaltedGuestThatOnlySendsIsSentNothing() {
    for (SerialPort p : new SerialPort[] {uart, plain}) {
      p.write(BASE, 1, 'x');
      look(p, 3);
      assertThat(p.wantsInput(true)).isFalse();
      look(p, 100);
      assertThat(p.wantsInput(true)).as("it polls").isTrue();
    }
  }

  @Test
  void aGuestThatReadsByPollingIsSentMoreAsSoonAsItIsIdle() {
    for (SerialPort p : new SerialPort[] {uart, plain}) {
      look(p, 100);
      p.receive('a');
      look(p, 1);
      assertThat(p.read(BASE, 1)).isEqualTo('a');
      look(p, 1);
      assertThat(p.wantsInput(true)).isTrue();
    }
  }

  /** What a driver clears away when it starts comes again, in order. */
  @Test
  void clearingTheFifoBeforeAnybodyListensLosesNothing() {
    uart.write(BASE + 2, 1, 1);
    look(uart, 100);
    uart.receive('a');
    uart.receive('b');
    uart.write(BASE + 2, 1, 7);
    look(uart, 1);
    assertThat(uart.read(BASE, 1)).as("the receiver is empty").isZero();
    assertThat(uart.wantsInput(false)).isFalse();
    uart.write(BASE + 1, 1, 1);
    assertThat(uart.wantsInput(false)).isTrue();
    assertThat(uart.returned()).isEqualTo('a');
    assertThat(uart.returned()).isEqualTo('b');
    assertThat(uart.returned()).isEqualTo(-1);
  }

  @Test
  void aGuestThatListensClearsForGood() {
    uart.write(BASE + 1, 1, 1);
    uart.receive('a');
    assertThat(uart.read(BASE, 1)).isEqualTo('a');
    uart.receive('b');
    uart.write(BASE + 2, 1, 7);
    assertThat(uart.returned()).isEqualTo(-1);
  }

  /** A driver's test of the loopback takes no byte from the line. */
  @Test
  void inLoopbackNothingIsTaken() {
    uart.write(BASE + 1, 1, 1);
    uart.write(BASE + 4, 1, 0x10);
    assertThat(uart.canReceive()).isFalse();
    uart.write(BASE, 1, 'L');
    assertThat(uart.read(BASE, 1)).isEqualTo('L');
    uart.write(BASE + 4, 1, 0);
    assertThat(uart.canReceive()).isTrue();
  }
}
