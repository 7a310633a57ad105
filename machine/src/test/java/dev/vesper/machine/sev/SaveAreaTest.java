package dev.vesper.machine.sev;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.spec.ResetState;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToLongFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Where registers are in a VMSA (AMD APM volume 2, table B-4), which states VMRUN refuses (15.5.1),
 * and what a page says by name.
 */
final class SaveAreaTest {
  private final PhysicalMemory memory = new PhysicalMemory(64 << 12, 8);
  private final Cpu cpu =
      new Cpu(memory, f -> NestedMap.RAM, CpuFeatures.ALL, new Interpreter(CpuFeatures.ALL), 1);
  private final byte[] page = new byte[Page.SIZE];

  private static void put(byte[] d, int offset, int bytes, long v) {
    for (int i = 0; i < bytes; i++) {
      d[offset + i] = (byte) (v >> 8 * i);
    }
  }

  private static long get(byte[] d, int offset, int bytes) {
    long v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      v = v << 8 | d[offset + i] & 0xFF;
    }
    return v;
  }

  /** Fields of eight bytes that every exit stores. */
  private static Map<Integer, ToLongFunction<Cpu>> common() {
    Map<Integer, ToLongFunction<Cpu>> m = new TreeMap<>();
    m.put(0x068, c -> c.gdtBase);
    m.put(0x088, c -> c.idtBase);
    m.put(0x0D0, c -> c.efer);
    m.put(0x148, c -> c.cr4);
    m.put(0x150, c -> c.cr3);
    m.put(0x158, c -> c.cr0);
    m.put(0x160, c -> c.dr[7]);
    m.put(0x168, c -> c.dr[6]);
    m.put(0x178, c -> c.rip);
    m.put(0x1D8, c -> c.r[4]);
    m.put(0x1F8, c -> c.r[0]);
    m.put(0x200, c -> c.star);
    m.put(0x208, c -> c.lstar);
    m.put(0x210, c -> c.cstar);
    m.put(0x218, c -> c.sfmask);
    m.put(0x220, c -> c.kernelGsBase);
    m.put(0x228, c -> c.sysenterCs);
    m.put(0x230, c -> c.sysenterEsp);
    m.put(0x238, c -> c.sysenterEip);
    m.put(0x240, c -> c.cr2);
    m.put(0x268, c -> c.pat);
    m.put(0x270, c -> c.debugCtl);
    int[] segments = {0x000, 0x010, 0x020, 0x030, 0x040, 0x050, 0x070, 0x090};
    for (int s = 0; s < 8; s++) {
      int n = s;
      m.put(segments[s] + 8, c -> c.segBase[n]);
    }
    return m;
  }

  /** Fields of eight bytes that only a VMSA has. */
  private static Map<Integer, ToLongFunction<Cpu>> encrypted() {
    Map<Integer, ToLongFunction<Cpu>> m = new TreeMap<>();
    int[] registers = {
      0x1F8, 0x308, 0x310, 0x318, 0x1D8, 0x328, 0x330, 0x338, 0x340, 0x348, 0x350, 0x358, 0x360,
      0x368, 0x370, 0x378
    };
    for (int i = 0; i < 16; i++) {
      int n = i;
      m.put(registers[i], c -> c.r[n]);
    }
    m.put(0x140, c -> c.xss);
    m.put(0x3E8, c -> c.xcr0);
    m.put(0x400, c -> c.fdp);
    m.put(0x418, c -> c.fip);
    for (int i = 0; i < 32; i++) {
      int n = i;
      m.put(0x470 + 8 * i, c -> c.xmm[n]);
      m.put(0x570 + 8 * i, c -> c.ymmh[n]);
    }
    for (int i = 0; i < 8; i++) {
      int n = i;
      m.put(0x420 + 8 * i, c -> c.fpMant[c.ftop + n & 7]);
      m.put(0x980 + 8 * i, c -> c.k[n]);
    }
    return m;
  }

  private static long sample(int offset) {
    return 0x1000_0000_0000L * (offset % 7 + 1) | 0x4321L * offset | 1;
  }

  private void fill(Map<Integer, ToLongFunction<Cpu>> fields) {
    fields.keySet().forEach(at -> put(page, at, 8, sample(at)));
  }

  private void hasAll(Map<Integer, ToLongFunction<Cpu>> fields) {
    fields.forEach(
        (at, f) -> assertThat(f.applyAsLong(cpu)).as("at 0x%x", at).isEqualTo(sample(at)));
  }

  @Test
  void everyExitMovesWhatAPlainSaveAreaHas() {
    fill(common());
    put(page, 0x170, 8, 0xAD7);
    page[0x0CB] = 3;
    byte[] area = page.clone();
    SaveArea.load(cpu, area);
    hasAll(common());
    assertThat(cpu.cpl).isEqualTo(3);
    assertThat(cpu.flags() & 0xFFF).isEqualTo(0xAD7);
    byte[] out = new byte[Page.SIZE];
    SaveArea.store(cpu, out);
    assertThat(out).isEqualTo(area);
  }

  @Test
  void aVmsaHasTheRestToo() {
    fill(encrypted());
    put(page, 0x2EC, 4, 0xFEDC_BA98L);
    put(page, 0x2E8, 4, 0x5555_5550L);
    put(page, 0x2E0, 4, 5);
    put(page, 0x408, 4, 0x1FA0);
    put(page, 0x40C, 2, 0xA5);
    put(page, 0x40E, 2, 0x4000 | 5 << 11 | 0x123);
    put(page, 0x410, 2, 0x37F);
    put(page, 0x412, 2, 0x7DF);
    put(page, 0x414, 2, 0x2B);
    put(page, 0x416, 2, 0x33);
    for (int i = 0; i < 8; i++) {
      put(page, 0x460 + 2 * i, 2, 0xC000 + i);
    }
    for (int i = 0; i < 32; i++) {
      put(page, 0x9C0 + 8 * i, 8, sample(0x9C0 + 8 * i));
    }
    for (int i = 0; i < 128; i++) {
      put(page, 0xBC0 + 8 * i, 8, sample(0xBC0 + 8 * i));
    }
    SaveArea.loadProtected(cpu, page);
    hasAll(encrypted());
    assertThat(cpu.tscAux).isEqualTo(0xFEDC_BA98L);
    assertThat(cpu.mxcsr).isEqualTo(0x1FA0);
    assertThat(cpu.ftop).isEqualTo(5);
    assertThat(cpu.fcw).isEqualTo(0x37F);
    assertThat(cpu.fop).isEqualTo(0x7DF);
    assertThat(cpu.fds).isEqualTo(0x2B);
    assertThat(cpu.fcs).isEqualTo(0x33);
    assertThat(cpu.fpExp[5]).as("ST0").isEqualTo(0xC000);
    assertThat(cpu.specCtrl).isEqualTo(5);
    assertThat(cpu.zmmh[31]).isEqualTo(sample(0x9C0 + 8 * 31));
    assertThat(cpu.zmm16[127]).isEqualTo(sample(0xBC0 + 8 * 127));
    byte[] out = new byte[Page.SIZE];
    SaveArea.storeProtected(cpu, out);
    assertThat(out).isEqualTo(page);
  }

  @Test
  void segmentsHaveSelectorAttributesAndLimit() {
    int[] segments = {0x000, 0x010, 0x020, 0x030, 0x040, 0x050, 0x070, 0x090};
    for (int s = 0; s < 8; s++) {
      put(page, segments[s], 2, 0xFFF0 + s);
      put(page, segments[s] + 2, 2, 0xFC00 + s);
      put(page, segments[s] + 4, 4, 0xFFFF_FFF0L + s);
    }
    put(page, 0x064, 4, 0x5_1234);
    put(page, 0x084, 4, 0x5_5678);
    SaveArea.load(cpu, page);
    byte[] out = new byte[Page.SIZE];
    SaveArea.store(cpu, out);
    for (int s = 0; s < 8; s++) {
      assertThat(cpu.selector[s]).isEqualTo(0xFFF0 + s);
      assertThat(cpu.segAttr[s]).as("twelve bits").isEqualTo(0xC00 + s);
      assertThat(cpu.segLimit[s]).isEqualTo(0xFFFF_FFF0L + s);
      assertThat(get(out, segments[s], 2)).isEqualTo(0xFFF0 + s);
      assertThat(get(out, segments[s] + 2, 2)).isEqualTo(0xC00 + s);
      assertThat(get(out, segments[s] + 4, 4)).isEqualTo(0xFFFF_FFF0L + s);
    }
    assertThat(cpu.gdtLimit).as("sixteen bits").isEqualTo(0x1234);
    assertThat(cpu.idtLimit).isEqualTo(0x5678);
    assertThat(get(out, 0x064, 4)).isEqualTo(0x1234);
    assertThat(get(out, 0x084, 4)).isEqualTo(0x5678);
  }

  /** EFER, CR0, CR4, CS attributes, DR6, DR7. */
  @ParameterizedTest
  @CsvSource({
    "0x1000, 0x10, 0, 0x9B, 0, 0, false",
    "0x0000, 0x10, 0, 0x9B, 0, 0, true",
    "0x1000, 0x60000010, 0, 0x9B, 0, 0, false",
    "0x1000, 0x40000010, 0, 0x9B, 0, 0, false",
    "0x1000, 0x20000010, 0, 0x9B, 0, 0, true",
    "0x1000, 0x100000010, 0, 0x9B, 0, 0, true",
    "0x1000, 0x10, 0, 0x9B, 0x100000000, 0, true",
    "0x1000, 0x10, 0, 0x9B, 0, 0x100000000, true",
    "0x1000, 0x10, 0, 0x9B, 0xFFFF0FF0, 0x400, false",
    "0x1500, 0x80000011, 0x20, 0xA9B, 0, 0, false",
    "0x1500, 0x80000011, 0x00, 0xA9B, 0, 0, true",
    "0x1500, 0x80000010, 0x20, 0xA9B, 0, 0, true",
    "0x1500, 0x80000011, 0x20, 0x69B, 0, 0, true",
    "0x1500, 0x80000011, 0x20, 0x49B, 0, 0, false",
    "0x1100, 0x00000011, 0x00, 0x69B, 0, 0, false",
    "0x1000, 0x80000011, 0x00, 0x69B, 0, 0, false"
  })
  void vmrunRefusesTheseStates(
      String efer, String cr0, String cr4, String cs, String dr6, String dr7, boolean illegal) {
    put(page, 0x0D0, 8, Long.decode(efer));
    put(page, 0x158, 8, Long.decode(cr0));
    put(page, 0x148, 8, Long.decode(cr4));
    put(page, 0x012, 2, Long.decode(cs));
    put(page, 0x168, 8, Long.decode(dr6));
    put(page, 0x160, 8, Long.decode(dr7));
    assertThat(SaveArea.illegal(page)).isEqualTo(illegal);
  }

  // ---- states to start with

  @Test
  void aLaunchStateIsThatAfterReset() {
    byte[] b = new LaunchState().bytes();
    Map<String, Long> m = VmsaFields.of(b);
    assertThat(m)
        .containsEntry("CS.selector", 0xF000L)
        .containsEntry("CS.attributes", 0x9BL)
        .containsEntry("CS.limit", 0xFFFFL)
        .containsEntry("CS.base", 0xFFFF_0000L)
        .containsEntry("DS.attributes", 0x93L)
        .containsEntry("SS.limit", 0xFFFFL)
        .containsEntry("LDTR.attributes", 0x82L)
        .containsEntry("TR.attributes", 0x8BL)
        .containsEntry("GDTR.limit", 0xFFFFL)
        .containsEntry("IDTR.limit", 0xFFFFL)
        .containsEntry("EFER", 0x1000L)
        .containsEntry("CR0", 0x10L)
        .containsEntry("DR6", 0xFFFF_0FF0L)
        .containsEntry("DR7", 0x400L)
        .containsEntry("RFLAGS", 2L)
        .containsEntry("RIP", 0xFFF0L)
        .containsEntry("G_PAT", 0x0007_0406_0007_0406L)
        .containsEntry("XCR0", 1L)
        .containsEntry("MXCSR", 0x1F80L)
        .containsEntry("X87_FCW", 0x37FL);
    assertThat(m.keySet()).as("in the order of offsets").startsWith("ES.attributes", "ES.limit");
    assertThat(m).doesNotContainKey("RAX");
  }

  @Test
  void aLaunchStateTakesWhatItIsGiven() {
    LaunchState s = new LaunchState().flat(8, 0xA9B, 16).base(VmsaField.GDTR, 0x1234);
    assertThat(VmsaFields.of(s.bytes()))
        .containsEntry("CS.selector", 8L)
        .containsEntry("CS.attributes", 0xA9BL)
        .containsEntry("CS.limit", 0xFFFF_FFFFL)
        .containsEntry("GS.selector", 16L)
        .containsEntry("GS.attributes", 0xC93L)
        .containsEntry("GDTR.base", 0x1234L)
        .doesNotContainKey("CS.base");
    byte[] copy = s.bytes();
    copy[0x1F8] = 1;
    assertThat(s.bytes()[0x1F8]).as("a copy").isZero();
  }

  /** What hypervisors measure: QEMU the signature, the old one no FPU, the clouds their own. */
  @ParameterizedTest
  @EnumSource(ResetState.class)
  void hypervisorsStartProcessorsTheirWay(ResetState h) {
    Map<String, Long> m = VmsaFields.of(LaunchState.atReset(h, 0xA0_0F11).bytes());
    boolean qemu = h == ResetState.QEMU || h == ResetState.QEMU_INIT;
    boolean ec2 = h == ResetState.EC2;
    assertThat(m.get("CR4")).isEqualTo(0x40);
    assertThat(m.get("RDX")).isEqualTo(qemu ? 0xA0_0F11 : 0x600);
    assertThat(m.containsKey("MXCSR")).isEqualTo(h == ResetState.QEMU);
    assertThat(m.containsKey("X87_FCW")).isEqualTo(h == ResetState.QEMU);
    assertThat(m.get("CS.attributes")).isEqualTo(ec2 ? 0x9A : 0x9B);
    assertThat(m.get("SS.attributes")).isEqualTo(ec2 ? 0x92 : 0x93);
    assertThat(m.get("TR.attributes")).isEqualTo(ec2 ? 0x83 : 0x8B);
    assertThat(m.get("G_PAT")).isEqualTo(h == ResetState.GCE ? 0x7_0106L : 0x0007_0406_0007_0406L);
    Map<String, Long> ap = VmsaFields.of(LaunchState.ofApAtReset(h, 0xA0_0F11).bytes());
    assertThat(ap.get("CS.attributes")).isEqualTo(0x9B);
    assertThat(ap.get("RDX")).isEqualTo(m.get("RDX"));
  }

  // ---- the page by name

  @ParameterizedTest
  @CsvSource({
    "0x0CB, 1, CPL",
    "0x0CA, 1, VMPL",
    "0x2EC, 4, TSC_AUX",
    "0x3B0, 8, SEV_FEATURES",
    "0x378, 8, R15",
    "0x098, 8, TR.base",
    "0x416, 2, X87_CS"
  })
  void aFieldIsCalledByItsName(String offset, int bytes, String name) {
    int at = Integer.decode(offset);
    long v = 0x8877_6655_4433_2211L >>> 64 - 8 * bytes;
    put(page, at, bytes, v);
    assertThat(VmsaFields.of(page)).isEqualTo(Map.of(name, v));
  }

  @ParameterizedTest
  @ValueSource(ints = {0x0D9, 0x0CC, 0x2A4, 0x420, 0xFFF, 0x0C9, 0x784})
  void whatHasNoNameIsCalledByItsOffset(int at) {
    page[at] = 0x5A;
    Map<String, Long> m = VmsaFields.of(page);
    assertThat(m).hasSize(1);
    String name = m.keySet().iterator().next();
    int start = Integer.decode(name.substring("offset ".length()));
    assertThat(at - start).isBetween(0, 7);
    assertThat(m.get(name)).isEqualTo(0x5AL << 8 * (at - start));
  }
}
