package dev.vesper.campaign;

import dev.vesper.fuzz.store.Entries;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Who works on what. A claim is a number that grows with each and the member's name; entries
 * without one come first, then those whose claim is oldest. What a member was at when it died has
 * no claim.
 */
final class Claims {
  /** How long what the others have claimed is taken for what it was. */
  private static final long FRESH_NANOS = 1_000_000_000L;

  /** A number that no campaign comes to; one that somebody has set there must not come round. */
  private static final long MOST = Long.MAX_VALUE / 2;

  /** One claim. */
  private record Claim(long number, String member, byte[] bytes) {
    static @Nullable Claim of(byte[] b) {
      if (b.length <= Long.BYTES) {
        return null;
      }
      String member = new String(b, Long.BYTES, b.length - Long.BYTES, StandardCharsets.US_ASCII);
      long number = ByteBuffer.wrap(b).getLong();
      return number > 0 && number < MOST ? new Claim(number, member, b) : null;
    }

    static Claim of(long number, String member) {
      byte[] name = Cluster.bytes(member);
      byte[] b = ByteBuffer.allocate(Long.BYTES + name.length).putLong(number).put(name).array();
      return new Claim(number, member, b);
    }
  }

  private final Cluster cluster;
  private final Map<String, Claim> claims = new TreeMap<>();
  private final Set<String> queue = new TreeSet<>();
  private long read;
  private boolean everRead;

  Claims(Cluster cluster) {
    this.cluster = cluster;
  }

  /** Takes an entry that this member has added. */
  synchronized void added(String name) {
    queue.add(name);
  }

  /**
   * {@return an entry to work on}, if there is one.
   *
   * @param gone members that were there and are no more
   */
  synchronized Optional<String> next(String member, Collection<String> gone) throws Cluster.Alone {
    boolean fresh = everRead && System.nanoTime() - read < FRESH_NANOS;
    if (!fresh || queue.isEmpty()) {
      refresh();
    }
    for (String name : byAge(gone)) {
      if (take(name, member)) {
        return Optional.of(name);
      }
    }
    return Optional.empty();
  }

  private boolean take(String name, String member) throws Cluster.Alone {
    Claim before = claims.get(name);
    Claim mine = Claim.of(last() + 1, member);
    if (cluster.swap(Types.CLAIM, name, before == null ? null : before.bytes, mine.bytes)) {
      claims.put(name, mine);
      return true;
    }
    // Somebody was quicker.
    byte[] theirs = cluster.get(Types.CLAIM, name);
    Claim c = theirs == null ? null : Claim.of(theirs);
    if (c == null) {
      claims.remove(name);
    } else {
      claims.put(name, c);
    }
    return false;
  }

  private long last() {
    return claims.values().stream().mapToLong(Claim::number).max().orElse(0);
  }

  private void refresh() throws Cluster.Alone {
    queue.addAll(cluster.names(Types.QUEUE, Entries::isName));
    claims.clear();
    cluster
        .all(Types.CLAIM, Entries::isName)
        .forEach(
            (name, b) -> {
              Claim c = Claim.of(b);
              if (c != null) {
                claims.put(name, c);
              }
            });
    read = System.nanoTime();
    everRead = true;
  }

  private List<String> byAge(Collection<String> gone) {
    // What a member that is gone has claimed last, it has not finished.
    Map<String, Long> lastOf = new HashMap<>();
    claims.values().forEach(c -> lastOf.merge(c.member, c.number, Math::max));
    Map<String, Long> age = new HashMap<>();
    for (String name : queue) {
      Claim c = claims.get(name);
      if (c == null || gone.contains(c.member) && isLast(lastOf, c)) {
        age.put(name, 0L);
      } else {
        age.put(name, c.number);
      }
    }
    List<String> all = new ArrayList<>(queue);
    all.sort(Comparator.comparingLong((String n) -> age.getOrDefault(n, 0L)).thenComparing(n -> n));
    return all;
  }

  private static boolean isLast(Map<String, Long> lastOf, Claim c) {
    Long last = lastOf.get(c.member);
    return last != null && last == c.number;
  }
}
