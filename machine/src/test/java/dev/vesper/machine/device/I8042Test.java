package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The keyboard controller with keyboard and mouse, by the IBM PS/2 technical reference. */
final class I8042Test {
  private static final int DATA = 0x60;
  private static final int STATUS = 0x64;
  private static final int OUTPUT_FULL = 1;
  private static final int SYSTEM = 4;
  private static final int COMMAND = 8;
  private static final int FROM_MOUSE = 0x20;

  private final List<String> edges = new ArrayList<>();
  private final boolean[] up = new boolean[16];
  private int resets;
  private final I8042 chip = new I8042(this::line, () -> resets++);

  private void line(int number, boolean on) {
    if (on && !up[number]) {
      edges.add("interrupt " + number);
    }
    up[number] = on;
  }

  private void command(int v) {
    chip.write(STATUS, 1, v);
  }

  private void command(int v, int argument) {
    command(v);
    data(argument);
  }

  private void data(int v) {
    chip.write(DATA, 1, v);
  }

  private int status() {
    return chip.read(STATUS, 1);
  }

  private int take() {
    assertThat(status() & OUTPUT_FULL).as("output buffer full").isEqualTo(OUTPUT_FULL);
    return chip.read(DATA, 1);
  }

  private void takes(int... bytes) {
    for (int b : bytes) {
      assertThat(take()).isEqualTo(b);
    }
    assertThat(status() & OUTPUT_FULL).as("nothing more").isZero();
  }

  @Test
  void theStatusSaysWhichPortWasWrittenLast() {
    assertThat(status() & OUTPUT_FULL).isZero();
    assertThat(status() & 2).as("the input buffer is always free").isZero();
    command(0xAE);
    assertThat(status() & COMMAND).isNotZero();
    data(0xEE);
    assertThat(status() & COMMAND).isZero();
  }

  @Test
  void theSelfTestEmptiesTheBufferAndSetsTheSystemFlag() {
    data(0xEE);
    command(0x60, 0);
    assertThat(status() & SYSTEM).isZero();
    command(0xAA);
    takes(0x55);
    assertThat(status() & SYSTEM).isNotZero();
  }

  @Test
  void interfacesTestFine() {
    command(0xAB);
    takes(0);
    command(0xA9);
    takes(0);
  }

  @Test
  void theControllersMemoryKeepsWhatIsWritten() {
    for (int i = 1; i < 32; i++) {
      command(0x60 + i, 0xC0 + i);
    }
    for (int i = 1; i < 32; i++) {
      command(0x20 + i);
      takes(0xC0 + i);
    }
    command(0x60, 0x47);
    command(0x20);
    takes(0x47);
  }

  @Test
  void aByteOfTheKeyboardInterruptsOnlyWhereThatIsEnabled() {
    command(0x60, 0x40);
    data(0xEE);
    assertThat(edges).isEmpty();
    takes(0xEE);
    command(0x60, 0x41);
    data(0xEE);
    assertThat(edges).containsExactly("interrupt 1");
    takes(0xEE);
    assertThat(up[1]).as("reading lowers the line").isFalse();
  }

  @Test
  void eachByteIsAnEdgeOfItsOwn() {
    command(0x60, 0x41);
    data(0xFF);
    assertThat(edges).hasSize(1);
    assertThat(take()).isEqualTo(0xFA);
    assertThat(edges).hasSize(2);
    assertThat(take()).isEqualTo(0xAA);
    assertThat(edges).hasSize(2);
  }

  @Test
  void theMouseInterruptsByInterrupt12AndItsBytesAreMarked() {
    command(0x60, 0x42);
    command(0xD4, 0xF2);
    assertThat(edges).containsExactly("interrupt 12");
    assertThat(status() & FROM_MOUSE).isNotZero();
    takes(0xFA, 0);
    data(0xEE);
    assertThat(status() & FROM_MOUSE).isZero();
    assertThat(edges).as("the keyboard's interrupt is off").doesNotContain("interrupt 1");
  }

  @Test
  void bytesCanBePutIntoTheBufferAsIfADeviceHadSentThem() {
    command(0x60, 0x43);
    command(0xD2, 0x5A);
    assertThat(edges).containsExactly("interrupt 1");
    takes(0x5A);
    command(0xD3, 0xA5);
    assertThat(edges).containsExactly("interrupt 1", "interrupt 12");
    assertThat(status() & FROM_MOUSE).isNotZero();
    takes(0xA5);
  }

  @Test
  void disablingIsABitOfTheCommandByte() {
    command(0x60, 0x44);
    command(0xAD);
    command(0x20);
    takes(0x54);
    command(0xAE);
    command(0xA7);
    command(0x20);
    takes(0x64);
    command(0xA8);
    command(0x20);
    takes(0x44);
  }

  @Test
  void aDisabledKeyboardKeepsItsKeys() {
    command(0xAD);
    chip.key(0x1E, true);
    chip.key(0x1E, false);
    assertThat(status() & OUTPUT_FULL).isZero();
    command(0xAE);
    takes(0x1E, 0x9E);
  }

  @Test
  void withoutTranslationKeysHaveCodesOfTheSetThatSoftwareChooses() {
    command(0x60, 0x05);
    chip.key(0x1E, true);
    chip.key(0x1E, false);
    chip.key(0xE048, true);
    chip.key(0xE048, false);
    chip.key(0x41, true);
    takes(0x1C, 0xF0, 0x1C, 0xE0, 0x75, 0xE0, 0xF0, 0x75, 0x83);
    data(0xF0);
    data(1);
    takes(0xFA, 0xFA);
    chip.key(0x1E, true);
    chip.key(0x1E, false);
    takes(0x1E, 0x9E);
    data(0xF0);
    data(0);
    takes(0xFA, 0xFA, 1);
    data(0xF0);
    data(3);
    takes(0xFA, 0xFE);
    data(0xFF);
    takes(0xFA, 0xAA);
    chip.key(0x54, true);
    takes(0x84);
  }

  /** Translation is the inverse of what the keyboard sends, for each key that there can be. */
  @Test
  void everyKeyIsTranslatedToItsCodeOfSet1() {
    for (int key = 1; key < 0x80; key++) {
      for (int prefix : new int[] {0, 0xE000}) {
        chip.key(prefix | key, true);
        chip.key(prefix | key, false);
        if (prefix == 0) {
          takes(key, key | 0x80);
        } else {
          takes(0xE0, key, 0xE0, key | 0x80);
        }
      }
    }
  }

  @Test
  void theKeyboardsBufferHas16BytesAndTellsThatMoreWereLost() {
    command(0x60, 0x15);
    for (int i = 0; i < 20; i++) {
      chip.key(0x1E, true);
    }
    command(0xAE);
    for (int i = 0; i < 16; i++) {
      assertThat(take()).isEqualTo(0x1C);
    }
    takes(0);
  }

  @Test
  void enablingForgetsKeys() {
    command(0xAD);
    chip.key(0x1E, true);
    assertThat(status() & OUTPUT_FULL).isZero();
    data(0xF4);
    takes(0xFA);
    chip.key(0x1E, true);
    takes(0x1E);
  }

  @Test
  void keysHaveMakeAndBreakCodesOfSet1WhereTranslated() {
    command(0x60, 0x45);
    chip.key(0x1E, true);
    chip.key(0x1E, false);
    chip.key(0xE048, true);
    chip.key(0xE048, false);
    takes(0x1E, 0x9E, 0xE0, 0x48, 0xE0, 0xC8);
  }

  @Test
  void scanningStopsAndStarts() {
    data(0xF5);
    takes(0xFA);
    chip.key(0x1E, true);
    assertThat(status() & OUTPUT_FULL).isZero();
    data(0xF4);
    takes(0xFA);
    chip.key(0x1E, true);
    takes(0x1E);
  }

  @Test
  void theKeyboardAcknowledgesCommandsAndTheirArguments() {
    data(0xED);
    takes(0xFA);
    data(7);
    takes(0xFA);
    data(0xF3);
    takes(0xFA);
    data(0x20);
    takes(0xFA);
    data(0xEE);
    takes(0xEE);
    data(0x99);
    takes(0xFE);
  }

  @Test
  void theKeyboardSaysWhatItIs() {
    command(0x60, 0x05);
    data(0xF2);
    takes(0xFA, 0xAB, 0x83);
    command(0x60, 0x45);
    data(0xF2);
    takes(0xFA, 0xAB, 0x41);
  }

  @Test
  void theMouseKeepsItsSettingsUntilItIsReset() {
    command(0xD4, 0xF3);
    takes(0xFA);
    command(0xD4, 40);
    takes(0xFA);
    command(0xD4, 0xE8);
    takes(0xFA);
    command(0xD4, 3);
    takes(0xFA);
    command(0xD4, 0xF4);
    takes(0xFA);
    command(0xD4, 0xE9);
    takes(0xFA, 0x20, 3, 40);
    command(0xD4, 0xFF);
    takes(0xFA, 0xAA, 0);
    command(0xD4, 0xE9);
    takes(0xFA, 0, 2, 100);
    command(0xD4, 0xEB);
    takes(0xFA, 8, 0, 0);
    command(0xD4, 0x99);
    takes(0xFE);
  }

  @Test
  void theResetLineIsPulsedByACommandOrByTheOutputPort() {
    command(0xFE);
    assertThat(resets).isEqualTo(1);
    command(0xFF);
    assertThat(resets).as("no bit is pulsed").isEqualTo(1);
    command(0xD1, 0xDF);
    assertThat(resets).isEqualTo(1);
    command(0xD1, 0xDE);
    assertThat(resets).isEqualTo(2);
  }

  @Test
  void theOutputPortReadsBackWithTheGateOfLine20() {
    command(0xD1, 0xCD);
    command(0xD0);
    assertThat(take() & 2).as("A20 off").isZero();
    command(0xD1, 0xCF);
    command(0xD0);
    assertThat(take() & 2).isEqualTo(2);
    command(0xDD);
    command(0xD0);
    assertThat(take() & 2).as("A20 off by command").isZero();
    command(0xDF);
    command(0xD0);
    assertThat(take() & 2).isEqualTo(2);
  }

  @Test
  void aFloodOfBytesIsBoundedAndTheOldestAreKept() {
    for (int i = 0; i < 100_000; i++) {
      command(0xD2, i & 0xFF);
    }
    int n = 0;
    for (; (status() & OUTPUT_FULL) != 0; n++) {
      assertThat(chip.read(DATA, 1)).isEqualTo(n & 0xFF);
    }
    assertThat(n).isBetween(16, 1024);
  }
}
