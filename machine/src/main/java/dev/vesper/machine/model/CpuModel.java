package dev.vesper.machine.model;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A CPU model: CPUID leaves as data. The text form has a line for each leaf, {@code leaf subleaf
 * eax ebx ecx edx} in hex, and lines {@code features NAME...} that set flags of {@code
 * features.txt} in the leaves before them; {@code #} starts a comment. A leaf without an entry is
 * zero. The leaves on XSAVE, 0xD but for the flags of subleaf 1, and the width of linear addresses
 * follow from the features, as does the number of performance counters.
 */
public final class CpuModel {
  /** The four registers of a leaf. */
  public record Leaf(int eax, int ebx, int ecx, int edx) {
    public static final Leaf ZERO = new Leaf(0, 0, 0, 0);

    /** {@return one register, numbered as the MSR protocol does: 0 EAX, 1 EBX, 2 ECX, 3 EDX} */
    public int register(int n) {
      return switch (n) {
        case 0 -> eax;
        case 1 -> ebx;
        case 2 -> ecx;
        default -> edx;
      };
    }
  }

  private final String name;
  private final Map<Long, Leaf> leaves = new HashMap<>();

  private CpuModel(String name) {
    this.name = name;
  }

  /** SEV-SNP in EAX of leaf 8000_001F. */
  public static final int SNP = 1 << 4;

  /** Secure TSC there, which is of guests under SEV-SNP alone. */
  public static final int SECURE_TSC = 1 << 8;

  private static final int COUNTERS = 0x8000_0022;

  /** Core counters, in bits 3 to 0 of EBX. */
  private static final int CORE_COUNTERS = 6;

  private static final String PHYS_BITS = "phys-bits=";
  private static final int FEWEST_PHYS_BITS = 36;
  private static final int MOST_PHYS_BITS = 52;
  private static final Map<String, CpuidFlag> FLAGS = CpuidFlag.load();

  /**
   * Makes a model from its description: the name of a built-in one, then features to add or take
   * away, as in {@code vesper-min,+xsave,-rdrand}, and {@code phys-bits=N}.
   *
   * @throws IllegalArgumentException if there is no such model or feature
   */
  public static CpuModel named(String description) {
    String[] parts = description.split(",", -1);
    CpuModel m = builtIn(parts[0]);
    for (int i = 1; i < parts.length; i++) {
      m.change(parts[i]);
    }
    m.describeXsave();
    m.describeAddresses();
    m.describeCounters();
    return m;
  }

  private void change(String feature) {
    if (feature.startsWith(PHYS_BITS)) {
      describePhysicalAddresses(feature.substring(PHYS_BITS.length()));
      return;
    }
    boolean on = feature.startsWith("+");
    String flag = feature.substring(Math.min(1, feature.length()));
    if (!on && !feature.startsWith("-") || !FLAGS.containsKey(flag)) {
      throw new IllegalArgumentException(
          "no CPU feature '"
              + feature
              + "': write phys-bits=N, or +NAME or -NAME with one of "
              + String.join(" ", new java.util.TreeSet<>(FLAGS.keySet())));
    }
    set(flag, on);
  }

  private static CpuidFlag flag(String name) {
    CpuidFlag f = FLAGS.get(name);
    if (f == null) {
      throw new AssertionError("features.txt has no " + name);
    }
    return f;
  }

  private void set(String name, boolean on) {
    CpuidFlag f = flag(name);
    Leaf l = leaf(f.leaf(), f.subleaf());
    int[] r = {l.eax(), l.ebx(), l.ecx(), l.edx()};
    r[f.register()] = on ? r[f.register()] | 1 << f.bit() : r[f.register()] & ~(1 << f.bit());
    put(f.leaf(), f.subleaf(), new Leaf(r[0], r[1], r[2], r[3]));
  }

  /** {@return whether a flag of features.txt is set} */
  public boolean has(String name) {
    CpuidFlag f = flag(name);
    return (leaf(f.leaf(), f.subleaf()).register(f.register()) >>> f.bit() & 1) != 0;
  }

  /**
   * {@return what a processor of this model can do, as the opcode table names it; the rest is
   * undefined on it}
   */
  public Set<String> features() {
    Set<String> names = new HashSet<>();
    FLAGS.forEach(
        (name, flag) -> {
          if (flag.processor() != null && has(name)) {
            names.add(flag.processor());
          }
        });
    return names;
  }

  /** {@return the width of physical addresses: page table entries have no address bits above} */
  public int physicalBits() {
    return leaf(0x8000_0008, 0).eax() & 0xFF;
  }

  private void describePhysicalAddresses(String number) {
    int bits = number.matches("\\d{2}") ? Integer.parseInt(number) : 0;
    if (bits < FEWEST_PHYS_BITS || bits > MOST_PHYS_BITS) {
      throw new IllegalArgumentException(
          "phys-bits=%s: physical addresses have %d to %d bits"
              .formatted(number, FEWEST_PHYS_BITS, MOST_PHYS_BITS));
    }
    Leaf l = leaf(0x8000_0008, 0);
    put(0x8000_0008, 0, new Leaf(l.eax() & ~0xFF | bits, l.ebx(), l.ecx(), l.edx()));
  }

  /** Says how many performance counters have the registers that are common to all of them. */
  private void describeCounters() {
    if (has("perfmon-v2")) {
      Leaf l = leaf(COUNTERS, 0);
      put(COUNTERS, 0, new Leaf(l.eax(), l.ebx() | CORE_COUNTERS, l.ecx(), l.edx()));
    }
  }

  /** Makes the width of linear addresses agree with the features. */
  private void describeAddresses() {
    Leaf l = leaf(0x8000_0008, 0);
    int width = has("la57") ? 57 : 48;
    put(0x8000_0008, 0, new Leaf(l.eax() & ~0xFF00 | width << 8, l.ebx(), l.ecx(), l.edx()));
  }

  /** Makes the leaves on XSAVE agree with the features. */
  private void describeXsave() {
    leaves.keySet().removeIf(k -> k >>> 32 == 0xD && (k & 0xFFFF_FFFFL) != 1);
    if (!hasXsave()) {
      leaves.remove(0xDL << 32 | 1);
      return;
    }
    long xcr0 = 3 | (has("avx") ? 4 : 0) | (has("avx512f") ? XsaveLayout.AVX512 : 0);
    xcr0 |= has("pku") ? 1 << XsaveLayout.PKRU : 0;
    int bytes = XsaveLayout.standardBytes(xcr0);
    put(0xD, 0, new Leaf((int) xcr0, bytes, bytes, 0));
    int compact = XsaveLayout.compactBytes(xcr0);
    put(0xD, 1, new Leaf(leaf(0xD, 1).eax(), has("xsaves") ? compact : 0, 0, 0));
    for (int i = XsaveLayout.AVX; i <= XsaveLayout.PKRU; i++) {
      if ((xcr0 >>> i & 1) != 0) {
        put(0xD, i, new Leaf(XsaveLayout.size(i), XsaveLayout.offset(i), 0, 0));
      }
    }
    Leaf max = leaf(0, 0);
    if (max.eax() < 0xD) {
      put(0, 0, new Leaf(0xD, max.ebx(), max.ecx(), max.edx()));
    }
  }

  private void put(int leaf, int subleaf, Leaf l) {
    leaves.put((leaf & 0xFFFF_FFFFL) << 32 | subleaf & 0xFFFF_FFFFL, l);
  }

  /** {@return bytes of a standard XSAVE area for the components of XCR0; 0 without XSAVE} */
  public int xsaveSize(long xcr0) {
    return hasXsave() ? XsaveLayout.standardBytes(xcr0) : 0;
  }

  /** {@return bytes of a compacted XSAVE area for components; 0 without XSAVE} */
  public int xsaveCompactSize(long components) {
    return hasXsave() ? XsaveLayout.compactBytes(components) : 0;
  }

  /** {@return whether the processor can run guests under SEV-SNP} */
  public boolean hasSnp() {
    return (leaf(0x8000_001F, 0).eax() & SNP) != 0;
  }

  /** {@return whether the model offers XSAVE} */
  public boolean hasXsave() {
    return has("xsave");
  }

  private static CpuModel builtIn(String name) {
    CpuModel m = new CpuModel(name);
    try (var in = CpuModel.class.getResourceAsStream(name + ".cpu")) {
      if (in == null || !name.matches("[\\w.-]+")) {
        throw new IllegalArgumentException(
            "no CPU model named " + name + ": there are " + String.join(", ", names()));
      }
      var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        int hash = line.indexOf('#');
        String s = (hash >= 0 ? line.substring(0, hash) : line).trim();
        if (s.isEmpty()) {
          continue;
        }
        String[] f = s.split("\\s+");
        if (f[0].equals("features")) {
          for (int i = 1; i < f.length; i++) {
            m.set(f[i], true);
          }
          continue;
        }
        long key = Long.parseLong(f[0], 16) << 32 | Long.parseLong(f[1], 16);
        m.leaves.put(key, new Leaf(hex(f[2]), hex(f[3]), hex(f[4]), hex(f[5])));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return m;
  }

  private static int hex(String s) {
    return Integer.parseUnsignedInt(s, 16);
  }

  /** {@return the names of the built-in models, smallest first} */
  public static List<String> names() {
    return List.of("vesper-min", "EPYC-v4", "EPYC-Milan", "EPYC-Genoa", "EPYC-Turin");
  }

  /** {@return the model's name} */
  public String name() {
    return name;
  }

  /** {@return the leaves that the model has, in unsigned order: leaf above subleaf} */
  public List<Long> leaves() {
    return leaves.keySet().stream().sorted(Long::compareUnsigned).toList();
  }

  private static boolean indexed(int leaf) {
    return leaf == 4 || leaf == 7 || leaf == 0xB || leaf == 0xD || leaf == 0x8000_001D;
  }

  /** {@return a leaf as the model has it} */
  public Leaf leaf(int leaf, int subleaf) {
    Leaf l = leaves.get((leaf & 0xFFFF_FFFFL) << 32 | subleaf & 0xFFFF_FFFFL);
    if (l == null && !indexed(leaf)) {
      l = leaves.get((leaf & 0xFFFF_FFFFL) << 32);
    }
    return l == null ? Leaf.ZERO : l;
  }
}
