package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignStore.Kind;
import dev.vesper.fuzz.store.Entries;
import java.io.IOException;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What a member has on its own disk: entries that it found or keeps for others, and the map as it
 * knows it. A record of the journal is an entry's name in 32 bytes and the entry, or places of the
 * map that were new.
 */
final class Shelf implements AutoCloseable {
  private static final HexFormat HEX = HexFormat.of();
  private static final int NAME_BYTES = 32;

  private final Journal journal;
  private final Map<Kind, Map<String, Long>> held = new EnumMap<>(Kind.class);
  private final EdgeMap map = new EdgeMap();

  private Shelf(Journal journal) {
    this.journal = journal;
    for (Kind k : Kind.values()) {
      held.put(k, new ConcurrentHashMap<>());
    }
  }

  /**
   * Reads a journal.
   *
   * @param said takes a line if some of it was damaged
   */
  static Shelf of(Journal journal, Consumer<String> said) throws IOException {
    Shelf s = new Shelf(journal);
    String cut = journal.replay(s::take);
    if (cut != null) {
      said.accept(cut);
    }
    return s;
  }

  private void take(long at, int type, byte[] payload) {
    Kind k = Types.kind(type);
    if (k != null && payload.length >= NAME_BYTES) {
      of(k).put(HEX.formatHex(payload, 0, NAME_BYTES), at);
    } else if (type == Types.MAP) {
      byte[] more = EdgeMap.decode(payload);
      if (more != null) {
        map.join(more);
      }
    }
  }

  private Map<String, Long> of(Kind k) {
    return Objects.requireNonNull(held.get(k));
  }

  /** {@return the names of what is here, which another thread may add to} */
  Iterable<String> names(Kind k) {
    return of(k).keySet();
  }

  /** {@return whether an entry is here} */
  boolean has(Kind k, String name) {
    return of(k).containsKey(name);
  }

  /** {@return whether nothing is here} */
  boolean isEmpty() {
    return held.values().stream().allMatch(Map::isEmpty) && map.encode().length == 0;
  }

  /** {@return an entry; null if it is not here or has been damaged} */
  byte @Nullable [] entry(Kind k, String name) throws IOException {
    Long at = of(k).get(name);
    byte[] payload = at == null ? null : journal.read(at);
    return payload == null ? null : Arrays.copyOfRange(payload, NAME_BYTES, payload.length);
  }

  /** Keeps an entry, unless it is here; it is on the disk when this returns. */
  synchronized void keep(Kind k, String name, byte[] entry) throws IOException {
    assert Entries.isName(name);
    if (has(k, name)) {
      return;
    }
    byte[] payload = new byte[NAME_BYTES + entry.length];
    System.arraycopy(HEX.parseHex(name), 0, payload, 0, NAME_BYTES);
    System.arraycopy(entry, 0, payload, NAME_BYTES, entry.length);
    of(k).put(name, journal.append(Types.of(k), payload));
  }

  /**
   * Joins bits into the map; they are on the disk when this returns.
   *
   * @return whether any of them was new
   */
  synchronized boolean join(byte[] more) throws IOException {
    byte[] fresh = map.fresh(more);
    if (fresh != null) {
      journal.append(Types.MAP, fresh);
      map.join(more);
    }
    return fresh != null;
  }

  /** {@return a copy of the map} */
  synchronized byte[] map() {
    return map.copy();
  }

  /** {@return the map as caches have it} */
  synchronized byte[] encodedMap() {
    return map.encode();
  }

  @Override
  public void close() throws IOException {
    journal.close();
  }
}
