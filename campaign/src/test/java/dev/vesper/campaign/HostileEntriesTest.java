package dev.vesper.campaign;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStore.Kind;
import dev.vesper.fuzz.store.CampaignStoreProvider.JoinOptions;
import dev.vesper.fuzz.store.Entries;
import dev.vesper.fuzz.store.Progress;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import org.infinispan.Cache;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A member with a good certificate that puts into the caches whatever it likes. */
final class HostileEntriesTest {
  private static final int MUTATED = 10_000;

  @TempDir private Path folder;

  private static byte[] damaged(Random r, byte[] good) {
    byte[] b = good.clone();
    return switch (r.nextInt(4)) {
      case 0 -> Arrays.copyOf(b, r.nextInt(b.length));
      case 1 -> {
        r.nextBytes(b);
        yield b;
      }
      case 2 -> {
        b[2]++;
        yield b;
      }
      default -> {
        b[r.nextInt(b.length)] ^= (byte) (1 << r.nextInt(8));
        yield b;
      }
    };
  }

  @Test
  void mutatedBytesAreToldOfAndLeftOut() throws IOException, CampaignException {
    List<String> said = Collections.synchronizedList(new ArrayList<>());
    String at = Members.free();
    JoinOptions o = new JoinOptions("h", "good", folder.resolve("good"), Map.of("listen", at));
    try (CampaignStore good = new ClusterStoreProvider(said::add).join(o)) {
      byte[] entry = "a good one".getBytes(StandardCharsets.US_ASCII);
      String name = Entries.name(entry);
      good.add(Kind.QUEUE, name, entry);
      JoinOptions of =
          new JoinOptions(
              "h", "bad", folder.resolve("bad"), Map.of("listen", Members.free(), "join", at));
      MemberSettings s = MemberSettings.of(of);
      try (Caches bad = new Caches(s, new Network(s, List.of(), said::add))) {
        TreeSet<String> put = putAll(bad);
        checkNames(good, put, name);
        for (String n : put) {
          assertThat(good.entry(Kind.QUEUE, n)).isNull();
          assertThat(good.entry(Kind.CRASH, n)).isNull();
        }
        assertThat(good.merge(new byte[CampaignStore.MAP])).isEqualTo(new byte[CampaignStore.MAP]);
        assertThat(good.members()).isEmpty();
        assertThat(good.claim("good")).isPresent();
        // A damaged one is none: what somebody finds takes its place.
        String first = put.first();
        assertThat(good.add(Kind.QUEUE, first, entry)).isTrue();
        assertThat(good.entry(Kind.QUEUE, first)).isEqualTo(entry);
      }
    }
    assertThat(said)
        .allMatch(l -> !l.contains("\n") && l.chars().allMatch(c -> c >= ' ' && c < 127));
    assertThat(said).anyMatch(l -> l.startsWith("left out a damaged entry of the cluster"));
    assertThat(said).hasSizeLessThan(120);
  }

  private static void checkNames(CampaignStore good, TreeSet<String> put, String name) {
    assertThat(good.names(Kind.QUEUE)).contains(name).allMatch(Entries::isName);
    assertThat(put)
        .containsAll(good.names(Kind.QUEUE).stream().filter(n -> !n.equals(name)).toList());
    assertThat(good.names(Kind.CRASH)).allMatch(Entries::isName);
  }

  /** {@return the names that have damaged entries} */
  private static TreeSet<String> putAll(Caches bad) {
    Random r = new Random(11);
    TreeSet<String> put = new TreeSet<>();
    for (int i = 0; i < MUTATED; i++) {
      String name = Entries.name(new byte[] {(byte) i, (byte) (i >> 8)});
      int type = r.nextInt(1, 8);
      boolean entries = type <= Types.HANG || type == Types.CLAIM;
      byte[] key = Envelope.key(type, Cluster.bytes(entries ? name : "m" + i));
      byte[] content =
          type == Types.PROGRESS
              ? new Progress("other", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10).encode()
              : new byte[] {1, 2, 3};
      byte[] good = Envelope.seal(key, content);
      byte[] value = type == Types.PROGRESS && i % 3 == 0 ? good : damaged(r, good);
      if (i % 10 == 0) {
        r.nextBytes(key);
      } else if (type == Types.QUEUE) {
        put.add(name);
      }
      Cache<byte[], byte[]> into =
          switch (type) {
            case Types.QUEUE -> bad.corpus;
            case Types.CRASH, Types.HANG -> bad.findings;
            case Types.MAP -> bad.coverage;
            default -> bad.work;
          };
      into.put(key, value);
    }
    return put;
  }
}
