package dev.vesper.machine.flow;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import org.junit.jupiter.api.Test;

/** Sets of origins in a bounded number of labels. */
final class LabelsTest {
  private static final int FEW = 64;

  @Test
  void whatIsMadeOfTwoKnowsBoth() {
    Labels l = new Labels(FEW);
    char host = l.origin(false, "answer", 3);
    char secret = l.origin(true, "key", 0);
    char both = l.join(host, secret);
    assertThat(l.secret(both)).isTrue();
    assertThat(l.host(both)).isTrue();
    assertThat(l.join(secret, host)).isEqualTo(both);
    assertThat(l.join(both, Labels.PUBLIC)).isEqualTo(both);
    assertThat(l.join(Labels.UNKNOWN, Labels.PUBLIC)).isEqualTo(Labels.PUBLIC);
    assertThat(l.origins(both)).extracting(o -> o.name).containsExactly("answer", "key");
  }

  @Test
  void aComparisonHoldsForAllThatIsMadeOfTheSameOrigin() {
    Labels l = new Labels(FEW);
    char first = l.origin(false, "first", 1);
    char second = l.origin(false, "second", 2);
    char both = l.join(first, second);
    l.check(first);
    assertThat(l.unchecked(first)).isNull();
    assertThat(l.unchecked(both)).extracting(o -> o.name).isEqualTo("second");
    l.check(both);
    assertThat(l.unchecked(second)).isNull();
  }

  @Test
  void labelsThatNoByteHasAreGivenOutAgain() {
    Labels l = new Labels(FEW);
    char kept = l.origin(false, "kept", 1);
    BitSet live = new BitSet();
    live.set(kept);
    for (int i = 0; i < 10_000; i++) {
      if (l.scarce()) {
        l.collect(live);
      }
      assertThat(l.origins(l.origin(false, "passing", i))).hasSize(1);
    }
    assertThat(l.blurred()).isZero();
    assertThat(l.origins(kept)).extracting(o -> o.name).containsExactly("kept");
  }

  @Test
  void whenAllAreInUseValuesLoseTheirNamesButNotTheirSide() {
    Labels l = new Labels(FEW);
    BitSet live = new BitSet();
    live.set(0, FEW);
    char last = Labels.PUBLIC;
    for (int i = 0; i < 10_000; i++) {
      if (l.scarce()) {
        l.collect(live);
      }
      last = l.origin(i % 2 == 0, "value", i);
    }
    assertThat(last).isEqualTo(Labels.MANY_HOST);
    assertThat(l.unchecked(last)).isNull();
    assertThat(l.join(last, Labels.MANY_SECRET)).isEqualTo(Labels.MANY_BOTH);
    assertThat(l.blurred()).isPositive();
  }

  @Test
  void aSetKeepsSoManyOriginsAndNoMore() {
    Labels l = new Labels(4096);
    char all = Labels.PUBLIC;
    for (int i = 0; i < 100; i++) {
      all = l.join(all, l.origin(i % 2 == 0, "origin", i));
    }
    assertThat(l.origins(all)).hasSize(Labels.MOST_SECRET + Labels.MOST_OF_HOST);
  }
}
