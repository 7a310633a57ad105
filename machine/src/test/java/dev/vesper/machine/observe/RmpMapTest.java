package dev.vesper.machine.observe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.Rmpadjust;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Memory by state, against a table that has a place for each page. */
final class RmpMapTest {
  private static final long SEED = Long.getLong("vesper.seed", 5);
  private static final int PAGES = 64;
  private static final At AT = new At(0, 0, 0, 64, 0, 0x1000, "", "", "", Accesses.NONE);
  private static final RmpState.Kind[] KINDS = {
    RmpState.Kind.HYPERVISOR, RmpState.Kind.GUEST_INVALID, RmpState.Kind.GUEST_VALID
  };

  private final RmpMap map = new RmpMap();
  private final @Nullable RmpState[] model = new RmpState[PAGES];

  private static RmpState state(RmpState.Kind kind, boolean vmsa) {
    return new RmpState(kind, false, vmsa, 0, 0, 0);
  }

  private void change(long first, int pages, RmpState after) {
    map.accept(
        new RmpChanged(
            AT, RmpCause.HOST, "", first << 12, pages, RmpState.HYPERVISOR, after, -1, -1, ""));
  }

  private void pvalidate(long first, boolean large, boolean validate, int eax, int count) {
    map.accept(
        new Pvalidate(
            AT,
            0,
            first << 12,
            large,
            validate,
            eax,
            false,
            RmpState.HYPERVISOR,
            RmpCheck.NONE,
            count));
  }

  private void step(Random r) {
    int first = r.nextInt(PAGES);
    int pages = 1 + r.nextInt(PAGES - first);
    RmpState to = state(KINDS[r.nextInt(3)], r.nextInt(4) == 0);
    boolean validate = r.nextBoolean();
    int eax = r.nextInt(4) == 0 ? 1 : 0;
    switch (r.nextInt(3)) {
      case 0 -> change(first, pages, to);
      case 1 -> pvalidate(first, false, validate, eax, pages);
      default ->
          map.accept(
              new Rmpadjust(
                  AT,
                  0,
                  (long) first << 12,
                  false,
                  1,
                  0,
                  to.vmsa(),
                  eax,
                  RmpState.HYPERVISOR,
                  to,
                  RmpCheck.NONE));
    }
  }

  /** Does the same to the table. */
  private void stepModel(Random r) {
    int first = r.nextInt(PAGES);
    int pages = 1 + r.nextInt(PAGES - first);
    RmpState to = state(KINDS[r.nextInt(3)], r.nextInt(4) == 0);
    RmpState.Kind kind = r.nextBoolean() ? RmpState.Kind.GUEST_VALID : RmpState.Kind.GUEST_INVALID;
    boolean refused = r.nextInt(4) == 0;
    int what = r.nextInt(3);
    for (int i = first; i < (what == 2 ? first + 1 : first + pages); i++) {
      RmpState was = model[i];
      if (what == 0) {
        model[i] = to;
      } else if (was != null && !refused) {
        model[i] = what == 1 ? state(kind, was.vmsa()) : state(was.kind(), to.vmsa());
      }
    }
  }

  @Test
  void itIsWhatATableOfAllPagesIs() {
    Random r = new Random(SEED);
    for (int n = 0; n < 2000; n++) {
      long seed = r.nextLong();
      step(new Random(seed));
      stepModel(new Random(seed));
      RmpMap.Area before = null;
      BitSet known = new BitSet();
      for (RmpMap.Area a : map.areas()) {
        for (long p = a.span().first(); p < a.span().end(); p++) {
          known.set((int) p);
          RmpState s = Objects.requireNonNull(model[(int) p]);
          assertThat(a.words()).isEqualTo(new RmpMap.Area(a.span(), s.kind(), s.vmsa()).words());
        }
        if (before != null) {
          assertThat(before.span().end()).isLessThanOrEqualTo(a.span().first());
          assertThat(before.span().end() == a.span().first() && before.words().equals(a.words()))
              .as("neighbours differ")
              .isFalse();
        }
        before = a;
      }
      for (int p = 0; p < PAGES; p++) {
        assertThat(known.get(p)).as("page %d", p).isEqualTo(model[p] != null);
      }
    }
  }

  @Test
  void aLargePageIsFiveHundredTwelve() {
    change(0x200, 512, state(RmpState.Kind.GUEST_INVALID, false));
    pvalidate(0x200, true, true, 0, 1);
    assertThat(map.text(10))
        .contains("0x200000-0x3fffff")
        .contains("2M  private, valid")
        .contains("together: 2M private, valid");
  }

  @Test
  void aTraceMaySayAnything() {
    change(-1, Integer.MAX_VALUE, state(RmpState.Kind.GUEST_VALID, false));
    pvalidate(-1, true, false, 0, Integer.MAX_VALUE);
    for (long first : new long[] {0, Long.MIN_VALUE, Long.MAX_VALUE}) {
      map.accept(
          new RmpChanged(
              AT,
              RmpCause.HOST,
              "",
              first,
              Long.MAX_VALUE,
              RmpState.HYPERVISOR,
              state(RmpState.Kind.FIRMWARE, false),
              -1,
              -1,
              ""));
    }
    assertThat(map.areas()).hasSize(1);
    assertThat(map.text(10)).contains("0x0-0xffffffffffffffff").contains("firmware (Firmware)");
  }

  /** A forged trace has each page of a row change, again and again. */
  @Test
  void workIsBounded() {
    int n = 20_000;
    for (int i = 0; i < n; i++) {
      change(2L * i, 1, state(RmpState.Kind.GUEST_VALID, i % 2 == 0));
    }
    for (int i = 0; i < n; i++) {
      pvalidate(0, false, i % 2 == 0, 0, 2 * n);
    }
    assertThat(map.text(1)).contains("there was more than can be kept");
  }

  @Test
  void spansMeet() {
    PageSpan one = PageSpan.at(0x5FFF);
    assertThat(one).isEqualTo(new PageSpan(5, 1));
    assertThat(List.of(new PageSpan(4, 1), new PageSpan(6, 9))).noneMatch(one::meets);
    assertThat(List.of(new PageSpan(4, 2), new PageSpan(5, 1), new PageSpan(0, 99)))
        .allMatch(one::meets);
  }
}
