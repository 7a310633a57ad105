package dev.vesper.machine;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.observe.Symbols;
import java.util.List;

/**
 * Finds how far a Linux kernel was moved from the addresses that its symbols have: the processor's
 * own tables point to code whose names are known.
 */
final class KaslrSlide {
  private static final long ALIGNMENT = 1 << 21;
  private static final List<String> VC_HANDLERS =
      List.of("asm_exc_vmm_communication", "vc_boot_ghcb", "vc_no_ghcb");
  private static final List<String> SYSCALL = List.of("entry_SYSCALL_64");

  private long lastHandler;
  private long lastSyscall;

  /** {@return the symbols at the distance that the processor's tables show} */
  Symbols adjust(Cpu c, Symbols s) {
    long handler = gate(c, 29);
    if (handler != lastHandler) {
      lastHandler = handler;
      Symbols found = fit(s, VC_HANDLERS, handler);
      if (found != s) {
        return found;
      }
    }
    if (c.lstar != lastSyscall) {
      lastSyscall = c.lstar;
      return fit(s, SYSCALL, c.lstar);
    }
    return s;
  }

  private static Symbols fit(Symbols s, List<String> names, long actual) {
    for (String n : names) {
      long linked = s.address(n);
      long distance = actual - linked;
      if (linked != -1 && distance % ALIGNMENT == 0 && distance != s.slide()) {
        // Several names may fit only by chance: the place must then bear the name.
        Symbols moved = s.slid(distance);
        if (moved.at(actual).equals(n)) {
          return moved;
        }
      }
    }
    return s;
  }

  private static long gate(Cpu c, int vector) {
    if (!c.longMode()) {
      return 0;
    }
    long at = c.idtBase + vector * 16L;
    long low = MemoryOperands.quiet(c, at, 8);
    long high = MemoryOperands.quiet(c, at + 8, 4);
    return low & 0xFFFF | low >>> 32 & 0xFFFF_0000L | high << 32;
  }
}
