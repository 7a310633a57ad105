package dev.vesper.machine.cpu;

import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Assembler;
import org.jspecify.annotations.Nullable;

/** One processor at CPL 0 with flat segments and its first 2 MiB mapped to themselves. */
public final class NativeWorld {
  /** Pages of memory. */
  public static final int FRAMES = 64;

  /** Where it starts. */
  public static final int START = 0x4000;

  private final int bits;

  /** Its memory. */
  public final PhysicalMemory memory = new PhysicalMemory(FRAMES << 12, 0);

  /** The processor, about to execute at {@link #START}. */
  public final Cpu cpu;

  /**
   * @param bits width of code: 32, without paging, or 64
   * @param natives what runs native code, or null for the interpreter
   */
  public NativeWorld(int bits, @Nullable NativeTier natives) {
    this.bits = bits;
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map = frame -> frame >= 0 && frame < FRAMES ? NestedMap.RAM : NestedMap.ABSENT;
    memory.page(1, 0).put64(0, 0x2003L);
    memory.page(2, 0).put64(0, 0x3003L);
    memory.page(3, 0).put64(0, 0x83L);
    cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    reset();
    cpu.runNatively(natives);
  }

  /** Puts registers into their first state. */
  public void reset() {
    cpu.resetRegisters();
    for (int s = 0; s < 6; s++) {
      cpu.selector[s] = s == CpuState.CS ? 8 : 16;
      cpu.segBase[s] = 0;
      cpu.segLimit[s] = 0xFFFF_FFFFL;
      cpu.segAttr[s] = s == CpuState.CS ? bits == 64 ? 0xA9B : 0xC9B : 0xC93;
    }
    cpu.cr0 = bits == 64 ? 0x8000_0033L : 0x33;
    cpu.cr4 =
        CpuState.CR4_OSFXSR
            | CpuState.CR4_OSXSAVE
            | CpuState.CR4_FSGSBASE
            | (bits == 64 ? CpuState.CR4_PAE : 0);
    cpu.efer = bits == 64 ? 0xD01 : 0;
    cpu.xcr0 = 7;
    cpu.cr3 = 0x1000;
    cpu.fcw = 0x37F;
    cpu.fvalid = 0;
    cpu.mxcsr = 0x1F80;
    cpu.interruptShadow = false;
    cpu.intercepts.exceptions = -1;
    cpu.intercepts.vector3 = -1;
    cpu.intercepts.vector4 = 0x7FFF;
    cpu.exitCode = 0;
    cpu.rip = START;
    cpu.flushTlb(true);
    cpu.modeChanged();
  }

  /** Puts an assembled program somewhere. */
  public void program(int at, String lines) {
    Assembler a = new Assembler(at, bits);
    for (String line : lines.lines().toList()) {
      a.add(line);
    }
    code(at, a.finish());
  }

  /** Puts machine code somewhere, in one page. */
  public void code(int at, byte[] code) {
    Page p = memory.page(at >> 12, 0);
    p.dropCode();
    p.copyFrom(at & Page.SIZE - 1, code, 0, code.length);
  }
}
