package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.ConsoleInput;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is the guest's of what is typed, and what is asked of Vesper: ^ stands for Ctrl-A. */
final class EscapeKeyTest {
  private static final class Asked implements EscapeKey.Commands {
    final List<String> all = new ArrayList<>();

    @Override
    public void help() {
      all.add("help");
    }

    @Override
    public void quit() {
      all.add("quit");
    }

    @Override
    public void screenshot() {
      all.add("screenshot");
    }

    @Override
    public void controlAltDelete() {
      all.add("chord");
    }

    @Override
    public void monitor() {
      all.add("monitor");
    }

    @Override
    public boolean takes(int key) {
      return all.contains("monitor");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "ls -l, ls -l, ''",
    "hxsc?, hxsc?, ''",
    "a^xb, ab, quit",
    "^h^?, '', help help",
    "^s^c, '', screenshot monitor",
    "a^cb, a, monitor",
    "^d, '', chord",
    "^^x, ^x, ''",
    "^ax, ^x, ''",
    "^zx, x, ''",
    "^b, !, ''",
    "x^, x, ''"
  })
  void keys(String typed, String guest, String asked) {
    Asked a = new Asked();
    EscapeKey k = new EscapeKey(a);
    StringBuilder got = new StringBuilder();
    typed
        .chars()
        .map(c -> k.typed(c == '^' ? 1 : c))
        .filter(c -> c != EscapeKey.NOTHING)
        .forEach(c -> got.append(c == 1 ? '^' : c == ConsoleInput.BREAK ? '!' : (char) c));
    assertThat(got).hasToString(guest);
    assertThat(String.join(" ", a.all)).isEqualTo(asked);
  }
}
