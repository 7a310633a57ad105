package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Assembler;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Virtual-8086 mode with and without VME, and hardware task switches (APM volume 2, 8, 10, 12). */
@ParameterizedClass
@ValueSource(ints = {Execution.STANDARD, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class LegacyModeTest {
  private static final int CODE = 0x4000;
  private static final int IDT = 0x5000;
  private static final int GDT = 0x6000;
  private static final int TSS_A = 0x7000;
  private static final int TSS_B = 0x8000;
  private static final int HANDLERS = 0xA000;
  private static final int OTHER = 0xB000;
  private static final int STACK = 0xD000;
  private static final int TASK_A = 0x28;
  private static final int TASK_B = 0x30;
  private static final int GATE_B = 0x38;
  private static final int TASK_16 = 0x40;
  private static final int TSS_16 = 0x9000;

  private final PhysicalMemory memory = new PhysicalMemory(32 << 12, 0);
  private final Cpu cpu;

  LegacyModeTest(int execution) {
    NestedMap map = frame -> frame < 32 ? NestedMap.RAM : NestedMap.ABSENT;
    CpuFeatures f = CpuFeatures.ALL;
    cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    Execution.choose(cpu, f, execution);
  }

  private void put(int address, int bytes, long v) {
    for (int i = 0; i < bytes; i++) {
      memory.page(address + i >> 12, Page.SHARED).put8(address + i & 0xFFF, (int) (v >> 8 * i));
    }
  }

  private long get(int address, int bytes) {
    long v = 0;
    for (int i = 0; i < bytes; i++) {
      v |= (long) memory.page(address + i >> 12, Page.SHARED).get8(address + i & 0xFFF) << 8 * i;
    }
    return v;
  }

  private static long descriptor(long base, long limit, int access, int flags) {
    return limit & 0xFFFF
        | (base & 0xFF_FFFF) << 16
        | (long) access << 40
        | (limit >> 16 & 15) << 48
        | (long) flags << 52
        | base >>> 24 << 56;
  }

  private void gate(int vector, int sel, int offset, int access) {
    put(
        IDT + 8 * vector,
        8,
        offset & 0xFFFF | (long) sel << 16 | (long) access << 40 | (long) (offset >>> 16) << 48);
  }

  private void code(int at, int bits, String source) {
    byte[] b = Assembler.assemble(bits, source.replace("; ", "\n"));
    for (int i = 0; i < b.length; i++) {
      put(at + i, 1, b[i]);
    }
  }

  @BeforeEach
  void tables() {
    cpu.resetRegisters();
    put(GDT + 8, 8, descriptor(0, 0xFFFFF, 0x9B, 12));
    put(GDT + 16, 8, descriptor(0, 0xFFFFF, 0x93, 12));
    put(GDT + TASK_A, 8, descriptor(TSS_A, 0xFFF, 0x8B, 0));
    put(GDT + TASK_B, 8, descriptor(TSS_B, 0x67, 0x89, 0));
    put(GDT + GATE_B, 8, 0x0000_8500_0030_0000L);
    put(GDT + TASK_16, 8, descriptor(TSS_16, 0x2B, 0x81, 0));
    for (int v = 0; v < 64; v++) {
      gate(v, 8, HANDLERS + v, 0xEE);
      put(HANDLERS + v, 1, 0xF4);
    }
    put(TSS_A + 4, 4, STACK);
    put(TSS_A + 8, 2, 16);
    put(TSS_A + 0x66, 2, 0x90);
    put(TSS_A + 0x110, 1, 0xFF);
    put(TSS_B + 0x20, 4, OTHER);
    put(TSS_B + 0x24, 4, 2);
    put(TSS_B + 0x38, 4, STACK);
    int[] selectors = {16, 8, 16, 16, 0, 0};
    for (int i = 0; i < 6; i++) {
      put(TSS_B + 0x48 + 4 * i, 2, selectors[i]);
    }
    cpu.cr0 = 0x31;
    cpu.gdtBase = GDT;
    cpu.gdtLimit = 0xFF;
    cpu.idtBase = IDT;
    cpu.idtLimit = 0x7FF;
    segment(CpuState.TR, TASK_A, TSS_A, 0xFFF, 0x8B);
    for (int s = CpuState.ES; s <= CpuState.GS; s++) {
      boolean isCode = s == CpuState.CS;
      segment(s, isCode ? 8 : 16, 0, 0xFFFF_FFFFL, isCode ? 0xC9B : 0xC93);
    }
    cpu.r[4] = 0xE000;
    cpu.rip = CODE;
    cpu.intercepts.vector3 = 1 << 24 | 1 << 31;
    cpu.flushTlb(true);
  }

  private void segment(int s, int sel, long base, long limit, int attr) {
    cpu.selector[s] = sel;
    cpu.segBase[s] = base;
    cpu.segLimit[s] = limit;
    cpu.segAttr[s] = attr;
  }

  /** Runs until HLT; returns the vector of the handler, or -1 if HLT is elsewhere. */
  private int run() {
    cpu.run(cpu.icount + 100);
    assertThat(cpu.exitCode).as("exit at %x", cpu.rip).isEqualTo(0x78);
    long at = cpu.rip - HANDLERS;
    return at >= 0 && at < 64 ? (int) at : -1;
  }

  private void virtual(int flags, String source) {
    for (int s = CpuState.ES; s <= CpuState.GS; s++) {
      segment(s, 0x400 + s, 0x4000 + 16 * s, 0xFFFF, 0xF3);
    }
    segment(CpuState.CS, CODE >> 4, CODE, 0xFFFF, 0xF3);
    cpu.cpl = 3;
    cpu.r[4] = 0x5000;
    cpu.rip = 0;
    cpu.setFlags(CpuState.VM | flags | 2);
    code(CODE, 16, source);
    cpu.flushTlb(true);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // IOPL 0 without VME: everything that depends on IOPL faults
        "0 | 0 | cli | 13",
        "0 | 0 | sti | 13",
        "0 | 0 | pushf | 13",
        "0 | 0 | popf | 13",
        "0 | 0 | int 0x21 | 13",
        "0 | 0 | iret | 13",
        "0 | 0 | int3 | 3",
        // IOPL 3: they work, and INT goes through the IDT
        "0x3000 | 0 | cli; pushf; popf; sti; int 0x21 | 33",
        // never in this mode
        "0x3000 | 0 | hlt | 13",
        "0x3000 | 0 | sldt ax | 6",
        "0x3000 | 0 | mov eax, cr0 | 13",
        // VME: VIF in IF's place, unless an interrupt waits
        "0 | 1 | sti; cli; pushf; popf; int3 | 3",
        "0x100000 | 1 | sti | 13",
        "0 | 1 | push 0x100; popf | 13",
        "0 | 1 | pushfd | 13",
        // the bitmap sends vector 0x21 to the real-mode table, 0x20 not
        "0 | 1 | int 0x20 | 13",
        "0x3000 | 1 | int 0x20 | 32"
      })
  void virtualModeInstructions(String flags, int cr4, String source, int vector) {
    put(TSS_A + 0x90 - 32 + 4, 1, 1);
    virtual(Integer.decode(flags), source);
    cpu.cr4 = cr4;
    assertThat(run()).isEqualTo(vector);
    assertThat(cpu.v86()).isFalse();
    assertThat(cpu.cpl).isZero();
  }

  @Test
  void leavingVirtualModeSavesAllSegmentsAndClearsThem() {
    virtual(CpuState.IOPL, "int 0x21");
    int[] before = cpu.selector.clone();
    assertThat(run()).isEqualTo(0x21);
    assertThat(cpu.r[4]).isEqualTo(STACK - 36);
    assertThat(get(STACK - 36, 4)).as("EIP").isEqualTo(2);
    assertThat(get(STACK - 32, 4)).as("CS").isEqualTo(CODE >> 4);
    assertThat(get(STACK - 28, 4)).as("flags").isEqualTo(CpuState.VM | CpuState.IOPL | 2);
    assertThat(get(STACK - 24, 4)).as("ESP").isEqualTo(0x5000);
    int[] order = {CpuState.SS, CpuState.ES, CpuState.DS, CpuState.FS, CpuState.GS};
    for (int i = 0; i < 5; i++) {
      assertThat(get(STACK - 20 + 4 * i, 4)).isEqualTo(before[order[i]]);
    }
    assertThat(cpu.selector[CpuState.DS]).isZero();
    assertThat(cpu.selector[CpuState.SS]).isEqualTo(16);
  }

  @Test
  void iretEntersVirtualModeAndCodeRunsThere() {
    code(
        CODE,
        32,
        "push 0x505; push 0x504; push 0x503; push 0x500; push 0x600; push 0x100; "
            + "push 0x23002; push 0x480; push 2; iretd");
    code(0x4802, 16, "mov ax, ds; mov bx, es; mov cx, sp; int 0x21");
    assertThat(run()).isEqualTo(0x21);
    assertThat(cpu.r[0] & 0xFFFF).isEqualTo(0x503);
    assertThat(cpu.r[3] & 0xFFFF).isEqualTo(0x500);
    assertThat(cpu.r[1] & 0xFFFF).isEqualTo(0x100);
  }

  @Test
  void redirectedInterruptStaysInVirtualModeWithTheVirtualFlag() {
    put(0x21 * 4, 4, 0x0500_0010L);
    code(0x5010, 16, "pop ax; pop bx; pop cx; int3");
    virtual(CpuState.VIF, "int 0x21");
    cpu.cr4 = CpuState.CR4_VME;
    assertThat(run()).isEqualTo(3);
    assertThat(cpu.r[0] & 0xFFFF).as("IP").isEqualTo(2);
    assertThat(cpu.r[3] & 0xFFFF).as("CS").isEqualTo(CODE >> 4);
    assertThat(cpu.r[1] & 0x3200).as("flags: IF from VIF, IOPL 3").isEqualTo(0x3200);
    assertThat(get(STACK - 28, 4) & CpuState.VIF).as("VIF off in the handler").isZero();
  }

  // ---- tasks

  private void assertBusy(int sel, boolean busy) {
    assertThat(get(GDT + sel + 5, 1) & 2).isEqualTo(busy ? 2 : 0);
  }

  @Test
  void jumpToATssSwitchesTasks() {
    code(CODE, 32, "mov eax, 0x1111; jmp 0x30:0");
    put(TSS_B + 0x28, 4, 0x2222);
    code(OTHER, 32, "hlt");
    assertThat(run()).isEqualTo(-1);
    assertThat(cpu.rip).isEqualTo(OTHER);
    assertThat(cpu.r[0]).isEqualTo(0x2222);
    assertThat(get(TSS_A + 0x28, 4)).isEqualTo(0x1111);
    assertThat(get(TSS_A + 0x20, 4)).as("EIP behind the jump").isEqualTo(CODE + 12);
    assertThat(cpu.selector[CpuState.TR]).isEqualTo(TASK_B);
    assertThat(cpu.cr0 & CpuState.CR0_TS).isNotZero();
    assertBusy(TASK_A, false);
    assertBusy(TASK_B, true);
  }

  @ParameterizedTest
  @CsvSource({"call 0x30:0", "call 0x38:0", "int 0x30"})
  void nestedTasksReturnByIret(String call) {
    gate(0x30, TASK_B, 0, 0xE5);
    code(CODE, 32, call + "; hlt");
    code(OTHER, 32, "mov ebx, 7; pushfd; pop ecx; iretd; hlt");
    assertThat(run()).isEqualTo(-1);
    assertThat(cpu.rip).isBetween((long) CODE, CODE + 16L);
    assertThat(cpu.selector[CpuState.TR]).isEqualTo(TASK_A);
    assertThat(get(TSS_B, 2)).as("link").isEqualTo(TASK_A);
    assertThat(get(TSS_B + 0x34, 4)).as("EBX of the task that left").isEqualTo(7);
    assertThat(get(TSS_B + 0x2C, 4) & CpuState.NT).as("NT inside").isNotZero();
    assertThat(cpu.eflags & CpuState.NT).isZero();
    assertBusy(TASK_A, true);
    assertBusy(TASK_B, false);
  }

  @Test
  void anExceptionThroughATaskGatePushesItsErrorCodeThere() {
    gate(13, TASK_B, 0, 0x85);
    code(CODE, 32, "mov ax, 0x123; mov ds, ax");
    code(OTHER, 32, "pop edx; hlt");
    assertThat(run()).isEqualTo(-1);
    assertThat(cpu.r[2]).isEqualTo(0x120);
    assertThat(get(TSS_A + 0x20, 4)).as("EIP of the fault").isEqualTo(CODE + 4);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // the TSS is too small, busy, not present; its code or stack segment is bad
        "0x30 | 0x66 | 0x89 | 8 | 16 | 10",
        "0x30 | 0x67 | 0x8B | 8 | 16 | 13",
        "0x30 | 0x67 | 0x09 | 8 | 16 | 11",
        "0x30 | 0x67 | 0x89 | 16 | 16 | 10",
        "0x30 | 0x67 | 0x89 | 8 | 8 | 10",
        "0x38 | 0x66 | 0x89 | 8 | 16 | 10"
      })
  void badTasks(String sel, String limit, String access, int cs, int ss, int vector) {
    put(GDT + TASK_B, 8, descriptor(TSS_B, Integer.decode(limit), Integer.decode(access), 0));
    put(TSS_B + 0x4C, 2, cs);
    put(TSS_B + 0x50, 2, ss);
    put(TSS_B + 4, 4, STACK);
    put(TSS_B + 8, 2, 16);
    if (vector == 10 && (cs != 8 || ss != 16)) {
      // The fault is the new task's, which cannot take it on its own stack: another task does.
      gate(10, TASK_16, 0, 0x85);
      put(TSS_16 + 0x0E, 2, HANDLERS + 10);
      put(TSS_16 + 0x1A, 2, STACK);
      // The upper halves of its registers are ones: its stack is one of 16 bits.
      put(GDT + 0x48, 8, descriptor(0, 0xFFFF, 0x93, 0));
      int[] selectors = {16, 8, 0x48, 16};
      for (int i = 0; i < 4; i++) {
        put(TSS_16 + 0x22 + 2 * i, 2, selectors[i]);
      }
    }
    code(CODE, 32, "jmp " + sel + ":0");
    assertThat(run()).isEqualTo(vector);
  }
}
