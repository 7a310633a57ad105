package dev.vesper.machine.oracle;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.observe.format.JsonTree;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;

/**
 * Replays recorded results of a real CPU: random instruction sequences at CPL 3 in 64-, 32- and
 * 16-bit code, each until its first exception, with the whole state before and after.
 */
public final class OracleReplay {
  /** Every bit of RFLAGS that is recorded. */
  private static final long ALL_FLAGS = 0x24_7FD5;

  private static final List<String> REGISTERS =
      List.of("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi");

  /** XCR0: x87, XMM and YMM registers. */
  private static final long YMM_STATE = 7;

  private static final List<String> SEGMENTS = List.of("es", "cs", "ss", "ds", "fs", "gs");

  /** Features of the cases that the processor under test has. */
  private final CpuFeatures features;

  /** The recording processor's flags count where the manual leaves them undefined. */
  private final boolean undefinedFlags;

  private final long xcr0;
  private final OracleWorld world;
  private final Cpu cpu;

  /** The case is of a function that processors approximate. */
  private boolean approximate;

  /** Results by category: passed, failed, skipped. */
  public final Map<String, int[]> results = new TreeMap<>();

  /** One line a failed case. */
  public final List<String> failures = new ArrayList<>();

  private OracleReplay(CpuFeatures features, boolean undefinedFlags, long xcr0, int execution) {
    this.features = features;
    this.undefinedFlags = undefinedFlags;
    this.xcr0 = xcr0;
    world = new OracleWorld(features, execution);
    cpu = world.cpu;
  }

  /**
   * {@return a replay of what processors with all features here were recorded with}
   *
   * @param execution see {@link dev.vesper.machine.cpu.Execution}
   */
  public static OracleReplay ofEverything(int execution) {
    return new OracleReplay(CpuFeatures.ALL, false, 0xE7, execution);
  }

  /**
   * {@return a replay of what a Milan (family 25, model 1) was recorded with}
   *
   * @param execution see {@link dev.vesper.machine.cpu.Execution}
   */
  public static OracleReplay ofMilan(int execution) {
    Set<String> names = new HashSet<>(CpuFeatures.ALL.names());
    names.removeIf(
        n ->
            n.startsWith("avx512")
                || Set.of("gfni", "pku", "rdpru", "monitor", "monitorx", "wbnoinvd").contains(n));
    return new OracleReplay(new CpuFeatures(names), true, 7, execution);
  }

  private static byte[] hex(Object s) {
    return HexFormat.of().parseHex((String) s);
  }

  @SuppressWarnings("unchecked")
  private static List<Object> list(Object o) {
    return (List<Object>) o;
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> map(Object o) {
    return (Map<String, Object>) o;
  }

  private static long num(Object o) {
    return o instanceof Long l ? l : Long.parseUnsignedLong((String) o, 16);
  }

  private boolean supported(List<Object> feat) {
    for (Object f : feat) {
      String name = (String) f;
      boolean baseline = List.of("x87", "mmx", "sse", "sse2").contains(name);
      if (!baseline && !features.has(name.equals("pni") ? "sse3" : name)) {
        return false;
      }
    }
    return true;
  }

  private static boolean usesEvex(List<Object> feat) {
    return feat.isEmpty()
        || feat.stream().anyMatch(f -> f.toString().startsWith("avx512"))
        || feat.equals(List.of("vaes"))
        || feat.equals(List.of("gfni"))
        || feat.equals(List.of("vpclmulqdq"));
  }

  /** Runs one recorded case. */
  public void run(Map<String, Object> kase) {
    String cat = (String) kase.get("cat");
    int[] r = results.computeIfAbsent(cat, k -> new int[3]);
    if (!supported(list(kase.getOrDefault("feat", List.of())))) {
      r[2]++;
      return;
    }
    // RCP and RSQRT are known bit for bit, though old recordings say otherwise.
    approximate = Boolean.TRUE.equals(kase.get("approx")) && !cat.equals("sse_approx");
    int bits = Integer.parseInt(String.valueOf(kase.get("mode")));
    Map<String, Object> in = map(kase.get("in"));
    Map<String, Object> out = map(kase.get("out"));
    byte[] data = new byte[OracleWorld.DATA_BYTES];
    apply(list(in.getOrDefault("mem", List.of())), data);
    world.prepare(bits, hex(kase.get("code")), (int) num(kase.get("off")), data);
    // Native code leaves VEX to the interpreter where the registers are wider than its own.
    cpu.xcr0 = usesEvex(list(kase.getOrDefault("feat", List.of()))) ? xcr0 : xcr0 & YMM_STATE;
    List<Object> gpr = list(in.get("gpr"));
    for (int i = 0; i < 16; i++) {
      cpu.r[i] = i < gpr.size() ? num(gpr.get(i)) : 0;
    }
    cpu.setFlags((int) num(in.get("rflags")));
    byte[] fx = in.get("fx") instanceof String s ? hex(s) : initialFx();
    byte[] ymmh = in.get("ymmh") instanceof String y ? hex(y) : new byte[256];
    // Opmasks, then bits 511:256 of ZMM0 to ZMM15, then ZMM16 to ZMM31.
    byte[] kz = in.get("kz") instanceof String z ? hex(z) : new byte[1600];
    load(fx, ymmh, kz, in.get("xbv") instanceof Long v ? v : 7);
    List<String> steps = new ArrayList<>();
    int vec = world.run();
    long most = in.get("steps") instanceof Long n ? n : 0;
    while (vec == 1 && steps.size() < 2 * most) {
      steps.add(Long.toHexString(world.frame(1, 0)));
      steps.add(Long.toHexString(world.frame(1, 2) & ~CpuState.RF));
      vec = world.goOn();
    }
    apply(list(out.getOrDefault("ymmh", List.of())), ymmh);
    apply(list(out.getOrDefault("kz", List.of())), kz);
    StringBuilder bad = new StringBuilder();
    if (vec < 0) {
      bad.append(" exit 0x").append(Long.toHexString(cpu.exitCode)).append(" rip=");
      bad.append(Long.toHexString(cpu.rip)).append(" cpl=").append(cpu.cpl);
    } else {
      compare(bad, kase, out, bits, gpr, data, vec);
      compareSteps(bad, out, steps);
      if (out.get("fx") instanceof List<?> changes) {
        apply(changes, fx);
        compareFx(bad, kase, fx, bits);
      }
      compareVectors(bad, ymmh, kz, bits);
    }
    if (bad.isEmpty()) {
      r[0]++;
    } else {
      r[1]++;
      failures.add(
          "%s %s %d [%s] %s:%s"
              .formatted(kase.get("id"), cat, bits, kase.get("asm"), kase.get("code"), bad));
    }
  }

  private static byte[] initialFx() {
    byte[] fx = new byte[416];
    Page.SHORT.set(fx, 0, (short) 0x37F);
    Page.INT.set(fx, 24, 0x1F80);
    return fx;
  }

  /** Loads the vector and x87 state as XRSTOR does: what is not in XSTATE_BV is initial. */
  private void load(byte[] fx, byte[] ymmh, byte[] kz, long xstateBv) {
    byte[] image = fx.clone();
    byte[] initial = initialFx();
    if ((xstateBv & 1) == 0) {
      System.arraycopy(initial, 0, image, 0, 24);
      Arrays.fill(image, 32, 160, (byte) 0);
    }
    if ((xstateBv & 2) == 0) {
      Arrays.fill(image, 160, 416, (byte) 0);
    }
    world.setFx(image);
    for (int i = 0; i < 32; i++) {
      cpu.ymmh[i] = (xstateBv & 4) == 0 ? 0 : (long) Page.LONG.get(ymmh, 8 * i);
    }
    for (int i = 0; i < 200; i++) {
      long v = (long) Page.LONG.get(kz, 8 * i);
      if (i < 8) {
        cpu.k[i] = v;
      } else if (i < 72) {
        cpu.zmmh[i - 8] = v;
      } else {
        cpu.zmm16[i - 72] = v;
      }
    }
  }

  private void compare(
      StringBuilder bad,
      Map<String, Object> kase,
      Map<String, Object> out,
      int bits,
      List<Object> gpr,
      byte[] data,
      int vec) {
    check(bad, "vec", num(out.get("vec")), vec);
    if (out.get("err") instanceof Long err && num(out.get("vec")) == vec) {
      check(bad, "err", err & 0xFFFF, world.errorCode() & 0xFFFF);
    }
    if (vec == 14 && out.get("cr2") != null && !out.get("cr2").equals("")) {
      check(bad, "cr2", num(out.get("cr2")), cpu.cr2);
    }
    check(bad, "rip", num(out.get("rip")), world.frame(vec, 0));
    long[] want = new long[16];
    for (int i = 0; i < gpr.size(); i++) {
      want[i] = num(gpr.get(i));
    }
    map(out.getOrDefault("gpr", Map.of()))
        .forEach(
            (name, v) -> {
              int i = REGISTERS.indexOf(name);
              want[i < 0 ? Integer.parseInt(name.replace("r", "")) : i] = num(v);
            });
    long mask = bits == 64 ? -1L : 0xFFFF_FFFFL;
    for (int i = 0; i < (bits == 64 ? 16 : 8); i++) {
      long got = i == 4 ? world.frame(vec, 3) : cpu.r[i];
      check(bad, "r" + i, want[i] & mask, got & mask);
    }
    long fm = undefinedFlags ? ALL_FLAGS : num(kase.get("fm"));
    check(bad, "flags", num(out.get("rflags")) & fm, world.frame(vec, 2) & fm);
    map(out.getOrDefault("seg", Map.of()))
        .forEach(
            (name, v) -> {
              int s = SEGMENTS.indexOf(name);
              int field = s == CpuState.CS ? 1 : s == CpuState.SS ? 4 : -1;
              long got = field < 0 ? cpu.selector[s] : world.frame(vec, field);
              // Linux returns to its signal handler by an IRET that clears null selectors.
              check(bad, name, num(v), field < 0 && got < 4 ? 0 : got);
            });
    if (out.get("base") instanceof List<?> base && bits == 64) {
      check(bad, "fsbase", num(base.get(0)), cpu.segBase[CpuState.FS]);
      check(bad, "gsbase", num(base.get(1)), cpu.segBase[CpuState.GS]);
    }
    apply(list(out.getOrDefault("mem", List.of())), data);
    for (int i = 0; i < OracleWorld.DATA_BYTES; i += 8) {
      long w = (long) Page.LONG.get(data, i);
      if (w != world.data(i)) {
        check(bad, "mem+" + Integer.toHexString(i), w, world.data(i));
        break;
      }
    }
  }

  private static void compareSteps(StringBuilder bad, Map<String, Object> out, List<String> steps) {
    List<Object> want = new ArrayList<>();
    List<Object> recorded = list(out.getOrDefault("steps", List.of()));
    for (int i = 0; i < recorded.size(); i++) {
      long v = num(recorded.get(i));
      want.add(Long.toHexString(i % 2 == 0 ? v : v & ~CpuState.RF));
    }
    if (!want.equals(steps)) {
      bad.append(" steps want=").append(want).append(" got=").append(steps);
    }
  }

  private void compareVectors(StringBuilder bad, byte[] ymmh, byte[] kz, int bits) {
    for (int i = 0; i < (bits == 64 ? 32 : 16); i++) {
      String half = i % 2 == 0 ? ".l" : ".h";
      check(bad, "ymmh" + i / 2 + half, (long) Page.LONG.get(ymmh, 8 * i), cpu.ymmh[i]);
    }
    for (int i = 0; i < 200; i++) {
      long v = (long) Page.LONG.get(kz, 8 * i);
      if (i < 8) {
        check(bad, "k" + i, v, cpu.k[i]);
      } else if (i < 72) {
        check(bad, "zmmh" + (i - 8) / 4 + "." + i % 4, v, cpu.zmmh[i - 8]);
      } else {
        check(bad, "zmm" + (16 + (i - 72) / 8) + "." + i % 8, v, cpu.zmm16[i - 72]);
      }
    }
  }

  /** Writes the changes of a recorded area into it: pairs of an offset and hex bytes. */
  private static void apply(List<?> changes, byte[] area) {
    for (Object e : changes) {
      byte[] b = hex(list(e).get(1));
      System.arraycopy(b, 0, area, (int) num(list(e).get(0)), b.length);
    }
  }

  private void compareFx(StringBuilder bad, Map<String, Object> kase, byte[] fx, int bits) {
    byte[] got = world.fx();
    int fswm = undefinedFlags && !approximate ? 0xFFFF : (int) num(kase.get("fswm"));
    check(bad, "fcw", OracleWorld.u16(fx, 0), OracleWorld.u16(got, 0));
    check(bad, "fsw", OracleWorld.u16(fx, 2) & fswm, OracleWorld.u16(got, 2) & fswm);
    check(bad, "ftw", fx[4] & 0xFF, got[4] & 0xFF);
    if (Boolean.TRUE.equals(kase.get("ptr"))) {
      check(bad, "fop", OracleWorld.u16(fx, 6), OracleWorld.u16(got, 6));
      check(bad, "fip", (long) Page.LONG.get(fx, 8), (long) Page.LONG.get(got, 8));
      check(bad, "fdp", (long) Page.LONG.get(fx, 16), (long) Page.LONG.get(got, 16));
    }
    check(bad, "mxcsr", (int) Page.INT.get(fx, 24), (int) Page.INT.get(got, 24));
    int top = OracleWorld.u16(fx, 2) >> 11 & 7;
    for (int i = 0; i < 8; i++) {
      if ((fx[4] >> (i + top & 7) & 1) != 0) {
        int e = 40 + 16 * i;
        check(bad, "st" + i + ".exp", OracleWorld.u16(fx, e), OracleWorld.u16(got, e));
        check(bad, "st" + i, (long) Page.LONG.get(fx, e - 8), (long) Page.LONG.get(got, e - 8));
      }
    }
    for (int i = 0; i < (bits == 64 ? 32 : 16); i++) {
      int at = 160 + 8 * i;
      String half = i % 2 == 0 ? ".l" : ".h";
      check(bad, "xmm" + i / 2 + half, (long) Page.LONG.get(fx, at), (long) Page.LONG.get(got, at));
    }
  }

  /**
   * A transcendental may be off by one in the last place, VRCP14 and VRSQRT14 by less than 2^-14.
   */
  private static boolean close(String what, long want, long got) {
    return what.matches("st\\d")
        ? Math.abs(want - got) <= 1
        : what.matches("[xyz]mm.*")
            && Math.abs((int) want - (int) got) <= 1 << 9
            && Math.abs((int) (want >> 32) - (int) (got >> 32)) <= 1 << 9;
  }

  private void check(StringBuilder b, String what, long want, long got) {
    if (want != got && !(approximate && close(what, want, got))) {
      b.append(' ')
          .append(what)
          .append(" want=")
          .append(Long.toHexString(want))
          .append(" got=")
          .append(Long.toHexString(got));
    }
  }

  /** Runs every case of a JSON Lines stream. */
  public void runAll(InputStream in) throws IOException {
    BufferedReader r = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
    for (String line = r.readLine(); line != null; line = r.readLine()) {
      run(JsonTree.object(JsonTree.parse(line)));
    }
  }

  /**
   * Replays files of a Milan's cases ({@code .jsonl} or {@code .jsonl.gz}) and prints the results;
   * the property {@code vesper.jit} has them translated.
   */
  public static void main(String[] args) throws IOException {
    OracleReplay o = ofMilan(Execution.STANDARD);
    for (String file : args) {
      try (InputStream raw = Files.newInputStream(Path.of(file))) {
        o.runAll(file.endsWith(".gz") ? new GZIPInputStream(raw) : raw);
      }
    }
    o.failures.forEach(System.out::println);
    o.results.forEach(
        (k, v) ->
            System.out.println("CAT " + k + " pass=" + v[0] + " fail=" + v[1] + " skip=" + v[2]));
  }
}
