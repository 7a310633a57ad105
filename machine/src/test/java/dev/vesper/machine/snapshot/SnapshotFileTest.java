package dev.vesper.machine.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.foreign.Damaged;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Files of snapshots as sections, whatever is in them. */
final class SnapshotFileTest {
  private static byte[] file(int sections) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    SnapshotFile.Writer w = new SnapshotFile.Writer(out);
    w.section("header", "{}".getBytes(StandardCharsets.US_ASCII));
    for (int i = 0; i < sections; i++) {
      w.section("state", new byte[] {(byte) i});
    }
    w.end();
    return out.toByteArray();
  }

  private static int read(byte[] file) throws IOException {
    SnapshotFile.Reader r = new SnapshotFile.Reader(new ByteArrayInputStream(file));
    r.content("header");
    int n = 0;
    while (r.hasNext("state")) {
      n += r.content("state").length;
    }
    r.verify();
    return n;
  }

  @Test
  void sectionsAreReadHoweverManyThereAre() throws IOException {
    assertThat(read(file(0))).isZero();
    assertThat(read(file(100_000))).isEqualTo(100_000);
  }

  @Test
  void noBitOfAFileCanChange() throws IOException {
    byte[] whole = file(2);
    for (int bit = 0; bit < 8 * whole.length; bit++) {
      byte[] b = whole.clone();
      b[bit >> 3] ^= (byte) (1 << (bit & 7));
      assertThatThrownBy(() -> read(b)).as("bit " + bit).isInstanceOf(Damaged.class);
    }
  }

  @Test
  void aSectionThatWasRenamedHasAnotherSum() throws IOException {
    byte[] whole = file(1);
    String text = new String(whole, StandardCharsets.ISO_8859_1);
    byte[] renamed = text.replace("state", "stave").getBytes(StandardCharsets.ISO_8859_1);
    SnapshotFile.Reader r = new SnapshotFile.Reader(new ByteArrayInputStream(renamed));
    assertThatThrownBy(r::verify).isInstanceOf(Damaged.class).hasMessageContaining("SHA-256");
  }
}
