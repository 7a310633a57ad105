package dev.vesper.cli.attack;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * The reference guest with a few instructions in place of its self-test: for attacks on what the
 * self-test does not do. Its handlers are those that it always has.
 */
final class MadeGuests {
  /** Where the instructions have done what they should. */
  static final String END = "made_end";

  /** Where they keep what they have seen. */
  private static final String KEPT = "scratch";

  private static final long PHYSICAL = 0x7FFF_FFFF;
  private static final long MOST = 50_000_000;

  private MadeGuests() {}

  /** {@return a run of it, as the target is but for its instructions} */
  static Trial trial(AttackRun run, String main, UnaryOperator<MachineSpec.Builder> change) {
    byte[] image = Locore.withMain(main + "\n" + END + ":\nhlt\njmp " + END + "\n");
    return run.trial(b -> change.apply(b.kernel(image, "locore")));
  }

  /** {@return when the instructions have come to their end, or will not come there} */
  static Until end() {
    return Until.symbol(END).or(Until.instructions(MOST));
  }

  /** {@return numbers of 64 bits that the instructions have kept} */
  static List<Long> kept(Machine m, int count) {
    long at = m.symbols().address(KEPT) & PHYSICAL;
    ByteBuffer b =
        ByteBuffer.wrap(m.observer().readPrivate(at, count * Long.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    List<Long> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      all.add(b.getLong());
    }
    return all;
  }
}
