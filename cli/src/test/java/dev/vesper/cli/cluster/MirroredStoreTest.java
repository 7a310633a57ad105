package dev.vesper.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStore.Kind;
import dev.vesper.fuzz.store.Entries;
import dev.vesper.fuzz.store.MemoryStore;
import org.junit.jupiter.api.Test;

final class MirroredStoreTest {
  private static final byte[] ENTRY = {1, 2, 3};
  private static final String NAME = Entries.name(ENTRY);

  private final MemoryStore own = new MemoryStore();
  private final MemoryStore shared = new MemoryStore();
  private final MirroredStore both = new MirroredStore(own, shared);

  @Test
  void whatIsFoundIsInBoth() {
    assertThat(both.add(Kind.CRASH, NAME, ENTRY)).isTrue();
    assertThat(own.entry(Kind.CRASH, NAME)).isEqualTo(ENTRY);
    assertThat(shared.entry(Kind.CRASH, NAME)).isEqualTo(ENTRY);
    assertThat(both.add(Kind.CRASH, NAME, ENTRY)).isFalse();
  }

  @Test
  void whatOthersHaveFoundIsOnesOwnOnceItIsLookedAt() {
    shared.add(Kind.QUEUE, NAME, ENTRY);
    assertThat(both.names(Kind.QUEUE)).containsExactly(NAME);
    assertThat(own.names(Kind.QUEUE)).isEmpty();
    assertThat(both.entry(Kind.QUEUE, NAME)).isEqualTo(ENTRY);
    assertThat(own.entry(Kind.QUEUE, NAME)).isEqualTo(ENTRY);
    assertThat(both.add(Kind.QUEUE, NAME, ENTRY)).isFalse();
  }

  @Test
  void whatTheDirectoryHadIsOffered() {
    byte[] before = new byte[CampaignStore.MAP];
    before[3] = 5;
    byte[] theirs = new byte[CampaignStore.MAP];
    theirs[4] = 6;
    own.merge(before);
    own.add(Kind.HANG, NAME, ENTRY);
    shared.merge(theirs);
    both.offer();
    assertThat(shared.entry(Kind.HANG, NAME)).isEqualTo(ENTRY);
    for (CampaignStore s : new CampaignStore[] {own, shared, both}) {
      byte[] map = s.merge(new byte[CampaignStore.MAP]);
      assertThat(map[3]).isEqualTo((byte) 5);
      assertThat(map[4]).isEqualTo((byte) 6);
    }
  }
}
