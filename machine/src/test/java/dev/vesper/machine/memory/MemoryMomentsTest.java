package dev.vesper.machine.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Memory is taken back to what it was, whatever was changed, forgotten and taken back before. */
final class MemoryMomentsTest {
  private final PhysicalMemory memory = new PhysicalMemory(1 << 20, 0);
  private final int key = memory.createKey(42);
  private final MemoryMoments moments = memory.moments();

  private Page page(int frame) {
    return memory.page(frame, Page.SHARED);
  }

  /** {@return first bytes of pages, by number} */
  private Map<Integer, Integer> bytes() {
    Map<Integer, Integer> all = new HashMap<>();
    memory.forEachPage(p -> all.put(p.frame, p.get32(0)));
    return all;
  }

  @Test
  void bytesAndDomainsGoBackAndPagesThatWereBornGo() {
    page(1).put32(0, 11);
    page(2).put64(8, 22);
    MemoryMoments.Moment m = moments.mark();
    assertThat(m.bytes()).isZero();
    page(1).put32(0, 99);
    page(1).put32(4, 99);
    page(3).put32(0, 33);
    memory.page(2, key).put64(8, 77);
    assertThat(m.bytes()).isEqualTo(2 * Page.SIZE);
    for (int i = 0; i < 2; i++) {
      moments.back(m);
      assertThat(memory.domain(2)).isEqualTo(Page.SHARED);
      assertThat(page(1).get32(0)).isEqualTo(11);
      assertThat(page(1).get32(4)).isZero();
      assertThat(page(2).get64(8)).isEqualTo(22);
      assertThat(bytes()).containsOnlyKeys(1, 2);
      assertThat(m.bytes()).isZero();
      page(1).put32(0, 98);
      memory.page(2, key).put64(8, i);
    }
  }

  @Test
  void codeOfBytesThatGoBackIsNoLongerGood() {
    page(1).put32(0, 0x90909090);
    MemoryMoments.Moment m = moments.mark();
    Page p = page(1);
    p.put32(0, 0xCCCCCCCC);
    p.markCode(0, 4);
    int version = p.codeVersion;
    int[] told = new int[1];
    memory.onCode(
        new PhysicalMemory.CodeListener() {
          @Override
          public void codeDropped() {
            told[0]++;
          }

          @Override
          public void codeEvicted() {}

          @Override
          public void storesAreTold(int frame) {}

          @Override
          public void codeDecoded(int frame) {}
        });
    moments.back(m);
    assertThat(p.codeVersion).isNotEqualTo(version);
    assertThat(told[0]).isEqualTo(1);
  }

  @Test
  void aForgottenMomentIsNone() {
    MemoryMoments.Moment m = moments.mark();
    page(1).put32(0, 1);
    moments.forget(m);
    moments.forget(m);
    assertThat(moments.bytes()).isZero();
    assertThat(page(1).tellsOfChanges()).isFalse();
    assertThatThrownBy(() -> moments.back(m)).isInstanceOf(IllegalArgumentException.class);
  }

  /** A plain copy of all at each moment says what memory must come to. */
  @Test
  void anyOrderOfMomentsComesToWhatWasThere() {
    for (int seed = 0; seed < 50; seed++) {
      Random random = new Random(seed);
      List<MemoryMoments.Moment> all = new ArrayList<>();
      List<Map<Integer, Integer>> then = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        int which = all.isEmpty() ? 0 : random.nextInt(all.size());
        switch (random.nextInt(10)) {
          case 0, 1 -> {
            all.add(moments.mark());
            then.add(bytes());
          }
          case 2 -> {
            if (!all.isEmpty()) {
              moments.back(all.get(which));
              assertThat(bytes()).as("seed %d, step %d", seed, i).isEqualTo(then.get(which));
              all.subList(which + 1, all.size()).clear();
              then.subList(which + 1, then.size()).clear();
            }
          }
          case 3 -> {
            if (!all.isEmpty()) {
              moments.forget(all.remove(which));
              then.remove(which);
            }
          }
          default -> page(1 + random.nextInt(12)).put32(0, random.nextInt());
        }
      }
      all.forEach(moments::forget);
      assertThat(moments.bytes()).isZero();
    }
  }
}
