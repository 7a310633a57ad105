package dev.vesper.machine.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Memory outside the Java heap: pages, what is in them, and what the system gives when touched. */
final class PageStoreTest {
  private final PageStore store = new PageStore();
  private final Page page = store.page(0);

  @Test
  void pagesAreZeroAlignedAndApart() {
    Set<Long> addresses = new HashSet<>();
    // More than the first two chunks have.
    Page[] pages = new Page[1500];
    for (int i = 0; i < pages.length; i++) {
      pages[i] = store.page(i);
      assertThat(pages[i].frame).isEqualTo(i);
      assertThat(pages[i].address % Page.SIZE).isZero();
      assertThat(addresses.add(pages[i].address)).isTrue();
      assertThat(pages[i].bytes()).containsOnly(0);
      pages[i].fill(0, Page.SIZE, (byte) (i * 7 + 1));
    }
    for (int i = 0; i < pages.length; i++) {
      assertThat(pages[i].bytes()).containsOnly((byte) (i * 7 + 1));
    }
  }

  @Test
  void numbersAreLittleEndianAtAnyOffset() {
    byte[] model = new byte[Page.SIZE];
    new Random(1).nextBytes(model);
    page.copyFrom(0, model, 0, Page.SIZE);
    for (int o : new int[] {0, 1, 7, 2047, Page.SIZE - 9, Page.SIZE - 8}) {
      long v = 0;
      for (int i = 0; i < 8; i++) {
        v |= (model[o + i] & 0xFFL) << 8 * i;
      }
      assertThat(page.get64(o)).isEqualTo(v);
      assertThat(page.get32(o)).isEqualTo((int) v);
      assertThat(page.get16(o)).isEqualTo((int) v & 0xFFFF);
      assertThat(page.get8(o)).isEqualTo((int) v & 0xFF);
      page.put64(o, ~v);
      assertThat(page.get64(o)).isEqualTo(~v);
      page.put64(o, v);
      page.put32(o, (int) ~v);
      assertThat(page.get64(o)).isEqualTo(v ^ 0xFFFF_FFFFL);
      page.put64(o, v);
      page.put16(o, (int) ~v);
      assertThat(page.get64(o)).isEqualTo(v ^ 0xFFFF);
      page.put64(o, v);
      page.put8(o, (int) ~v);
      assertThat(page.get64(o)).isEqualTo(v ^ 0xFF);
      page.put64(o, v);
    }
    assertThat(page.bytes()).isEqualTo(model);
  }

  @Test
  void whatIsMovedMayOverlap() {
    byte[] model = new byte[Page.SIZE];
    new Random(2).nextBytes(model);
    page.copyFrom(0, model, 0, Page.SIZE);
    for (int[] m : new int[][] {{100, 103, 500}, {103, 100, 500}, {0, 1, Page.SIZE - 1}}) {
      page.copyTo(m[0], page, m[1], m[2]);
      System.arraycopy(model, m[0], model, m[1], m[2]);
      assertThat(page.bytes()).isEqualTo(model);
    }
    page.fill(5, 11, (byte) 9);
    Arrays.fill(model, 5, 16, (byte) 9);
    byte[] part = new byte[20];
    page.copyTo(4, part, 3, 13);
    System.arraycopy(new byte[3], 0, part, 0, 3);
    assertThat(Arrays.copyOfRange(part, 3, 16)).isEqualTo(Arrays.copyOfRange(model, 4, 17));
    assertThat(page.bytes()).isEqualTo(model);
  }

  @Test
  void whatIsNotInThePageIsADefect() {
    assertThatThrownBy(() -> page.get64(Page.SIZE - 7)).isInstanceOf(AssertionError.class);
    assertThatThrownBy(() -> page.put8(-1, 0)).isInstanceOf(AssertionError.class);
    assertThatThrownBy(() -> page.put16(Page.SIZE - 1, 0)).isInstanceOf(AssertionError.class);
    assertThatThrownBy(() -> page.copyTo(1, new byte[Page.SIZE], 0, Page.SIZE))
        .isInstanceOf(AssertionError.class);
  }

  /** More than there may be at once, one machine after the other. */
  @Test
  void whatNobodyReachesIsGivenBack() {
    long pages = Runtime.getRuntime().maxMemory() / Page.SIZE;
    long made = 0;
    while (made <= pages) {
      PageStore machine = new PageStore();
      for (int i = 0; i < 64 * 1024; i++, made++) {
        assertThat(machine.page(i).frame).isEqualTo(i);
      }
    }
  }

  @Test
  void lazyMemoryIsZeroAndCanBeWritten() {
    long bytes = 1L << 26;
    MemorySegment m = LazyMemory.map(bytes);
    assertThat(m.byteSize()).isEqualTo(bytes);
    assertThat(m.address() % Page.SIZE).isZero();
    for (long at : new long[] {0, 4096, bytes / 2 + 1, bytes - 8}) {
      assertThat(RawMemory.get64(m.address() + at)).isZero();
      RawMemory.put64(m.address() + at, ~at);
      assertThat(RawMemory.get64(m.address() + at)).isEqualTo(~at);
    }
  }
}
