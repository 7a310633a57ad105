package dev.vesper.machine.state;

import java.util.BitSet;
import java.util.Collection;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What collections, maps, bit sets and text buffers of the Java runtime hold. */
final class Containers {
  private Containers() {}

  static boolean isOne(Class<?> c) {
    return Collection.class.isAssignableFrom(c)
        || Map.class.isAssignableFrom(c)
        || c == BitSet.class
        || c == StringBuilder.class;
  }

  /** {@return what it holds, in order; keys and values of a map in turn} */
  static Object[] contents(Object container) {
    return switch (container) {
      case Collection<?> c -> c.toArray();
      case Map<?, ?> m -> {
        Object[] out = new Object[2 * m.size()];
        int i = 0;
        for (Map.Entry<?, ?> e : m.entrySet()) {
          out[i++] = e.getKey();
          out[i++] = e.getValue();
        }
        yield out;
      }
      case BitSet b -> new Object[] {b.toLongArray()};
      default -> new Object[] {container.toString()};
    };
  }

  /** Has it hold this and nothing else; what holds it already, and may be unchangeable, stays. */
  @SuppressWarnings({"unchecked", "rawtypes"})
  static void refill(Object container, Object[] contents) {
    switch (container) {
      case Collection c -> {
        if (!same(c.toArray(), contents)) {
          c.clear();
          for (Object o : contents) {
            c.add(o);
          }
        }
      }
      case Map m -> {
        if (!same(contents(m), contents)) {
          m.clear();
          for (int i = 0; i < contents.length; i += 2) {
            m.put(contents[i], contents[i + 1]);
          }
        }
      }
      case BitSet b -> {
        b.clear();
        b.or(BitSet.valueOf((long[]) contents[0]));
      }
      default -> {
        StringBuilder s = (StringBuilder) container;
        s.setLength(0);
        s.append((String) contents[0]);
      }
    }
  }

  /** {@return whether two arrays have the same objects} */
  static boolean same(@Nullable Object[] a, @Nullable Object[] b) {
    if (a.length != b.length) {
      return false;
    }
    for (int i = 0; i < a.length; i++) {
      if (a[i] != b[i]) {
        return false;
      }
    }
    return true;
  }
}
