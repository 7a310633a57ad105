package dev.vesper.fuzz.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class ProgressTest {
  private static final Progress SOME =
      new Progress("host-1.a", 1, 2, 3_000_000_000L, 1500.5, 5, 6, 7, 8, 9, 10);

  @Test
  void whatWasEncodedIsDecoded() {
    assertThat(Progress.decode(SOME.encode())).contains(SOME);
  }

  @Test
  void bytesOfSomebodyElseAreOneOrNothing() {
    Random r = new Random(1);
    for (int i = 0; i < 20_000; i++) {
      byte[] b = SOME.encode();
      b[r.nextInt(b.length)] = (byte) r.nextInt();
      if (i % 3 == 0) {
        b = Arrays.copyOf(b, r.nextInt(200));
      }
      Progress.decode(b).ifPresent(p -> assertThat(Progress.decode(p.encode())).contains(p));
    }
  }

  @Test
  void aNameHasNothingThatAPathOrATerminalWouldTakeOtherwise() {
    for (String s : new String[] {"", "a/b", "..\0", "a\033[0m", "x".repeat(65), "ä"}) {
      assertThatThrownBy(() -> new Progress(s, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }
}
