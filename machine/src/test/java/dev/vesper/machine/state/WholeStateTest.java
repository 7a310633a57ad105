package dev.vesper.machine.state;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.OverlayDisk;
import dev.vesper.machine.device.net.UserNetwork;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Nothing that a running machine has is forgotten by its state: whoever gives a class a field that
 * changes, and is not found, is told here by the field's name.
 */
final class WholeStateTest {
  private static final long FIRST = 41_000;
  private static final long SECOND = 9_000;

  /** Packages of what machines and processors are described by, which never changes. */
  private static final Set<String> DESCRIPTIONS =
      Set.of(MachineSpec.class.getPackageName(), CpuModel.class.getPackageName());

  @TempDir Path folder;

  /** Sectors in memory, for reading. */
  private record Sectors(int count) implements Disk {
    @Override
    public long sectors() {
      return count;
    }

    @Override
    public boolean readOnly() {
      return true;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) {
      Arrays.fill(to, 0, bytes, (byte) sector);
    }

    @Override
    public void write(long sector, byte[] from, int bytes) {
      throw new UnsupportedOperationException("it is read only");
    }

    @Override
    public void flush() {
      // Nothing is written.
    }
  }

  private static Machine machine(SevMode mode, String profile, Hardware.Board board, int vcpus)
      throws Exception {
    boolean kvm = profile.equals("kvm");
    boolean pci = board != Hardware.Board.MINIMAL;
    List<Hardware.Drive> drives =
        !pci
            ? List.of()
            : kvm
                ? List.of(
                    new Hardware.Drive(new OverlayDisk(new Sectors(4096)), true),
                    new Hardware.Drive(new OverlayDisk(new Sectors(4096)), false),
                    new Hardware.Drive(new Sectors(4096), false, true, -1))
                : List.of(new Hardware.Drive(new OverlayDisk(new Sectors(4096)), true));
    Hardware h =
        new Hardware(
                board,
                drives,
                pci ? List.of(new UserNetwork()) : List.of(),
                pci && kvm,
                List.of(),
                pci && kvm ? new Hardware.Screen(new byte[0]) : null)
            .withTestDevice(pci && kvm);
    Machine m =
        new Machine(
            MachineSpec.builder(mode, Locore.image(), b -> {})
                .memoryBytes(64L << 20)
                .profile(profile)
                .processors(vcpus)
                .cpuModel(mode == SevMode.SNP ? "EPYC-Milan" : "vesper-min,+xsave")
                .hardware(h)
                .build());
    m.translateAfter(0);
    m.trace(e -> {}, true);
    return m;
  }

  private static StateImage image(Machine m) throws Exception {
    Method roots = Machine.class.getDeclaredMethod("roots");
    roots.setAccessible(true);
    return StateImage.of((List<?>) roots.invoke(m), null);
  }

  @ParameterizedTest
  @CsvSource({
    "OFF, kvm, PC, 2",
    "SEV, kvm, Q35, 1",
    "ES, kvm, PC, 2",
    "ES, kvm, MINIMAL, 1",
    "SNP, kvm, Q35, 2",
    "ES, openbsd, PC, 1"
  })
  void everyFieldThatMayChangeIsFoundOrSaidNotToBeState(
      SevMode mode, String profile, Hardware.Board board, int vcpus) throws Exception {
    Machine m = machine(mode, profile, board, vcpus);
    m.run(Until.instructions(FIRST));
    assertThat(new Walk(image(m)).lost()).as("what is not kept").isEmpty();
  }

  /** {@return how many objects of each class there are} */
  private static Map<Class<?>, Long> counts(Machine m) throws Exception {
    return image(m).nodes.stream()
        .collect(Collectors.groupingBy(n -> n.object().getClass(), Collectors.counting()));
  }

  /**
   * What a machine makes while it runs, who reads a file must make too: of nothing, and then give
   * it its fields, of which none may be final.
   */
  @ParameterizedTest
  @CsvSource({"OFF, kvm, PC, 2", "ES, kvm, Q35, 2", "SNP, kvm, PC, 2", "ES, openbsd, PC, 1"})
  void whatIsMadeInARunCanBeMadeByWhoReadsIt(
      SevMode mode, String profile, Hardware.Board board, int vcpus) throws Exception {
    // It has those who look on from its first run on.
    Machine first = machine(mode, profile, board, vcpus);
    first.run(Until.instructions(1));
    Map<Class<?>, Long> fresh = counts(first);
    Machine m = machine(mode, profile, board, vcpus);
    Set<String> cannot = new TreeSet<>();
    for (int i = 1; i <= 12; i++) {
      m.run(Until.instructions(i * FIRST));
      for (Map.Entry<Class<?>, Long> e : counts(m).entrySet()) {
        Class<?> c = e.getKey();
        if (ClassState.of(c).kind == ClassState.Kind.OBJECT
            && !c.isRecord()
            && e.getValue() > fresh.getOrDefault(c, 0L)
            && !canBeMade(c)) {
          cannot.add(c.getName());
        }
      }
    }
    assertThat(cannot).isEmpty();
  }

  private static boolean canBeMade(Class<?> c) {
    return Arrays.stream(c.getDeclaredConstructors()).anyMatch(k -> k.getParameterCount() == 0)
        && Arrays.stream(c.getDeclaredFields())
            .filter(f -> !Modifier.isStatic(f.getModifiers()))
            .noneMatch(f -> Modifier.isFinal(f.getModifiers()) && f.getType().isPrimitive());
  }

  @ParameterizedTest
  @CsvSource({"OFF, kvm, PC, 2", "ES, kvm, Q35, 2", "SNP, kvm, PC, 2", "ES, openbsd, PC, 1"})
  void allFieldsAreTheSameThoughAnotherMachineHasGoneOn(
      SevMode mode, String profile, Hardware.Board board, int vcpus) throws Exception {
    Machine whole = machine(mode, profile, board, vcpus);
    whole.run(Until.instructions(FIRST));
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    whole.save(file);
    whole.run(Until.instructions(FIRST + SECOND));
    Path p = Files.write(folder.resolve("snapshot"), file.toByteArray());
    Machine again = machine(mode, profile, board, vcpus);
    again.load(p);
    again.run(Until.instructions(FIRST + SECOND));
    List<StateImage.Node> a = image(whole).nodes;
    List<StateImage.Node> b = image(again).nodes;
    for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
      StateImage.Node x = a.get(i);
      StateImage.Node y = b.get(i);
      assertThat(y.type().type).as("object %d", i).isEqualTo(x.type().type);
      long[] mine = x.numbers();
      if (mine != null) {
        long[] other = Objects.requireNonNull(y.numbers());
        for (int k = 0; k < mine.length; k++) {
          assertThat(other[k]).as("%s", x.type().numbers[k]).isEqualTo(mine[k]);
        }
      }
      Object copy = x.copy();
      if (copy != null) {
        assertThat(StateImage.equal(copy, Objects.requireNonNull(y.copy())))
            .as("array %d of %s", i, x.type().type)
            .isTrue();
      }
    }
    assertThat(b).hasSameSizeAs(a);
  }

  /** Looks behind what a state takes for values. */
  private static final class Walk {
    private final Set<Object> found = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Set<String> lost = new TreeSet<>();
    private final StateImage image;

    Walk(StateImage image) {
      this.image = image;
      image.nodes.forEach(n -> found.add(n.object()));
    }

    Set<String> lost() throws IllegalAccessException {
      for (StateImage.Node n : image.nodes) {
        Class<?> c = n.object().getClass();
        if (n.type().kind == ClassState.Kind.OBJECT) {
          fields(n.object(), c, c.getSimpleName());
        } else if (n.references() != null) {
          for (Object o : n.references()) {
            look(o, "an element of a " + c.getSimpleName());
          }
        }
      }
      return lost;
    }

    private void fields(Object o, Class<?> c, String where) throws IllegalAccessException {
      for (Class<?> k = c; k != null && k != Object.class; k = k.getSuperclass()) {
        for (Field f : k.getDeclaredFields()) {
          int m = f.getModifiers();
          if (!Modifier.isStatic(m) && !Modifier.isTransient(m) && !f.getType().isPrimitive()) {
            f.setAccessible(true);
            look(f.get(o), where + "." + f.getName());
          }
        }
      }
    }

    private void look(Object o, String where) throws IllegalAccessException {
      if (o == null || found.contains(o) || isValue(o) || !seen.add(o)) {
        return;
      }
      Class<?> c = o.getClass();
      if (c.isHidden()) {
        // What a lambda has captured.
        fields(o, c, where + " (a lambda)");
      } else if (mutable(c)) {
        lost.add(where + ": " + c.getName());
      } else {
        fields(o, c, where);
      }
    }

    private static boolean isValue(Object o) {
      return o instanceof String
          || o instanceof Number && o.getClass().getName().startsWith("java.lang.")
          || o instanceof Boolean
          || o instanceof Character
          || o instanceof Enum
          || o instanceof Class
          || o instanceof Key
          // What a machine is described by, and who described it.
          || o instanceof Machine
          || DESCRIPTIONS.contains(o.getClass().getPackageName());
    }

    /** {@return whether objects of a class may change} */
    private static boolean mutable(Class<?> c) {
      if (!c.getName().startsWith("dev.vesper.")) {
        return true;
      }
      ClassState s = ClassState.of(c);
      return !c.isRecord() && (s.numbers.length > 0 || s.references.length > 0);
    }
  }
}
