package dev.vesper.machine.oracle;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.cpu.jit.RegionTranslator;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;

/**
 * Replays recorded results of a real AMD CPU (an EPYC of family 25, model 17): random instruction
 * sequences at CPL 3 in 64-, 32- and 16-bit code, each until its first exception, with the whole
 * state before and after.
 */
public final class OracleReplay {
  private static final long CODE = 0x1000_0000L;
  private static final long DATA = 0x2000_0000L;
  private static final long HANDLERS = 0x3000_0000L;
  private static final long TABLES = 0x3000_2000L;
  private static final long STACK_TOP = 0x3000_8000L;
  private static final int CODE_PAGE = 8;
  private static final int DATA_PAGE = 9;
  private static final int HANDLER_PAGE = 16;

  /** Features of the cases that the processor under test has. */
  private final CpuFeatures features;

  /**
   * The case is of RCP, RSQRT or an x87 transcendental: 11 bits of a single and 49 bits of an
   * extended significand must agree.
   */
  private boolean approximate;

  private final PhysicalMemory memory = new PhysicalMemory(32 << 12, 0);
  private final Cpu cpu;

  /** Results by category: passed, failed, skipped. */
  public final Map<String, int[]> results = new TreeMap<>();

  /** One line a failed case. */
  public final List<String> failures = new ArrayList<>();

  public OracleReplay(CpuFeatures features) {
    this.features = features;
    NestedMap map = frame -> frame < 32 ? NestedMap.RAM : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, features, new Interpreter(features), 1);
    RegionTranslator.attach(cpu, RegionTranslator.standard());
    buildTables();
  }

  private static void put64(byte[] page, int at, long v) {
    Page.LONG.set(page, at, v);
  }

  private byte[] page(int frame) {
    return memory.page(frame, Page.SHARED).data;
  }

  private void buildTables() {
    put64(page(1), 0, 0x2007);
    put64(page(2), 0, 0x3007);
    put64(page(3), (int) (CODE >> 21) * 8, 0x4007);
    put64(page(3), (int) (DATA >> 21) * 8, 0x5007);
    put64(page(3), (int) (HANDLERS >> 21) * 8, 0x6007);
    put64(page(4), 0, CODE_PAGE << 12 | 5);
    put64(page(5), 0, DATA_PAGE << 12 | 7 | 1L << 63);
    put64(page(5), 8, DATA_PAGE + 1 << 12 | 7 | 1L << 63);
    for (int i = 0; i < 8; i++) {
      put64(page(6), i * 8, HANDLER_PAGE + i << 12 | 3);
    }
    java.util.Arrays.fill(page(HANDLER_PAGE), (byte) 0xF4);
    byte[] t = page(HANDLER_PAGE + 2);
    // GDT at 0, LDT at 0x80, TSS at 0x100; the IDT has a page of its own.
    long[] gdt = {
      0,
      0x00AF9B000000FFFFL,
      0x00CF93000000FFFFL,
      0,
      0x00CFFB000000FFFFL,
      0x00CFF3000000FFFFL,
      0x00AFFB000000FFFFL
    };
    for (int i = 0; i < gdt.length; i++) {
      put64(t, i * 8, gdt[i]);
    }
    put64(t, 0x80, 0x1000FB000000FFFFL);
    put64(t, 0x88, 0x2000F30000001FFFL);
    put64(t, 0x90, 0x2040F30000001FFFL);
    put64(t, 0x104, STACK_TOP);
    Page.SHORT.set(t, 0x166, (short) 0x68);
    byte[] idt = page(HANDLER_PAGE + 3);
    for (int v = 0; v < 256; v++) {
      long h = HANDLERS + v;
      long dpl = v == 3 || v == 4 ? 3 : 0;
      put64(
          idt,
          v * 16,
          h & 0xFFFF | 8L << 16 | (0x8E00L | dpl << 13) << 32 | (h >> 16 & 0xFFFF) << 48);
      put64(idt, v * 16 + 8, h >> 32);
    }
  }

  private void segment(int s, int sel, long base, long limit, int attr) {
    cpu.selector[s] = sel;
    cpu.segBase[s] = base;
    cpu.segLimit[s] = limit;
    cpu.segAttr[s] = attr;
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

  private void setFx(byte[] fx) {
    cpu.fcw = u16(fx, 0) & 0x1F7F | 0x40;
    int sw = u16(fx, 2);
    cpu.ftop = sw >> 11 & 7;
    cpu.fsw = sw & 0x477F;
    if ((cpu.fsw & ~cpu.fcw & 0x3F) != 0) {
      cpu.fsw |= 0x8080;
    } else {
      cpu.fsw &= ~0x8080;
    }
    cpu.fvalid = fx[4] & 0xFF;
    cpu.mxcsr = (int) Page.INT.get(fx, 24);
    for (int i = 0; i < 8; i++) {
      int p = cpu.ftop + i & 7;
      cpu.fpMant[p] = (long) Page.LONG.get(fx, 32 + 16 * i);
      cpu.fpExp[p] = u16(fx, 40 + 16 * i);
    }
    for (int i = 0; i < 32; i++) {
      cpu.xmm[i] = (long) Page.LONG.get(fx, 160 + 8 * i);
    }
  }

  private byte[] getFx() {
    byte[] fx = new byte[416];
    Page.SHORT.set(fx, 0, (short) cpu.fcw);
    Page.SHORT.set(fx, 2, (short) (cpu.fsw | cpu.ftop << 11));
    fx[4] = (byte) cpu.fvalid;
    Page.INT.set(fx, 24, cpu.mxcsr);
    for (int i = 0; i < 8; i++) {
      int p = cpu.ftop + i & 7;
      put64(fx, 32 + 16 * i, cpu.fpMant[p]);
      put64(fx, 40 + 16 * i, cpu.fpExp[p] & 0xFFFFL);
    }
    for (int i = 0; i < 32; i++) {
      put64(fx, 160 + 8 * i, cpu.xmm[i]);
    }
    return fx;
  }

  private static int u16(byte[] b, int at) {
    return (short) Page.SHORT.get(b, at) & 0xFFFF;
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

  /** Runs one recorded case. */
  public void run(Map<String, Object> kase) {
    String cat = (String) kase.get("cat");
    int[] r = results.computeIfAbsent(cat, k -> new int[3]);
    if (!supported(list(kase.getOrDefault("feat", List.of())))) {
      r[2]++;
      return;
    }
    approximate = Boolean.TRUE.equals(kase.get("approx"));
    String mode = String.valueOf(kase.get("mode"));
    Map<String, Object> in = map(kase.get("in"));
    Map<String, Object> out = map(kase.get("out"));
    byte[] code = hex(kase.get("code"));
    int off = (int) num(kase.get("off"));
    byte[] cp = memory.page(CODE_PAGE, Page.SHARED).data;
    java.util.Arrays.fill(cp, (byte) 0xCC);
    System.arraycopy(code, 0, cp, off, code.length);
    memory.page(CODE_PAGE, Page.SHARED).dropCode();
    byte[] data = new byte[8192];
    for (Object e : list(in.getOrDefault("mem", List.of()))) {
      byte[] b = hex(list(e).get(1));
      System.arraycopy(b, 0, data, (int) num(list(e).get(0)), b.length);
    }
    System.arraycopy(data, 0, page(DATA_PAGE), 0, 4096);
    System.arraycopy(data, 4096, page(DATA_PAGE + 1), 0, 4096);
    cpu.resetRegisters();
    cpu.cr0 = 0x8005_0033L;
    cpu.cr4 =
        CpuState.CR4_PAE
            | CpuState.CR4_OSFXSR
            | CpuState.CR4_OSXMMEXCPT
            | CpuState.CR4_FSGSBASE
            | CpuState.CR4_OSXSAVE;
    cpu.xcr0 = 0xE7;
    cpu.cr3 = 0x1000;
    cpu.efer = 0xD01;
    cpu.gdtBase = TABLES;
    cpu.gdtLimit = 0x37;
    cpu.idtBase = TABLES + 0x1000;
    cpu.idtLimit = 0xFFF;
    segment(CpuState.LDTR, 0x50, TABLES + 0x80, 23, 0x82);
    segment(CpuState.TR, 0x40, TABLES + 0x100, 0x67, 0x8B);
    boolean is16 = mode.equals("16");
    int bits = Integer.parseInt(mode);
    if (is16) {
      segment(CpuState.CS, 7, CODE, 0xFFFF, 0x0FB);
      segment(CpuState.SS, 0x17, DATA, 0x1FFF, 0x4F3);
    } else {
      segment(CpuState.CS, bits == 64 ? 0x33 : 0x23, 0, 0xFFFF_FFFFL, bits == 64 ? 0xAFB : 0xCFB);
      segment(CpuState.SS, 0x2B, 0, 0xFFFF_FFFFL, 0xCF3);
    }
    for (int s : new int[] {CpuState.DS, CpuState.ES}) {
      if (is16) {
        segment(s, 0xF, DATA, 0x1FFF, 0x0F3);
      } else {
        segment(s, 0x2B, 0, 0xFFFF_FFFFL, 0xCF3);
      }
    }
    segment(CpuState.FS, 0, bits == 64 ? DATA + 0x400 : 0, 0, 0);
    segment(CpuState.GS, 0, bits == 64 ? DATA + 0x800 : 0, 0, 0);
    cpu.cpl = 3;
    List<Object> gpr = list(in.get("gpr"));
    for (int i = 0; i < 16; i++) {
      cpu.r[i] = i < gpr.size() ? num(gpr.get(i)) : 0;
    }
    cpu.setFlags((int) num(in.get("rflags")));
    if (in.get("fx") instanceof String s && !s.isEmpty()) {
      setFx(hex(s));
    } else {
      cpu.fcw = 0x37F;
      cpu.fsw = 0;
      cpu.ftop = 0;
      cpu.fvalid = 0;
      java.util.Arrays.fill(cpu.fpMant, 0);
      java.util.Arrays.fill(cpu.fpExp, 0);
      java.util.Arrays.fill(cpu.xmm, 0);
    }
    byte[] ymmh = in.get("ymmh") instanceof String y ? hex(y) : new byte[256];
    for (int i = 0; i < 32; i++) {
      cpu.ymmh[i] = (long) Page.LONG.get(ymmh, 8 * i);
    }
    // Opmasks, then bits 511:256 of ZMM0 to ZMM15, then ZMM16 to ZMM31.
    byte[] kz = in.get("kz") instanceof String z ? hex(z) : new byte[1600];
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
    byte[] fxBefore = getFx();
    cpu.rip = is16 ? off : CODE + off;
    cpu.intercepts.vector3 = 1 << 24 | 1 << 31;
    cpu.flushTlb(true);
    cpu.run(cpu.icount + 2_000);
    if (out.get("ymmh") instanceof List<?> changes) {
      apply(changes, ymmh);
    }
    if (out.get("kz") instanceof List<?> changes) {
      apply(changes, kz);
    }
    String bad = compare(kase, out, bits, gpr, data, fxBefore, ymmh) + compareWide(kz);
    if (bad.isEmpty()) {
      r[0]++;
    } else {
      r[1]++;
      failures.add(
          kase.get("id")
              + " "
              + cat
              + " "
              + mode
              + " ["
              + kase.get("asm")
              + "] "
              + kase.get("code")
              + ":"
              + bad);
    }
  }

  private String compare(
      Map<String, Object> kase,
      Map<String, Object> out,
      int bits,
      List<Object> gpr,
      byte[] data,
      byte[] fx,
      byte[] ymmh) {
    StringBuilder bad = new StringBuilder();
    if (cpu.exitCode != 0x78 || cpu.cpl != 0) {
      return " exit 0x"
          + Long.toHexString(cpu.exitCode)
          + " rip="
          + Long.toHexString(cpu.rip)
          + " cpl="
          + cpu.cpl;
    }
    int vec = (int) (cpu.rip - HANDLERS);
    boolean hasError = vec == 8 || vec >= 10 && vec <= 14 || vec == 17;
    long sp = cpu.r[4];
    long err = hasError ? cpu.sysRead(sp, 8) : 0;
    sp += hasError ? 8 : 0;
    long rip = cpu.sysRead(sp, 8);
    long flags = cpu.sysRead(sp + 16, 8);
    long rsp = cpu.sysRead(sp + 24, 8);
    check(bad, "vec", num(out.get("vec")), vec);
    if (out.get("err") != null && num(out.get("vec")) == vec && !out.get("err").equals("")) {
      check(bad, "err", num(out.get("err")) & 0xFFFF, err & 0xFFFF);
    }
    if (vec == 14 && out.get("cr2") != null && !out.get("cr2").equals("")) {
      check(bad, "cr2", num(out.get("cr2")), cpu.cr2);
    }
    check(bad, "rip", num(out.get("rip")), rip);
    long[] want = new long[16];
    for (int i = 0; i < gpr.size(); i++) {
      want[i] = num(gpr.get(i));
    }
    Object changed = out.get("gpr");
    if (changed instanceof Map<?, ?> m) {
      String[] names = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"};
      for (Map.Entry<?, ?> e : m.entrySet()) {
        String k = (String) e.getKey();
        int i = java.util.Arrays.asList(names).indexOf(k);
        if (i < 0) {
          i = k.startsWith("r") ? Integer.parseInt(k.substring(1)) : Integer.parseInt(k);
        }
        want[i] = num(e.getValue());
      }
    }
    long mask = bits == 64 ? -1L : 0xFFFF_FFFFL;
    for (int i = 0; i < (bits == 64 ? 16 : 8); i++) {
      long got = i == 4 ? rsp : cpu.r[i];
      check(bad, "r" + i, want[i] & mask, got & mask);
    }
    long fm = num(kase.get("fm"));
    check(bad, "flags", num(out.get("rflags")) & fm, flags & fm);
    apply(list(out.getOrDefault("mem", List.of())), data);
    for (int i = 0; i < 8192; i += 8) {
      long w = (long) Page.LONG.get(data, i);
      long g = (long) Page.LONG.get(page(DATA_PAGE + (i >> 12)), i & 4095);
      if (w != g) {
        check(bad, "mem+" + Integer.toHexString(i), w, g);
        break;
      }
    }
    if (out.get("fx") instanceof List<?> changes) {
      compareFx(bad, kase, changes, fx, bits);
    }
    for (int i = 0; i < (bits == 64 ? 32 : 16); i++) {
      String half = i % 2 == 0 ? ".l" : ".h";
      check(bad, "ymmh" + i / 2 + half, (long) Page.LONG.get(ymmh, 8 * i), cpu.ymmh[i]);
    }
    return bad.toString();
  }

  private String compareWide(byte[] kz) {
    StringBuilder bad = new StringBuilder();
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
    return bad.toString();
  }

  /** Writes the changes of a recorded area into it: pairs of an offset and hex bytes. */
  private static void apply(List<?> changes, byte[] area) {
    for (Object e : changes) {
      byte[] b = hex(list(e).get(1));
      System.arraycopy(b, 0, area, (int) num(list(e).get(0)), b.length);
    }
  }

  private void compareFx(
      StringBuilder bad, Map<String, Object> kase, List<?> changes, byte[] fx, int bits) {
    apply(changes, fx);
    byte[] got = getFx();
    int fswm = (int) num(kase.get("fswm"));
    check(bad, "fcw", u16(fx, 0), u16(got, 0));
    check(bad, "fsw", u16(fx, 2) & fswm, u16(got, 2) & fswm);
    check(bad, "ftw", fx[4] & 0xFF, got[4] & 0xFF);
    check(bad, "mxcsr", (int) Page.INT.get(fx, 24), (int) Page.INT.get(got, 24));
    int top = u16(fx, 2) >> 11 & 7;
    for (int i = 0; i < 8; i++) {
      if ((fx[4] >> (i + top & 7) & 1) != 0) {
        check(bad, "st" + i + ".exp", u16(fx, 40 + 16 * i), u16(got, 40 + 16 * i));
        check(
            bad,
            "st" + i,
            (long) Page.LONG.get(fx, 32 + 16 * i),
            (long) Page.LONG.get(got, 32 + 16 * i));
      }
    }
    for (int i = 0; i < (bits == 64 ? 32 : 16); i++) {
      check(
          bad,
          "xmm" + i / 2 + (i % 2 == 0 ? ".l" : ".h"),
          (long) Page.LONG.get(fx, 160 + 8 * i),
          (long) Page.LONG.get(got, 160 + 8 * i));
    }
  }

  private boolean close(String what, long want, long got) {
    if (what.matches("st\\d")) {
      return Math.abs(want - got) <= Integer.getInteger("oracle.ulps", 1);
    }
    return (what.startsWith("xmm") || what.startsWith("ymm") || what.startsWith("zmm"))
        && Math.abs((int) want - (int) got) <= 1 << 12
        && Math.abs((int) (want >> 32) - (int) (got >> 32)) <= 1 << 12;
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
      if (Boolean.getBoolean("oracle.verbose")) {
        System.err.println(line);
      }
      run(map(Json.parse(line)));
    }
  }

  /** Replays a file of cases ({@code .jsonl} or {@code .jsonl.gz}) and prints the results. */
  public static void main(String[] args) throws IOException {
    OracleReplay o = new OracleReplay(CpuFeatures.ALL);
    try (InputStream raw = Files.newInputStream(Path.of(args[0]))) {
      o.runAll(args[0].endsWith(".gz") ? new GZIPInputStream(raw) : raw);
    }
    o.failures.forEach(System.out::println);
    o.results.forEach(
        (k, v) ->
            System.out.println("CAT " + k + " pass=" + v[0] + " fail=" + v[1] + " skip=" + v[2]));
  }
}
