package dev.vesper.machine.trace;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.GhcbContents;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.IntPredicate;
import org.junit.jupiter.api.Test;

/** What is said about GHCB pages, beside a look at each byte. */
final class GhcbSnapshotTest {
  private static List<ByteRange> ranges(IntPredicate in) {
    List<ByteRange> all = new ArrayList<>();
    int from = -1;
    for (int i = 0; i <= GhcbPage.SIZE; i++) {
      boolean is = i < GhcbPage.SIZE && in.test(i);
      if (is && from < 0) {
        from = i;
      } else if (!is && from >= 0) {
        all.add(new ByteRange(from, i - 1));
        from = -1;
      }
    }
    return all;
  }

  private static boolean reserved(int at) {
    for (GhcbField f : GhcbField.values()) {
      if (at >= f.offset && at < f.offset + f.bytes) {
        return false;
      }
    }
    return !(at >= 0x3F0 && at < 0x408 || at >= 0x800 && at < 0xFF0 || at >= 0xFFA);
  }

  @Test
  void rangesAreThoseOfALookAtEachByte() {
    Random r = new Random(7);
    for (int n = 0; n < 300; n++) {
      GhcbSnapshot now = new GhcbSnapshot();
      byte[] before = new byte[GhcbPage.SIZE];
      for (int i = r.nextInt(40); i > 0; i--) {
        int from = r.nextInt(GhcbPage.SIZE);
        int to = Math.min(GhcbPage.SIZE, from + r.nextInt(20));
        byte[] where = r.nextBoolean() ? before : now.bytes;
        java.util.Arrays.fill(where, from, to, (byte) (r.nextInt(3) * 0x7F));
      }
      assertThat(now.reserved()).isEqualTo(ranges(i -> reserved(i) && now.bytes[i] != 0));
      assertThat(now.changed(before)).isEqualTo(ranges(i -> now.bytes[i] != before[i]));
      assertThat(now.written(before))
          .isEqualTo(ranges(i -> now.bytes[i] != before[i] && now.bytes[i] != 0));
    }
  }

  @Test
  void contentsTellMarkedFieldsFromThoseThatOnlyHoldSomething() {
    GhcbSnapshot s = new GhcbSnapshot();
    s.page.set(GhcbField.RAX, 0);
    s.page.put(GhcbField.RBX, 5);
    s.bytes[GhcbPage.SHARED_BUFFER + 1] = 9;
    GhcbContents c = s.contents(GhcbPage.SHARED_BUFFER, 2);
    assertThat(c.valid()).containsExactly(java.util.Map.entry(GhcbField.RAX, 0L));
    assertThat(c.unmarked()).containsExactly(java.util.Map.entry(GhcbField.RBX, 5L));
    assertThat(c.buffer()).hasToString("0009");
    assertThat(c.get(GhcbField.RBX)).isEqualTo(5);
    assertThat(s.contents(-1, 2).buffer().isEmpty()).isTrue();
    assertThat(s.contents(GhcbPage.SIZE - 1, Long.MAX_VALUE).buffer().length()).isEqualTo(1);
  }
}
