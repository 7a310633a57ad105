package dev.vesper.machine.vmm;

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
  }

  private final String name;
  private final Map<Long, Leaf> leaves = new HashMap<>();

  private CpuModel(String name) {
    this.name = name;
  }

  /**
   * Reads a built-in model.
   *
   * @throws IllegalArgumentException if there is none of that name
   */
  public static CpuModel named(String name) {
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
