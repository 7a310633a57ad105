package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.memory.LazyMemory;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.RawMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What hits the TLB and what does not, asked as the fast paths ask. */
final class TlbTest {
  /** Indexes whose empty or watched tags come near to those of another one's pages. */
  private static final int[] INDEXES = {0, 1, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF};

  /** What is above the index in an address: the ends of both canonical halves, and between. */
  private static final long[] ABOVE = {0, 1, 7, 8, 15, 1L << 19, 1L << 35, -1, -2, -8, -16};

  private final PhysicalMemory memory = new PhysicalMemory(1 << 20, 0);
  private final Tlb tlb =
      new Tlb(Tlb.Tables.of(LazyMemory.map(3L * Tlb.ENTRIES * Long.BYTES), 0, 0));

  /** {@return whether an access hits by a table of tags: in both forms, which must agree} */
  private static boolean hits(long tags, long la, int bytes) {
    long sum = la + RawMemory.get64(tags + Tlb.offset(la));
    boolean first = Long.compareUnsigned(sum, 4096 - bytes) <= 0;
    assertThat((sum + bytes - 1 & -4096L) == 0).as("%x %d", la, bytes).isEqualTo(first);
    return first;
  }

  private boolean reads(long la, int bytes) {
    return hits(tlb.tables.read(), la, bytes);
  }

  private boolean writes(long la, int bytes) {
    return hits(tlb.tables.write(), la, bytes);
  }

  private void fill(long page, int frame, boolean global) {
    tlb.fill(Tlb.index(page), page, memory.page(frame, Page.SHARED), global, false);
    tlb.allowWrites(Tlb.index(page));
  }

  private static long page(long above, int index) {
    return above << 28 | (long) index << 12;
  }

  /** {@return addresses of pages, such that no two have the same index, and their aliases} */
  private static List<Long> pages() {
    List<Long> all = new ArrayList<>();
    for (int i : INDEXES) {
      for (long a : ABOVE) {
        all.add(page(a, i));
      }
    }
    return all;
  }

  /** Nothing of a page and 64 bytes around it hits, but what lies in another one. */
  private void hitsOnly(long page, boolean expected) {
    for (int bytes = 1; bytes <= 64; bytes++) {
      for (int o = -64; o < 4096; o = o == 64 ? 4096 - 64 : o + 1) {
        boolean inside = o >= 0 && o <= 4096 - bytes;
        long la = page + o;
        if (o >= 0) {
          assertThat(reads(la, bytes)).as("%x %d", la, bytes).isEqualTo(inside && expected);
          assertThat(writes(la, bytes)).as("%x %d", la, bytes).isEqualTo(inside && expected);
        } else if (reads(la, bytes)) {
          assertThat(o).as("%x %d", la, bytes).isLessThanOrEqualTo(-bytes);
        }
      }
    }
  }

  @Test
  void anEmptyTlbIsNeverHit() {
    pages().forEach(p -> hitsOnly(p, false));
  }

  @Test
  void aPageIsHitWhereItIsAndNowhereElse() {
    for (int i : INDEXES) {
      for (long a : ABOVE) {
        long filled = page(a, i);
        fill(filled, 3, false);
        long at = filled + 4088;
        assertThat(RawMemory.get64(tlb.tables.host() + Tlb.offset(at)) + at)
            .isEqualTo(memory.page(3, Page.SHARED).address + 4088);
        for (long b : ABOVE) {
          hitsOnly(page(b, i), a == b);
        }
        tlb.flushPage(page(a + 1, i));
        assertThat(reads(filled, 8)).isTrue();
        tlb.flushPage(filled + 5);
        hitsOnly(filled, false);
      }
    }
  }

  @Test
  void aWatchedPageIsNeverHitUntilItIsWatchedNoMore() {
    for (long p : pages()) {
      fill(p, 3, false);
      tlb.watchFrame(3, true);
      int i = Tlb.index(p);
      assertThat(tlb.read(i)).isNotEqualTo(Tlb.empty(i)).isEqualTo(tlb.write(i));
      assertThat(Tlb.unwatched(tlb.read(i))).isEqualTo(Tlb.tag(p));
      assertThat(tlb.linear(3)).isEqualTo(p);
      for (long b : ABOVE) {
        hitsOnly(page(b, i), false);
      }
      tlb.watchFrame(3, false);
      hitsOnly(p, true);
      tlb.watch(any -> false, la -> la == p);
      hitsOnly(p, false);
      tlb.watch(any -> false, la -> la != p);
      assertThat(reads(p, 8)).isTrue();
      tlb.flush(true);
    }
  }

  @Test
  void aFlushKeepsGlobalPagesUnlessTheyGoToo() {
    for (int i : INDEXES) {
      fill(page(1, i), i & 7, (i & 1) != 0);
    }
    tlb.flush(false);
    for (int i : INDEXES) {
      assertThat(reads(page(1, i), 8)).isEqualTo((i & 1) != 0);
    }
    // What was global is so no longer, and the other way round.
    for (int i : INDEXES) {
      fill(page(1, i), i & 7, (i & 1) == 0);
    }
    tlb.flush(false);
    for (int i : INDEXES) {
      assertThat(reads(page(1, i), 8)).isEqualTo((i & 1) == 0);
    }
    tlb.flush(true);
    pages().forEach(p -> hitsOnly(p, false));
  }

  @Test
  void aPageOfCodeCanBeReadAlone() {
    fill(0x5000, 5, false);
    fill(0x7000, 5, true);
    fill(0x6000, 6, false);
    tlb.protectFrame(5);
    assertThat(reads(0x5000, 8)).isTrue();
    assertThat(writes(0x5000, 8)).isFalse();
    assertThat(writes(0x7000, 8)).isFalse();
    assertThat(writes(0x6000, 8)).isTrue();
    tlb.watchFrame(5, true);
    tlb.watchFrame(5, false);
    assertThat(writes(0x5000, 8)).as("still of code").isFalse();
    tlb.flushFrame(5);
    assertThat(reads(0x5000, 8) || reads(0x7000, 8)).isFalse();
    assertThat(tlb.linear(5)).isEqualTo(-1);
    assertThat(tlb.linear(6)).isEqualTo(0x6000);
  }

  /** Frames of one list come and go in any order; a map says what there must be. */
  @Test
  void framesAreFoundWhateverWasFilledAndFlushed() {
    PhysicalMemory large = new PhysicalMemory(64L << 20, 0);
    Random random = new Random(3);
    long[] page = new long[64];
    int[] frame = new int[64];
    boolean[] global = new boolean[64];
    boolean[] there = new boolean[64];
    for (int k = 0; k < 64; k++) {
      page[k] = page(1, k << 10 | k);
    }
    for (int n = 0; n < 20_000; n++) {
      int e = random.nextInt(64);
      int f = random.nextInt(4) << 12 | random.nextInt(2);
      switch (random.nextInt(40)) {
        case 0 -> {
          tlb.flush(false);
          for (int k = 0; k < 64; k++) {
            there[k] &= global[k];
          }
        }
        case 1 -> {
          tlb.flush(true);
          java.util.Arrays.fill(there, false);
        }
        case 2, 3, 4 -> {
          tlb.flushFrame(f);
          for (int k = 0; k < 64; k++) {
            there[k] &= frame[k] != f;
          }
        }
        case 5, 6, 7 -> {
          tlb.flushPage(page[e]);
          there[e] = false;
        }
        default -> {
          page[e] = page(random.nextInt(3), e << 10 | e);
          frame[e] = f;
          global[e] = random.nextBoolean();
          there[e] = true;
          Page p = large.page(f & 0x3FFF, Page.SHARED);
          tlb.fill(Tlb.index(page[e]), page[e], p, global[e], false);
        }
      }
      if (n % 16 == 0) {
        for (int k = 0; k < 64; k++) {
          assertThat(reads(page[k] + 8, 8)).as("%d: %d", n, k).isEqualTo(there[k]);
        }
      }
    }
  }
}
