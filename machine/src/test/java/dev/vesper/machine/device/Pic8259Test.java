package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The pair of 8259A as their data sheet (Intel 231468) and the PIIX's ELCR have them. */
final class Pic8259Test {
  private static final int MASTER = 0x20;
  private static final int SLAVE = 0xA0;
  private static final int EOI = 0x20;

  private final Pic8259 pic = new Pic8259();

  private void command(int chip, int v) {
    pic.write(chip, 1, v);
  }

  private void data(int chip, int v) {
    pic.write(chip + 1, 1, v);
  }

  private void initialise(int chip, int base, int cascade, int icw4) {
    command(chip, 0x11);
    data(chip, base);
    data(chip, cascade);
    data(chip, icw4);
  }

  @BeforeEach
  void initialiseBoth() {
    initialise(MASTER, 0x30, 4, 1);
    initialise(SLAVE, 0x38, 2, 1);
    data(MASTER, 0);
    data(SLAVE, 0);
  }

  private void edge(int irq) {
    pic.line(irq, false);
    pic.line(irq, true);
  }

  private int register(int chip, int ocw3) {
    command(chip, ocw3);
    return pic.read(chip, 1);
  }

  private int requests(int chip) {
    return register(chip, 0x0A);
  }

  private int inService(int chip) {
    return register(chip, 0x0B);
  }

  @Test
  void initialisationTakesThreeWordsAndClearsTheMask() {
    data(MASTER, 0xFF);
    command(MASTER, 0x11);
    assertThat(pic.read(0x21, 1)).as("the mask is clear").isZero();
    edge(1);
    assertThat(pic.requesting()).as("not before it has all its words").isFalse();
    data(MASTER, 0x50);
    data(MASTER, 4);
    data(MASTER, 1);
    edge(1);
    assertThat(pic.acknowledge()).isEqualTo(0x51);
    data(MASTER, 0xAA);
    assertThat(pic.read(0x21, 1)).as("then the port is the mask").isEqualTo(0xAA);
  }

  @Test
  void withoutIcw4ThereAreTwoWords() {
    command(MASTER, 0x10);
    data(MASTER, 0x60);
    data(MASTER, 4);
    data(MASTER, 0x55);
    assertThat(pic.read(0x21, 1)).isEqualTo(0x55);
  }

  @Test
  void aSingleControllerHasNoIcw3() {
    command(MASTER, 0x13);
    data(MASTER, 0x60);
    data(MASTER, 1);
    data(MASTER, 0x55);
    assertThat(pic.read(0x21, 1)).isEqualTo(0x55);
  }

  @Test
  void initialisationForgetsEdges() {
    edge(1);
    initialise(MASTER, 0x30, 4, 1);
    assertThat(requests(MASTER)).isZero();
    assertThat(pic.requesting()).isFalse();
  }

  @Test
  void theLowestNumberIsServedFirst() {
    edge(5);
    edge(3);
    edge(1);
    assertThat(pic.acknowledge()).isEqualTo(0x31);
    assertThat(pic.requesting()).as("only a higher priority interrupts").isFalse();
    edge(0);
    assertThat(pic.acknowledge()).isEqualTo(0x30);
    assertThat(inService(MASTER)).isEqualTo(3);
    assertThat(requests(MASTER)).isEqualTo(0x28);
    command(MASTER, EOI);
    assertThat(inService(MASTER)).as("the end of the highest").isEqualTo(2);
    command(MASTER, EOI);
    assertThat(pic.acknowledge()).isEqualTo(0x33);
  }

  @Test
  void aSpecificEndNamesItsLine() {
    edge(3);
    pic.acknowledge();
    edge(1);
    pic.acknowledge();
    command(MASTER, 0x63);
    assertThat(inService(MASTER)).isEqualTo(2);
  }

  @Test
  void aMaskedLineWaits() {
    data(MASTER, 2);
    edge(1);
    assertThat(pic.requesting()).isFalse();
    assertThat(requests(MASTER)).isEqualTo(2);
    data(MASTER, 0);
    assertThat(pic.acknowledge()).isEqualTo(0x31);
  }

  @Test
  void anEdgeIsServedOnce() {
    edge(1);
    pic.acknowledge();
    command(MASTER, EOI);
    assertThat(pic.requesting()).as("the line is still up").isFalse();
    edge(1);
    assertThat(pic.requesting()).isTrue();
  }

  @Test
  void aRequestThatGoesAwayIsSpurious() {
    edge(3);
    pic.line(3, false);
    assertThat(pic.acknowledge()).isEqualTo(0x37);
    assertThat(inService(MASTER)).as("it is not in service").isZero();
  }

  @Test
  void aRequestOfTheSecondThatGoesAwayIsItsLine7() {
    edge(11);
    data(SLAVE, 0);
    assertThat(pic.requesting()).isTrue();
    // Between the processor's two cycles: the first has served line 2 already.
    pic.line(11, false);
    assertThat(pic.requesting()).isFalse();
    assertThat(pic.acknowledge()).isEqualTo(0x37);
  }

  @Test
  void theSecondControllerIsOnLine2() {
    edge(12);
    assertThat(requests(MASTER)).isEqualTo(4);
    assertThat(pic.acknowledge()).isEqualTo(0x3C);
    assertThat(inService(MASTER)).isEqualTo(4);
    assertThat(inService(SLAVE)).isEqualTo(0x10);
    edge(14);
    edge(3);
    assertThat(pic.requesting()).as("both are lower").isFalse();
    command(SLAVE, EOI);
    command(MASTER, EOI);
    assertThat(pic.acknowledge()).as("line 2 is before line 3").isEqualTo(0x3E);
  }

  @Test
  void aHigherLineOfTheSecondWaitsForTheFirstsEnd() {
    edge(12);
    pic.acknowledge();
    edge(8);
    assertThat(pic.requesting()).as("line 2 is in service, fully nested").isFalse();
    command(MASTER, EOI);
    assertThat(pic.acknowledge()).isEqualTo(0x38);
  }

  @Test
  void inTheSpecialFullyNestedModeItDoesNot() {
    initialise(MASTER, 0x30, 4, 0x11);
    edge(12);
    pic.acknowledge();
    edge(8);
    assertThat(pic.acknowledge()).isEqualTo(0x38);
    edge(13);
    assertThat(pic.requesting()).isFalse();
  }

  @Test
  void rotationOnAnEndMakesItTheLowest() {
    edge(3);
    pic.acknowledge();
    command(MASTER, 0xA0);
    edge(3);
    edge(4);
    edge(1);
    assertThat(pic.acknowledge()).isEqualTo(0x34);
    command(MASTER, EOI);
    assertThat(pic.acknowledge()).isEqualTo(0x31);
    command(MASTER, EOI);
    assertThat(pic.acknowledge()).isEqualTo(0x33);
  }

  @Test
  void theLowestPriorityCanBeSet() {
    command(MASTER, 0xC4);
    edge(4);
    edge(5);
    assertThat(pic.acknowledge()).isEqualTo(0x35);
    command(MASTER, 0xE5);
    assertThat(inService(MASTER)).as("a specific end with rotation").isZero();
    edge(6);
    edge(5);
    assertThat(pic.acknowledge()).isEqualTo(0x36);
  }

  @Test
  void automaticEndsNeedNoCommand() {
    initialise(MASTER, 0x30, 4, 3);
    edge(1);
    assertThat(pic.acknowledge()).isEqualTo(0x31);
    assertThat(inService(MASTER)).isZero();
    edge(5);
    assertThat(pic.acknowledge()).isEqualTo(0x35);
  }

  @Test
  void automaticEndsCanRotate() {
    initialise(MASTER, 0x30, 4, 3);
    command(MASTER, 0x80);
    edge(1);
    pic.acknowledge();
    edge(1);
    edge(3);
    assertThat(pic.acknowledge()).isEqualTo(0x33);
    command(MASTER, 0);
    edge(4);
    assertThat(pic.acknowledge()).as("line 4 is first after 3").isEqualTo(0x34);
    edge(4);
    edge(5);
    assertThat(pic.acknowledge()).as("no more rotation").isEqualTo(0x34);
  }

  @Test
  void theSpecialMaskLetsLowerLinesIn() {
    edge(1);
    pic.acknowledge();
    command(MASTER, 0x68);
    data(MASTER, 2);
    edge(5);
    assertThat(pic.acknowledge()).isEqualTo(0x35);
    command(MASTER, EOI);
    assertThat(inService(MASTER)).as("an end passes over what is masked").isEqualTo(2);
    command(MASTER, 0x48);
    edge(6);
    assertThat(pic.requesting()).isFalse();
  }

  @Test
  void aPollAcknowledges() {
    command(MASTER, 0x0C);
    assertThat(pic.read(0x20, 1)).as("nothing").isZero();
    edge(6);
    command(MASTER, 0x0C);
    assertThat(pic.read(0x20, 1)).isEqualTo(0x86);
    assertThat(inService(MASTER)).isEqualTo(0x40);
    edge(12);
    command(SLAVE, 0x0C);
    assertThat(pic.read(0xA0, 1)).isEqualTo(0x84);
    assertThat(inService(SLAVE)).isEqualTo(0x10);
  }

  @Test
  void theRegisterToReadStaysChosen() {
    edge(1);
    pic.acknowledge();
    assertThat(inService(MASTER)).isEqualTo(2);
    command(MASTER, EOI);
    edge(3);
    pic.acknowledge();
    assertThat(pic.read(0x20, 1)).isEqualTo(8);
    assertThat(pic.read(0x21, 1)).as("the mask is beside it").isZero();
  }

  @Test
  void levelsRequestUntilTheyFall() {
    pic.write(0x4D1, 1, 0xFF);
    assertThat(pic.read(0x4D1, 1)).as("not 8 and 13").isEqualTo(0xDE);
    pic.write(0x4D0, 1, 0xFF);
    assertThat(pic.read(0x4D0, 1)).as("not 0, 1 and 2").isEqualTo(0xF8);
    pic.line(5, true);
    assertThat(pic.acknowledge()).isEqualTo(0x35);
    command(MASTER, EOI);
    assertThat(pic.acknowledge()).as("it is still up").isEqualTo(0x35);
    pic.line(5, false);
    command(MASTER, EOI);
    assertThat(pic.requesting()).isFalse();
    pic.line(10, true);
    assertThat(pic.acknowledge()).isEqualTo(0x3A);
    command(SLAVE, EOI);
    command(MASTER, EOI);
    assertThat(pic.acknowledge()).isEqualTo(0x3A);
  }
}
