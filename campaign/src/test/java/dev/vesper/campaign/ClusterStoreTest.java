package dev.vesper.campaign;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStore.Kind;
import dev.vesper.fuzz.store.Entries;
import dev.vesper.fuzz.store.Progress;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two members with certificates, which have the same campaign before them. */
final class ClusterStoreTest {
  @TempDir private static Path folder;
  private static Members members;
  private static CampaignStore a;
  private static CampaignStore b;

  @BeforeAll
  static void join() throws IOException, CampaignException {
    members = new Members(folder, Members.certificates(folder.resolve("tls"), "a", "b", "c"));
    a = members.join("a");
    b = members.join("b", "a");
  }

  @AfterAll
  static void leave() {
    members.close();
  }

  private static byte[] entry(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }

  private static String add(CampaignStore to, Kind k, String s) {
    String name = Entries.name(entry(s));
    assertThat(to.add(k, name, entry(s))).isTrue();
    return name;
  }

  @Test
  void anEntryIsNewOnceAndEverywhere() {
    for (Kind k : Kind.values()) {
      String name = add(a, k, "found by a, " + k);
      assertThat(a.add(k, name, entry("again"))).isFalse();
      assertThat(b.add(k, name, entry("again"))).isFalse();
      assertThat(a.entry(k, name)).isEqualTo(entry("found by a, " + k));
      assertThat(b.entry(k, name)).isEqualTo(entry("found by a, " + k));
      assertThat(b.names(k)).contains(name).isSorted();
    }
  }

  @Test
  void kindsHaveNamesOfTheirOwn() {
    String name = add(a, Kind.CRASH, "of one kind");
    assertThat(b.entry(Kind.HANG, name)).isNull();
    assertThat(b.names(Kind.HANG)).doesNotContain(name);
    assertThat(b.add(Kind.HANG, name, entry("of another"))).isTrue();
    assertThat(a.entry(Kind.CRASH, name)).isEqualTo(entry("of one kind"));
    assertThat(a.entry(Kind.HANG, name)).isEqualTo(entry("of another"));
  }

  @Test
  void whatIsNoEntryIsRefusedOrNotThere() {
    String name = Entries.name(entry("nobody has added this"));
    assertThat(a.entry(Kind.QUEUE, name)).isNull();
    assertThat(a.entry(Kind.QUEUE, "no name")).isNull();
    assertThatThrownBy(() -> a.add(Kind.QUEUE, "no name", entry("x")))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> a.add(Kind.QUEUE, name, new byte[CampaignStore.LARGEST_ENTRY + 1]))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> a.merge(new byte[1])).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void anEntryMayBeAsLargeAsEntriesMayBeAndEmpty() {
    byte[] large = new byte[CampaignStore.LARGEST_ENTRY];
    large[large.length - 1] = 1;
    String name = Entries.name(large);
    assertThat(a.add(Kind.HANG, name, large)).isTrue();
    assertThat(b.entry(Kind.HANG, name)).isEqualTo(large);
    name = Entries.name(new byte[0]);
    assertThat(b.add(Kind.HANG, name, new byte[0])).isTrue();
    assertThat(a.entry(Kind.HANG, name)).isEmpty();
  }

  @Test
  void mapsAreJoined() {
    byte[] mine = new byte[CampaignStore.MAP];
    mine[1] = 0x11;
    mine[CampaignStore.MAP - 1] = 1;
    byte[] theirs = new byte[CampaignStore.MAP];
    theirs[1] = 0x21;
    a.merge(mine);
    byte[] both = b.merge(theirs);
    assertThat(both[1]).isEqualTo((byte) 0x31);
    assertThat(both[CampaignStore.MAP - 1]).isEqualTo((byte) 1);
    assertThat(a.merge(new byte[CampaignStore.MAP])).isEqualTo(both);
  }

  @Test
  void eachGetsWorkThatNobodyHasHadUntilThereIsNone() {
    for (int i = 0; i < 20; i++) {
      add(i % 2 == 0 ? a : b, Kind.QUEUE, "work " + i);
    }
    int all = a.names(Kind.QUEUE).size();
    List<String> claimed = new ArrayList<>();
    for (int i = 0; i < all; i++) {
      CampaignStore s = i % 3 == 0 ? b : a;
      s.claim(s == a ? "a" : "b").ifPresent(claimed::add);
    }
    assertThat(new TreeSet<>(claimed)).containsExactlyElementsOf(a.names(Kind.QUEUE));
    assertThat(claimed).doesNotHaveDuplicates();
    Optional<String> again = a.claim("a");
    assertThat(again).contains(claimed.get(0));
  }

  @Test
  void eachSeesWhatAllHaveSaidLast() {
    Progress first = new Progress("a", 1, 2, 3, 4.5, 5, 6, 7, 8, 9, 10);
    Progress later = new Progress("a", 1, 20, 30, 4.5, 5, 6, 7, 8, 9, 10);
    Progress other = new Progress("b", 1, 2, 3, 4.5, 5, 6, 7, 8, 9, 10);
    a.report(first);
    b.report(other);
    a.report(later);
    assertThat(b.members()).contains(later, other).doesNotContain(first);
    assertThat(a.members()).isEqualTo(b.members());
    assertThat(a.members()).isSortedAccordingTo(Comparator.comparing(Progress::member));
  }

  @Test
  void nobodyElseMayHaveAMembersFolderOrPlace() {
    assertThatThrownBy(() -> members.join("a", "b"))
        .isInstanceOf(CampaignException.class)
        .hasMessageContaining("another member is at work in this folder");
    members.places.put("c", members.places.getOrDefault("a", ""));
    assertThatThrownBy(() -> members.join("c", "b"))
        .isInstanceOf(CampaignException.class)
        .hasMessageContaining("cannot listen at " + members.places.get("a"));
  }
}
