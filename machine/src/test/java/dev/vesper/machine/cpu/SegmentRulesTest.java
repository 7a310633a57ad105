package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Assembler;
import dev.vesper.x86.Msr;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Where the processor finds descriptor tables, task state and stacks, with whose rights it writes
 * frames, and what a segment register's hidden part decides (AMD APM volume 2, chapters 4 and 8).
 */
final class SegmentRulesTest {
  private static final int GP = 13;
  private static final int PF = 14;
  private static final int LDT = 0xF000;
  private static final int USER_CODE = 0x18 | 3;
  private static final int USER_DATA = 0x20 | 3;
  private static final long USER = 3L << 45;
  private static final int FLAT_CODE = 0xC9B;
  private static final int WIDE_CODE = 0xA9B;

  private final RestartGuest g = new RestartGuest(0);
  private final Cpu cpu = g.cpu;

  private void prepare(int bits) {
    g.fill(bits);
    g.prepare(bits, 0);
    long code = bits == 64 ? 0x00AF_9A00_0000_FFFFL : 0x00CF_9A00_0000_FFFFL;
    g.put(RestartGuest.GDT + USER_CODE - 3, 8, code | USER);
    g.put(RestartGuest.GDT + USER_DATA - 3, 8, 0x00CF_9200_0000_FFFFL | USER);
    g.put(LDT + 8, 8, 0x00CF_9200_0000_FFFFL);
    long stack = RestartGuest.DESTINATION;
    g.put(RestartGuest.TSS + 4, 8, bits == 64 ? stack : stack | 16L << 32);
    g.put(RestartGuest.TSS + 0x66, 2, 0x68);
    g.put(RestartGuest.TSS + 0x68, 8, 0);
  }

  /** Executes one instruction; {@return the vector of its exception, or -1} */
  private int run(int bits, String source) {
    byte[] b = Assembler.assemble(bits, source);
    long at = cpu.rip + cpu.segBase[CpuState.CS] & 0xFFFF_FFFFL;
    for (int i = 0; i < b.length; i++) {
      g.put((int) at + i, 1, b[i]);
    }
    g.memory.page((int) at >> 12, Page.SHARED).dropCode();
    cpu.flushTlb(true);
    cpu.run(cpu.icount + 1);
    return cpu.exitCode == 0x60 ? -1 : (int) cpu.exitCode - 0x40;
  }

  private void user(int codeAttributes) {
    cpu.cpl = 3;
    g.segment(CpuState.CS, USER_CODE, 0, 0xFFFF_FFFFL, codeAttributes | 0x60);
    g.segment(CpuState.SS, USER_DATA, 0, 0xFFFF_FFFFL, 0xCF3);
  }

  private void virtual() {
    cpu.cpl = 3;
    for (int s = CpuState.ES; s <= CpuState.GS; s++) {
      g.segment(s, 0x600, 0x6000, 0xFFFF, 0xF3);
    }
    cpu.rip = RestartGuest.CODE - 0x6000;
    cpu.r[4] = 0x800;
    cpu.setFlags(CpuState.VM | CpuState.IOPL | 2);
  }

  @ParameterizedTest
  @CsvSource({
    "real, 16",
    "virtual, 32",
    "protected, 32",
    "compatibility, 64",
    "long, 64",
  })
  void implicitAccessesHaveTheirWidthInEveryMode(String mode, int bits) {
    int code = mode.equals("long") ? 64 : bits == 64 ? 32 : bits;
    // There is nothing where the bases lie without their upper halves; legacy modes have no more.
    long cut = bits == 64 ? 0x4000_0000 : 0;
    for (long base : new long[] {0, 1L << 32 | cut, 0xFFFF_FE01_0000_0000L | cut}) {
      String at = mode + " mode, " + Long.toHexString(base);
      prepare(bits);
      if (mode.equals("virtual")) {
        virtual();
        code = 16;
      } else if (!mode.equals("real")) {
        user(mode.equals("long") ? WIDE_CODE : FLAT_CODE);
      }
      cpu.gdtBase += base;
      cpu.idtBase += base;
      cpu.segBase[CpuState.TR] += base;
      assertThat(run(code, "int 0x21")).as("interrupt in " + at).isEqualTo(-1);
      assertThat(cpu.rip + cpu.segBase[CpuState.CS]).as(at).isEqualTo(RestartGuest.HANDLER);
      if (bits == 16) {
        continue;
      }
      assertThat(cpu.cpl).isZero();
      prepare(bits);
      if (mode.equals("compatibility")) {
        g.segment(CpuState.CS, 8, 0, 0xFFFF_FFFFL, FLAT_CODE);
      }
      cpu.gdtBase += base;
      g.segment(CpuState.LDTR, 0x38, LDT + base, 0xFF, 0x82);
      cpu.segBase[CpuState.TR] += base;
      int width = mode.equals("long") ? 64 : 32;
      for (String load :
          new String[] {"mov eax, 0x10", "mov ds, ax", "mov eax, 12", "mov es, ax"}) {
        assertThat(run(width, load)).as(load + " in " + at).isEqualTo(-1);
      }
      user(mode.equals("long") ? WIDE_CODE : FLAT_CODE);
      assertThat(run(width, "in al, 0x21")).as("I/O map in " + at).isEqualTo(-1);
    }
  }

  @Test
  void aFrameForUserCodeIsWrittenWithItsRights() {
    for (int bits : new int[] {32, 64}) {
      prepare(bits);
      user(bits == 64 ? WIDE_CODE : FLAT_CODE);
      int size = bits == 64 ? 16 : 8;
      g.put(RestartGuest.IDT + size * 0x21 + 2, 2, USER_CODE);
      // The page below the stack is a supervisor's.
      g.put(0x4000 + 8 * 9, 1, 3);
      assertThat(run(bits, "int 0x21")).as(bits + " bits").isEqualTo(PF);
      assertThat(cpu.exitInfo1).as("a user's write to a page that is there").isEqualTo(7);
      g.put(0x4000 + 8 * 9, 1, 7);
      assertThat(run(bits, "int 0x21")).isEqualTo(-1);
    }
  }

  @Test
  void alignmentCheckingOfUserCodeOpensNoUserPagesToFramesOfTheKernel() {
    for (boolean ac : new boolean[] {false, true}) {
      prepare(64);
      user(WIDE_CODE);
      cpu.cr4 |= CpuState.CR4_SMAP;
      cpu.setFlags(ac ? CpuState.AC | 2 : 2);
      // All that is the kernel's but for its stack.
      for (int f : new int[] {0x11, 0x12, 0x13}) {
        g.put(0x4000 + 8 * f, 1, 3);
      }
      assertThat(run(64, "int 0x21")).isEqualTo(PF);
      assertThat(cpu.cr2 >>> 12).isEqualTo(0xF);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {CpuState.ES, CpuState.DS, CpuState.SS, CpuState.FS, CpuState.GS})
  void theHiddenPartSaysWhetherASegmentCanBeUsed(int seg) {
    String name = new String[] {"es", "cs", "ss", "ds", "fs", "gs"}[seg];
    prepare(32);
    // As after CR0.PE is set in real mode.
    cpu.selector[seg] = 0;
    assertThat(run(32, "mov eax, [" + name + ":ebx]")).isEqualTo(-1);
    // As after a null selector was loaded.
    cpu.selector[seg] = 0x10;
    cpu.segAttr[seg] &= ~0x80;
    assertThat(run(32, "mov eax, [" + name + ":ebx]")).isEqualTo(seg == CpuState.SS ? 12 : GP);
  }

  @Test
  void anLdtThatIsNotThereHasNoDescriptors() {
    prepare(32);
    g.segment(CpuState.LDTR, 0x38, LDT, 0xFF, 0x02);
    cpu.r[0] = 12;
    assertThat(run(32, "mov es, ax")).isEqualTo(GP);
    g.segment(CpuState.LDTR, 0, LDT, 0xFF, 0x82);
    assertThat(run(32, "mov es, ax")).isEqualTo(-1);
  }

  @Test
  void aReturnToAnOuterLevelTakesSegmentsAway() {
    for (String instruction : new String[] {"iretq", "db 0x48, 0xCB"}) {
      prepare(64);
      int used = 1;
      long[] frame = {RestartGuest.HANDLER, USER_CODE, 2, 0x9000, USER_DATA};
      for (int i = 0; i < frame.length; i++) {
        boolean flags = i == 2;
        if (!flags || instruction.startsWith("i")) {
          g.put((int) cpu.r[4] + 8 * used++ - 8, 8, frame[i]);
        }
      }
      // A kernel's, with a base; null ones with an RPL; a user's.
      g.segment(CpuState.GS, 0x10, 0x1234_5000, 0xFFFF_FFFFL, 0xC93);
      g.segment(CpuState.DS, 3, 0, 0xFFFF_FFFFL, 0xC13);
      g.segment(CpuState.ES, 1, 0, 0, 0);
      g.segment(CpuState.FS, USER_DATA, 0x777, 0xFFFF_FFFFL, 0xCF3);
      assertThat(run(64, instruction)).as("%s: %x", instruction, cpu.exitInfo1).isEqualTo(-1);
      assertThat(cpu.cpl).isEqualTo(3);
      assertThat(cpu.selector[CpuState.GS]).isZero();
      assertThat(cpu.segBase[CpuState.GS]).isEqualTo(0x1234_5000);
      assertThat(cpu.segAttr[CpuState.GS] & 0x80).isZero();
      assertThat(cpu.selector[CpuState.DS]).isZero();
      assertThat(cpu.selector[CpuState.ES]).isZero();
      assertThat(cpu.selector[CpuState.FS]).isEqualTo(USER_DATA);
      assertThat(cpu.segBase[CpuState.FS]).isEqualTo(0x777);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "lldt, 0x82, 0, -1",
    "ltr, 0x89, 0, -1",
    "lldt, 0x82, 0xFE, 13",
    "ltr, 0x89, 0xFE, 13"
  })
  void aSystemSegmentsBaseIsCanonical(String instruction, String type, String top, int vector) {
    prepare(64);
    int sel = 0x50;
    g.put(RestartGuest.GDT + sel, 8, 0x67 | Long.decode(type) << 40);
    g.put(RestartGuest.GDT + sel + 8, 8, Long.decode(top) << 24);
    cpu.r[0] = sel;
    assertThat(run(64, instruction + " ax")).isEqualTo(vector);
    if (vector == GP) {
      assertThat(cpu.exitInfo1).as("error code").isEqualTo(sel);
      // 57 bits are right where the processor has them, used or not.
      g.put(RestartGuest.GDT + sel + 8, 8, 0xFF00_0000L);
      assertThat(run(64, instruction + " ax")).isEqualTo(-1);
    }
    g.put(RestartGuest.GDT + sel, 8, 0x67 | Long.decode(type) << 40);
    g.put(RestartGuest.GDT + sel + 8, 8, 1L << 40);
    assertThat(run(64, instruction + " ax")).as("a type in the upper half").isEqualTo(GP);
  }

  @ParameterizedTest
  @CsvSource({
    "call, 0, -1",
    "jmp, 0, -1",
    "call, 0xFF0000, 0",
    "jmp, 0xFF0000, 0",
    "call, 0x10000000000, 64"
  })
  void aGateOfLongModeLeadsToACanonicalAddress(String instruction, String upper, int error) {
    prepare(64);
    int sel = 0x40;
    long offset = RestartGuest.HANDLER;
    g.put(
        RestartGuest.GDT + sel, 8, offset & 0xFFFF | 8 << 16 | 0xEC00L << 32 | offset >>> 16 << 48);
    g.put(RestartGuest.GDT + sel + 8, 8, Long.decode(upper));
    g.put((int) cpu.r[3], 8, (long) sel << 32);
    assertThat(run(64, instruction + " far [rbx]")).isEqualTo(error < 0 ? -1 : GP);
    if (error < 0) {
      assertThat(cpu.rip).isEqualTo(RestartGuest.HANDLER);
    } else {
      assertThat(cpu.exitInfo1).as("error code").isEqualTo(error);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {Msr.LSTAR, Msr.CSTAR, Msr.FS_BASE, Msr.GS_BASE, Msr.KERNEL_GS_BASE})
  void addressRegistersTake57BitsInFourLevelPaging(int msr) {
    prepare(64);
    cpu.r[1] = msr & 0xFFFF_FFFFL;
    cpu.r[0] = 0x5000;
    cpu.r[2] = 0xFF00_0000L;
    assertThat(run(64, "wrmsr")).isEqualTo(-1);
    assertThat(cpu.readMsr(msr)).isEqualTo(0xFF00_0000_0000_5000L);
    cpu.r[2] = 0xFE00_0000L;
    assertThat(run(64, "wrmsr")).isEqualTo(GP);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "lgdt [rbx]",
        "lidt [rbx]",
        "wrfsbase rax",
        "wrgsbase rax",
        "invpcid rdx, [rbx-6]"
      })
  void basesTake57BitsInFourLevelPaging(String source) {
    for (long base : new long[] {0xFF00_0000_0000_5000L, 0xFE00_0000_0000_5000L}) {
      prepare(64);
      cpu.r[0] = base;
      cpu.r[2] = 0;
      int at = (int) cpu.r[3];
      g.put(at - 8, 8, 0);
      g.put(at, 2, source.startsWith("inv") ? 0 : 0xFFF);
      g.put(at + 2, 8, base);
      assertThat(run(64, source)).as(source).isEqualTo(base >>> 56 == 0xFF ? -1 : GP);
    }
  }

  @Test
  void sysretToAnAddressThatIsNotCanonicalFaultsInUserMode() {
    prepare(64);
    cpu.r[1] = 1L << 47;
    cpu.r[11] = 2;
    cpu.star = 0x10L << 48;
    // REX.W SYSRET
    assertThat(run(64, "db 0x48, 0x0F, 0x07")).isEqualTo(-1);
    assertThat(cpu.cpl).isEqualTo(3);
    cpu.run(cpu.icount + 1);
    assertThat(cpu.exitCode).isEqualTo(0x40 + GP);
    assertThat(cpu.rip).isEqualTo(1L << 47);
  }

  @Test
  void sysenterRegistersTakeAnything() {
    for (int msr : new int[] {Msr.SYSENTER_EIP, Msr.SYSENTER_ESP}) {
      prepare(64);
      cpu.r[1] = msr;
      cpu.r[2] = 0x1234_5678;
      assertThat(run(64, "wrmsr")).isEqualTo(-1);
    }
  }
}
