package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F;
import static dev.vesper.machine.cpu.emit.HostAssembler.R11;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;

import dev.vesper.x86.Insn;

/**
 * CMPXCHG8B and CMPXCHG16B. The computer's own has the same registers but for RCX; LOCK is left
 * out, since one processor runs at a time.
 */
final class WideExchange {
  private static final int QUAD = 16;

  private final BlockEmitter e;
  private final HostAssembler a;

  WideExchange(BlockEmitter e) {
    this.e = e;
    a = e.a;
  }

  /** {@return whether the instruction was emitted} */
  boolean emit(Insn in) {
    boolean wide = in.osize == 8;
    if (!in.mem || !e.linearAddress(in)) {
      return false;
    }
    if (wide) {
      e.checkAlignment(QUAD);
    }
    e.lookUp(wide ? QUAD : QUAD / 2, true);
    a.move(RCX, R11);
    e.found().legacy(0, false, wide, MAP_0F, 0xC7, 1, false);
    return true;
  }
}
