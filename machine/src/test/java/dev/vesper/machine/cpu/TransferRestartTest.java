package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.x86.Assembler;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Far transfers, interrupts and loads of segment registers are interrupted at each page that they
 * touch: the instruction, its stacks, descriptor tables, task state. Nothing has changed then.
 */
final class TransferRestartTest {
  private static final int[] DISTANCES = {
    -48, -40, -32, -24, -20, -16, -12, -8, -6, -4, -2, -1, 0, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48
  };

  private static final int LDT = 0xF000;

  /** Selectors in the GDT and the LDT, which lie in different pages. */
  private static final int GATE = 0x40;

  private static final int TSS_FREE = 0x50;
  private static final int LDT_NEW = 0x60;
  private static final int USER_CODE = 0x18 | 3;
  private static final int USER_STACK = 0x8 | 4 | 3;
  private static final int CODE_0 = 0x10 | 4;
  private static final int STACK_0 = 0x18 | 4;

  private final RestartGuest g = new RestartGuest(0);

  private void prepare(int bits, int distance) {
    g.fill(bits);
    g.prepare(bits, distance);
    boolean wide = bits == 64;
    long code = wide ? 0x00AF_9A00_0000_FFFFL : 0x00CF_9A00_0000_FFFFL;
    long data = 0x00CF_9200_0000_FFFFL;
    g.segment(CpuState.LDTR, 0x38, LDT, 0xFF, 0x82);
    g.put(RestartGuest.GDT + USER_CODE - 3, 8, code | 3L << 45);
    g.put(LDT + 8, 8, data | 3L << 45);
    g.put(LDT + 0x10, 8, code);
    g.put(LDT + 0x18, 8, data);
    int target = RestartGuest.HANDLER;
    g.put(
        RestartGuest.GDT + GATE,
        8,
        target & 0xFFFF | CODE_0 << 16 | 0xEC02L << 32 | (long) (target >>> 16) << 48);
    g.put(RestartGuest.GDT + TSS_FREE, 8, 0x0000_8900_0000_0067L | (long) RestartGuest.TSS << 16);
    g.put(RestartGuest.GDT + LDT_NEW, 8, 0x0000_8200_0000_00FFL | (long) LDT << 16);
    for (int i = 8; wide && i < 16; i += 8) {
      g.put(RestartGuest.GDT + GATE + i, 8, 0);
      g.put(RestartGuest.GDT + TSS_FREE + i, 8, 0);
      g.put(RestartGuest.GDT + LDT_NEW + i, 8, 0);
    }
    long stack = RestartGuest.DESTINATION + distance;
    g.put(RestartGuest.TSS + 4, 8, wide ? stack : stack | (long) STACK_0 << 32);
    g.put(RestartGuest.TSS + 0x24, 8, stack);
  }

  private void user(int bits) {
    g.cpu.cpl = 3;
    g.segment(CpuState.CS, USER_CODE, 0, 0xFFFF_FFFFL, bits == 64 ? 0xAFB : 0xCFB);
    g.segment(CpuState.SS, USER_STACK, 0, 0xFFFF_FFFFL, 0xCF3);
    g.segment(CpuState.DS, USER_STACK, 0, 0xFFFF_FFFFL, 0xCF3);
  }

  /** Puts values on the stack, the first one at its top. */
  private void stack(int bytes, long... values) {
    long at = g.cpu.r[4] + g.cpu.segBase[CpuState.SS];
    for (long v : values) {
      g.put((int) at, bytes, v);
      at += bytes;
    }
  }

  private void run(int bits, String source, boolean expected) {
    byte[] b = Assembler.assemble(bits, source);
    g.code(b);
    g.save();
    assertThat(g.disturb(source + " in " + bits + " bits", false)).isTrue();
    if (expected) {
      assertThat(g.cpu.exitCode).as(source).isEqualTo(0x60);
    }
  }

  private void ends() {
    assertThat(g.wrong).isEmpty();
    assertThat(g.troubles).isGreaterThan(20);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "retf | 4 | same",
        "retf | 4 | outer",
        "retf 12 | 4 | outer",
        "iretd | 4 | same",
        "iretd | 4 | outer",
        "iretd | 4 | virtual",
        "db 0x48, 0xcb | 8 | same",
        "db 0x48, 0xcb | 8 | outer",
        "iretq | 8 | same",
        "iretq | 8 | outer"
      })
  void returnsCanBeRepeated(String source, int bytes, String to) {
    int bits = 8 * bytes;
    boolean iret = source.startsWith("i");
    for (int d : DISTANCES) {
      prepare(bits, d);
      boolean outer = to.equals("outer");
      long sel = to.equals("virtual") ? 0x800 : outer ? USER_CODE : CODE_0;
      long ip = to.equals("virtual") ? 0x100 : RestartGuest.HANDLER;
      long flags = to.equals("virtual") ? CpuState.VM | 2 : 0x202;
      long ss = to.equals("virtual") ? 0x900 : outer ? USER_STACK : STACK_0;
      g.cpu.nmiBlocked = iret;
      if (iret) {
        stack(bytes, ip, sel, flags, 0x9000, ss, 0x1, 0x2, 0x3, 0x4);
      } else if (source.endsWith("12")) {
        stack(bytes, ip, sel, 1, 2, 3, 0x9000, ss);
      } else {
        stack(bytes, ip, sel, 0x9000, ss);
      }
      run(bits, source, true);
    }
    ends();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "32 | 0 | call 0x14:0x14000",
        "32 | 0 | jmp 0x14:0x14000",
        "32 | 0 | call 0x40:0",
        "32 | 0 | jmp 0x40:0",
        "32 | 3 | call 0x40:0",
        "32 | 0 | int 0x21",
        "32 | 3 | int 0x21",
        "64 | 0 | int 0x21",
        "64 | 3 | int 0x21",
        "64 | 0 | call far [rbx]",
        "64 | 3 | call far [rbx]",
        "64 | 0 | jmp far [rbx]",
        "32 | 0 | lldt [ebx]",
        "64 | 0 | lldt [rbx]",
        "64 | 0 | ltr [rbx+2]",
        "32 | 0 | ltr [ebx+2]",
        "32 | 0 | lss esp, [ebx+4]",
        "64 | 0 | lss esp, [rbx+4]",
        "32 | 0 | lfs eax, [ebx+4]",
        "64 | 0 | mov fs, [rbx+8]",
        "32 | 0 | mov ss, [ebx+8]",
        "32 | 0 | pop ss",
        "32 | 0 | pop ds",
        "64 | 0 | pop fs",
      })
  void otherTransfersAndLoadsCanBeRepeated(int bits, int cpl, String source) {
    for (int d : DISTANCES) {
      prepare(bits, d);
      if (cpl == 3) {
        user(bits);
      }
      // An offset and the gate's selector, or selectors of an LDT, a TSS, a stack.
      int at = (int) g.cpu.r[3];
      boolean far = source.contains("far");
      g.put(at, 4, far ? 0 : LDT_NEW | TSS_FREE << 16);
      g.put(at + 4, 4, far ? GATE : 0x9000);
      g.put(at + 8, 2, STACK_0);
      if (source.startsWith("pop")) {
        stack(bits / 8, STACK_0);
      }
      run(bits, source, true);
    }
    ends();
  }

  @Test
  void interruptsFromVirtual8086ModeCanBeRepeated() {
    for (int d : DISTANCES) {
      prepare(32, d);
      g.cpu.cpl = 3;
      for (int s = CpuState.ES; s <= CpuState.GS; s++) {
        g.segment(s, 0x600, 0x6000, 0xFFFF, 0xF3);
      }
      g.cpu.r[4] = RestartGuest.STACK + d - 0x6000;
      g.cpu.rip = RestartGuest.CODE - 0x6000;
      g.cpu.setFlags(CpuState.VM | CpuState.IOPL | 2);
      byte[] b = Assembler.assemble(16, "int 0x21");
      g.put(RestartGuest.IDT + 8 * 0x21 + 2, 2, CODE_0);
      g.code(b);
      g.save();
      g.disturb("int from virtual-8086 mode", false);
      assertThat(g.cpu.exitCode).isEqualTo(0x60);
      assertThat(g.cpu.v86()).isFalse();
    }
    ends();
  }
}
