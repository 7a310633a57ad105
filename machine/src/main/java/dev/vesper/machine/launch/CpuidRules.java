package dev.vesper.machine.launch;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

/** What the secure processor allows in a {@link CpuidPage}: {@code cpuid-page.rules} as code. */
final class CpuidRules {
  private static final Map<Long, Rule[]> RULES = load();

  /** The value that a register may have. */
  private interface Rule {
    int allowed(int value, CpuidPage.Entry entry, CpuidPage.Host host);
  }

  private CpuidRules() {}

  /** {@return EAX, EBX, ECX and EDX as they are if they are allowed, and as they may be if not} */
  static int[] allowed(CpuidPage.Entry e, CpuidPage.Host host) {
    int[] out = new int[4];
    Rule[] rules = RULES.get(key(e.leaf(), e.subleaf()));
    if (rules != null) {
      for (int r = 0; r < out.length; r++) {
        out[r] = rules[r].allowed(e.register(r), e, host);
      }
    }
    return out;
  }

  private static long key(int leaf, int subleaf) {
    return (long) leaf << 32 | subleaf & 0xFFFF_FFFFL;
  }

  private static Map<Long, Rule[]> load() {
    Map<Long, Rule[]> all = new HashMap<>();
    try (var in = Objects.requireNonNull(CpuidRules.class.getResourceAsStream("cpuid-page.rules"));
        var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        String[] f = line.split(" ");
        if (line.startsWith("#")) {
          continue;
        }
        all.put(
            key(hex(f[0]), hex(f[1])), new Rule[] {rule(f[2]), rule(f[3]), rule(f[4]), rule(f[5])});
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return all;
  }

  private static int hex(String s) {
    return Integer.parseUnsignedInt(s, 16);
  }

  private static Rule rule(String s) {
    String rest = s.substring(1);
    return switch (s.charAt(0)) {
      case '*' -> (v, e, h) -> v;
      case '=' -> {
        int n = hex(rest);
        yield (v, e, h) -> n;
      }
      case '&' -> {
        int n = hex(rest);
        yield (v, e, h) -> v & n;
      }
      case '<' -> {
        int n = hex(rest);
        yield (v, e, h) -> atMost(v, n);
      }
      default -> word(s);
    };
  }

  private static Rule word(String s) {
    return switch (s) {
      case "version" -> (v, e, h) -> version(v, h.signature());
      // Lines that CLFLUSH flushes have 8 quadwords; the brand below them is reserved.
      case "clflush" -> (v, e, h) -> v & 0xFFFF_0000 | 0x800;
      // x87 and SSE are always there.
      case "states" -> (v, e, h) -> v & 0x2E7 | 3;
      case "xsave-size" -> (v, e, h) -> standardSize(e.xcr0());
      case "compact-size" -> (v, e, h) -> compactSize(e.xcr0(), e.xss());
      case "widths" ->
          (v, e, h) -> atMost(v & 0xFF, 0x34) | atMost(v >>> 8 & 0xFF, 0x39) << 8 | guestWidth(v);
      case "invlpgb" -> (v, e, h) -> atMost(v & 0xFFFF, 7) | atMost(v >>> 16, 1) << 16;
      case "c-bit" -> (v, e, h) -> 0x33 | v & 0xFC0 | atMost(v >>> 12 & 15, 4) << 12;
      case "counters" -> (v, e, h) -> counters(v, h.counters());
      default -> throw new AssertionError("cpuid-page.rules has no rule " + s);
    };
  }

  private static int atMost(int v, int most) {
    return Integer.compareUnsigned(v, most) > 0 ? most : v;
  }

  /** The width of a guest's guest's addresses is limited as the physical one is. */
  private static int guestWidth(int v) {
    return atMost(v >>> 16 & 0xFF, 0x34) << 16;
  }

  /** Family, model and stepping of a processor that is not newer than the host's. */
  private static int version(int v, int host) {
    int clean = v & 0x0FFF_0FFF;
    return Integer.compareUnsigned(age(clean), age(host)) > 0 ? host : clean;
  }

  private static int age(int signature) {
    int family = (signature >> 8 & 15) + (signature >> 20 & 0xFF);
    int model = signature >> 12 & 0xF0 | signature >> 4 & 15;
    return family << 12 | model << 4 | signature & 15;
  }

  private static int standardSize(long xcr0) {
    int[][] ends = {{9, 0x988}, {7, 0x980}, {6, 0x580}, {5, 0x380}, {2, 0x340}};
    for (int[] end : ends) {
      if ((xcr0 >>> end[0] & 1) != 0) {
        return end[1];
      }
    }
    return 0x240;
  }

  private static int compactSize(long xcr0, long xss) {
    int[][] parts = {{9, 8}, {7, 0x400}, {6, 0x200}, {5, 0x40}, {2, 0x100}};
    int size = 0x240;
    for (int[] part : parts) {
      size += (xcr0 >>> part[0] & 1) != 0 ? part[1] : 0;
    }
    return size + ((xss >>> 11 & 1) != 0 ? 0x10 : 0) + ((xss >>> 12 & 1) != 0 ? 0x18 : 0);
  }

  /** Core counters, last branch records, data fabric and memory controller counters. */
  private static int counters(int v, int host) {
    int[][] fields = {{0, 15}, {4, 0x3F}, {10, 0x3F}, {16, 0x3F}};
    int out = 0;
    for (int[] f : fields) {
      out |= atMost(v >>> f[0] & f[1], host >>> f[0] & f[1]) << f[0];
    }
    return out;
  }
}
