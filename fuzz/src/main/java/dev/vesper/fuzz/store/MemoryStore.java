package dev.vesper.fuzz.store;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** A campaign in memory: nothing of it is left when the process ends. */
public final class MemoryStore implements CampaignStore {
  private final Map<Kind, TreeMap<String, byte[]>> entries = new EnumMap<>(Kind.class);
  private final Map<String, Progress> members = new TreeMap<>();
  private final Turns turns = new Turns();
  private final byte[] map = new byte[MAP];

  /** Begins a campaign. */
  public MemoryStore() {
    for (Kind k : Kind.values()) {
      entries.put(k, new TreeMap<>());
    }
  }

  private TreeMap<String, byte[]> of(Kind kind) {
    return Objects.requireNonNull(entries.get(kind));
  }

  @Override
  public synchronized boolean add(Kind kind, String name, byte[] entry) {
    Entries.require(name, entry);
    return of(kind).putIfAbsent(name, entry.clone()) == null;
  }

  @Override
  public synchronized byte @Nullable [] entry(Kind kind, String name) {
    byte[] b = of(kind).get(name);
    return b == null ? null : b.clone();
  }

  @Override
  public synchronized List<String> names(Kind kind) {
    return List.copyOf(of(kind).keySet());
  }

  @Override
  public synchronized byte[] merge(byte[] seen) {
    Entries.join(map, seen);
    return map.clone();
  }

  @Override
  public synchronized Optional<String> claim(String member) {
    return turns.next(of(Kind.QUEUE).keySet());
  }

  @Override
  public synchronized void report(Progress progress) {
    members.put(progress.member(), progress);
  }

  @Override
  public synchronized List<Progress> members() {
    return new ArrayList<>(members.values());
  }

  @Override
  public void close() {
    // Nothing is held.
  }
}
