package dev.vesper.machine.trace;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The map of addresses against the library's. */
final class AddressMapTest {
  private static final long SEED = Long.getLong("vesper.seed", 22);

  @Test
  void itHoldsWhatAMapHolds() {
    Random random = new Random(SEED);
    Map<Long, Integer> expected = new HashMap<>();
    AddressMap map = new AddressMap();
    for (int i = 0; i < 20_000; i++) {
      // Addresses of code: near each other, in a few places, 0 among them.
      long a = random.nextInt(3) * 0xFFFF_FFFF_8000_0000L + random.nextInt(4000) * 16L;
      assertThat(map.get(a)).isEqualTo(expected.getOrDefault(a, 0));
      int v = 1 + random.nextInt(100);
      map.put(a, v);
      expected.put(a, v);
      assertThat(map.size()).isEqualTo(expected.size());
    }
    Set<Long> all = new HashSet<>();
    map.forEach(all::add);
    assertThat(all).isEqualTo(expected.keySet());
    expected.forEach((a, v) -> assertThat(map.get(a)).isEqualTo(v));
  }
}
