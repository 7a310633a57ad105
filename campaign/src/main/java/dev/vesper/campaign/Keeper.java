package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignStore.Kind;
import dev.vesper.fuzz.store.Entries;
import dev.vesper.fuzz.store.Progress;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Sees to it that nothing is with one member alone. Whenever somebody comes or goes it offers the
 * others all that this member has, so that entries whose two owners have died come back from who
 * has them on a disk; and from time to time it writes down what this member owns for others, so
 * that they come back though all members die and only some return.
 */
final class Keeper implements AutoCloseable {
  private static final long LOOK_MILLIS = 500;

  /** Between two looks at what is owned for others, in looks. */
  private static final int COPY_EVERY = 8;

  private static final long LEAVE_MILLIS = 10_000;

  private final String member;
  private final Shelf shelf;
  private final Cluster cluster;
  private final Network network;
  private final Neighbours neighbours;
  private final Consumer<String> said;
  private final Set<String> seen = ConcurrentHashMap.newKeySet();
  private final Thread thread;
  private volatile boolean owed;
  private volatile boolean closed;

  Keeper(
      String member,
      Shelf shelf,
      Cluster cluster,
      Network network,
      Neighbours neighbours,
      Consumer<String> said) {
    this.member = member;
    this.shelf = shelf;
    this.cluster = cluster;
    this.network = network;
    this.neighbours = neighbours;
    this.said = said;
    this.thread = Thread.ofPlatform().daemon().name("keeper").unstarted(this::run);
  }

  /** Offers what there is, and goes on looking. */
  void start() throws Cluster.Alone, IOException {
    seen.addAll(network.members());
    remember();
    offer();
    thread.start();
  }

  /** Has the others offered everything again, when they are there. */
  void owe() {
    owed = true;
  }

  /** {@return members that were there and are no more} */
  Set<String> gone() {
    Set<String> gone = new TreeSet<>(seen);
    network.members().forEach(gone::remove);
    return gone;
  }

  private void run() {
    List<String> before = network.members();
    for (int i = 1; !closed; i++) {
      try {
        Thread.sleep(LOOK_MILLIS);
        List<String> now = network.members();
        if (!now.equals(before)) {
          seen.addAll(now);
          tell(before, now);
          remember();
          before = now;
          owed = true;
        }
        if (owed && !closed) {
          owed = false;
          offer();
        }
        if (i % COPY_EVERY == 0 && !closed) {
          copy();
        }
      } catch (InterruptedException e) {
        return;
      } catch (Cluster.Alone e) {
        owed = true;
      } catch (IOException e) {
        said.accept("this member's folder cannot be written to: " + e.getMessage());
        return;
      }
    }
  }

  private void tell(List<String> before, List<String> now) {
    Set<String> come = new TreeSet<>(now);
    before.forEach(come::remove);
    Set<String> left = new TreeSet<>(before);
    now.forEach(left::remove);
    come.forEach(m -> said.accept("member " + shown(m) + " is there, " + now.size() + " in all"));
    left.forEach(m -> said.accept("member " + shown(m) + " is gone, " + now.size() + " in all"));
  }

  /** {@return a name for people}: another member chose it. */
  private static String shown(String name) {
    return Progress.isName(name) ? name : "with a name that is none";
  }

  private void remember() throws IOException {
    List<InetSocketAddress> all = network.places();
    if (!all.isEmpty()) {
      neighbours.write(all);
    }
  }

  /** Offers all that is here and not there. */
  private void offer() throws Cluster.Alone, IOException {
    for (Kind k : Kind.values()) {
      int type = Types.of(k);
      Set<String> there = new HashSet<>(cluster.names(type, Entries::isName));
      List<String> missing = new ArrayList<>();
      for (String name : shelf.names(k)) {
        if (!there.contains(name)) {
          missing.add(name);
        }
      }
      cluster.offer(type, missing, name -> entry(k, name));
    }
    cluster.put(Types.MAP, member, shelf.encodedMap());
  }

  private byte @Nullable [] entry(Kind k, String name) {
    try {
      return shelf.entry(k, name);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Writes down what this member owns for others. */
  private void copy() throws Cluster.Alone, IOException {
    for (Kind k : Kind.values()) {
      for (Map.Entry<String, byte[]> e : cluster.own(Types.of(k), Entries::isName).entrySet()) {
        if (!closed) {
          shelf.keep(k, e.getKey(), e.getValue());
        }
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    thread.interrupt();
    try {
      thread.join(LEAVE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
