package dev.vesper.campaign;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fuzz.store.CampaignStore;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class EdgeMapTest {
  private static byte[] some(Random r, int places) {
    byte[] map = new byte[CampaignStore.MAP];
    for (int i = 0; i < places; i++) {
      map[r.nextInt(map.length)] |= (byte) (1 << r.nextInt(8));
    }
    return map;
  }

  private static byte[] joined(byte[]... maps) {
    EdgeMap m = new EdgeMap();
    for (byte[] more : maps) {
      m.join(more);
    }
    return m.copy();
  }

  @Test
  void neitherOrderNorRepetitionMatters() {
    Random r = new Random(1);
    for (int i = 0; i < 50; i++) {
      byte[] a = some(r, r.nextInt(500));
      byte[] b = some(r, r.nextInt(500));
      byte[] c = some(r, r.nextInt(500));
      assertThat(joined(a, b, c)).isEqualTo(joined(c, a, b, a, c));
      assertThat(joined(joined(a, b), c)).isEqualTo(joined(a, joined(b, c)));
    }
  }

  @Test
  void whatIsFreshIsWhatWasNotThere() {
    Random r = new Random(2);
    EdgeMap m = new EdgeMap();
    byte[] a = some(r, 300);
    assertThat(EdgeMap.decode(Objects.requireNonNull(m.fresh(a)))).isEqualTo(a);
    m.join(a);
    assertThat(m.fresh(a)).isNull();
    byte[] b = a.clone();
    b[5] = (byte) ~a[5];
    byte[] only = new byte[CampaignStore.MAP];
    only[5] = (byte) ~a[5];
    assertThat(EdgeMap.decode(Objects.requireNonNull(m.fresh(b)))).isEqualTo(only);
  }

  @Test
  void aMapIsItsListOfPlaces() {
    Random r = new Random(3);
    byte[] full = new byte[CampaignStore.MAP];
    Arrays.fill(full, (byte) -1);
    for (byte[] map : new byte[][] {new byte[CampaignStore.MAP], some(r, 1000), full}) {
      EdgeMap m = new EdgeMap();
      m.join(map);
      assertThat(EdgeMap.decode(m.encode())).isEqualTo(map);
    }
  }

  @Test
  void aListOfSomebodyElseIsAMapOrNothing() {
    Random r = new Random(4);
    EdgeMap m = new EdgeMap();
    m.join(some(r, 50));
    byte[] list = m.encode();
    for (int i = 0; i < 10_000; i++) {
      byte[] b = Arrays.copyOf(list, list.length - r.nextInt(4));
      b[r.nextInt(b.length)] = (byte) r.nextInt();
      byte[] map = EdgeMap.decode(b);
      if (map != null) {
        EdgeMap back = new EdgeMap();
        back.join(map);
        assertThat(back.encode()).isEqualTo(b);
      }
    }
  }

  @Test
  void aMapOfAnotherLengthIsRefused() {
    assertThatThrownBy(() -> new EdgeMap().fresh(new byte[5]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a map has 65536 bytes, not 5");
  }
}
