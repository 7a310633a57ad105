package dev.vesper.campaign;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.infinispan.Cache;
import org.infinispan.commons.CacheException;
import org.infinispan.context.Flag;
import org.jspecify.annotations.Nullable;

/**
 * The caches, in the words of the schema: what comes out of them has been opened and checked, what
 * is damaged is told of once, in a line, and left out. What a change of members interrupts is tried
 * again; who still has no answer is alone for now, and each method says so by {@link Alone}.
 */
final class Cluster implements AutoCloseable {
  /** The others cannot be asked now. */
  static final class Alone extends Exception {
    private static final long serialVersionUID = 1;

    Alone(Throwable cause) {
      super(String.valueOf(cause.getMessage()), cause);
    }
  }

  /** How many entries are on their way at once. */
  private static final int AT_ONCE = 64;

  private static final int TRIES = 4;
  private static final long PAUSE_MILLIS = 250;

  /** So many damaged entries are told of; a member that makes them could make any number. */
  private static final int MOST_TOLD = 100;

  private final Caches caches;
  private final Library.Log logging;
  private final Consumer<String> said;
  private final Set<String> told = ConcurrentHashMap.newKeySet();

  /**
   * Of caches.
   *
   * @param logging is closed behind them
   * @param said takes lines
   */
  Cluster(Caches caches, Library.Log logging, Consumer<String> said) {
    this.caches = caches;
    this.logging = logging;
    this.said = said;
  }

  private Cache<byte[], byte[]> cache(int type) {
    return switch (type) {
      case Types.QUEUE -> caches.corpus;
      case Types.CRASH, Types.HANG -> caches.findings;
      case Types.MAP -> caches.coverage;
      default -> caches.work;
    };
  }

  static byte[] bytes(String name) {
    return name.getBytes(StandardCharsets.US_ASCII);
  }

  private static <T> T patiently(Supplier<T> what) throws Alone {
    for (int i = 1; ; i++) {
      try {
        return what.get();
      } catch (CacheException | CompletionException e) {
        if (i == TRIES) {
          throw new Alone(e);
        }
      } catch (RuntimeException e) {
        // The library wraps it so when its iterators are interrupted, as those of who leaves are.
        if (!(e.getCause() instanceof InterruptedException)) {
          throw e;
        }
        Thread.currentThread().interrupt();
        throw new Alone(e);
      }
      try {
        Thread.sleep(i * PAUSE_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new Alone(e);
      }
    }
  }

  private byte @Nullable [] opened(byte[] key, byte @Nullable [] value) {
    byte[] content = value == null ? null : Envelope.open(key, value);
    if (value != null && content == null) {
      tell("left out a damaged entry of the cluster, key " + Envelope.show(key));
    }
    return content;
  }

  private void tell(String line) {
    if (told.size() < MOST_TOLD && told.add(line)) {
      said.accept(line);
    }
  }

  /** {@return what is under a name; null if nothing is, or nothing good} */
  byte @Nullable [] get(int type, String name) throws Alone {
    byte[] key = Envelope.key(type, bytes(name));
    return opened(key, patiently(() -> cache(type).get(key)));
  }

  /** {@return whether a name was new}, which then has this content; what is damaged is none. */
  boolean putIfNew(int type, String name, byte[] content) throws Alone {
    byte[] key = Envelope.key(type, bytes(name));
    byte[] sealed = Envelope.seal(key, content);
    byte[] before = patiently(() -> cache(type).putIfAbsent(key, sealed));
    if (before != null && opened(key, before) == null) {
      patiently(() -> cache(type).replace(key, before, sealed));
      return true;
    }
    return before == null;
  }

  /** {@return whether a name had the content that was expected}, and has the new one then. */
  boolean swap(int type, String name, byte @Nullable [] expected, byte[] content) throws Alone {
    if (expected == null) {
      return putIfNew(type, name, content);
    }
    byte[] key = Envelope.key(type, bytes(name));
    byte[] old = Envelope.seal(key, expected);
    byte[] sealed = Envelope.seal(key, content);
    return patiently(() -> cache(type).replace(key, old, sealed));
  }

  /**
   * {@return what all members have agreed on under a name}, which is this one's word if it is the
   * first. The value has no envelope, whose version it may be about.
   */
  String agreed(String name, byte[] word) throws Alone {
    byte[] key = Envelope.key(Types.SCHEMA, bytes(name));
    byte[] before = patiently(() -> caches.work.putIfAbsent(key, word));
    return new String(before == null ? word : before, StandardCharsets.US_ASCII);
  }

  /** Puts content under a name in place of what is there. */
  void put(int type, String name, byte[] content) throws Alone {
    byte[] key = Envelope.key(type, bytes(name));
    byte[] sealed = Envelope.seal(key, content);
    patiently(
        () -> cache(type).getAdvancedCache().withFlags(Flag.IGNORE_RETURN_VALUES).put(key, sealed));
  }

  /** Puts content under names that have none. */
  void offer(int type, Iterable<String> names, Contents contents) throws Alone {
    List<CompletableFuture<?>> onTheWay = new ArrayList<>();
    for (String name : names) {
      byte[] content = contents.of(name);
      if (content != null) {
        byte[] key = Envelope.key(type, bytes(name));
        onTheWay.add(cache(type).putIfAbsentAsync(key, Envelope.seal(key, content)));
      }
      if (onTheWay.size() == AT_ONCE) {
        await(onTheWay);
      }
    }
    await(onTheWay);
  }

  /** Gives the content of a name. */
  @FunctionalInterface
  interface Contents {
    /** {@return the content, or null for a name to leave out} */
    byte @Nullable [] of(String name);
  }

  private static void await(List<CompletableFuture<?>> all) throws Alone {
    try {
      CompletableFuture.allOf(all.toArray(new CompletableFuture<?>[0])).join();
    } catch (CacheException | CompletionException e) {
      throw new Alone(e);
    }
    all.clear();
  }

  /** {@return all names of a type that are good ones} */
  List<String> names(int type, Predicate<String> good) throws Alone {
    return patiently(
        () -> {
          List<String> all = new ArrayList<>();
          for (byte[] key : cache(type).keySet()) {
            name(type, key, good, all::add);
          }
          return all;
        });
  }

  private void name(int type, byte[] key, Predicate<String> good, Consumer<String> taken) {
    byte[] raw = Envelope.name(type, key);
    if (raw == null) {
      // Another type of the same cache, or nothing of ours.
      if (key.length == 0 || key[0] < Types.QUEUE || key[0] > Types.SCHEMA) {
        tell("left out a damaged key of the cluster, " + Envelope.show(key));
      }
      return;
    }
    String name = new String(raw, StandardCharsets.US_ASCII);
    if (good.test(name)) {
      taken.accept(name);
    } else {
      tell("left out a damaged key of the cluster, " + Envelope.show(key));
    }
  }

  /** {@return names and good contents of a type}, by name. */
  Map<String, byte[]> all(int type, Predicate<String> good) throws Alone {
    return patiently(() -> opened(cache(type), type, good));
  }

  /** {@return the same of what this member owns} */
  Map<String, byte[]> own(int type, Predicate<String> good) throws Alone {
    return patiently(
        () -> opened(cache(type).getAdvancedCache().withFlags(Flag.CACHE_MODE_LOCAL), type, good));
  }

  private Map<String, byte[]> opened(
      Cache<byte[], byte[]> cache, int type, Predicate<String> good) {
    Map<String, byte[]> all = new TreeMap<>();
    for (Map.Entry<byte[], byte[]> e : cache.entrySet()) {
      name(
          type,
          e.getKey(),
          good,
          n -> {
            byte[] content = opened(e.getKey(), e.getValue());
            if (content != null) {
              all.put(n, content);
            }
          });
    }
    return all;
  }

  @Override
  public void close() {
    try (logging) {
      caches.close();
    }
  }
}
