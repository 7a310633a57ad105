package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import org.junit.jupiter.api.Test;

/** Keys that somebody presses between runs. */
final class KeyboardGuestTest {
  private static Machine machine(Hardware.Board board) throws BootException {
    // Ends with the scan code that it reads.
    byte[] image = FlatGuest.image("L: in al, 0x64\ntest al, 1\nje L\nin al, 0x60\nout 0xf4, al");
    return new Machine(MachineSpec.builder(SevMode.OFF, image, b -> {}).board(board).build());
  }

  @Test
  void aGuestThatPollsReadsTheKeysCode() throws BootException {
    Machine m = machine(Hardware.Board.PC);
    m.run(Until.instructions(1000));
    assertThat(m.key(0x1E, true)).isTrue();
    assertThat(m.run().guestValue()).isEqualTo(0x1E);
  }

  @Test
  void theLeastBoardHasNoKeyboard() throws BootException {
    assertThat(machine(Hardware.Board.MINIMAL).key(0x1E, true)).isFalse();
  }

  @Test
  void onlyMakeCodesAreKeys() throws BootException {
    Machine m = machine(Hardware.Board.PC);
    for (int wrong : new int[] {0, 0x80, 0x9E, 0xE000, 0xE080, 0xF01C, -1}) {
      assertThatThrownBy(() -> m.key(wrong, true)).isInstanceOf(IllegalArgumentException.class);
    }
  }
}
