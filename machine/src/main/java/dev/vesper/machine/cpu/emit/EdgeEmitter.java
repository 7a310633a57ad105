package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;

import dev.vesper.machine.cpu.EdgeMap;
import dev.vesper.machine.cpu.NativeState;

/**
 * Counts edges as {@link EdgeMap} does, where nothing can give the instruction back to the
 * interpreter any more. Uses RCX, R13 and R14, and changes no flags.
 */
final class EdgeEmitter {
  /** Times nine, that often: {@link EdgeMap}'s hash. */
  private static final int NINES = 3;

  private final HostAssembler a;

  EdgeEmitter(HostAssembler a) {
    this.a = a;
  }

  /** Counts the edge to the address in R13. */
  void emit() {
    a.rorx(R14, R13, EdgeMap.UPPER);
    a.memory(R14, R13, 0, 0).lea(R14);
    for (int i = 0; i < NINES; i++) {
      a.memory(R14, R14, 3, 0).lea(R14);
    }
    a.state(NativeState.EDGE_FROM).load(RCX);
    a.memory(RCX, R14, 0, 0).lea(RCX);
    a.movzx16(RCX, RCX);
    a.rorx(R14, R14, EdgeMap.BEFORE);
    a.state(NativeState.EDGE_FROM).store(R14);
    a.state(NativeState.EDGE_MAP).load(R14);
    a.memory(R14, RCX, 0, 0).load8(R13);
    a.bytes(NativeState.NEXT_COUNTS, R13).load8(R13);
    a.memory(R14, RCX, 0, 0).store8(R13);
  }
}
