package dev.vesper.cli.monitor;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Checkpoint;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A machine whose clients are strangers: one for all inputs, since it takes longer to make than to
 * talk about, which is as it was before each of them.
 */
final class SpokenTo {
  private final SevMode mode;
  private @Nullable Path files;
  private @Nullable Machine machine;
  private @Nullable Control control;
  private @Nullable Checkpoint begin;

  SpokenTo(SevMode mode) {
    this.mode = mode;
  }

  /** Says where files may be written. */
  void folder(Path own) {
    files = own;
    control = null;
  }

  /** {@return who does what clients ask for, of a machine that stands still at its beginning} */
  Control control() throws Exception {
    Control c = control;
    if (c == null) {
      Machine m =
          new Machine(
              MachineSpec.builder(
                      mode,
                      FlatGuest.image(
                          "mov esp, 0x380000\n"
                              + "L: inc eax\n"
                              + "push rax\n"
                              + "pop rcx\n"
                              + "mov [0x300000], ecx\n"
                              + "jmp L"),
                      b -> {})
                  .memoryBytes(8 << 20)
                  .hardware(new Hardware(Hardware.Board.PC, List.of()))
                  .build());
      c = new Control(Control.Facts.NONE, new WrittenFiles(files), o -> {});
      c.serves(m, true);
      c.keepStates();
      c.beginHeld();
      Stop s = m.run(Until.instructions(100));
      if (!(s instanceof Stop.Limit)) {
        throw new AssertionError("a guest that nobody can talk about: " + s);
      }
      machine = m;
      begin = m.checkpoint();
      control = c;
    }
    back();
    return c;
  }

  private void back() {
    Machine m = Objects.requireNonNull(machine);
    m.restore(Objects.requireNonNull(begin));
    m.branch();
  }

  /** Has the guest go on a little, as it does between what clients ask for. */
  void on() {
    Machine m = Objects.requireNonNull(machine);
    m.run(Until.instructions(m.instructions() + 20));
  }
}
