package dev.vesper.machine.memory;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.host.GuestRam;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Memory of which little is used. */
final class PageDirectoryTest {
  private static final GuestRam RAM = GuestRam.split(64L << 30, 3L << 30);

  @Test
  void pagesAreFoundByTheirNumbersAndHandedOnInOrder() {
    PhysicalMemory m = new PhysicalMemory(RAM, 0, 16);
    int host = m.allocateHostPage();
    assertThat(host).isEqualTo((64 + 1 << 18)).isEqualTo(m.firstHostPage());
    int[] frames = {host + 15, 0x10_0000, 511, 512, 0xB_FFFF, 0, host, host - 1};
    for (int f : frames) {
      m.page(f, Page.SHARED).put64(8, f);
    }
    assertThat(m.touchedPages()).isEqualTo(frames.length);
    List<Integer> seen = new ArrayList<>();
    m.forEachPage(p -> seen.add(p.frame));
    assertThat(seen).containsExactly(0, 511, 512, 0xB_FFFF, 0x10_0000, host - 1, host, host + 15);
    for (int f : frames) {
      assertThat(m.peekLong(f, Page.SHARED, 8)).isEqualTo(f);
      assertThat(m.page(f, Page.SHARED).frame).isEqualTo(f);
    }
    assertThat(m.peekLong(513, Page.SHARED, 8)).isZero();
  }

  @Test
  void privatePagesAbove4GibAreCiphertextOfTheirAddress() {
    PhysicalMemory m = new PhysicalMemory(RAM, 0, 0);
    int key = m.createKey(1);
    HostView host = m.hostView();
    long high = (1L << 32) + (5L << 30);
    byte[] seen = new byte[16];
    byte[] low = new byte[16];
    m.page((int) (high >>> 12), key).put64(0, 42);
    m.page(0x10_0000, key).put64(0, 42);
    host.read(high, seen, 0, 16);
    host.read(1L << 32, low, 0, 16);
    assertThat(seen).isNotEqualTo(low);
    assertThat(m.peek(high, 8, key)).startsWith(42);
    host.write(high + 0x1000, 8, 7);
    assertThat(host.read(high + 0x1000, 8)).isEqualTo(7);
  }

  @Test
  void rangesLieInOneOfTheParts() {
    GuestRam r = GuestRam.split(5L << 30, 3L << 30);
    long four = 1L << 32;
    assertThat(r.end()).isEqualTo(6L << 30);
    assertThat(r.contains(0, 3L << 30)).isTrue();
    assertThat(r.contains(0, (3L << 30) + 1)).isFalse();
    assertThat(r.contains(3L << 30, 1)).isFalse();
    assertThat(r.contains(four - 1, 2)).isFalse();
    assertThat(r.contains(four, 2L << 30)).isTrue();
    assertThat(r.contains(four, (2L << 30) + 1)).isFalse();
    assertThat(r.contains(four + 1, Long.MAX_VALUE)).isFalse();
    assertThat(r.contains(-1, 1)).isFalse();
    assertThat(r.contains(four, -1)).isFalse();
    assertThat(GuestRam.below(four).contains(four - 1, 1)).isTrue();
    assertThat(GuestRam.below(four).contains(four, 1)).isFalse();
    long[] pages = {0, 0xB_FFFF, 0x10_0000, 0x17_FFFF};
    for (long p : pages) {
      assertThat(r.hasPage(p)).as("page %x", p).isTrue();
    }
    long[] others = {-1, 0xC_0000, 0xF_FFFF, 0x18_0000, Long.MAX_VALUE, Long.MIN_VALUE};
    for (long p : others) {
      assertThat(r.hasPage(p)).as("page %x", p).isFalse();
    }
  }
}
