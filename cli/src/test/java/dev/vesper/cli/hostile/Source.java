package dev.vesper.cli.hostile;

import java.util.Locale;
import java.util.Random;

/** A guest's source in the making, and the chance that it is made by. */
abstract class Source {
  final Random random;
  final StringBuilder text = new StringBuilder();
  private int labels;

  Source(Random random) {
    this.random = random;
  }

  /** Adds an instruction. */
  final void add(String format, Object... values) {
    text.append("    ").append(String.format(Locale.ROOT, format, values)).append('\n');
  }

  /** {@return a name that no place has yet} */
  final String label() {
    return "l" + labels++;
  }

  final int any(int... of) {
    return of[random.nextInt(of.length)];
  }

  /** {@return whether the one case of so many has come} */
  final boolean chance(int in) {
    return random.nextInt(in) == 0;
  }
}
