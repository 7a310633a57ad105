package dev.vesper.machine.vmm;

import dev.vesper.machine.sev.PlainVcpu;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * A CPU model: CPUID leaves as data. The text form has a line for each leaf: {@code leaf subleaf
 * eax ebx ecx edx} in hex; {@code #} starts a comment. A leaf without an entry is zero.
 */
public final class CpuModel {
  /** The four registers of a leaf. */
  public record Leaf(int eax, int ebx, int ecx, int edx) {
    static final Leaf ZERO = new Leaf(0, 0, 0, 0);

    /** {@return one register, numbered as the MSR protocol does: 0 EAX, 1 EBX, 2 ECX, 3 EDX} */
    int register(int n) {
      return switch (n) {
        case 0 -> eax;
        case 1 -> ebx;
        case 2 -> ecx;
        default -> edx;
      };
    }

    /** Puts the answer into a plain guest's registers. */
    void give(PlainVcpu v) {
      v.setGpr(0, eax & 0xFFFF_FFFFL);
      v.setGpr(3, ebx & 0xFFFF_FFFFL);
      v.setGpr(1, ecx & 0xFFFF_FFFFL);
      v.setGpr(2, edx & 0xFFFF_FFFFL);
    }
  }

  private final String name;
  private final Map<Long, Leaf> leaves = new HashMap<>();

  private CpuModel(String name) {
    this.name = name;
  }

  /** A CPUID flag that can be switched: leaf, register 1 EBX 2 ECX 3 EDX, bit. */
  private record Flag(int leaf, int register, int bit) {}

  private static final Map<String, Flag> FLAGS =
      Map.ofEntries(
          Map.entry("sse3", new Flag(1, 2, 0)),
          Map.entry("ssse3", new Flag(1, 2, 9)),
          Map.entry("sse4.1", new Flag(1, 2, 19)),
          Map.entry("sse4.2", new Flag(1, 2, 20)),
          Map.entry("pclmulqdq", new Flag(1, 2, 1)),
          Map.entry("aes", new Flag(1, 2, 25)),
          Map.entry("sha-ni", new Flag(7, 1, 29)),
          Map.entry("abm", new Flag(0x8000_0001, 2, 5)),
          Map.entry("bmi1", new Flag(7, 1, 3)),
          Map.entry("bmi2", new Flag(7, 1, 8)),
          Map.entry("movbe", new Flag(1, 2, 22)),
          Map.entry("rdseed", new Flag(7, 1, 18)),
          Map.entry("adx", new Flag(7, 1, 19)),
          Map.entry("cx16", new Flag(1, 2, 13)),
          Map.entry("popcnt", new Flag(1, 2, 23)),
          Map.entry("xsave", new Flag(1, 2, 26)),
          Map.entry("rdrand", new Flag(1, 2, 30)),
          Map.entry("mtrr", new Flag(1, 3, 12)),
          Map.entry("fsgsbase", new Flag(7, 1, 0)),
          Map.entry("smep", new Flag(7, 1, 7)),
          Map.entry("erms", new Flag(7, 1, 9)),
          Map.entry("clflushopt", new Flag(7, 1, 23)),
          Map.entry("rdtscp", new Flag(0x8000_0001, 3, 27)));

  private static final int XSAVE_BYTES = 576;

  /**
   * Makes a model from its description: the name of a built-in one, then features to add or take
   * away, as in {@code vesper-min,+xsave,-rdrand}.
   *
   * @throws IllegalArgumentException if there is no such model or feature
   */
  public static CpuModel named(String description) {
    String[] parts = description.split(",");
    CpuModel m = builtIn(parts[0]);
    for (int i = 1; i < parts.length; i++) {
      m.change(parts[i]);
    }
    return m;
  }

  private void change(String feature) {
    boolean on = feature.startsWith("+");
    Flag f = FLAGS.get(feature.substring(Math.min(1, feature.length())));
    if (!on && !feature.startsWith("-") || f == null) {
      throw new IllegalArgumentException(
          "no CPU feature '"
              + feature
              + "': write +NAME or -NAME with one of "
              + String.join(" ", new java.util.TreeSet<>(FLAGS.keySet())));
    }
    Leaf l = leaf(f.leaf, 0);
    int[] r = {l.eax(), l.ebx(), l.ecx(), l.edx()};
    r[f.register] = on ? r[f.register] | 1 << f.bit : r[f.register] & ~(1 << f.bit);
    put(f.leaf, 0, new Leaf(r[0], r[1], r[2], r[3]));
    if (f.equals(FLAGS.get("xsave"))) {
      // Components x87 and SSE, in the standard form only.
      put(0xD, 0, on ? new Leaf(3, XSAVE_BYTES, XSAVE_BYTES, 0) : Leaf.ZERO);
      Leaf max = leaf(0, 0);
      if (on && max.eax() < 0xD) {
        put(0, 0, new Leaf(0xD, max.ebx(), max.ecx(), max.edx()));
      }
    }
  }

  private void put(int leaf, int subleaf, Leaf l) {
    leaves.put((leaf & 0xFFFF_FFFFL) << 32 | subleaf & 0xFFFF_FFFFL, l);
  }

  /**
   * {@return bytes of an XSAVE area for the components of XCR0: x87 and SSE lie in its first 576
   * bytes; 0 without XSAVE}
   */
  int xsaveSize(long xcr0) {
    return hasXsave() && (xcr0 & 3) != 0 ? XSAVE_BYTES : 0;
  }

  /** {@return whether the model offers XSAVE} */
  boolean hasXsave() {
    return (leaf(1, 0).ecx() >>> 26 & 1) != 0;
  }

  private static CpuModel builtIn(String name) {
    CpuModel m = new CpuModel(name);
    try (var in = CpuModel.class.getResourceAsStream(name + ".cpu")) {
      if (in == null || !name.matches("[\\w.-]+")) {
        throw new IllegalArgumentException("no CPU model named " + name);
      }
      var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        int hash = line.indexOf('#');
        String s = (hash >= 0 ? line.substring(0, hash) : line).trim();
        if (s.isEmpty()) {
          continue;
        }
        String[] f = s.split("\\s+");
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

  /** {@return the model's name} */
  public String name() {
    return name;
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
