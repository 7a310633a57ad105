package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.ConsoleInput;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The UART, by National Semiconductor's data sheet of the PC16550D. */
final class Uart16550Test {
  private static final int BASE = 0x2F8;
  private static final int DATA = 0;
  private static final int IER = 1;
  private static final int IIR = 2;
  private static final int FCR = 2;
  private static final int LCR = 3;
  private static final int MCR = 4;
  private static final int LSR = 5;
  private static final int MSR = 6;
  private static final int SCRATCH = 7;

  private static final int RECEIVED = 1;
  private static final int THR_EMPTY = 2;
  private static final int LINE_STATUS = 4;
  private static final int MODEM_STATUS = 8;

  private static final int DTR = 1;
  private static final int RTS = 2;
  private static final int OUT1 = 4;
  private static final int OUT2 = 8;
  private static final int LOOP = 0x10;

  private static final int NONE = 1;

  private final List<Boolean> edges = new ArrayList<>();
  private final StringBuilder sent = new StringBuilder();
  private boolean line;
  private final Uart16550 uart =
      new Uart16550(BASE, 3, (number, on) -> drive(number, on), b -> sent.append((char) b));

  private void drive(int number, boolean on) {
    assertThat(number).isEqualTo(3);
    if (on != line) {
      edges.add(on);
    }
    line = on;
  }

  private int in(int register) {
    return uart.read(BASE + register, 1);
  }

  private void out(int register, int v) {
    uart.write(BASE + register, 1, v);
  }

  /** {@return the cause in IIR without the FIFO bits} */
  private int cause() {
    return in(IIR) & 15;
  }

  private void receive(String s) {
    for (char c : s.toCharArray()) {
      uart.receive(c);
    }
  }

  private String readAll() {
    StringBuilder b = new StringBuilder();
    while ((in(LSR) & 1) != 0) {
      b.append((char) in(DATA));
    }
    return b.toString();
  }

  private void enable(int interrupts) {
    out(MCR, OUT2);
    out(IER, interrupts);
  }

  // ---- reset, and registers that hold what is written

  @Test
  void afterResetNothingIsEnabledAndTheTransmitterIsEmpty() {
    assertThat(in(IER)).isZero();
    assertThat(in(IIR)).as("no interrupt, no FIFO").isEqualTo(1);
    assertThat(in(LCR)).isZero();
    assertThat(in(MCR)).isZero();
    assertThat(in(LSR)).isEqualTo(0x60);
    assertThat(in(MSR) & 15).as("no change of a modem line").isZero();
    assertThat(in(MSR) & 0xF0).as("DCD, DSR and CTS of who listens; no ring").isEqualTo(0xB0);
    assertThat(line).isFalse();
  }

  @Test
  void theScratchRegisterAndTheLineControlKeepAllBits() {
    for (int v : new int[] {0xFF, 0x5A, 0}) {
      out(SCRATCH, v);
      assertThat(in(SCRATCH)).isEqualTo(v);
    }
    out(LCR, 0x7F);
    assertThat(in(LCR)).isEqualTo(0x7F);
  }

  @Test
  void bitsThatAreAlwaysZeroStayZero() {
    out(IER, 0xFF);
    assertThat(in(IER)).as("bits 7:4").isEqualTo(0x0F);
    out(MCR, 0xFF);
    assertThat(in(MCR)).as("bits 7:5").isEqualTo(0x1F);
  }

  @Test
  void lineAndModemStatusCannotBeWritten() {
    out(LSR, 0xFF);
    out(MSR, 0xFF);
    assertThat(in(LSR)).isEqualTo(0x60);
    assertThat(in(MSR)).isEqualTo(0xB0);
  }

  @Test
  void theDivisorLatchIsBehindDataAndInterruptEnableWhileDlabIsSet() {
    out(IER, 5);
    out(LCR, 0x83);
    out(DATA, 0x34);
    out(IER, 0x12);
    assertThat(in(DATA)).isEqualTo(0x34);
    assertThat(in(IER)).isEqualTo(0x12);
    out(DATA, 0xAB);
    assertThat(in(IER)).as("the other half stays").isEqualTo(0x12);
    out(IER, 0xCD);
    assertThat(in(DATA)).isEqualTo(0xAB);
    assertThat(sent).as("nothing was sent").isEmpty();
    uart.receive('x');
    out(LCR, 3);
    assertThat(in(IER)).isEqualTo(5);
    assertThat(in(DATA)).isEqualTo('x');
    out(DATA, 'y');
    assertThat(sent.toString()).isEqualTo("y");
  }

  // ---- the receiver

  @Test
  void dataReadyIsSetUntilTheLastByteIsRead() {
    out(FCR, 1);
    receive("ab");
    assertThat(in(LSR)).isEqualTo(0x61);
    assertThat(in(DATA)).isEqualTo('a');
    assertThat(in(LSR)).isEqualTo(0x61);
    assertThat(in(DATA)).isEqualTo('b');
    assertThat(in(LSR)).isEqualTo(0x60);
  }

  @Test
  void bytesOfEightBitsComeAsTheyWereSent() {
    uart.receive(0xFF);
    assertThat(in(DATA)).isEqualTo(0xFF);
    uart.receive(0x180);
    assertThat(in(DATA)).isEqualTo(0x80);
  }

  @Test
  void withoutFifoThereIsRoomForOneByteAndWithItForSixteen() {
    assertThat(uart.canReceive()).isTrue();
    uart.receive('a');
    assertThat(uart.canReceive()).isFalse();
    out(FCR, 1);
    for (int i = 0; i < 15; i++) {
      uart.receive(i);
    }
    assertThat(uart.canReceive()).isTrue();
    uart.receive(15);
    assertThat(uart.canReceive()).isFalse();
  }

  /** In the 16450's mode the byte that comes takes the place of the one that nobody has read. */
  @Test
  void anOverrunWithoutFifoDestroysTheOlderByte() {
    receive("ab");
    assertThat(in(LSR)).as("overrun error and data").isEqualTo(0x63);
    assertThat(in(LSR)).as("reading clears the error").isEqualTo(0x61);
    assertThat(in(DATA)).isEqualTo('b');
    assertThat(in(LSR)).isEqualTo(0x60);
  }

  /** With a FIFO it is the byte in the shift register that is lost. */
  @Test
  void anOverrunOfTheFifoLosesTheNewestByte() {
    out(FCR, 1);
    receive("0123456789ABCDEF");
    assertThat(in(LSR) & 2).as("sixteen fit").isZero();
    receive("x");
    assertThat(in(LSR) & 2).isEqualTo(2);
    assertThat(readAll()).isEqualTo("0123456789ABCDEF");
  }

  @Test
  void anOverrunIsALineStatusInterruptThatReadingTheLineStatusEnds() {
    enable(LINE_STATUS);
    uart.receive('a');
    assertThat(line).as("data alone interrupts nobody").isFalse();
    uart.receive('b');
    assertThat(line).isTrue();
    assertThat(cause()).isEqualTo(6);
    assertThat(cause()).as("reading IIR does not end it").isEqualTo(6);
    in(LSR);
    assertThat(line).isFalse();
    assertThat(cause()).isEqualTo(NONE);
  }

  @Test
  void receivedDataInterruptsUntilItIsRead() {
    enable(RECEIVED);
    uart.receive('a');
    assertThat(line).isTrue();
    assertThat(in(IIR)).isEqualTo(4);
    assertThat(line).as("reading IIR does not end it").isTrue();
    in(DATA);
    assertThat(line).isFalse();
    assertThat(in(IIR)).isEqualTo(NONE);
  }

  @ParameterizedTest
  @CsvSource({"0x01, 1", "0x41, 4", "0x81, 8", "0xC1, 14"})
  void theTriggerLevelDecidesWhetherItIsDataOrTheTimeout(String control, int level) {
    enable(RECEIVED);
    out(FCR, Integer.decode(control));
    for (int i = 1; i < level; i++) {
      uart.receive(i);
      assertThat(in(IIR)).as("%d bytes wait: character timeout", i).isEqualTo(0xCC);
    }
    uart.receive(level);
    assertThat(in(IIR)).as("received data available").isEqualTo(0xC4);
    in(DATA);
    assertThat(in(IIR)).as("it drops below").isEqualTo(level == 1 ? 0xC1 : 0xCC);
    readAll();
    assertThat(line).isFalse();
    assertThat(in(IIR)).isEqualTo(0xC1);
  }

  @Test
  void aTimeoutIsNotToldToThoseWhoDoNotListenForData() {
    enable(LINE_STATUS | MODEM_STATUS);
    out(FCR, 0xC1);
    uart.receive('a');
    assertThat(line).isFalse();
    assertThat(in(IIR)).isEqualTo(0xC1);
  }

  @Test
  void enablingTheInterruptTellsOfDataThatIsThereAlready() {
    uart.receive('a');
    enable(RECEIVED);
    assertThat(line).isTrue();
    out(IER, 0);
    assertThat(line).isFalse();
  }

  // ---- FIFO control

  @Test
  void theFifosAreShownInTheIdentificationWhileTheyAreEnabled() {
    out(FCR, 1);
    assertThat(in(IIR)).isEqualTo(0xC1);
    out(FCR, 0);
    assertThat(in(IIR)).isEqualTo(1);
  }

  /** Linux enables the receive interrupt first and the FIFOs then. */
  @Test
  void whatCameWhileADriverStartsGoesBackToItsSender() {
    out(IER, RECEIVED);
    receive("a");
    out(FCR, 1);
    assertThat(in(LSR) & 1).isZero();
    assertThat(uart.returned()).isEqualTo('a');
    receive("bc");
    assertThat(in(DATA)).isEqualTo('b');
    out(FCR, 3);
    assertThat(uart.returned()).as("a driver that has listened means it").isEqualTo(-1);
    out(IER, 0);
    out(IER, RECEIVED);
    receive("d");
    out(FCR, 0);
    assertThat(uart.returned()).as("another start").isEqualTo('d');
  }

  @Test
  void aBreakIsAZeroThatTheLineStatusTellsOfOnce() {
    enable(LINE_STATUS);
    out(FCR, 1);
    receive("a");
    uart.receive(ConsoleInput.BREAK);
    receive("b");
    assertThat(in(LSR)).as("a is next, with a break behind it").isEqualTo(0xE1);
    assertThat(line).isFalse();
    assertThat(in(DATA)).isEqualTo('a');
    assertThat(line).isTrue();
    assertThat(cause()).isEqualTo(6);
    assertThat(in(LSR)).isEqualTo(0xF1);
    assertThat(line).as("reading the line status ends it").isFalse();
    assertThat(in(LSR)).isEqualTo(0xE1);
    assertThat(in(DATA)).isZero();
    assertThat(in(LSR)).isEqualTo(0x61);
    assertThat(readAll()).isEqualTo("b");
    uart.receive(ConsoleInput.BREAK);
    out(FCR, 3);
    uart.receive(ConsoleInput.BREAK);
    assertThat(in(LSR) & 0x10).as("a new one").isEqualTo(0x10);
  }

  @Test
  void bitOneEmptiesTheReceiver() {
    out(IER, RECEIVED);
    out(MCR, OUT2);
    out(FCR, 1);
    receive("abc");
    out(FCR, 3);
    assertThat(in(LSR)).isEqualTo(0x60);
    assertThat(line).isFalse();
    receive("d");
    assertThat(readAll()).as("the bit clears itself").isEqualTo("d");
  }

  @Test
  void bitTwoLeavesTheReceiverAlone() {
    out(IER, RECEIVED);
    out(FCR, 1);
    receive("abc");
    out(FCR, 5);
    assertThat(readAll()).isEqualTo("abc");
  }

  /** Changing from the 16450's mode to FIFO mode and back clears the FIFOs. */
  @Test
  void turningTheFifosOnOrOffClearsThem() {
    out(IER, RECEIVED);
    receive("a");
    out(FCR, 1);
    assertThat(in(LSR) & 1).as("on").isZero();
    receive("bc");
    out(FCR, 1);
    assertThat(in(LSR) & 1).as("no change").isEqualTo(1);
    out(FCR, 0);
    assertThat(in(LSR) & 1).as("off").isZero();
  }

  /** Bit 0 must be 1 when other bits are written, or they are not programmed. */
  @Test
  void withoutBitZeroTheOtherBitsOfTheFifoControlDoNothing() {
    out(IER, RECEIVED);
    receive("a");
    out(FCR, 0xC6);
    assertThat(in(LSR) & 1).as("the byte stays").isEqualTo(1);
    in(DATA);
    out(FCR, 1);
    receive("b");
    assertThat(cause()).as("a trigger level of one").isEqualTo(4);
  }

  @Test
  void loweringTheTriggerLevelMakesDataOfATimeout() {
    enable(RECEIVED);
    out(FCR, 0xC1);
    receive("abcdefgh");
    assertThat(cause()).isEqualTo(12);
    out(FCR, 0x81);
    assertThat(cause()).isEqualTo(4);
  }

  @Test
  void clearingTheReceiverKeepsTheOverrunError() {
    out(FCR, 1);
    receive("0123456789ABCDEFx");
    out(FCR, 3);
    assertThat(in(LSR)).isEqualTo(0x62);
  }

  // ---- the transmitter

  @Test
  void whatIsWrittenIsSentAtOnce() {
    out(DATA, 'o');
    out(DATA, 'k');
    assertThat(sent.toString()).isEqualTo("ok");
    assertThat(in(LSR)).as("THR and shift register are empty").isEqualTo(0x60);
  }

  @Test
  void enablingTheTransmitInterruptRaisesItWhileTheHoldingRegisterIsEmpty() {
    enable(THR_EMPTY);
    assertThat(line).isTrue();
    assertThat(cause()).isEqualTo(2);
    assertThat(line).as("reading IIR ends it").isFalse();
    assertThat(cause()).isEqualTo(NONE);
    out(IER, THR_EMPTY);
    assertThat(line).as("it was enabled already").isFalse();
    out(IER, 0);
    out(IER, THR_EMPTY);
    assertThat(line).isTrue();
  }

  @Test
  void eachByteThatHasLeftIsANewTransmitInterrupt() {
    enable(THR_EMPTY);
    in(IIR);
    edges.clear();
    out(DATA, 'a');
    assertThat(edges).containsExactly(true);
    out(DATA, 'b');
    assertThat(edges).as("writing ends the first one").containsExactly(true, false, true);
    assertThat(cause()).isEqualTo(2);
    assertThat(line).isFalse();
  }

  @Test
  void bytesSentWithoutTheInterruptDriveNoLine() {
    enable(0);
    out(DATA, 'a');
    assertThat(edges).isEmpty();
    assertThat(cause()).isEqualTo(NONE);
  }

  @Test
  void readingTheIdentificationOfAnotherCauseKeepsTheTransmitInterrupt() {
    enable(THR_EMPTY | RECEIVED);
    uart.receive('a');
    assertThat(cause()).isEqualTo(4);
    in(DATA);
    assertThat(cause()).isEqualTo(2);
    assertThat(cause()).isEqualTo(NONE);
  }

  // ---- priorities and the interrupt line

  @Test
  void causesAreToldInTheOrderOfTheirPriority() {
    enable(THR_EMPTY | RECEIVED | LINE_STATUS | MODEM_STATUS);
    out(MCR, OUT2 | LOOP);
    out(DATA, 'a');
    out(DATA, 'b');
    assertThat(cause()).as("line status").isEqualTo(6);
    in(LSR);
    assertThat(cause()).as("received data").isEqualTo(4);
    in(DATA);
    assertThat(cause()).as("transmitter empty").isEqualTo(2);
    assertThat(cause()).as("modem status").isZero();
    in(MSR);
    assertThat(cause()).isEqualTo(NONE);
  }

  /** On a PC the interrupt passes a gate that OUT2 opens. */
  @Test
  void interruptsReachTheLineOnlyWithOut2() {
    out(IER, RECEIVED);
    uart.receive('a');
    assertThat(cause()).isEqualTo(4);
    assertThat(line).isFalse();
    out(MCR, DTR | RTS | OUT1);
    assertThat(line).isFalse();
    out(MCR, OUT2);
    assertThat(line).isTrue();
    out(MCR, 0);
    assertThat(line).isFalse();
  }

  // ---- loopback and the modem's lines

  @Test
  void inLoopbackWhatIsSentIsReceivedAndNobodyElseHearsIt() {
    out(FCR, 1);
    out(MCR, LOOP);
    out(DATA, 'a');
    out(DATA, 'b');
    assertThat(sent).isEmpty();
    assertThat(readAll()).isEqualTo("ab");
    uart.receive('x');
    assertThat(in(LSR)).as("the line is not heard").isEqualTo(0x60);
    assertThat(uart.canReceive()).isFalse();
    out(MCR, 0);
    out(DATA, 'c');
    assertThat(sent.toString()).isEqualTo("c");
    assertThat(in(LSR)).isEqualTo(0x60);
  }

  @ParameterizedTest
  @CsvSource({"1, 0x20", "2, 0x10", "4, 0x40", "8, 0x80", "15, 0xF0", "0, 0"})
  void inLoopbackTheModemsInputsAreTheControlOutputs(int outputs, String inputs) {
    out(MCR, LOOP | outputs);
    assertThat(in(MSR) & 0xF0).isEqualTo(Integer.decode(inputs));
  }

  @ParameterizedTest
  @CsvSource({"2, 1", "1, 2", "8, 8"})
  void aChangeOfCtsDsrOrDcdIsRememberedUntilItIsRead(int output, int delta) {
    out(MCR, LOOP);
    in(MSR);
    out(MCR, LOOP | output);
    assertThat(in(MSR) & 15).as("on").isEqualTo(delta);
    assertThat(in(MSR) & 15).as("read").isZero();
    out(MCR, LOOP | output);
    assertThat(in(MSR) & 15).as("no change").isZero();
    out(MCR, LOOP);
    assertThat(in(MSR) & 15).as("off").isEqualTo(delta);
  }

  @Test
  void deltasAddUp() {
    out(MCR, LOOP);
    in(MSR);
    out(MCR, LOOP | RTS);
    out(MCR, LOOP | RTS | DTR);
    out(MCR, LOOP | DTR);
    assertThat(in(MSR)).isEqualTo(0x20 | 3);
  }

  /** Only the end of a ring is told. */
  @Test
  void theTrailingEdgeOfTheRingIndicatorIsRemembered() {
    out(MCR, LOOP);
    in(MSR);
    out(MCR, LOOP | OUT1);
    assertThat(in(MSR)).as("it begins").isEqualTo(0x40);
    out(MCR, LOOP);
    assertThat(in(MSR)).as("it ends").isEqualTo(4);
    assertThat(in(MSR)).isZero();
  }

  @Test
  void enteringLoopbackTakesTheModemAway() {
    out(MCR, LOOP);
    assertThat(in(MSR)).as("CTS, DSR and DCD have changed").isEqualTo(0x0B);
    out(MCR, 0);
    assertThat(in(MSR)).isEqualTo(0xBB);
    assertThat(in(MSR)).isEqualTo(0xB0);
  }

  @Test
  void aModemStatusInterruptLastsUntilTheModemStatusIsRead() {
    enable(MODEM_STATUS);
    assertThat(line).isFalse();
    out(MCR, OUT2 | LOOP);
    assertThat(line).isTrue();
    assertThat(cause()).isZero();
    assertThat(cause()).as("reading IIR does not end it").isZero();
    assertThat(line).isTrue();
    in(MSR);
    assertThat(line).isFalse();
    assertThat(cause()).isEqualTo(NONE);
  }

  @Test
  void modemChangesInterruptOnlyThoseWhoAskForThem() {
    enable(RECEIVED | THR_EMPTY | LINE_STATUS);
    in(IIR);
    out(MCR, OUT2 | LOOP);
    assertThat(line).isFalse();
    assertThat(cause()).isEqualTo(NONE);
    out(IER, MODEM_STATUS);
    assertThat(line).as("the change is remembered").isTrue();
  }
}
