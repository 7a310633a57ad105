package dev.vesper.machine.state;

import java.lang.reflect.Array;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The state of all objects that can be reached from some, at one moment. It never changes, and
 * shares with an earlier one what has not changed since.
 */
public final class StateImage {
  /**
   * One object as it was.
   *
   * @param object itself
   * @param numbers its fields of primitive types, or null for none
   * @param references its other fields, an array's elements or what a container holds, or null
   * @param paths what its final fields refer to, or null
   * @param copy of an array of numbers, or null
   * @param own what it says itself, or null
   */
  record Node(
      Object object,
      ClassState type,
      long @Nullable [] numbers,
      @Nullable Object @Nullable [] references,
      @Nullable Object @Nullable [] paths,
      @Nullable Object copy,
      @Nullable Object own) {}

  final List<Node> nodes;

  /** Arrays of at least so many bytes are looked for in the image before. */
  private static final int LARGE = 512;

  private StateImage(List<Node> nodes) {
    this.nodes = nodes;
  }

  /**
   * {@return the state of what can be reached}
   *
   * @param roots where to begin
   * @param before an earlier image of the same, or null
   */
  public static StateImage of(List<?> roots, @Nullable StateImage before) {
    return new StateImage(new Walk(before).from(roots));
  }

  /** The state of one object after the other, in the order in which they are come upon. */
  private static final class Walk {
    private final Map<Object, Boolean> seen = new IdentityHashMap<>(4096);
    private final Deque<Object> waiting = new ArrayDeque<>();
    private final List<Node> out = new ArrayList<>(2048);
    private final List<Node> before;

    /** Where in {@link #before} the next object probably is. */
    private int at;

    Walk(@Nullable StateImage before) {
      this.before = before == null ? List.of() : before.nodes;
    }

    List<Node> from(List<?> roots) {
      roots.forEach(this::visit);
      for (Object o = waiting.poll(); o != null; o = waiting.poll()) {
        try {
          look(o);
        } catch (IllegalAccessException e) {
          throw new AssertionError(e);
        }
      }
      return out;
    }

    private void visit(@Nullable Object o) {
      if (o != null
          && ClassState.of(o.getClass()).kind != ClassState.Kind.LEAF
          && seen.putIfAbsent(o, Boolean.TRUE) == null) {
        waiting.add(o);
      }
    }

    private void look(Object o) throws IllegalAccessException {
      ClassState c = ClassState.of(o.getClass());
      switch (c.kind) {
        case NUMBERS -> out.add(new Node(o, c, null, null, null, copied(o), null));
        case REFERENCES -> {
          Object[] elements = copied((Object[]) o);
          visitAll(elements);
          out.add(new Node(o, c, null, elements, null, null, null));
        }
        case CONTAINER -> {
          Object[] contents = Containers.contents(o);
          visitAll(contents);
          out.add(new Node(o, c, null, contents, null, null, null));
        }
        case OBJECT -> object(o, c);
        case LEAF -> throw new AssertionError(c.type);
      }
    }

    private void visitAll(@Nullable Object[] all) {
      for (Object o : all) {
        visit(o);
      }
    }

    private void object(Object o, ClassState c) throws IllegalAccessException {
      long[] numbers = c.numbers.length == 0 ? null : c.numbers(o);
      Object[] references = c.references.length == 0 ? null : c.references(o);
      Object[] paths = c.paths.length == 0 ? null : c.paths(o);
      if (references != null) {
        visitAll(references);
      }
      if (paths != null) {
        visitAll(paths);
      }
      Object own = o instanceof OwnState s ? s.ownState() : null;
      out.add(new Node(o, c, numbers, references, paths, null, own));
    }

    /** {@return a copy of an array of numbers, the earlier one if nothing has changed} */
    private Object copied(Object array) {
      int n = Array.getLength(array);
      Node b = n * width(array) < LARGE ? null : former(array);
      Object copy = b == null ? null : b.copy;
      if (copy != null && equal(array, copy)) {
        return copy;
      }
      Object fresh = Array.newInstance(array.getClass().getComponentType(), n);
      System.arraycopy(array, 0, fresh, 0, n);
      return fresh;
    }

    private @Nullable Object[] copied(@Nullable Object[] array) {
      Node b = array.length < LARGE ? null : former(array);
      @Nullable Object[] copy = b == null ? null : b.references;
      return copy != null && Containers.same(array, copy) ? copy : array.clone();
    }

    private @Nullable Node former(Object o) {
      for (int k = 0; k < before.size(); k++) {
        Node b = before.get(at);
        at = at + 1 == before.size() ? 0 : at + 1;
        if (b.object == o) {
          return b;
        }
      }
      return null;
    }
  }

  private static int width(Object array) {
    return switch (array) {
      case long[] a -> Long.BYTES;
      case int[] a -> Integer.BYTES;
      case short[] a -> Short.BYTES;
      default -> 1;
    };
  }

  /** {@return whether two arrays of numbers are the same} */
  static boolean equal(Object a, Object b) {
    return switch (a) {
      case long[] x -> b instanceof long[] y && Arrays.equals(x, y);
      case int[] x -> b instanceof int[] y && Arrays.equals(x, y);
      case byte[] x -> b instanceof byte[] y && Arrays.equals(x, y);
      case short[] x -> b instanceof short[] y && Arrays.equals(x, y);
      case boolean[] x -> b instanceof boolean[] y && Arrays.equals(x, y);
      default -> false;
    };
  }

  /** Has all objects be again as they were. */
  public void restore() {
    try {
      for (Node n : nodes) {
        restore(n);
      }
    } catch (IllegalAccessException e) {
      throw new AssertionError(e);
    }
    follow();
  }

  /** Tells those who keep what follows from others' state. */
  void follow() {
    for (Node n : nodes) {
      if (n.object instanceof StateFollower f) {
        f.stateChanged();
      }
    }
  }

  private static void restore(Node n) throws IllegalAccessException {
    Object o = n.object;
    switch (n.type.kind) {
      case NUMBERS -> System.arraycopy(copy(n), 0, o, 0, Array.getLength(o));
      case REFERENCES -> System.arraycopy(references(n), 0, o, 0, Array.getLength(o));
      case CONTAINER -> Containers.refill(o, references(n));
      default -> {
        if (o instanceof Record) {
          return;
        }
        n.type.set(o, n.numbers, n.references);
        if (n.own != null && o instanceof OwnState s) {
          s.ownState(n.own);
        }
      }
    }
  }

  private static Object copy(Node n) {
    if (n.copy == null) {
      throw new AssertionError(n.type.type);
    }
    return n.copy;
  }

  private static @Nullable Object[] references(Node n) {
    if (n.references == null) {
      throw new AssertionError(n.type.type);
    }
    return n.references;
  }
}
