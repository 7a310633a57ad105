package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The I/O APIC, by Intel's data sheet of the 82093AA; its EOI register is that of version 20h. */
final class IoApicTest {
  private static final int SELECT = 0;
  private static final int WINDOW = 0x10;
  private static final int EOI = 0x40;

  private static final int LOGICAL = 1 << 11;
  private static final int LOW_ACTIVE = 1 << 13;
  private static final int REMOTE_IRR = 1 << 14;
  private static final int LEVEL = 1 << 15;
  private static final int MASKED = 1 << 16;

  private final List<String> sent = new ArrayList<>();
  private final IoApic apic =
      new IoApic((address, data) -> sent.add(Long.toHexString(address) + ":" + hex(data)));

  private static String hex(int v) {
    return Integer.toHexString(v);
  }

  private int get(int register) {
    apic.write(SELECT, 4, register);
    return (int) apic.read(WINDOW, 4);
  }

  private void set(int register, int v) {
    apic.write(SELECT, 4, register);
    apic.write(WINDOW, 4, v & 0xFFFF_FFFFL);
  }

  private int low(int input) {
    return get(0x10 + 2 * input);
  }

  private void program(int input, int low) {
    set(0x10 + 2 * input, low);
  }

  private void pulse(int line) {
    apic.line(line, true);
    apic.line(line, false);
  }

  // ---- registers

  @Test
  void theVersionRegisterNamesTwentyFourInputs() {
    assertThat(get(1)).isEqualTo(23 << 16 | 0x20);
    set(1, -1);
    assertThat(get(1)).as("read-only").isEqualTo(23 << 16 | 0x20);
  }

  @Test
  void theIdentificationHasFourBitsAndIsTheArbitrationIdToo() {
    assertThat(get(0)).isZero();
    set(0, -1);
    assertThat(get(0)).isEqualTo(0x0F00_0000);
    assertThat(get(2)).isEqualTo(0x0F00_0000);
    set(2, 0);
    assertThat(get(2)).as("read-only").isEqualTo(0x0F00_0000);
    set(0, 0x0500_0000);
    assertThat(get(0)).isEqualTo(0x0500_0000);
  }

  @Test
  void theSelectRegisterKeepsEightBits() {
    apic.write(SELECT, 4, 0x1234_5611L);
    assertThat(apic.read(SELECT, 4)).isEqualTo(0x11);
    assertThat(apic.read(4, 4)).as("reserved").isZero();
    assertThat(apic.read(0x20, 4)).as("reserved").isZero();
  }

  @Test
  void afterResetEveryInputIsMaskedAndNothingElse() {
    for (int i = 0; i < 24; i++) {
      assertThat(low(i)).isEqualTo(MASKED);
      assertThat(get(0x11 + 2 * i)).isZero();
    }
    for (int i = 0; i < 24; i++) {
      pulse(i);
    }
    assertThat(sent).isEmpty();
  }

  @Test
  void anEntryKeepsWhatCanBeWrittenAndItsHalvesAreIndependent() {
    program(5, -1);
    assertThat(low(5)).as("status and remote IRR are read-only").isEqualTo(0x1_AFFF);
    assertThat(get(0x11 + 10)).isZero();
    set(0x11 + 10, -1);
    assertThat(get(0x11 + 10)).isEqualTo(0xFF00_0000);
    assertThat(low(5)).isEqualTo(0x1_AFFF);
    program(5, 0x31 | MASKED);
    assertThat(get(0x11 + 10)).isEqualTo(0xFF00_0000);
    assertThat(low(4)).as("the neighbours").isEqualTo(MASKED);
    assertThat(low(6)).isEqualTo(MASKED);
  }

  @Test
  void beyondTheLastEntryThereIsNothing() {
    set(0x3F, 0x1200_0000);
    assertThat(get(0x3F)).isEqualTo(0x1200_0000);
    set(0x40, -1);
    assertThat(get(0x40)).isZero();
    assertThat(get(3)).isZero();
    set(0x0F, -1);
    assertThat(get(0x0F)).isZero();
    assertThat(get(0)).isZero();
  }

  @Test
  void bytesOfTheWindowCanBeRead() {
    program(7, 0x1_A5C3);
    assertThat(apic.read(WINDOW, 1) & 0xFF).isEqualTo(0xC3);
    assertThat(apic.read(WINDOW + 1, 1) & 0xFF).isEqualTo(0xA5);
    assertThat(apic.read(WINDOW + 2, 2) & 0xFFFF).isEqualTo(1);
    assertThat(apic.width(WINDOW)).isEqualTo(4);
  }

  // ---- messages

  @Test
  void aMessageCarriesVectorModeAndDestination() {
    set(0x11 + 2 * 9, 0x0300_0000);
    program(9, 0x39);
    pulse(9);
    set(0x11 + 2 * 10, 0xA500_0000);
    program(10, 0x100 | LOGICAL | 0x40);
    pulse(10);
    program(11, LEVEL | 0x41);
    apic.line(11, true);
    assertThat(sent).containsExactly("fee03000:4039", "feea5004:4140", "fee00000:c041");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 4, 5, 7})
  void theDeliveryModeIsPassedOn(int mode) {
    program(9, mode << 8 | 0x39);
    pulse(9);
    assertThat(sent).containsExactly("fee00000:" + hex(0x4039 | mode << 8));
  }

  /** The lines here are asserted or not; which voltage that is makes no difference. */
  @Test
  void thePolarityIsWhatTheBoardHasWired() {
    program(9, LOW_ACTIVE | 0x39);
    apic.line(9, false);
    assertThat(sent).isEmpty();
    apic.line(9, true);
    assertThat(sent).hasSize(1);
  }

  // ---- which input

  @Test
  void theTimerIsWiredToInputTwoAndTheOthersToTheirNumber() {
    for (int i = 0; i < 24; i++) {
      program(i, 0x30 + i);
    }
    for (int i : new int[] {0, 1, 3, 8, 15, 16, 23}) {
      pulse(i);
    }
    assertThat(sent)
        .containsExactly(
            "fee00000:4032",
            "fee00000:4031",
            "fee00000:4033",
            "fee00000:4038",
            "fee00000:403f",
            "fee00000:4040",
            "fee00000:4047");
  }

  @Test
  void theCascadeAndWhatIsNoInputReachNobody() {
    for (int i = 0; i < 24; i++) {
      program(i, 0x30 + i);
    }
    for (int i : new int[] {2, -1, 24, 31, 34}) {
      pulse(i);
    }
    assertThat(sent).isEmpty();
  }

  // ---- edges

  @Test
  void anEdgeIsOneMessageHoweverLongTheLineStaysUp() {
    program(9, 0x39);
    apic.line(9, true);
    apic.line(9, true);
    assertThat(sent).hasSize(1);
    apic.line(9, false);
    assertThat(sent).hasSize(1);
    apic.line(9, true);
    assertThat(sent).hasSize(2);
    assertThat(low(9) & REMOTE_IRR).isZero();
  }

  @Test
  void anEdgeAtAMaskedInputIsLost() {
    program(9, MASKED | 0x39);
    apic.line(9, true);
    program(9, 0x39);
    assertThat(sent).isEmpty();
    apic.line(9, false);
    apic.line(9, true);
    assertThat(sent).hasSize(1);
  }

  @Test
  void edgesOfSeveralInputsDoNotHideEachOther() {
    program(9, 0x39);
    program(10, 0x3A);
    apic.line(9, true);
    apic.line(10, true);
    apic.line(9, false);
    apic.line(9, true);
    assertThat(sent).containsExactly("fee00000:4039", "fee00000:403a", "fee00000:4039");
  }

  // ---- levels

  @Test
  void aLevelIsSentOnceUntilItsEndIsTold() {
    program(16, LEVEL | 0x50);
    apic.line(16, true);
    assertThat(low(16)).isEqualTo(LEVEL | REMOTE_IRR | 0x50);
    apic.line(16, true);
    assertThat(sent).hasSize(1);
    apic.endOfInterrupt(0x50);
    assertThat(sent).as("it is still asserted").hasSize(2);
    apic.line(16, false);
    apic.endOfInterrupt(0x50);
    assertThat(sent).hasSize(2);
    assertThat(low(16) & REMOTE_IRR).isZero();
    apic.line(16, true);
    assertThat(sent).hasSize(3);
  }

  @Test
  void aLevelThatFallsBeforeTheEndComesAgainOnlyWhenItRises() {
    program(16, LEVEL | 0x50);
    pulse(16);
    pulse(16);
    assertThat(sent).as("remote IRR holds it back").hasSize(1);
    apic.endOfInterrupt(0x50);
    assertThat(sent).hasSize(1);
    pulse(16);
    assertThat(sent).hasSize(2);
  }

  @Test
  void anEndIsForTheEntriesOfItsVectorAlone() {
    program(16, LEVEL | 0x50);
    program(17, LEVEL | 0x51);
    program(18, LEVEL | 0x50);
    for (int i = 16; i <= 18; i++) {
      pulse(i);
    }
    apic.endOfInterrupt(0x50);
    assertThat(low(16) & REMOTE_IRR).isZero();
    assertThat(low(17) & REMOTE_IRR).isNotZero();
    assertThat(low(18) & REMOTE_IRR).isZero();
  }

  @Test
  void theEoiRegisterEndsAVectorToo() {
    program(16, LEVEL | 0x50);
    pulse(16);
    apic.write(EOI, 4, 0x51);
    assertThat(low(16) & REMOTE_IRR).isNotZero();
    apic.write(EOI, 4, 0xABCD_EF50L);
    assertThat(low(16) & REMOTE_IRR).isZero();
  }

  @Test
  void aMaskedLevelIsSentWhenItIsUnmaskedIfItIsStillThere() {
    program(16, LEVEL | MASKED | 0x50);
    apic.line(16, true);
    assertThat(sent).isEmpty();
    program(16, LEVEL | 0x50);
    assertThat(sent).hasSize(1);
    program(17, LEVEL | MASKED | 0x51);
    pulse(17);
    program(17, LEVEL | 0x51);
    assertThat(sent).as("it has gone").hasSize(1);
  }

  @Test
  void maskingDoesNotTakeBackWhatWasAccepted() {
    program(16, LEVEL | 0x50);
    apic.line(16, true);
    program(16, LEVEL | MASKED | 0x50);
    assertThat(low(16) & REMOTE_IRR).isNotZero();
    program(16, LEVEL | 0x50);
    assertThat(sent).as("it is in service").hasSize(1);
    program(16, LEVEL | MASKED | 0x50);
    apic.endOfInterrupt(0x50);
    assertThat(low(16) & REMOTE_IRR).isZero();
    assertThat(sent).hasSize(1);
    program(16, LEVEL | 0x50);
    assertThat(sent).hasSize(2);
  }

  /** How software without an EOI register clears remote IRR. */
  @Test
  void turningAnInputToEdgeAndBackClearsRemoteIrr() {
    program(16, LEVEL | 0x50);
    pulse(16);
    program(16, MASKED | 0x50);
    assertThat(low(16) & REMOTE_IRR).isZero();
    program(16, LEVEL | 0x50);
    assertThat(sent).hasSize(1);
    apic.line(16, true);
    assertThat(sent).hasSize(2);
  }

  @Test
  void remoteIrrCannotBeWritten() {
    program(16, LEVEL | REMOTE_IRR | 0x50);
    assertThat(low(16) & REMOTE_IRR).isZero();
    apic.line(16, true);
    assertThat(sent).hasSize(1);
  }

  /** NMI, INIT, SMI and external interrupts are edges even if they are programmed as levels. */
  @ParameterizedTest
  @CsvSource({"2", "4", "5", "7"})
  void otherModesThanFixedAndLowestPriorityAreEdges(int mode) {
    program(16, LEVEL | mode << 8 | 0x50);
    apic.line(16, true);
    assertThat(sent).containsExactly("fee00000:" + hex(0x4050 | mode << 8));
    assertThat(low(16) & REMOTE_IRR).isZero();
    apic.line(16, true);
    program(16, LEVEL | mode << 8 | 0x50);
    assertThat(sent).hasSize(1);
    apic.line(16, false);
    apic.line(16, true);
    assertThat(sent).as("no end of interrupt is needed").hasSize(2);
  }

  @Test
  void lowestPriorityMayBeALevel() {
    program(16, LEVEL | 0x150);
    apic.line(16, true);
    assertThat(sent).containsExactly("fee00000:c150");
    assertThat(low(16) & REMOTE_IRR).isNotZero();
  }
}
