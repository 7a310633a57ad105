package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What is shown of a file that is being read. */
final class ProgressTest {
  private final List<String> shown = new ArrayList<>();
  private long now;

  private Progress of(int bytes, long size) {
    return new Progress(
        new ByteArrayInputStream(new byte[bytes]), "file", size, shown::add, () -> now);
  }

  private void read(Progress p, int bytes, long nanosBehind) throws IOException {
    assertThat(p.readNBytes(bytes)).hasSize(bytes);
    now += nanosBehind;
  }

  @Test
  void whatIsReadAtOnceShowsNothing() throws IOException {
    try (Progress p = of(100, 100)) {
      read(p, 100, 900_000_000);
      assertThat(p.read()).isNegative();
    }
    assertThat(shown).isEmpty();
  }

  @Test
  void whatTakesLongIsShownFourTimesASecondAndGoesAtTheEnd() throws IOException {
    try (Progress p = of(4 << 20, 4 << 20)) {
      read(p, 1 << 20, 1_100_000_000);
      read(p, 1 << 20, 100_000_000);
      read(p, 1 << 20, 200_000_000);
      read(p, 1 << 20, 0);
      assertThat(p.read()).isNegative();
    }
    assertThat(shown).containsExactly("file: 1 MiB, 25 %", "file: 3 MiB, 75 %", "");
  }

  @Test
  void aPipeHasNoPercentage() throws IOException {
    try (Progress p = of(2 << 20, 0)) {
      read(p, 1 << 20, 2_000_000_000);
      read(p, 1 << 20, 0);
    }
    assertThat(shown).containsExactly("file: 1 MiB", "");
  }
}
