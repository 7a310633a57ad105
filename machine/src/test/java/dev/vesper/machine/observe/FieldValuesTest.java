package dev.vesper.machine.observe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.GhcbField;
import java.util.EnumMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Fields with their values are a map like any other. */
final class FieldValuesTest {
  private static final long SEED = Long.getLong("vesper.seed", 22);

  @Test
  void theyEqualTheMapThatTheyAreMadeFrom() {
    Random random = new Random(SEED);
    for (int i = 0; i < 500; i++) {
      Map<GhcbField, Long> map = new EnumMap<>(GhcbField.class);
      for (GhcbField f : GhcbField.values()) {
        if (random.nextInt(3) == 0) {
          map.put(f, random.nextLong());
        }
      }
      FieldValues v = FieldValues.of(map);
      assertThat((Map<GhcbField, Long>) v).isEqualTo(map);
      assertThat(map).isEqualTo(v).hasSameHashCodeAs(v);
      assertThat(v.keySet()).containsExactlyElementsOf(map.keySet());
      assertThat(GhcbField.set(v.bits())).isEqualTo(map.keySet());
      for (GhcbField f : GhcbField.values()) {
        assertThat(v.has(f)).isEqualTo(map.containsKey(f));
        assertThat(v.get(f)).isEqualTo(map.get(f));
        assertThat(v.value(f)).isEqualTo(map.getOrDefault(f, 0L));
      }
    }
  }

  @Test
  void valuesOfOtherFieldsMeanNothing() {
    long[] values = new long[GhcbField.values().length];
    values[GhcbField.RAX.ordinal()] = 1;
    values[GhcbField.RBX.ordinal()] = 2;
    assertThat((Map<GhcbField, Long>) FieldValues.of(GhcbField.RAX.mask(), values))
        .containsExactly(Map.entry(GhcbField.RAX, 1L));
    assertThat((Map<GhcbField, Long>) FieldValues.of(0, values)).isEmpty();
  }
}
