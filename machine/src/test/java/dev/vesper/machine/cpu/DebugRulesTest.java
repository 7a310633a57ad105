package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Assembler;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Debug exceptions that a kernel sees: single steps into and out of it, what a load of SS holds,
 * DR6 and DR7 (AMD APM volume 2, 13.1), and what stays when an instruction exits and comes again.
 */
@ParameterizedClass
@ValueSource(ints = {Execution.STANDARD, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class DebugRulesTest {
  private static final int CODE = 0x4000;
  private static final int STACK = 0x1_0000;
  private static final int DATA = 0x1_1000;
  private static final int FRAMES = 0x20;

  /** Handlers are 16 bytes apart: HLT, which exits, then IRETQ. */
  private static final int HANDLERS = 0x8000;

  private static final int HANDLER_BYTES = 16;
  private static final long HLT = 0x78;
  private static final long NPF = 0x400;
  private static final int MMIO_FRAME = 0x20;
  private static final int MOST_EVENTS = 30;
  private static final long READ_WATCH = 0xF_0000L;
  private static final long PORT_WATCH = 0x2_0000L;

  private final PhysicalMemory memory = new PhysicalMemory(FRAMES << 12, 0);
  private final Cpu cpu;

  DebugRulesTest(int execution) {
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map =
        frame ->
            frame >= 0 && frame < FRAMES
                ? NestedMap.RAM
                : frame == MMIO_FRAME ? NestedMap.MMIO : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    Execution.choose(cpu, f, execution);
  }

  private Page page(int address) {
    return memory.page(address >> 12, Page.SHARED);
  }

  @BeforeEach
  void kernel() {
    cpu.resetRegisters();
    page(0x1000).put64(0, 0x2007L);
    page(0x2000).put64(0, 0x3007L);
    page(0x3000).put64(0, 0x87L);
    page(0x6000).put64(0x08, 0x00AF_9B00_0000_FFFFL);
    page(0x6000).put64(0x10, 0x00CF_9300_0000_FFFFL);
    page(0x6000).put64(0x20, 0x00CF_F300_0000_FFFFL);
    page(0x6000).put64(0x28, 0x00AF_FB00_0000_FFFFL);
    cpu.gdtBase = 0x6000;
    cpu.gdtLimit = 0x3F;
    cpu.idtBase = 0x7000;
    cpu.idtLimit = 0x3FF;
    for (int v = 0; v < 64; v++) {
      int at = HANDLERS + v * HANDLER_BYTES;
      page(0x7000).put64(v * 16, at & 0xFFFFL | 8L << 16 | 0xEE00L << 32);
      page(HANDLERS).put8(at - HANDLERS, 0xF4);
      page(HANDLERS).put8(at - HANDLERS + 1, 0x48);
      page(HANDLERS).put8(at - HANDLERS + 2, 0xCF);
    }
    page(0x9000).put64(4, (long) STACK - 0x800);
    segment(CpuState.TR, 0x38, 0x8B, 0x67);
    cpu.segBase[CpuState.TR] = 0x9000;
    segment(CpuState.CS, 8, 0xA9B, 0xFFFF_FFFFL);
    for (int s : new int[] {CpuState.SS, CpuState.DS, CpuState.ES}) {
      segment(s, 16, 0xC93, 0xFFFF_FFFFL);
    }
    page(DATA).put8(0, 16);
    cpu.cr0 = 0x8001_0033L;
    cpu.cr4 = CpuState.CR4_PAE | CpuState.CR4_OSFXSR | CpuState.CR4_DE;
    cpu.efer = 0xD01;
    cpu.cr3 = 0x1000;
    cpu.star = 0x001B_0008L << 32;
    cpu.lstar = CODE + 0x800;
    cpu.intercepts.vector3 = 1 << 24 | 1 << 31;
  }

  private void segment(int s, int selector, int attributes, long limit) {
    cpu.selector[s] = selector;
    cpu.segAttr[s] = attributes;
    cpu.segBase[s] = 0;
    cpu.segLimit[s] = limit;
  }

  /** Loads a program; UD2 at its end and in the system call's handler. */
  private void program(String source) {
    byte[] code = new Assembler(CODE, 64).add(source.replace("; ", "\n") + "\nud2").finish();
    page(CODE).copyFrom(0, code, 0, code.length);
    byte[] handler = Assembler.assemble(64, "nop\nud2");
    page(CODE).copyFrom(0x800, handler, 0, handler.length);
    cpu.rip = CODE;
    cpu.r[4] = STACK;
    cpu.r[3] = DATA;
    cpu.setFlags(2);
    cpu.flushTlb(true);
  }

  private void step() {
    cpu.eflags |= CpuState.TF;
  }

  private void watch(int n, long address, long kind) {
    cpu.dr[n] = address;
    cpu.dr[7] |= 2L << 2 * n | kind << 4 * n;
    cpu.modeChanged();
  }

  /** Runs to UD2; each event is its vector, for #DB the bits of DR6, and RIP. */
  private List<String> events() {
    List<String> all = new ArrayList<>();
    while (all.size() < MOST_EVENTS) {
      cpu.run(cpu.icount + 10_000);
      assertThat(cpu.exitCode).as(all.toString()).isEqualTo(HLT);
      int vector = ((int) cpu.rip - HANDLERS) / HANDLER_BYTES;
      String at = "@" + Long.toHexString(cpu.sysRead(cpu.r[4], 8));
      if (vector == 6) {
        break;
      }
      all.add(vector == 1 ? "1:" + Long.toHexString(cpu.dr[6] & 0xE00F) + at : vector + at);
      cpu.dr[6] = 0xFFFF_0FF0L;
      cpu.rip = HANDLERS + vector * HANDLER_BYTES + 1;
    }
    return all;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // Into a handler TF is cleared, and IRET brings it back for the second instruction.
        "int 0x30; nop; nop | 48@4002, 1:4000@4003, 1:4000@4004",
        "int3; nop; nop | 3@4001, 1:4000@4002, 1:4000@4003",
        "db 0xf1; nop; nop | 1:0@4001, 1:4000@4002, 1:4000@4003",
        "sti; nop | 1:4000@4001, 1:4000@4002",
        "cli; nop | 1:4000@4001, 1:4000@4002",
        "mov eax, ss; mov ss, ax; db 0xf1; nop | 1:4000@4002, 1:0@4005, 1:4000@4006",
        "mov eax, ss; mov ss, ax; int 0x30; nop | 1:4000@4002, 48@4006, 1:4000@4007",
        "mov byte [rel a], 0x90; a: nop; nop | 1:4000@4007, 1:4000@4008, 1:4000@4009"
      })
  void singleStepsThroughAKernel(String source, String events) {
    program(source);
    step();
    assertThat(events()).containsExactly(events.split(", ", -1));
  }

  @ParameterizedTest
  @CsvSource({"0, true", "0x100, false"})
  void syscallTrapsIfTheMaskLeavesTf(String mask, boolean traps) {
    program("nop; syscall");
    cpu.sfmask = Long.decode(mask);
    step();
    List<String> events = events();
    assertThat(events.remove(0)).isEqualTo("1:4000@4001");
    assertThat(events).isEqualTo(traps ? List.of("1:4000@4800", "1:4000@4801") : List.of());
  }

  @Test
  void sysretThatSetsTfTrapsBeforeTheProgramsFirstInstruction() {
    program("mov ecx, 0x4800; mov r11d, 0x102; sysretq");
    assertThat(events()).containsExactly("1:4000@4800", "1:4000@4801");
  }

  @Test
  void sysretThatClearsTfDoesNotTrap() {
    program("mov ecx, 0x4800; mov r11d, 2; sysretq");
    step();
    assertThat(events()).containsExactly("1:4000@4005", "1:4000@400b");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "mov ss, [rbx]; nop; nop | 1:1@4003",
        "mov ss, [rbx]; int3; nop | 1:1@8030, 3@4003",
        "mov ss, [rbx]; int 0x30; nop | 1:1@8300, 48@4004",
        "mov ss, [rbx]; int 1; nop | 1:1@8010, 1:0@4004",
        "mov ss, [rbx]; db 0xf1; nop | 1:0@4003",
        "mov ss, [rbx]; syscall; nop | 1:1@4800",
        "mov ss, [rbx]; mov al, [rcx]; nop | 14@4002",
        "mov ss, [rbx]; mov dr6, rax; nop | 1:2000@4002"
      })
  void aWatchpointOfALoadOfSsWaitsForTheNextInstruction(String source, String events) {
    program(source);
    cpu.r[1] = 1L << 32;
    watch(0, DATA, READ_WATCH);
    cpu.dr[7] |= source.contains("dr6") ? 0x2000 : 0;
    List<String> all = new ArrayList<>(events(events.startsWith("14")));
    assertThat(all).containsExactly(events.split(", ", -1));
  }

  /** A page fault pushes an error code and is not returned from. */
  private List<String> events(boolean pageFault) {
    if (!pageFault) {
      return events();
    }
    cpu.run(cpu.icount + 10_000);
    assertThat(cpu.exitCode).isEqualTo(HLT);
    int vector = ((int) cpu.rip - HANDLERS) / HANDLER_BYTES;
    return List.of(vector + "@" + Long.toHexString(cpu.sysRead(cpu.r[4] + 8, 8)));
  }

  @Test
  void breakpointsAndGeneralDetectSetB3ToB0Anew() {
    program("nop; nop; mov rax, dr7");
    watch(2, CODE + 1, 0);
    cpu.dr[6] = 0xFFFF_4FF2L;
    assertThat(runToDebug()).isEqualTo(0xFFFF_4FF4L);
    cpu.dr[6] = 0xFFFF_4FF2L;
    cpu.dr[7] = 0x2400;
    cpu.modeChanged();
    cpu.rip = CODE + 1;
    assertThat(runToDebug()).isEqualTo(0xFFFF_6FF0L);
  }

  @Test
  void portsAreWatchedFromTheMoveOnThatSetsDebugExtensions() {
    watch(0, 0x80, PORT_WATCH);
    program(
        "mov rax, cr4; and rax, -9; mov cr4, rax; out 0x80, al;"
            + " or rax, 8; mov cr4, rax; out 0x80, al; nop");
    assertThat(events()).containsExactly("1:1@4015");
  }

  @Test
  void aSingleStepLeavesB3ToB0() {
    program("nop; nop");
    cpu.dr[6] = 0xFFFF_2FF2L;
    step();
    assertThat(runToDebug()).isEqualTo(0xFFFF_6FF2L);
  }

  private long runToDebug() {
    cpu.run(cpu.icount + 1000);
    assertThat(cpu.exitCode).isEqualTo(HLT);
    assertThat(cpu.rip).isEqualTo(HANDLERS + HANDLER_BYTES);
    return cpu.dr[6];
  }

  @ParameterizedTest
  @CsvSource({"db 0xf1", "nop"})
  void everyDebugExceptionEndsGeneralDetect(String source) {
    program(source);
    cpu.dr[7] |= 0x2000;
    step();
    runToDebug();
    assertThat(cpu.dr[7]).isEqualTo(0x400);
  }

  @Test
  void aBreakpointInTheHandlerOfDebugExceptionsDoesNotOutrunTheLimit() {
    program("nop");
    page(0x7000).put64(16, (HANDLERS + 16L) | 8L << 16 | 0xEE01L << 32);
    page(0x9000).put64(0x24, (long) STACK - 0x400);
    watch(0, HANDLERS + HANDLER_BYTES, 0);
    step();
    cpu.run(cpu.icount + 5000);
    assertThat(cpu.exitCode).as("#VMEXIT(INTR) at the limit").isEqualTo(0x60);
  }

  @Test
  void anInstructionThatExitsKeepsItsShadowAndResumeFlag() {
    program("mov ss, [rbx]; mov eax, [rcx]; nop");
    cpu.r[1] = (long) (MMIO_FRAME + 1) << 12;
    watch(0, DATA, READ_WATCH);
    watch(1, CODE + 2, 0);
    assertThat(runToDebug() & 15).as("the second instruction's breakpoint").isEqualTo(2);
    cpu.sysWrite(cpu.r[4] + 16, 8, 0x10002);
    cpu.rip++;
    cpu.run(cpu.icount + 1000);
    assertThat(cpu.exitCode).isEqualTo(NPF);
    assertThat(cpu.eflags & CpuState.RF).as("RF for the next try").isNotZero();
    cpu.r[1] = DATA + 8;
    assertThat(events()).as("no breakpoint again, and the read is not watched").isEmpty();
  }

  @Test
  void aLoadOfSsHoldsItsWatchpointWhileTheNextInstructionExitsAndComesAgain() {
    program("mov ss, [rbx]; mov eax, [rcx]; nop");
    cpu.r[1] = (long) (MMIO_FRAME + 1) << 12;
    watch(0, DATA, READ_WATCH);
    cpu.run(cpu.icount + 1000);
    assertThat(cpu.exitCode).isEqualTo(NPF);
    assertThat(cpu.interruptShadow).isTrue();
    cpu.r[1] = DATA + 8;
    assertThat(events()).containsExactly("1:1@4004");
  }

  @Test
  void theHandlerOfVcThatMovesRipOnHidesTheStepOverItsInstruction() {
    // IRET brings TF back, so that the trap follows the second instruction, as on a processor.
    program("cpuid; nop; nop");
    byte[] handler = Assembler.assemble(64, "add qword [rsp+8], 2\nadd rsp, 8\niretq");
    page(HANDLERS).copyFrom(29 * HANDLER_BYTES, handler, 0, handler.length);
    cpu.intercepts.es = true;
    cpu.intercepts.vector3 |= 1 << 18;
    step();
    assertThat(events()).containsExactly("1:4000@4003", "1:4000@4004");
  }
}
