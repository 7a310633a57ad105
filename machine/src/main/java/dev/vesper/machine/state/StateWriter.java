package dev.vesper.machine.state;

import dev.vesper.machine.state.StateImage.Node;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A {@link StateImage} as bytes: the classes with the names and types of their fields, then object
 * after object as it was come upon. All numbers are big-endian.
 */
public final class StateWriter {
  private final StateImage image;
  private final Map<Object, Integer> numbers = new IdentityHashMap<>();
  private final Map<Class<?>, Integer> classes = new LinkedHashMap<>();

  /**
   * Where things without state are, that are in a field of one object, or in an array, and known to
   * another.
   */
  private final Map<Object, long[]> fields = new IdentityHashMap<>();

  private StateWriter(StateImage image) {
    this.image = image;
  }

  /**
   * {@return the bytes}
   *
   * @throws IllegalStateException if something has no form outside of this process, saying what
   */
  public static byte[] write(StateImage image) {
    try {
      return new StateWriter(image).bytes();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private byte[] bytes() throws IOException {
    for (int i = 0; i < image.nodes.size(); i++) {
      Node n = image.nodes.get(i);
      numbers.put(n.object(), i);
      note(i, n.paths(), 0);
      switch (n.type().kind) {
        case OBJECT -> note(i, n.references(), n.type().paths.length);
        case REFERENCES -> note(i, n.references(), 0);
        default -> {}
      }
    }
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(body);
    out.writeInt(image.nodes.size());
    for (Node n : image.nodes) {
      write(out, n);
    }
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    DataOutputStream head = new DataOutputStream(all);
    head.writeInt(classes.size());
    for (Class<?> c : classes.keySet()) {
      head.writeUTF(c.getName());
      head.writeUTF(layout(ClassState.of(c)));
    }
    body.writeTo(head);
    return all.toByteArray();
  }

  private void note(int node, @Nullable Object @Nullable [] values, int first) {
    if (values != null) {
      for (int k = 0; k < values.length; k++) {
        Object v = values[k];
        if (v != null && isOpaque(v)) {
          fields.putIfAbsent(v, new long[] {node, first + k});
        }
      }
    }
  }

  private static boolean isOpaque(Object v) {
    return ClassState.of(v.getClass()).kind == ClassState.Kind.LEAF && !isValue(v);
  }

  private static boolean isValue(Object v) {
    return v instanceof String
        || v instanceof Number
        || v instanceof Boolean
        || v instanceof Character
        || v instanceof Enum;
  }

  /** {@return names and types of the fields of a class: a file of another layout is not read} */
  static String layout(ClassState c) {
    StringBuilder s = new StringBuilder();
    for (Field[] part : new Field[][] {c.numbers, c.references, c.paths}) {
      for (Field f : part) {
        s.append(f.getName()).append(':').append(f.getType().getName()).append(' ');
      }
      s.append('|');
    }
    return s.toString();
  }

  private int number(Class<?> c) {
    return classes.computeIfAbsent(c, k -> classes.size());
  }

  private void write(DataOutputStream out, Node n) throws IOException {
    out.writeInt(number(n.type().type));
    switch (n.type().kind) {
      case NUMBERS -> numbers(out, some(n.copy()));
      case REFERENCES, CONTAINER -> {
        Object[] r = (Object[]) some(n.references());
        out.writeInt(r.length);
        for (Object v : r) {
          value(out, v, n);
        }
      }
      default -> {
        if (n.numbers() != null) {
          for (long v : n.numbers()) {
            out.writeLong(v);
          }
        }
        values(out, n.references(), n);
        values(out, n.paths(), n);
        own(out, n.own(), n);
      }
    }
  }

  private static Object some(@Nullable Object o) {
    if (o == null) {
      throw new AssertionError("a node without its state");
    }
    return o;
  }

  private void values(DataOutputStream out, @Nullable Object @Nullable [] values, Node n)
      throws IOException {
    if (values != null) {
      for (Object v : values) {
        value(out, v, n);
      }
    }
  }

  private static void tag(DataOutputStream out, StateTag t) throws IOException {
    out.writeByte(t.ordinal());
  }

  private void value(DataOutputStream out, @Nullable Object v, Node of) throws IOException {
    Integer node = v == null ? null : numbers.get(v);
    if (node != null) {
      tag(out, StateTag.NODE);
      out.writeInt(node);
      return;
    }
    if (v == null || isValue(v)) {
      own(out, v, of);
      return;
    }
    boolean inField = of.type().kind == ClassState.Kind.OBJECT;
    long[] field = fields.get(v);
    if (inField || of.type().kind == ClassState.Kind.REFERENCES) {
      tag(out, StateTag.STAYS);
    } else if (field != null) {
      tag(out, StateTag.FIELD);
      out.writeInt((int) field[0]);
      out.writeInt((int) field[1]);
    } else {
      // What a program of the user's has put there: another run puts its own there.
      tag(out, StateTag.STAYS);
    }
  }

  /** Writes what an object says of itself, or a value. */
  private void own(DataOutputStream out, @Nullable Object v, Node of) throws IOException {
    switch (v) {
      case null -> tag(out, StateTag.NULL);
      case String s -> {
        tag(out, StateTag.STRING);
        byte[] b = s.getBytes(java.nio.charset.StandardCharsets.UTF_8);
        out.writeInt(b.length);
        out.write(b);
      }
      case Long l -> {
        tag(out, StateTag.LONG);
        out.writeLong(l);
      }
      case Integer i -> {
        tag(out, StateTag.INTEGER);
        out.writeInt(i);
      }
      case Short s -> {
        tag(out, StateTag.SHORT);
        out.writeShort(s);
      }
      case Byte b -> {
        tag(out, StateTag.BYTE);
        out.writeByte(b);
      }
      case Boolean b -> {
        tag(out, StateTag.BOOLEAN);
        out.writeBoolean(b);
      }
      case Character c -> {
        tag(out, StateTag.CHARACTER);
        out.writeChar(c);
      }
      case Double d -> {
        tag(out, StateTag.DOUBLE);
        out.writeDouble(d);
      }
      case Enum<?> e -> {
        tag(out, StateTag.ENUM);
        out.writeUTF(e.getDeclaringClass().getName());
        out.writeUTF(e.name());
      }
      case Object[] a -> {
        tag(out, StateTag.VALUES);
        out.writeInt(number(a.getClass()));
        out.writeInt(a.length);
        for (Object o : a) {
          own(out, o, of);
        }
      }
      default -> {
        if (!v.getClass().isArray()) {
          throw new IllegalStateException(
              v.getClass().getName() + " in " + of.type().type.getName() + " has no saved form");
        }
        tag(out, StateTag.NUMBERS);
        out.writeInt(number(v.getClass()));
        numbers(out, v);
      }
    }
  }

  private static void numbers(DataOutputStream out, Object array) throws IOException {
    out.writeInt(Array.getLength(array));
    switch (array) {
      case byte[] a -> out.write(a);
      case long[] a -> {
        for (long v : a) {
          out.writeLong(v);
        }
      }
      case int[] a -> {
        for (int v : a) {
          out.writeInt(v);
        }
      }
      case short[] a -> {
        for (short v : a) {
          out.writeShort(v);
        }
      }
      case boolean[] a -> {
        for (boolean v : a) {
          out.writeBoolean(v);
        }
      }
      case char[] a -> {
        for (char v : a) {
          out.writeChar(v);
        }
      }
      default -> throw new IllegalStateException(array.getClass() + " has no saved form");
    }
  }
}
