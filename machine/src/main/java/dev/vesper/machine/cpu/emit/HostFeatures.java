package dev.vesper.machine.cpu.emit;

import java.util.HashSet;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What the computer's processor can do.
 *
 * @param names features, by the names of the opcode table
 * @param processor its maker, and family, model and stepping
 */
record HostFeatures(Set<String> names, String processor) {
  private static final int EAX = 0;
  private static final int EBX = 1;
  private static final int ECX = 2;
  private static final int EDX = 3;

  /** Where features are told (AMD APM volume 3, appendix E). */
  interface Source {
    /** {@return EAX, EBX, ECX or EDX of a leaf} */
    int cpuid(int leaf, int subleaf, int register);

    /** {@return XCR0; only if the processor has XSAVE and the system uses it} */
    int xcr0();
  }

  private record Bit(String name, int leaf, int register, int bit) {}

  private static final int EXTENDED = 0x8000_0001;

  private static final Bit[] PLAIN = {
    new Bit("sse3", 1, ECX, 0),
    new Bit("pclmulqdq", 1, ECX, 1),
    new Bit("ssse3", 1, ECX, 9),
    new Bit("cx16", 1, ECX, 13),
    new Bit("sse4_1", 1, ECX, 19),
    new Bit("sse4_2", 1, ECX, 20),
    new Bit("movbe", 1, ECX, 22),
    new Bit("popcnt", 1, ECX, 23),
    new Bit("aes", 1, ECX, 25),
    new Bit("bmi1", 7, EBX, 3),
    new Bit("bmi2", 7, EBX, 8),
    new Bit("adx", 7, EBX, 19),
    new Bit("sha_ni", 7, EBX, 29),
    new Bit("gfni", 7, ECX, 8),
    new Bit("lahf_lm", EXTENDED, ECX, 0),
    new Bit("lzcnt", EXTENDED, ECX, 5),
    new Bit("sse4a", EXTENDED, ECX, 6),
  };

  /** What the system must save the upper halves of registers for. */
  private static final Bit[] WITH_YMM = {
    new Bit("avx", 1, ECX, 28),
    new Bit("fma", 1, ECX, 12),
    new Bit("f16c", 1, ECX, 29),
    new Bit("avx2", 7, EBX, 5),
    new Bit("vaes", 7, ECX, 9),
    new Bit("vpclmulqdq", 7, ECX, 10),
  };

  private static final Bit OSXSAVE = new Bit("osxsave", 1, ECX, 27);

  /** XCR0: XMM and YMM registers. */
  private static final int YMM_STATE = 6;

  /** Reads the features of a processor. */
  static HostFeatures read(Source s) {
    Set<String> names = new HashSet<>();
    for (Bit b : PLAIN) {
      add(s, b, names);
    }
    if (has(s, OSXSAVE) && (s.xcr0() & YMM_STATE) == YMM_STATE) {
      for (Bit b : WITH_YMM) {
        add(s, b, names);
      }
    }
    String processor =
        Stream.of(s.cpuid(0, 0, EBX), s.cpuid(0, 0, EDX), s.cpuid(0, 0, ECX), s.cpuid(1, 0, EAX))
            .map(Integer::toHexString)
            .collect(Collectors.joining(" "));
    return new HostFeatures(Set.copyOf(names), processor);
  }

  private static void add(Source s, Bit b, Set<String> names) {
    if (has(s, b)) {
      names.add(b.name);
    }
  }

  private static boolean has(Source s, Bit b) {
    int base = b.leaf & 0x8000_0000;
    return Integer.compareUnsigned(s.cpuid(base, 0, EAX), b.leaf) >= 0
        && (s.cpuid(b.leaf, 0, b.register) >>> b.bit & 1) != 0;
  }

  boolean has(String feature) {
    return names.contains(feature);
  }
}
