package dev.vesper.campaign;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStore.Kind;
import dev.vesper.fuzz.store.Entries;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A target whose states can all be reached: one member and three reach the same ones. */
final class SameCoverageTest {
  private static final int STATES = 300;
  private static final int STEPS = 4;

  @TempDir private Path folder;

  /** {@return the states that an input leads through, as a map} */
  private static byte[] run(byte[] input) {
    byte[] seen = new byte[CampaignStore.MAP];
    int state = 0;
    seen[0] = 1;
    for (byte b : input) {
      // A graph with few ways, some of which lead back.
      state = (state * 7 + b * 31 + state / 5 + 1) % STATES;
      seen[state] = 1;
    }
    return seen;
  }

  /** Works until nobody has anything new, and says what it has claimed. */
  private static void work(CampaignStore store, String member, AtomicInteger idle, int all) {
    Set<String> done = new HashSet<>();
    boolean waiting = false;
    while (idle.get() < all) {
      Optional<String> claimed = store.claim(member);
      boolean fresh = claimed.isPresent() && done.add(claimed.get());
      if (fresh && waiting) {
        idle.decrementAndGet();
        waiting = false;
      }
      if (fresh) {
        step(store, claimed.get());
      } else if (!waiting) {
        idle.incrementAndGet();
        waiting = true;
      }
    }
  }

  private static void step(CampaignStore store, String name) {
    byte[] input = store.entry(Kind.QUEUE, name);
    if (input == null) {
      return;
    }
    byte[] known = store.merge(new byte[CampaignStore.MAP]);
    for (byte b = 0; b < STEPS; b++) {
      byte[] child = Arrays.copyOf(input, input.length + 1);
      child[input.length] = b;
      byte[] seen = run(child);
      boolean fresh = false;
      for (int i = 0; i < STATES; i++) {
        fresh |= seen[i] != 0 && known[i] == 0;
      }
      if (fresh) {
        store.add(Kind.QUEUE, Entries.name(child), child);
        known = store.merge(seen);
      }
    }
  }

  private byte[] reached(String... names)
      throws IOException, CampaignException, InterruptedException {
    try (Members members = new Members(folder.resolve("of" + names.length), null)) {
      List<CampaignStore> stores = new ArrayList<>();
      for (String n : names) {
        stores.add(stores.isEmpty() ? members.join(n) : members.join(n, names[0]));
      }
      CampaignStore first = stores.get(0);
      first.merge(run(new byte[0]));
      first.add(Kind.QUEUE, Entries.name(new byte[0]), new byte[0]);
      AtomicInteger idle = new AtomicInteger();
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < names.length; i++) {
        CampaignStore s = stores.get(i);
        String n = names[i];
        threads.add(Thread.ofPlatform().start(() -> work(s, n, idle, names.length)));
      }
      for (Thread t : threads) {
        t.join();
      }
      return first.merge(new byte[CampaignStore.MAP]);
    }
  }

  @Test
  void oneMemberAndThreeReachTheSame() throws IOException, CampaignException, InterruptedException {
    byte[] one = reached("a");
    byte[] three = reached("a", "b", "c");
    assertThat(three).isEqualTo(one);
    int states = 0;
    for (byte b : one) {
      states += b;
    }
    assertThat(states).isGreaterThan(STATES / 2);
  }
}
