package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Assembler;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Exits, #VC, event injection, paging rules and fast system calls, one processor and a few pages.
 */
@ParameterizedClass
@ValueSource(ints = {Execution.STANDARD, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class SystemRulesTest {
  private static final int CODE = 0x4000;

  private final PhysicalMemory memory = new PhysicalMemory(64 << 12, 0);
  private final Cpu cpu;

  SystemRulesTest(int execution) {
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map =
        frame ->
            frame >= 0 && frame < 64
                ? NestedMap.RAM
                : frame == 0xFEC00 ? NestedMap.MMIO : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    Execution.choose(cpu, f, execution);
  }

  private Page page(int frame) {
    return memory.page(frame, Page.SHARED);
  }

  /** 64-bit code at CPL 0 with 2 MiB identity pages at 0 and at the MMIO hole. */
  private void longMode(String source) {
    cpu.resetRegisters();
    page(1).put64(0, 0x2007L);
    page(2).put64(0, 0x3007L);
    page(2).put64(24, 0x5007L);
    page(3).put64(0, 0x83L);
    page(3).put64(8, 0x87L);
    page(3).put64(16, 0x83L | 1L << 63);
    page(5).put64(0x1F6 * 8, 0xFEC0_0083L);
    for (int s = 0; s < 6; s++) {
      cpu.segBase[s] = 0;
      cpu.segLimit[s] = 0xFFFF_FFFFL;
      cpu.segAttr[s] = s == CpuState.CS ? 0xA9B : 0xC93;
      cpu.selector[s] = s == CpuState.CS ? 8 : 16;
    }
    cpu.cr0 = 0x8001_0033L;
    cpu.cr4 = CpuState.CR4_PAE | CpuState.CR4_OSFXSR;
    cpu.efer = 0xD01;
    cpu.cr3 = 0x1000;
    cpu.r[4] = 0x9000;
    cpu.rip = CODE;
    byte[] code = Assembler.assemble(64, source);
    Page d = page(4);
    d.fill(0, Page.SIZE, (byte) 0xCC);
    d.copyFrom(0, code, 0, code.length);
    memory.page(4, Page.SHARED).dropCode();
    cpu.intercepts.exceptions = -1;
    cpu.intercepts.vector3 = 1 << 24 | 1 << 31 | 1 << 18 | 1 << 27;
    cpu.intercepts.vector4 = 0;
    cpu.intercepts.es = false;
    Arrays.fill(cpu.intercepts.ioPermission, (byte) -1);
    cpu.flushTlb(true);
  }

  private long run() {
    cpu.run(cpu.icount + 1000);
    return cpu.exitCode;
  }

  @Test
  void theAutomaticExitsAreThoseOfTheManual() {
    Set<Integer> automatic = new TreeSet<>();
    for (int code = 0; code < 0x410; code++) {
      if (Intercepts.automatic(code, 8)) {
        automatic.add(code);
      }
    }
    Set<Integer> expected =
        new TreeSet<>(
            Set.of(0x52, 0x60, 0x61, 0x62, 0x63, 0x64, 0x77, 0x78, 0x7F, 0x8F, 0xA5, 0xA6, 0x403));
    for (int n = 0; n < 16; n++) {
      expected.add(0x90 + n);
    }
    assertThat(automatic).isEqualTo(expected);
    assertThat(Intercepts.automatic(0x400, 4)).as("NPF without the reserved bit").isTrue();
    assertThat(Intercepts.automatic(0x400, 0xD)).as("MMIO").isFalse();
    assertThat(Intercepts.automatic(-1, 0)).isTrue();
  }

  @Test
  void vmmcallWithoutAnInterceptIsUndefined() {
    longMode("vmmcall");
    assertThat(run()).isEqualTo(0x46);
    longMode("vmmcall");
    cpu.intercepts.vector4 = 2;
    assertThat(run()).isEqualTo(0x81);
  }

  @ParameterizedTest
  @ValueSource(strings = {"db 0xf3, 0x0f, 0x01, 0xd9", "db 0xf2, 0x0f, 0x01, 0xd9"})
  void vmgexitNeedsSevEs(String encoding) {
    longMode(encoding);
    assertThat(run()).as("an ordinary guest").isEqualTo(0x46);
    longMode(encoding);
    cpu.intercepts.vector4 = 2;
    assertThat(run()).as("VMMCALL where that is intercepted").isEqualTo(0x81);
    longMode(encoding);
    cpu.intercepts.es = true;
    assertThat(run()).isEqualTo(0x403);
    assertThat(cpu.rip).as("RIP behind the instruction").isEqualTo(CODE + 4);
  }

  /** An IDT whose #VC gate leads to a HLT, which an SEV-ES guest leaves with. */
  private void catchVc() {
    cpu.intercepts.es = true;
    cpu.intercepts.exceptions = 0;
    cpu.gdtBase = 0x6000;
    cpu.gdtLimit = 0x17;
    page(6).put64(8, 0x00AF_9B00_0000_FFFFL);
    page(6).put64(16, 0x00CF_9300_0000_FFFFL);
    cpu.idtBase = 0x7000;
    cpu.idtLimit = 0xFFF;
    page(7).put64(29 * 16, 0x8000L | 8L << 16 | 0x8E00L << 32);
    page(7).put64(29 * 16 + 8, 0L);
    page(7).put64(2 * 16, 0x8010L | 8L << 16 | 0x8E00L << 32);
    page(8).put8(0, 0xF4);
    page(8).put8(0x10, 0xF4);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "cpuid | 0x72",
        "in al, 0x71 | 0x7B",
        "mov edi, 0xfec00000; mov eax, [rdi] | 0x400",
        "mov edi, 0xfec00000; mov [rdi], eax | 0x400"
      })
  void anInterceptBecomesVcWithTheExitCode(String source, String code) {
    longMode(source.replace("; ", "\n"));
    catchVc();
    long at = source.contains(";") ? CODE + 5 : CODE;
    assertThat(run()).isEqualTo(0x78);
    assertThat(cpu.rip).as("the handler's HLT, advanced").isEqualTo(0x8001);
    assertThat(cpu.sysRead(cpu.r[4], 8)).as("error code").isEqualTo(Long.decode(code));
    assertThat(cpu.sysRead(cpu.r[4] + 8, 8)).as("saved RIP").isEqualTo(at);
  }

  @Test
  void anAbsentPageIsAnAutomaticExit() {
    longMode("mov edi, 0xfec01000\nmov eax, [rdi]");
    catchVc();
    assertThat(run()).isEqualTo(0x400);
    assertThat(cpu.exitInfo1 & 8).isZero();
    assertThat(cpu.exitInfo2).isEqualTo(0xFEC0_1000L);
  }

  @Test
  void injectedNmiBlocksUntilIret() {
    longMode("nop");
    catchVc();
    assertThat(cpu.inject(1L << 31 | 2 << 8 | 2)).isTrue();
    assertThat(cpu.rip).isEqualTo(0x8010);
    assertThat(cpu.nmiBlocked).isTrue();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "mov edi, 0x200000; jmp rdi | 0x100000 | 14", // SMEP: supervisor fetch from a user page
        "mov edi, 0x400000; jmp rdi | 0 | 14", // NX
        "mov edi, 0x800000; mov al, [rdi] | 0 | 14", // not present
        "mov rdi, 0x800000000000; mov al, [rdi] | 0 | 13", // not canonical
        "mov rbp, 0x800000000000; mov al, [rbp] | 0 | 12" // not canonical through RBP
      })
  void pagingRules(String source, String cr4, int vector) {
    longMode(source.replace("; ", "\n"));
    cpu.cr4 |= Long.decode(cr4);
    assertThat(run()).isEqualTo(0x40 + vector);
    if (cr4.length() > 1) {
      assertThat(cpu.exitInfo1).as("error code: present, fetch").isEqualTo(0x11);
    }
  }

  @Test
  void paeTablesTranslateAndSetAccessedAndDirty() {
    cpu.resetRegisters();
    page(1).put64(0, 0x2001L);
    page(2).put64(0, 0x3003L);
    page(3).put64(CODE >> 12 << 3, CODE | 3L);
    page(3).put64(0x20 * 8, 0xA003L | 1L << 63);
    for (int s = 0; s < 6; s++) {
      cpu.segBase[s] = 0;
      cpu.segLimit[s] = 0xFFFF_FFFFL;
      cpu.segAttr[s] = s == CpuState.CS ? 0xC9B : 0xC93;
      cpu.selector[s] = 8;
    }
    cpu.cr0 = 0x8000_0033L;
    cpu.cr4 = CpuState.CR4_PAE;
    cpu.efer = CpuState.EFER_NXE;
    cpu.cr3 = 0x1000;
    cpu.rip = CODE;
    byte[] code = Assembler.assemble(32, "mov dword [0x20000], 0x1234\nmov eax, 0x20000\njmp eax");
    page(4).copyFrom(0, code, 0, code.length);
    cpu.intercepts.exceptions = -1;
    cpu.flushTlb(true);
    assertThat(run()).as("#PF for the fetch from an NX page").isEqualTo(0x4E);
    assertThat(page(0xA).get32(0)).isEqualTo(0x1234);
    assertThat(page(3).get64(0x20 * 8) & 0x60).isEqualTo(0x60);
    assertThat(page(2).get64(0) & 0x20).isEqualTo(0x20);
  }

  @Test
  void syscallAndSysretGoThereAndBack() {
    longMode("syscall\nnop");
    cpu.star = 0x0023_0008_0000_0000L;
    cpu.lstar = CODE + 0x100;
    cpu.sfmask = 0x200;
    cpu.eflags |= CpuState.IF;
    page(4).copyFrom(0x100, Assembler.assemble(64, "db 0x48\nsysret"), 0, 3);
    cpu.cpl = 3;
    cpu.modeChanged();
    cpu.run(cpu.icount + 1);
    assertThat(cpu.exitCode).as("the user page is a supervisor one").isIn(0x4EL, 0x60L);
    cpu.cpl = 0;
    cpu.rip = CODE;
    cpu.modeChanged();
    cpu.run(cpu.icount + 1);
    assertThat(cpu.rip).isEqualTo(CODE + 0x100);
    assertThat(cpu.r[1]).isEqualTo(CODE + 2);
    assertThat(cpu.eflags & CpuState.IF).isZero();
    cpu.run(cpu.icount + 1);
    assertThat(cpu.cpl).isEqualTo(3);
    assertThat(cpu.rip).isEqualTo(CODE + 2);
    assertThat(cpu.selector[CpuState.CS]).isEqualTo(0x33);
  }

  @Test
  void sysenterIsUndefinedInLongMode() {
    longMode("sysenter");
    assertThat(run()).isEqualTo(0x46);
  }

  @Test
  void selfModifyingCodeTakesEffectAtOnce() {
    // The MOV rewrites the immediate of the instruction right behind it.
    longMode("mov byte [0x4009], 0x55\nmov al, 0x11\nhlt");
    assertThat(run()).isEqualTo(0x78);
    assertThat(cpu.r[0] & 0xFF).isEqualTo(0x55);
  }

  /** iPXE waits in a loop that writes to a byte right before it, millions of times. */
  @Test
  void aVariableBesideCodeLeavesTheCodeDecoded() {
    longMode("mov byte [0x4020], 0x55\nmov al, [0x4020]\nhlt");
    int before = memory.page(4, Page.SHARED).codeVersion;
    assertThat(run()).isEqualTo(0x78);
    assertThat(cpu.r[0] & 0xFF).isEqualTo(0x55);
    assertThat(memory.page(4, Page.SHARED).codeVersion).isEqualTo(before);
  }

  /** The ModRM byte, which decides that 0F BA /0 is none and /4 is BT. */
  @Test
  void aByteThatMadeAnInstructionUndefinedIsCodeToo() {
    longMode("mov byte [0x400a], 0xE0\ndb 0x0F, 0xBA, 0xC0, 0x01\nhlt");
    assertThat(run()).isEqualTo(0x78);
  }

  @ParameterizedTest
  @CsvSource({"0x183, 0x78", "0x83, 0x4E"})
  void onlyGlobalPagesOutliveCr3Writes(String entry, String exit) {
    // The page table entry is removed between two reads; a CR3 write flushes all but global
    // entries.
    longMode(
        "mov edi, 0x809000\n"
            + "mov al, [rdi]\n"
            + "mov qword [0x3020], 0\n"
            + "mov rax, cr3\n"
            + "mov cr3, rax\n"
            + "mov bl, [rdi]\n"
            + "hlt");
    page(3).put64(32, Long.decode(entry).longValue());
    cpu.cr4 |= CpuState.CR4_PGE;
    assertThat(run()).isEqualTo(Long.decode(exit));
  }

  @Test
  void invlpgDropsGlobalPagesToo() {
    longMode(
        "mov edi, 0x809000\n"
            + "mov al, [rdi]\n"
            + "mov qword [0x3020], 0\n"
            + "invlpg [rdi]\n"
            + "mov bl, [rdi]\n"
            + "hlt");
    page(3).put64(32, 0x183L);
    cpu.cr4 |= CpuState.CR4_PGE;
    assertThat(run()).isEqualTo(0x4E);
  }

  // ---- XCR0 and XSAVE

  private static final String ENABLE = "mov rax, cr4\nor eax, 0x40000\nmov cr4, rax\n";
  private static final String XCR0_3 = "xor ecx, ecx\nxor edx, edx\nmov eax, 3\nxsetbv\n";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // without CR4.OSXSAVE
        "xor ecx, ecx; xgetbv | 0x46",
        "xor ecx, ecx; mov eax, 1; xor edx, edx; xsetbv | 0x46",
        "mov eax, 3; xsave [0x9000] | 0x46",
        "mov eax, 3; xrstor [0x9000] | 0x46",
        // with it: another register, x87 off, a component that does not exist
        "+; mov ecx, 2; xgetbv | 0x4d",
        "+; xor ecx, ecx; xor edx, edx; mov eax, 2; xsetbv | 0x4d",
        "+; xor ecx, ecx; xor edx, edx; mov eax, 15; xsetbv | 0x4d",
        // AVX without SSE
        "+; xor ecx, ecx; xor edx, edx; mov eax, 5; xsetbv | 0x4d",
        "+; mov ecx, 1; xor edx, edx; mov eax, 1; xsetbv | 0x4d",
        // an area that is not aligned, a header that is not the standard form's
        "+; mov eax, 3; xsave [0x9010] | 0x4d",
        "+; mov byte [0x9208], 1; mov eax, 3; xrstor [0x9000] | 0x4d",
        "+; mov byte [0x9200], 2; mov eax, 3; xrstor [0x9000] | 0x4d",
        "+; mov rax, cr0; or eax, 8; mov cr0, rax; mov eax, 3; xsave [0x9000] | 0x47"
      })
  void xsaveFaults(String source, String exit) {
    page(9).fill(0, Page.SIZE, (byte) 0);
    longMode(source.replace("+; ", ENABLE).replace("; ", "\n"));
    assertThat(run()).isEqualTo(Long.decode(exit));
  }

  @Test
  void xsaveAndXrstorMoveWhatXcr0AndTheMaskSay() {
    page(9).fill(0, Page.SIZE, (byte) 0);
    longMode(
        ENABLE
            + XCR0_3
            + "mov rax, 0x1122334455667788\nmovq xmm3, rax\nfninit\nfld1\n"
            + "mov eax, 3\nxsave [0x9000]\n"
            + "pxor xmm3, xmm3\nfninit\nmov eax, 2\nxrstor [0x9000]\nmovq rbx, xmm3\n"
            + "fnstsw ax\nmov esi, eax\nmov eax, 1\nxrstor [0x9000]\nfnstsw ax\nmov edi, eax\n"
            + "mov qword [0x9200], 0\nmov eax, 3\nxrstor [0x9000]\nmovq rbp, xmm3\nhlt");
    assertThat(run()).isEqualTo(0x78);
    assertThat(cpu.r[3]).as("SSE came back").isEqualTo(0x1122_3344_5566_7788L);
    assertThat(cpu.r[6] & 0x3800).as("x87 did not").isZero();
    assertThat(cpu.r[7] & 0x3800).as("until it was asked for").isEqualTo(0x3800);
    assertThat(cpu.r[5]).as("a component that is not present is initialised").isZero();
    assertThat(page(9).get64(160 + 48)).isEqualTo(0x1122_3344_5566_7788L);
    assertThat(page(9).get64(32)).isEqualTo(1L << 63);
  }

  /** Where the components of AVX, opmask, ZMM_Hi256, Hi16_ZMM and PKRU lie in an area. */
  @ParameterizedTest
  @CsvSource({
    // As a Zen 5 reports it in leaf 0xD; PKRU lies there on a Milan too, which has no AVX-512.
    "xsave, xrstor, 2e7, 240, 340, 380, 580, 980",
    "xsaveopt, xrstor, 2e7, 240, 340, 380, 580, 980",
    "xsave, xrstor, 207, 240, 0, 0, 0, 980",
    "xsavec, xrstor, 2e7, 240, 340, 380, 580, 980",
    "xsaves, xrstors, 2e7, 240, 340, 380, 580, 980",
    "xsavec, xrstor, 207, 240, 0, 0, 0, 340",
    "xsaves, xrstors, 207, 240, 0, 0, 0, 340"
  })
  void componentsLieWhereAmdHasThem(
      String save,
      String restore,
      String xcr0,
      String avx,
      String opmask,
      String zmmHi256,
      String hi16Zmm,
      String pkru) {
    page(9).fill(0, Page.SIZE, (byte) 0);
    longMode(
        "mov eax, 0x2e7\nxor edx, edx\n%s [0x9000]\nhlt\n%s [0x9000]\nhlt"
            .formatted(save, restore));
    cpu.cr4 |= CpuState.CR4_OSXSAVE | CpuState.CR4_PKE;
    cpu.xcr0 = Long.parseLong(xcr0, 16);
    long[][] state = {cpu.ymmh, cpu.k, cpu.zmmh, cpu.zmm16};
    String[] places = {avx, opmask, zmmHi256, hi16Zmm};
    for (int i = 0; i < state.length; i++) {
      Arrays.fill(state[i], 0x1111_1111_1111_1111L * (i + 1));
    }
    cpu.writePkru(0x5550);
    assertThat(run()).isEqualTo(0x78);
    for (int i = 0; i < state.length; i++) {
      int at = Integer.parseInt(places[i], 16);
      if (at != 0) {
        assertThat(page(9).get64(at)).as("component at 0x%x", at).isEqualTo(state[i][0]);
        int last = at + 8 * (state[i].length - 1);
        assertThat(page(9).get64(last)).as("its end").isEqualTo(state[i][0]);
        Arrays.fill(state[i], 0);
      }
    }
    int end = Integer.parseInt(pkru, 16);
    assertThat(page(9).get64(end)).isEqualTo(0x5550);
    assertThat(page(9).get64(end + 8)).as("behind the area").isZero();
    cpu.writePkru(0);
    cpu.rip++;
    assertThat(run()).isEqualTo(0x78);
    for (int i = 0; i < state.length; i++) {
      assertThat(state[i]).containsOnly(0x1111_1111_1111_1111L * (i + 1));
    }
    assertThat(cpu.pkru).isEqualTo(0x5550);
  }

  @Test
  void xsetbvIsInterceptedBeforeItsOwnChecks() {
    longMode("xsetbv");
    cpu.intercepts.vector4 = 1 << 13;
    assertThat(run()).isEqualTo(0x8D);
  }

  @Test
  void executeOnlyFramesFaultDataReadsWithAProtectionKeyBit() {
    longMode("mov eax, [0x4000]");
    cpu.executeOnly.set(4);
    cpu.intercepts.exceptions = 1 << 14;
    assertThat(run()).isEqualTo(0x4E);
    assertThat(cpu.exitInfo1).isEqualTo(0x21);
    assertThat(cpu.rip).isEqualTo(CODE);
    longMode("hlt");
    assertThat(run()).as("fetching goes on").isEqualTo(0x78);
  }

  @Test
  void compactedAreasHoldWhatIsInUse() {
    page(9).fill(0, Page.SIZE, (byte) 0);
    longMode(
        ENABLE
            + "xor ecx, ecx\nxor edx, edx\nmov eax, 7\nxsetbv\n"
            + "mov eax, 0x1234\nvmovd xmm5, eax\nvinsertf128 ymm5, ymm5, xmm5, 1\n"
            + "pxor xmm5, xmm5\nmov eax, 6\nxor edx, edx\nxsavec [0x9000]\n"
            + "mov ecx, 1\nxgetbv\nmov ebx, eax\nvzeroall\nmov eax, 6\nxrstor [0x9000]\n"
            + "vextractf128 xmm6, ymm5, 1\nvmovd esi, xmm6\nhlt");
    assertThat(run()).isEqualTo(0x78);
    assertThat(page(9).get64(512)).as("XSTATE_BV").isEqualTo(4);
    assertThat(page(9).get64(520)).as("XCOMP_BV").isEqualTo(1L << 63 | 6);
    assertThat(cpu.r[3] & 6).as("XINUSE").isEqualTo(4);
    assertThat(cpu.r[6]).isEqualTo(0x1234);
  }

  // ---- SMAP, protection keys, UMIP, PCID, five-level paging

  private void assertExit(String exit, long error) {
    cpu.intercepts.exceptions = -1;
    assertThat(run()).isEqualTo(Long.decode(exit));
    if (error != 0) {
      assertThat(cpu.exitInfo1).as("error code").isEqualTo(error);
    }
  }

  /** A user page of two megabytes at 8 MB. */
  private void userPage(long flags) {
    page(1).put64(0, 0x2007L);
    page(2).put64(0, 0x3007L);
    page(3).put64(32, 0x87L | flags);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "mov al, [rdi] | 0x4e | 1",
        "stac; mov al, [rdi]; hlt | 0x78 | 0",
        "stac; clac; mov [rdi], al | 0x4e | 3",
        // what the processor does by itself is never let through
        "stac; lgdt [0x9000]; mov eax, 8; mov ds, ax | 0x4e | 1"
      })
  void smap(String source, String exit, long error) {
    page(9).put64(0, 0x80_A000_00FFL);
    longMode("mov edi, 0x80A000\n" + source.replace("; ", "\n"));
    userPage(0);
    cpu.cr4 |= CpuState.CR4_SMAP;
    assertExit(exit, error);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // key 5: access disabled, write disabled, neither
        "mov eax, 0x400; wrpkru; mov al, [rdi] | 0x4e | 0x21",
        "mov eax, 0x800; wrpkru; mov bl, [rdi]; mov [rdi], bl | 0x4e | 0x23",
        "mov eax, 0x300; wrpkru; mov [rdi], bl; hlt | 0x78 | 0",
        "mov eax, 0xC00; wrpkru; call rdi | 0x78 | 0"
      })
  void protectionKeys(String source, String exit, long error) {
    longMode("mov edi, 0x80A000\nxor ecx, ecx\nxor edx, edx\n" + source.replace("; ", "\n"));
    userPage(5L << 59);
    page(10).put8(0, 0xF4);
    cpu.cr4 |= CpuState.CR4_PKE;
    cpu.cr0 |= CpuState.CR0_WP;
    assertExit(exit, error);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "mov eax, cr3; or eax, 1; mov cr3, eax; or ebx, 0x20000; mov cr4, ebx | 0x4d",
        "or ebx, 0x20000; mov cr4, ebx; mov rax, cr3; bts rax, 63; mov cr3, rax; hlt | 0x78",
        "or ebx, 0x1000; mov cr4, ebx | 0x4d",
        "mov eax, 4; invpcid rax, [0x9000] | 0x4d",
        "mov eax, 1; invpcid rax, [0x9000] | 0x4d",
        "mov eax, 2; invpcid rax, [0x9000]; hlt | 0x78"
      })
  void pcidAndFiveLevels(String source, String exit) {
    page(9).fill(0, Page.SIZE, (byte) 0);
    page(9).put8(0, 1);
    String text = source.replace("; ", "\n").replace("cr3, eax", "cr3, rax");
    longMode(
        "mov rbx, cr4\n" + text.replace("cr4, ebx", "cr4, rbx").replace("eax, cr3", "rax, cr3"));
    cpu.intercepts.exceptions = -1;
    assertThat(run()).isEqualTo(Long.decode(exit));
  }

  @Test
  void fiveLevelTablesTranslateAndWidenCanonicalAddresses() {
    longMode("mov rdi, 0x01000000000A000\nmov rax, [rdi]\nhlt");
    // Entry 16 of the fifth level covers 2^52 and up.
    page(11).fill(0, Page.SIZE, (byte) 0);
    page(11).put64(0, 0x1003L);
    page(11).put64(8 * 16, 0x1003L);
    page(10).put64(0, 0x77L);
    cpu.cr3 = 0xB000;
    cpu.cr4 |= CpuState.CR4_LA57;
    cpu.r[7] = 0;
    cpu.flushTlb(true);
    assertThat(run()).isEqualTo(0x78);
    assertThat(cpu.r[0]).isEqualTo(0x77);
  }

  @ParameterizedTest
  @ValueSource(strings = {"sgdt [rdi]", "sidt [rdi]", "sldt ax", "str ax", "smsw ax"})
  void umipKeepsUserCodeFromSystemRegisters(String instruction) {
    longMode(instruction);
    userPage(0);
    page(3).put64(0, 0x87L);
    cpu.r[7] = 0x80A000;
    cpu.cr4 |= CpuState.CR4_UMIP;
    cpu.cpl = 3;
    cpu.segAttr[CpuState.CS] |= 0x60;
    cpu.modeChanged();
    cpu.intercepts.exceptions = -1;
    assertThat(run()).isEqualTo(0x4D);
  }

  // ---- breakpoints

  private static String debug(String dr0, String dr7) {
    return "mov rax, " + dr0 + "\nmov dr0, rax\nmov eax, " + dr7 + "\nmov dr7, rax\n";
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // a write of 4 bytes watched: from inside, across its start, next to it, and by a read
        "0x9100 | 0xD0001 | mov byte [0x9103], 1; nop | 1 | 8",
        "0x9100 | 0xD0001 | mov dword [0x90FE], 1; nop | 1 | 11",
        "0x9100 | 0xD0001 | mov byte [0x9104], 1; hlt | 0 | 8",
        "0x9100 | 0xD0001 | mov al, [0x9100]; hlt | 0 | 7",
        // reads and writes of 8 bytes
        "0x9100 | 0xB0002 | mov al, [0x9107]; nop | 1 | 7",
        "0x9100 | 0xB0002 | add dword [0x9104], 1; nop | 1 | 8",
        "0x9100 | 0xB0002 | push qword [0x9100]; nop | 1 | 7",
        // an instruction
        "0x4018 | 0x1 | nop; nop; nop; nop; nop; nop; nop; nop; nop; hlt | 1 | -1",
        // disabled
        "0x9100 | 0xD0000 | mov byte [0x9100], 1; hlt | 0 | 8"
      })
  void dataAndInstructionBreakpoints(String dr0, String dr7, String source, int hit, int length) {
    String setup = debug(dr0, dr7);
    longMode(setup + source.replace("; ", "\n"));
    long begin = Assembler.assemble(64, setup).length + CODE;
    assertThat(run()).isEqualTo(hit != 0 ? 0x41 : 0x78);
    assertThat(cpu.dr[6] & 0xF).isEqualTo(hit);
    assertThat(cpu.rip).isEqualTo(length < 0 ? Long.decode(dr0) : begin + length);
  }

  @Test
  void resumeFlagPassesAnInstructionBreakpointOnce() {
    longMode("nop\nmov eax, ebx\nhlt");
    cpu.dr[0] = CODE + 1;
    cpu.dr[7] = 0x401;
    cpu.eflags |= CpuState.RF;
    cpu.modeChanged();
    cpu.rip = CODE + 1;
    assertThat(run()).isEqualTo(0x78);
    cpu.rip = CODE;
    assertThat(run()).isEqualTo(0x41);
    assertThat(cpu.rip).isEqualTo(CODE + 1);
  }

  @Test
  void loadsOfSsHoldDebugExceptionsBack() {
    longMode("mov ax, 16\nmov ss, ax\nnop\nhlt");
    page(9).put64(16, 0x00CF_9300_0000_FFFFL);
    cpu.gdtBase = 0x9000;
    cpu.gdtLimit = 0xFF;
    cpu.eflags |= CpuState.TF;
    assertThat(run()).isEqualTo(0x41);
    assertThat(cpu.rip).as("after the first instruction").isEqualTo(CODE + 4);
    assertThat(run()).isEqualTo(0x41);
    assertThat(cpu.rip).as("not between MOV SS and the next").isEqualTo(CODE + 7);
  }

  @Test
  void repeatedInstructionsTrapAfterEachIteration() {
    longMode("rep stosb\nhlt");
    cpu.r[7] = 0x9000;
    cpu.r[1] = 5;
    cpu.eflags |= CpuState.TF;
    assertThat(run()).isEqualTo(0x41);
    assertThat(cpu.r[1]).isEqualTo(4);
    assertThat(cpu.rip).isEqualTo(CODE);
  }

  @Test
  void branchTraceFlagStepsFromBranchToBranch() {
    longMode("nop\nnop\njmp next\nnop\nnext: nop\nhlt");
    cpu.debugCtl = 2;
    cpu.eflags |= CpuState.TF;
    assertThat(run()).isEqualTo(0x41);
    assertThat(cpu.r[17] + 0).isEqualTo(CODE);
    assertThat(cpu.rip).isGreaterThan(CODE + 4);
    assertThat(cpu.debugCtl).isZero();
  }

  @ParameterizedTest
  @CsvSource({"0x20001, 8, 0x41", "0x20001, 0, 0x78", "0x60001, 8, 0x41"})
  void portBreakpointsNeedDebuggingExtensions(String dr7, long de, String exit) {
    longMode("mov edx, 0x80\nin al, dx\nnop\nhlt");
    cpu.intercepts.vector3 &= ~(1 << 27);
    cpu.cr4 |= de;
    cpu.dr[0] = 0x80;
    cpu.dr[7] = 0x400 | Long.decode(dr7);
    cpu.modeChanged();
    assertThat(run()).isEqualTo(Long.decode(exit));
  }
}
