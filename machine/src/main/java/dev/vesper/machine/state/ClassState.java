package dev.vesper.machine.state;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The fields of a class, its superclasses' first, that are state: numbers, which are kept as {@code
 * long}, and references. Static and {@code transient} ones are not; final ones lead to state but
 * are none themselves.
 */
final class ClassState {
  /** Classes that state is looked for in: those of other modules cannot be looked into. */
  private static final String OURS = "dev.vesper.machine.";

  private static final ClassValue<ClassState> ALL =
      new ClassValue<>() {
        @Override
        protected ClassState computeValue(Class<?> c) {
          return new ClassState(c);
        }
      };

  /** What the class is to those who keep state. */
  enum Kind {
    /** Nothing is to be found in it: a value, a lambda, an object of the Java runtime. */
    LEAF,
    /** An array of numbers. */
    NUMBERS,
    /** An array of references. */
    REFERENCES,
    /** A collection, map or other container of the Java runtime. */
    CONTAINER,
    /** An object of ours. */
    OBJECT
  }

  final Class<?> type;
  final Kind kind;

  /** Fields of primitive types that may change, or a record's. */
  final Field[] numbers;

  /** Fields of other types that may change, or a record's. */
  final Field[] references;

  /** Final fields of other types. */
  final Field[] paths;

  /** Uses of reflection before there is code for a class. */
  private static final int SLOWLY = 200;

  private int uses;

  /** Code for the fields that one class of the hierarchy declares, and where they begin. */
  private record Part(FieldAccess access, int number, int reference, int path) {}

  /** Code for all fields, or null: not yet, or not to be had. */
  private volatile @Nullable List<Part> parts;

  /** Objects of the class that all have in common, as it names them. */
  private @Nullable List<Object> shared;

  private ClassState(Class<?> c) {
    type = c;
    kind = kind(c);
    List<Field> n = new ArrayList<>();
    List<Field> r = new ArrayList<>();
    List<Field> p = new ArrayList<>();
    if (kind == Kind.OBJECT) {
      collect(c, n, r, p);
    }
    numbers = n.toArray(Field[]::new);
    references = r.toArray(Field[]::new);
    paths = p.toArray(Field[]::new);
  }

  private static List<Object> shared(Class<?> c) {
    List<Object> all = new ArrayList<>();
    try {
      for (Field f : c.getDeclaredFields()) {
        if (Modifier.isStatic(f.getModifiers()) && f.getType() == c) {
          f.setAccessible(true);
          all.add(f.get(null));
        }
      }
    } catch (IllegalAccessException e) {
      throw new AssertionError(e);
    }
    return all;
  }

  /** {@return whether an object of the class is one that others have too: it must not change} */
  boolean isShared(@Nullable Object o) {
    // Not before there is an object: a class that a file merely names is not to be set going.
    if (o == null || o.getClass() != type || kind != Kind.OBJECT) {
      return false;
    }
    List<Object> all = shared;
    if (all == null) {
      all = shared(type);
      shared = all;
    }
    for (Object s : all) {
      if (s == o) {
        return true;
      }
    }
    return false;
  }

  static ClassState of(Class<?> c) {
    return ALL.get(c);
  }

  private static Kind kind(Class<?> c) {
    if (c.isArray()) {
      return c.getComponentType().isPrimitive() ? Kind.NUMBERS : Kind.REFERENCES;
    }
    if (Containers.isOne(c)) {
      return Kind.CONTAINER;
    }
    boolean ours = c.getName().startsWith(OURS);
    return ours && !c.isHidden() && !Enum.class.isAssignableFrom(c) ? Kind.OBJECT : Kind.LEAF;
  }

  private static void collect(@Nullable Class<?> c, List<Field> n, List<Field> r, List<Field> p) {
    if (c == null || c == Object.class) {
      return;
    }
    collect(c.getSuperclass(), n, r, p);
    for (Field f : c.getDeclaredFields()) {
      int m = f.getModifiers();
      if (Modifier.isStatic(m) || Modifier.isTransient(m)) {
        continue;
      }
      boolean primitive = f.getType().isPrimitive();
      // Records never change, but one is made anew of its components.
      if (Modifier.isFinal(m) && !c.isRecord()) {
        if (!primitive && ClassState.leads(f.getType())) {
          f.setAccessible(true);
          p.add(f);
        }
        continue;
      }
      f.setAccessible(true);
      (primitive ? n : r).add(f);
    }
  }

  /** {@return whether state may be found behind a reference of a type} */
  private static boolean leads(Class<?> c) {
    return !(c.isEnum() || c == String.class || Number.class.isAssignableFrom(c));
  }

  /** {@return code for the fields, or null while it is not worth it, or cannot be} */
  private @Nullable List<Part> code() {
    List<Part> p = parts;
    if (p == null && ++uses == SLOWLY) {
      try {
        p = made();
        parts = p;
      } catch (IllegalAccessException e) {
        // Reflection may look where code may not.
        return null;
      }
    }
    return p;
  }

  private List<Part> made() throws IllegalAccessException {
    List<Part> all = new ArrayList<>();
    int n = 0;
    int r = 0;
    int p = 0;
    for (Class<?> c : hierarchy()) {
      List<Field> ownNumbers = declared(numbers, c);
      List<Field> ownReferences = declared(references, c);
      List<Field> ownPaths = declared(paths, c);
      if (!ownNumbers.isEmpty() || !ownReferences.isEmpty() || !ownPaths.isEmpty()) {
        FieldAccess f = FieldAccess.make(c, ownNumbers, ownReferences, ownPaths, !type.isRecord());
        all.add(new Part(f, n, r, p));
      }
      n += ownNumbers.size();
      r += ownReferences.size();
      p += ownPaths.size();
    }
    return List.copyOf(all);
  }

  private List<Class<?>> hierarchy() {
    List<Class<?>> all = new ArrayList<>();
    for (@Nullable Class<?> c = type; c != null && c != Object.class; c = c.getSuperclass()) {
      all.addFirst(c);
    }
    return all;
  }

  private static List<Field> declared(Field[] fields, Class<?> by) {
    return Arrays.stream(fields).filter(f -> f.getDeclaringClass() == by).toList();
  }

  /** {@return the numbers of an object} */
  long[] numbers(Object o) throws IllegalAccessException {
    long[] out = new long[numbers.length];
    List<Part> code = code();
    if (code == null) {
      for (int i = 0; i < out.length; i++) {
        out[i] = get(numbers[i], o);
      }
    } else {
      for (Part p : code) {
        p.access.numbers(o, out, p.number);
      }
    }
    return out;
  }

  /** {@return what the fields of an object refer to} */
  @Nullable Object[] references(Object o) throws IllegalAccessException {
    @Nullable Object[] out = new Object[references.length];
    List<Part> code = code();
    if (code == null) {
      for (int i = 0; i < out.length; i++) {
        out[i] = references[i].get(o);
      }
    } else {
      for (Part p : code) {
        p.access.references(o, out, p.reference);
      }
    }
    return out;
  }

  /** {@return what the final fields of an object refer to} */
  @Nullable Object[] paths(Object o) throws IllegalAccessException {
    @Nullable Object[] out = new Object[paths.length];
    List<Part> code = code();
    if (code == null) {
      for (int i = 0; i < out.length; i++) {
        out[i] = paths[i].get(o);
      }
    } else {
      for (Part p : code) {
        p.access.paths(o, out, p.path);
      }
    }
    return out;
  }

  /**
   * Sets the fields of an object, which is no record.
   *
   * @param values of its numbers, or null if it has none
   * @param objects that its other fields refer to, or null if it has none
   */
  void set(Object o, long @Nullable [] values, @Nullable Object @Nullable [] objects)
      throws IllegalAccessException {
    List<Part> code = code();
    if (code == null) {
      for (int i = 0; i < numbers.length && values != null; i++) {
        set(numbers[i], o, values[i]);
      }
      for (int i = 0; i < references.length && objects != null; i++) {
        references[i].set(o, objects[i]);
      }
      return;
    }
    for (Part p : code) {
      if (values != null) {
        p.access.setNumbers(o, values, p.number);
      }
      if (objects != null) {
        p.access.setReferences(o, objects, p.reference);
      }
    }
  }

  /** {@return a field of a primitive type as a number that {@link #set} takes} */
  static long get(Field f, Object o) throws IllegalAccessException {
    Class<?> t = f.getType();
    if (t == long.class) {
      return f.getLong(o);
    }
    if (t == boolean.class) {
      return f.getBoolean(o) ? 1 : 0;
    }
    if (t == double.class) {
      return Double.doubleToRawLongBits(f.getDouble(o));
    }
    if (t == float.class) {
      return Float.floatToRawIntBits(f.getFloat(o));
    }
    return t == char.class ? f.getChar(o) : f.getInt(o);
  }

  /** {@return a number that {@link #get} has given, as a component of a record} */
  static Object boxed(Field f, long v) {
    Class<?> t = f.getType();
    if (t == long.class) {
      return v;
    }
    if (t == int.class) {
      return (int) v;
    }
    if (t == boolean.class) {
      return v != 0;
    }
    if (t == double.class) {
      return Double.longBitsToDouble(v);
    }
    if (t == float.class) {
      return Float.intBitsToFloat((int) v);
    }
    return t == char.class ? (Object) (char) v : t == short.class ? (Object) (short) v : (byte) v;
  }

  /** Sets a field of a primitive type. */
  static void set(Field f, Object o, long v) throws IllegalAccessException {
    Class<?> t = f.getType();
    if (t == long.class) {
      f.setLong(o, v);
    } else if (t == int.class) {
      f.setInt(o, (int) v);
    } else if (t == boolean.class) {
      f.setBoolean(o, v != 0);
    } else if (t == byte.class) {
      f.setByte(o, (byte) v);
    } else if (t == short.class) {
      f.setShort(o, (short) v);
    } else if (t == char.class) {
      f.setChar(o, (char) v);
    } else if (t == double.class) {
      f.setDouble(o, Double.longBitsToDouble(v));
    } else {
      f.setFloat(o, Float.intBitsToFloat((int) v));
    }
  }
}
