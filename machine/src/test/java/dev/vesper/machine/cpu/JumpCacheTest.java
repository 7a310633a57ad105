package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.memory.LazyMemory;
import dev.vesper.machine.memory.RawMemory;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What a jump cache leads to is what was filled in and has not been flushed since. */
final class JumpCacheTest {
  private static final int ENTRIES = 1 << 16;
  private static final long KERNEL = 0xFFFF_FFFF_8100_0000L;

  private final MemorySegment memory = LazyMemory.map(16L * ENTRIES);
  private final JumpCache cache = new JumpCache(memory.address());

  private record Filled(long rip, long code, boolean global, boolean crossing) {
    boolean liesIn(long page) {
      long own = rip & -4096L;
      return own == page || crossing && own + 4096 == page;
    }
  }

  /** {@return where native code that goes to an address would be led, or 0} */
  private long lookUp(long rip) {
    long at = memory.address() + 16L * JumpCache.index(rip);
    return RawMemory.get64(at) + rip == 0 ? RawMemory.get64(at + 8) : 0;
  }

  @Test
  void nothingIsInItAtFirst() {
    for (long rip : new long[] {0, 1, 4095, 4096, -1, KERNEL}) {
      assertThat(lookUp(rip)).isZero();
    }
  }

  @Test
  void alignedFunctionsOfAKernelHaveEntriesOfTheirOwn() {
    Map<Integer, Long> used = new HashMap<>();
    for (long f = KERNEL; f < KERNEL + (1 << 20); f += 16) {
      used.put(JumpCache.index(f), f);
    }
    assertThat(used.size()).isGreaterThan(ENTRIES / 2);
  }

  @Test
  void whatWasFlushedIsNotFound() {
    Random random = new Random(1);
    Map<Integer, Filled> model = new HashMap<>();
    for (int step = 0; step < 20_000; step++) {
      long page = KERNEL + 4096L * random.nextInt(24) + ((long) random.nextInt(2) << 28);
      switch (random.nextInt(40)) {
        case 0 -> {
          cache.flush(false);
          model.values().removeIf(f -> !f.global);
        }
        case 1 -> {
          if (random.nextInt(4) == 0) {
            cache.flush(true);
            model.clear();
          }
        }
        case 2, 3 -> {
          cache.flushPage(page);
          model.values().removeIf(f -> f.liesIn(page));
        }
        default -> {
          boolean crossing = random.nextInt(4) == 0;
          long rip = page + (crossing ? 4095 - random.nextInt(14) : 16 * random.nextInt(8));
          Filled f = new Filled(rip, 1 + step, random.nextBoolean(), crossing);
          cache.fill(f.rip, f.code, f.global, f.crossing);
          model.put(JumpCache.index(rip), f);
        }
      }
      Filled known = model.get(JumpCache.index(page));
      long expected = known != null && known.rip == page ? known.code : 0;
      assertThat(lookUp(page)).as("step %d", step).isEqualTo(expected);
      if (step % 200 == 0) {
        assertThat(found()).as("step %d", step).isEqualTo(model.size());
      }
    }
  }

  /** {@return how many entries lead somewhere} */
  private int found() {
    int n = 0;
    for (int i = 0; i < ENTRIES; i++) {
      long rip = -RawMemory.get64(memory.address() + 16L * i);
      n += JumpCache.index(rip) == i && rip != 0 ? 1 : 0;
    }
    return n;
  }
}
