package dev.vesper.machine.state;

import dev.vesper.machine.foreign.Damaged;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.RecordComponent;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Gives the objects of a machine the state that a {@link StateWriter} has written of another one
 * that was made alike. Its objects are gone through in the order in which those were, so that each
 * finds its like; what has no like yet is made. Nothing is changed before all of it was read.
 */
public final class StateReader {
  /** Where classes that are named may be from; a program's objects can be in a machine. */
  private static final String OURS = "dev.vesper.";

  /** Where classes may be from that objects are made of. */
  private static final List<String> MADE =
      List.of("dev.vesper.machine.", "dev.vesper.ghcb.", "dev.vesper.x86.", "java.", "[");

  /** Most elements of an array that a file may ask for. */
  private static final int MOST = 1 << 27;

  private final ByteBuffer in;
  private final StateImage now;
  private final List<ClassState> classes = new ArrayList<>();
  private final List<Read> read = new ArrayList<>();
  private final List<@Nullable Object> objects = new ArrayList<>();

  /** The machine's objects that have a number already. */
  private final Set<Object> taken = Collections.newSetFromMap(new IdentityHashMap<>());

  /** Numbers of objects that were found, but not yet where they lead to. */
  private final Deque<Integer> ready = new ArrayDeque<>();

  /**
   * Numbers of objects whose fields that may change are still to be gone by: such a field may have
   * another one of several that are alike, as the processor whose turn it is.
   */
  private final Deque<Integer> later = new ArrayDeque<>();

  /** Objects that the machine does not have where they were come upon first. */
  private final Deque<Missing> missing = new ArrayDeque<>();

  /**
   * One of these.
   *
   * @param there what is in its place
   * @param type what the place may have, or null for anything
   */
  private record Missing(int number, @Nullable Object there, @Nullable Class<?> type) {}

  /** Records within records. */
  private static final int DEEPEST = 32;

  /** Arrays within arrays of what an object says of itself. */
  private static final int DEEPEST_VALUES = 8;

  /** Objects that one key of a map, or one element of a set, is made of. */
  private static final int MOST_OF_KEY = 1 << 10;

  /** Keys of one map, or elements of one set, that have the same hash. */
  private static final int MOST_ALIKE = 256;

  /** A value that is not an object with a number. */
  private record Value(StateTag tag, @Nullable Object what) {}

  /** A reference to an object by its number. */
  private record Reference(int number) {}

  /** A reference to what has no state, in a field of an object. */
  private record InField(int number, int field) {}

  /** What the file has of one object. */
  private static final class Read {
    final ClassState type;
    long @Nullable [] numbers;
    @Nullable Object @Nullable [] references;
    @Nullable Object @Nullable [] paths;
    @Nullable Object copy;
    @Nullable Object own;

    Read(ClassState type) {
      this.type = type;
    }
  }

  private StateReader(byte[] bytes, StateImage now) {
    in = ByteBuffer.wrap(bytes);
    this.now = now;
  }

  /**
   * Gives a machine another state.
   *
   * @param roots where its objects begin, as for the image that was written
   * @throws Damaged if the bytes are none of a machine like this, saying why; what was changed by
   *     then is of no use
   */
  public static void read(byte[] bytes, List<?> roots) {
    try {
      new StateReader(bytes, StateImage.of(roots, null)).read(roots);
    } catch (BufferUnderflowException e) {
      throw new Damaged("its state ends within an object");
    } catch (ReflectiveOperationException e) {
      throw new Damaged("its state has what this version has not: " + e.getMessage());
    } catch (Damaged e) {
      throw e;
    } catch (RuntimeException | LinkageError e) {
      throw new Damaged("its state is none of such a machine: " + e.getMessage());
    }
  }

  private void read(List<?> roots) throws ReflectiveOperationException {
    int n = count(in.getInt(), 4);
    for (int i = 0; i < n; i++) {
      classes.add(type());
    }
    int nodes = count(in.getInt(), 4);
    for (int i = 0; i < nodes; i++) {
      read.add(node());
      objects.add(null);
    }
    if (in.hasRemaining()) {
      throw new Damaged("its state goes on behind its end");
    }
    for (int i = 0; i < roots.size(); i++) {
      found(i, roots.get(i));
    }
    findAll();
    for (int i = 0; i < nodes; i++) {
      if (read.get(i).type.kind != ClassState.Kind.CONTAINER) {
        fill(i);
      }
    }
    // What is hashed or ordered must be whole by then, and may have containers of its own.
    for (int i = nodes - 1; i >= 0; i--) {
      if (read.get(i).type.kind == ClassState.Kind.CONTAINER) {
        fill(i);
      }
    }
    StateImage.of(roots, now).follow();
  }

  // ---- the file

  private int count(int n, int least) {
    if (n < 0 || n > in.remaining() / least) {
      throw new Damaged("its state counts " + n + " things where it has no room");
    }
    return n;
  }

  private String text() {
    byte[] b = new byte[count(in.getShort() & 0xFFFF, 1)];
    in.get(b);
    return new String(b, StandardCharsets.UTF_8);
  }

  private ClassState type() throws ClassNotFoundException {
    String name = text();
    String layout = text();
    ClassState c = ClassState.of(named(name));
    if (!StateWriter.layout(c).equals(layout)) {
      throw new Damaged("it was written by another version: " + name + " has other fields");
    }
    return c;
  }

  private static Class<?> named(String name) throws ClassNotFoundException {
    if (!name.startsWith(OURS)
        && !name.startsWith("[")
        && !name.startsWith("java.util.")
        && !name.equals("java.lang.StringBuilder")) {
      throw new Damaged("its state names a class that no machine has: " + name);
    }
    return Class.forName(name, false, StateReader.class.getClassLoader());
  }

  private ClassState declared() {
    int i = in.getInt();
    if (i < 0 || i >= classes.size()) {
      throw new Damaged("its state has no class " + i);
    }
    return classes.get(i);
  }

  private Read node() throws ClassNotFoundException {
    ClassState c = declared();
    Read r = new Read(c);
    switch (c.kind) {
      case NUMBERS -> r.copy = numbers(c.type);
      case REFERENCES, CONTAINER -> {
        @Nullable Object[] v = new Object[count(in.getInt(), 1)];
        for (int i = 0; i < v.length; i++) {
          v[i] = value();
        }
        r.references = v;
      }
      case OBJECT -> {
        r.numbers = new long[c.numbers.length];
        for (int i = 0; i < c.numbers.length; i++) {
          r.numbers[i] = in.getLong();
        }
        r.references = values(c.references.length);
        r.paths = values(c.paths.length);
        r.own = value();
      }
      case LEAF -> throw new Damaged("its state has an object of " + c.type.getName());
    }
    return r;
  }

  private @Nullable Object[] values(int n) throws ClassNotFoundException {
    @Nullable Object[] v = new Object[n];
    for (int i = 0; i < n; i++) {
      v[i] = value();
    }
    return v;
  }

  private @Nullable Object value() throws ClassNotFoundException {
    return value(0);
  }

  private @Nullable Object value(int depth) throws ClassNotFoundException {
    StateTag t = StateTag.of(in.get());
    return switch (t) {
      case null -> throw new Damaged("its state has a value of no kind");
      case NULL -> null;
      case NODE -> new Reference(in.getInt());
      case STAYS -> new Value(t, null);
      case FIELD -> new InField(in.getInt(), in.getInt());
      case STRING -> {
        byte[] b = new byte[count(in.getInt(), 1)];
        in.get(b);
        yield new String(b, StandardCharsets.UTF_8);
      }
      case LONG -> in.getLong();
      case INTEGER -> in.getInt();
      case SHORT -> in.getShort();
      case BYTE -> in.get();
      case BOOLEAN -> in.get() != 0;
      case CHARACTER -> in.getChar();
      case DOUBLE -> in.getDouble();
      case ENUM -> constant(text(), text());
      case NUMBERS -> numbers(declared().type);
      case VALUES -> {
        Class<?> c = declared().type;
        if (!c.isArray() || c.getComponentType().isPrimitive()) {
          throw new Damaged("its state has an array of " + c.getName());
        }
        // Each has its room before its elements are read: without a bound, room without end.
        if (depth == DEEPEST_VALUES) {
          throw new Damaged("its state has arrays within arrays without end");
        }
        int n = count(in.getInt(), 1);
        Object[] a = (Object[]) Array.newInstance(c.getComponentType(), n);
        for (int i = 0; i < n; i++) {
          a[i] = value(depth + 1);
        }
        yield a;
      }
    };
  }

  private static Object constant(String type, String name) throws ClassNotFoundException {
    Class<?> c = named(type);
    if (c.isEnum()) {
      for (Object o : c.getEnumConstants()) {
        if (((Enum<?>) o).name().equals(name)) {
          return o;
        }
      }
    }
    throw new Damaged("its state has no constant " + name + " of " + type);
  }

  private Object numbers(Class<?> type) {
    if (!type.isArray() || !type.getComponentType().isPrimitive()) {
      throw new Damaged("its state has numbers of " + type.getName());
    }
    int n = in.getInt();
    if (n < 0 || n > MOST || n > in.remaining()) {
      throw new Damaged("its state has an array of " + n + " numbers");
    }
    Object a = Array.newInstance(type.getComponentType(), n);
    switch (a) {
      case byte[] b -> in.get(b);
      case long[] l -> {
        for (int i = 0; i < n; i++) {
          l[i] = in.getLong();
        }
      }
      case int[] l -> {
        for (int i = 0; i < n; i++) {
          l[i] = in.getInt();
        }
      }
      case short[] l -> {
        for (int i = 0; i < n; i++) {
          l[i] = in.getShort();
        }
      }
      case char[] l -> {
        for (int i = 0; i < n; i++) {
          l[i] = in.getChar();
        }
      }
      case boolean[] l -> {
        for (int i = 0; i < n; i++) {
          l[i] = in.get() != 0;
        }
      }
      default -> throw new Damaged("its state has numbers of " + type.getName());
    }
    return a;
  }

  // ---- which object is which

  /**
   * Finds all objects. One is made only when no way is left that could lead to it: what some object
   * merely knows, another one has.
   */
  private void findAll() throws ReflectiveOperationException {
    for (; ; ) {
      Integer i = ready.poll();
      if (i != null) {
        find(i);
        continue;
      }
      Integer changing = later.poll();
      if (changing != null) {
        findReferences(changing, false);
        continue;
      }
      Missing m = missing.poll();
      if (m == null) {
        break;
      }
      Class<?> made = read.get(m.number).type.type;
      if (m.type != null && !m.type.isAssignableFrom(made)) {
        throw new Damaged("its state has a " + made.getName() + " for a " + m.type.getName());
      }
      if (objects.get(m.number) == null) {
        found(m.number, make(read.get(m.number), m.there, 0));
      }
    }
    if (objects.contains(null)) {
      throw new Damaged("its state has an object that nothing leads to");
    }
  }

  private void found(int number, Object o) {
    if (number >= objects.size() || !taken.add(o)) {
      throw new Damaged("its state has two objects for one");
    }
    objects.set(number, o);
    ready.add(number);
  }

  private void find(int i) throws ReflectiveOperationException {
    Read r = read.get(i);
    Object o = objects.get(i);
    if (o == null) {
      throw new AssertionError("an object that was not found");
    }
    switch (r.type.kind) {
      case REFERENCES -> adoptAll(some(r.references), (Object[]) o, r.type.type.getComponentType());
      case CONTAINER -> adoptAll(some(r.references), Containers.contents(o), null);
      case OBJECT -> {
        if (o instanceof Record) {
          findReferences(i, true);
        } else {
          later.add(i);
        }
        @Nullable Object[] paths = some(r.paths);
        for (int k = 0; k < paths.length; k++) {
          Field f = r.type.paths[k];
          Object there = f.get(o);
          if ((there == null) != (paths[k] == null)) {
            throw new Damaged(
                "it is of another machine: "
                    + f.getDeclaringClass().getSimpleName()
                    + "."
                    + f.getName()
                    + (there == null ? " is only there" : " is not there"));
          }
          adopt(paths[k], there, f.getType(), true);
        }
      }
      default -> {}
    }
  }

  private void findReferences(int i, boolean fixed) throws ReflectiveOperationException {
    Read r = read.get(i);
    @Nullable Object[] references = some(r.references);
    for (int k = 0; k < references.length; k++) {
      Field f = r.type.references[k];
      adopt(references[k], f.get(objects.get(i)), f.getType(), fixed);
    }
  }

  private void adoptAll(
      @Nullable Object[] values, @Nullable Object[] there, @Nullable Class<?> type)
      throws ReflectiveOperationException {
    for (int k = 0; k < values.length; k++) {
      adopt(values[k], k < there.length ? there[k] : null, type, false);
    }
  }

  /**
   * Finds the object that a reference is to.
   *
   * @param there what the machine has in the same place
   * @param type of the place, or null
   * @param fixed the place cannot have another one
   */
  private void adopt(
      @Nullable Object value, @Nullable Object there, @Nullable Class<?> type, boolean fixed)
      throws ReflectiveOperationException {
    if (!(value instanceof Reference(int number))) {
      return;
    }
    if (number < 0 || number >= objects.size()) {
      throw new Damaged("its state has no object " + number);
    }
    if (objects.get(number) != null) {
      return;
    }
    Read r = read.get(number);
    boolean alike = there != null && there.getClass() == r.type.type && fits(there, r);
    if (fixed && there != null && !alike && r.type.kind == ClassState.Kind.CONTAINER) {
      alike = Containers.isOne(there.getClass());
    }
    if (fixed && !alike) {
      throw new Damaged(
          "it is of another machine: it has "
              + r.type.type.getSimpleName()
              + (there == null ? "" : " where this one has " + there.getClass().getSimpleName()));
    }
    boolean another =
        !alike
            || taken.contains(there)
            || (r.type.type.isRecord() || r.type.isShared(there)) && !fixed;
    if (there == null || another && !fixed) {
      missing.add(new Missing(number, there, type));
    } else {
      found(number, there);
    }
  }

  private static boolean fits(Object there, Read r) {
    return switch (r.type.kind) {
      case NUMBERS -> r.copy != null && Array.getLength(there) == Array.getLength(r.copy);
      case REFERENCES -> Array.getLength(there) == some(r.references).length;
      default -> true;
    };
  }

  private static @Nullable Object[] some(@Nullable Object @Nullable [] a) {
    if (a == null) {
      throw new AssertionError("a part that was not read");
    }
    return a;
  }

  /** Makes an object that the machine does not have. */
  private Object make(Read r, @Nullable Object there, int depth)
      throws ReflectiveOperationException {
    Class<?> c = r.type.type;
    if (MADE.stream().noneMatch(c.getName()::startsWith)) {
      throw new Damaged("its state has a " + c.getName() + " that is not in the machine");
    }
    return switch (r.type.kind) {
      case NUMBERS -> Array.newInstance(c.getComponentType(), Array.getLength(some(r)));
      case REFERENCES -> Array.newInstance(c.getComponentType(), some(r.references).length);
      case CONTAINER -> List.class.isAssignableFrom(c) ? new ArrayList<>() : fresh(c);
      default -> c.isRecord() ? record(r, there, depth) : fresh(c);
    };
  }

  private static Object some(Read r) {
    if (r.copy == null) {
      throw new AssertionError("numbers that were not read");
    }
    return r.copy;
  }

  private static Object fresh(Class<?> c) throws ReflectiveOperationException {
    if (AutoCloseable.class.isAssignableFrom(c)) {
      // It would hold something of the computer.
      throw new Damaged("its state has a " + c.getName() + " that is not in the machine");
    }
    Constructor<?> made = c.getDeclaredConstructor();
    if (c.getName().startsWith("dev.vesper.")) {
      made.setAccessible(true);
    }
    return made.newInstance();
  }

  /** Makes a record of its components, or takes the machine's if they are nothing that is kept. */
  private Object record(Read r, @Nullable Object there, int depth)
      throws ReflectiveOperationException {
    ClassState c = r.type;
    @Nullable Object[] references = some(r.references);
    for (Object v : references) {
      if (v instanceof Value && there != null && there.getClass() == c.type) {
        return there;
      }
    }
    if (depth > DEEPEST) {
      throw new Damaged("its state has records within records without end");
    }
    RecordComponent[] components = c.type.getRecordComponents();
    Class<?>[] types = new Class<?>[components.length];
    @Nullable Object[] values = new Object[components.length];
    for (int k = 0; k < components.length; k++) {
      types[k] = components[k].getType();
      Object like =
          there != null && there.getClass() == c.type ? field(there, components[k]) : null;
      values[k] = component(r, components[k].getName(), references, like, depth);
    }
    Constructor<?> made = c.type.getDeclaredConstructor(types);
    made.setAccessible(true);
    Object o = made.newInstance(values);
    // What is the same stays, and with it the list that it may be in, which may be unchangeable.
    return there != null && o.equals(there) && !taken.contains(there) ? there : o;
  }

  private static @Nullable Object field(Object record, RecordComponent c)
      throws ReflectiveOperationException {
    Field f = record.getClass().getDeclaredField(c.getName());
    f.setAccessible(true);
    return f.get(record);
  }

  private @Nullable Object component(
      Read r, String name, @Nullable Object[] references, @Nullable Object like, int depth)
      throws ReflectiveOperationException {
    for (int k = 0; k < r.type.numbers.length; k++) {
      if (r.type.numbers[k].getName().equals(name) && r.numbers != null) {
        return ClassState.boxed(r.type.numbers[k], r.numbers[k]);
      }
    }
    for (int k = 0; k < references.length; k++) {
      if (r.type.references[k].getName().equals(name)) {
        return part(references[k], like, depth);
      }
    }
    throw new Damaged("its state has a record without its " + name);
  }

  /**
   * {@return a component of a record}
   *
   * @param like what the machine's record has there, or null
   */
  private @Nullable Object part(@Nullable Object value, @Nullable Object like, int depth)
      throws ReflectiveOperationException {
    if (value instanceof Value) {
      throw new Damaged("its state has a part of a program that is not in the file");
    }
    if (!(value instanceof Reference(int number))) {
      return value;
    }
    if (number < 0 || number >= objects.size()) {
      throw new Damaged("its state has no object " + number);
    }
    Object o = objects.get(number);
    if (o == null) {
      Read r = read.get(number);
      Object alike = like != null && like.getClass() == r.type.type && fits(like, r) ? like : null;
      boolean own =
          alike != null
              && !r.type.type.isRecord()
              && !taken.contains(alike)
              && !r.type.isShared(alike);
      o = alike != null && own ? alike : make(r, alike, depth + 1);
      found(number, o);
    }
    return o;
  }

  // ---- state

  private void fill(int i) throws IllegalAccessException {
    Read r = read.get(i);
    Object o = objects.get(i);
    if (o == null) {
      throw new AssertionError("an object that was not found");
    }
    switch (r.type.kind) {
      case NUMBERS -> System.arraycopy(some(r), 0, o, 0, Array.getLength(o));
      case REFERENCES -> {
        @Nullable Object[] to = (Object[]) o;
        @Nullable Object[] from = some(r.references);
        for (int k = 0; k < from.length; k++) {
          to[k] = resolved(from[k], to[k]);
        }
      }
      case CONTAINER -> {
        @Nullable Object[] there = Containers.contents(o);
        @Nullable Object[] from = some(r.references);
        requireKeys(o, from);
        Object[] contents = new Object[from.length];
        for (int k = 0; k < from.length; k++) {
          contents[k] = resolved(from[k], k < there.length ? there[k] : null);
        }
        requireSpread(o, contents);
        Containers.refill(o, contents);
      }
      default -> fillObject(r, o);
    }
  }

  /**
   * Has what is hashed be of a size that can be: lists that have the same list twice, within each
   * other, take a hash twice as long each, and one that has itself takes one without end.
   */
  private void requireKeys(Object container, @Nullable Object[] contents) {
    if (!(container instanceof Map) && !(container instanceof Set)) {
      return;
    }
    for (int k = 0; k < contents.length; k += container instanceof Map ? 2 : 1) {
      if (hashed(contents[k], 0) > MOST_OF_KEY) {
        throw new Damaged("its state has a key that is made of too much");
      }
    }
  }

  /**
   * Has few keys be of one hash: each that cannot be ordered is compared with all others of its
   * own, which takes time by the square of them.
   */
  private static void requireSpread(Object container, @Nullable Object[] contents) {
    if (!(container instanceof Map) && !(container instanceof Set)) {
      return;
    }
    int step = container instanceof Map ? 2 : 1;
    int[] hashes = new int[contents.length / step];
    int n = 0;
    for (int k = 0; k + step <= contents.length; k += step) {
      Object key = contents[k];
      if (key != null && !(key instanceof Comparable)) {
        hashes[n++] = key.hashCode();
      }
    }
    Arrays.sort(hashes, 0, n);
    for (int k = MOST_ALIKE; k < n; k++) {
      if (hashes[k] == hashes[k - MOST_ALIKE]) {
        throw new Damaged("its state has too many keys of one hash");
      }
    }
  }

  /** {@return how many objects are gone by for the hash of one, or more than there may be} */
  private int hashed(@Nullable Object value, int depth) {
    if (!(value instanceof Reference(int number))) {
      return 1;
    }
    Read r = read.get(number);
    if (r.type.kind != ClassState.Kind.CONTAINER && !r.type.type.isRecord()) {
      return 1;
    }
    int n = depth > DEEPEST ? MOST_OF_KEY + 1 : 1;
    @Nullable Object[] parts = some(r.references);
    for (int k = 0; k < parts.length && n <= MOST_OF_KEY; k++) {
      n += hashed(parts[k], depth + 1);
    }
    return n;
  }

  private void fillObject(Read r, Object o) throws IllegalAccessException {
    if (o.getClass().isRecord()) {
      return;
    }
    for (int k = 0; k < r.type.numbers.length; k++) {
      ClassState.set(r.type.numbers[k], o, r.numbers == null ? 0 : r.numbers[k]);
    }
    @Nullable Object[] references = some(r.references);
    for (int k = 0; k < references.length; k++) {
      Field f = r.type.references[k];
      f.set(o, resolved(references[k], f.get(o)));
    }
    if (r.own != null) {
      if (!(o instanceof OwnState s)) {
        throw new Damaged("its state has more of " + r.type.type.getName() + " than there is");
      }
      s.ownState(r.own);
    }
  }

  private @Nullable Object resolved(@Nullable Object value, @Nullable Object there)
      throws IllegalAccessException {
    return switch (value) {
      case Reference(int number) -> objects.get(number);
      case Value v when v.tag == StateTag.STAYS -> there;
      case InField(int number, int field) -> inField(number, field);
      case null, default -> value;
    };
  }

  private @Nullable Object inField(int number, int field) throws IllegalAccessException {
    Object o = objects.get(number);
    ClassState c = read.get(number).type;
    if (c.kind == ClassState.Kind.REFERENCES) {
      return Array.get(o, field);
    }
    int paths = c.paths.length;
    Field f = field < paths ? c.paths[field] : c.references[field - paths];
    return f.get(o);
  }
}
