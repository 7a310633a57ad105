package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.Entries;
import dev.vesper.fuzz.store.Progress;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A campaign that many members share. What this one finds is on its own disk first and with the
 * others then; what the others find is read from them. Whoever is cut off goes on with what it has,
 * and {@link Keeper} makes the others whole when they are there again.
 */
final class ClusterStore implements CampaignStore {
  private final String member;
  private final Shelf shelf;
  private final Cluster cluster;
  private final Claims claims;
  private final Keeper keeper;
  private final Map<String, Progress> lastSaid = new TreeMap<>();
  private byte @Nullable [] published;

  ClusterStore(String member, Shelf shelf, Cluster cluster, Keeper keeper) {
    this.member = member;
    this.shelf = shelf;
    this.cluster = cluster;
    this.claims = new Claims(cluster);
    this.keeper = keeper;
  }

  @Override
  public boolean add(Kind kind, String name, byte[] entry) {
    Entries.require(name, entry);
    synchronized (shelf) {
      if (shelf.has(kind, name)) {
        return false;
      }
      try {
        if (cluster.get(Types.of(kind), name) != null) {
          return false;
        }
      } catch (Cluster.Alone e) {
        keeper.owe();
      }
      try {
        shelf.keep(kind, name, entry);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    if (kind == Kind.QUEUE) {
      claims.added(name);
    }
    try {
      return cluster.putIfNew(Types.of(kind), name, entry);
    } catch (Cluster.Alone e) {
      keeper.owe();
      return true;
    }
  }

  @Override
  public byte @Nullable [] entry(Kind kind, String name) {
    if (!Entries.isName(name)) {
      return null;
    }
    try {
      byte[] own = shelf.entry(kind, name);
      return own != null ? own : cluster.get(Types.of(kind), name);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (Cluster.Alone e) {
      return null;
    }
  }

  @Override
  public List<String> names(Kind kind) {
    TreeSet<String> all = new TreeSet<>();
    try {
      all.addAll(cluster.names(Types.of(kind), Entries::isName));
    } catch (Cluster.Alone e) {
      keeper.owe();
    }
    shelf.names(kind).forEach(all::add);
    return List.copyOf(all);
  }

  @Override
  public byte[] merge(byte[] seen) {
    try {
      shelf.join(seen);
      try {
        for (byte[] list : cluster.all(Types.MAP, Progress::isName).values()) {
          byte[] theirs = EdgeMap.decode(list);
          if (theirs != null) {
            shelf.join(theirs);
          }
        }
        publish();
      } catch (Cluster.Alone e) {
        keeper.owe();
      }
      return shelf.map();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private synchronized void publish() throws Cluster.Alone {
    byte[] map = shelf.encodedMap();
    if (!Arrays.equals(map, published)) {
      cluster.put(Types.MAP, member, map);
      published = map;
    }
  }

  @Override
  public Optional<String> claim(String member) {
    try {
      return claims.next(member, keeper.gone());
    } catch (Cluster.Alone e) {
      // Work that two do is better than none.
      for (String name : shelf.names(Kind.QUEUE)) {
        return Optional.of(name);
      }
      return Optional.empty();
    }
  }

  @Override
  public void report(Progress progress) {
    synchronized (lastSaid) {
      lastSaid.put(progress.member(), progress);
    }
    try {
      cluster.put(Types.PROGRESS, progress.member(), progress.encode());
    } catch (Cluster.Alone e) {
      keeper.owe();
    }
  }

  @Override
  public List<Progress> members() {
    Map<String, byte[]> said;
    try {
      said = cluster.all(Types.PROGRESS, Progress::isName);
    } catch (Cluster.Alone e) {
      said = Map.of();
    }
    synchronized (lastSaid) {
      said.forEach(
          (name, b) ->
              Progress.decode(b)
                  .filter(p -> p.member().equals(name))
                  .ifPresent(p -> lastSaid.put(name, p)));
      return new ArrayList<>(lastSaid.values());
    }
  }

  @Override
  public void close() {
    keeper.close();
    cluster.close();
    try {
      shelf.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
