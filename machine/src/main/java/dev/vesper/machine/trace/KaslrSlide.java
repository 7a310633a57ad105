package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.observe.Symbols;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Finds how far a Linux kernel was moved from the addresses that its symbols have: the processor's
 * own tables point to code whose names are known. Where nobody has given names, those that the
 * kernel itself carries are taken.
 */
public final class KaslrSlide {
  private static final long ALIGNMENT = 1 << 21;
  private static final List<String> VC_HANDLERS =
      List.of("asm_exc_vmm_communication", "vc_boot_ghcb", "vc_no_ghcb");
  private static final List<String> SYSCALL = List.of("entry_SYSCALL_64");

  /** A kernel changes its IDT a few times while it boots. */
  private static final int MOST_ATTEMPTS = 4;

  /** Text and read-only data of a kernel lie within this distance of its #VC handler. */
  private static final int BEFORE = 48 << 20;

  private static final int AFTER = 48 << 20;
  private static final int PAGE = 4096;

  private int attempts;
  private long lastHandler;
  private long lastSyscall;

  /** {@return the symbols at the distance that the processor's tables show} */
  public Symbols adjust(Cpu c, Symbols s) {
    long handler = gate(c, 29);
    if (handler != lastHandler) {
      lastHandler = handler;
      if (s.isEmpty() && handler < 0 && attempts++ < MOST_ATTEMPTS) {
        Symbols own = own(c, handler);
        return own == null ? s : own;
      }
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

  /**
   * {@return the names that the kernel around its #VC handler carries, or null if there are none}
   * Only what lies between the first and the last page that is mapped there is copied.
   */
  private static @Nullable Symbols own(Cpu c, long handler) {
    long from = (handler & -ALIGNMENT) - BEFORE;
    long[] gpas = new long[(BEFORE + AFTER) / PAGE];
    boolean[] encrypted = new boolean[gpas.length];
    int first = gpas.length;
    int end = 0;
    for (int i = 0; i < gpas.length; i++) {
      gpas[i] = c.translateQuietly(from + (long) i * PAGE);
      encrypted[i] = c.quietPrivate();
      if (isThere(c, gpas[i])) {
        first = Math.min(first, i);
        end = i + 1;
      }
    }
    if (first >= end) {
      return null;
    }
    byte[] image = new byte[(end - first) * PAGE];
    byte[] page = new byte[PAGE];
    for (int i = first; i < end; i++) {
      if (isThere(c, gpas[i])) {
        c.memory.peek((int) (gpas[i] >>> 12), encrypted[i] ? c.key : 0, page);
        System.arraycopy(page, 0, image, (i - first) * PAGE, PAGE);
      }
    }
    return Kallsyms.read(image, from + (long) first * PAGE);
  }

  private static boolean isThere(Cpu c, long gpa) {
    return c.memory.ram().hasPage(gpa >> 12);
  }

  private static long gate(Cpu c, int vector) {
    if (!c.longMode()) {
      return 0;
    }
    long at = c.idtBase + vector * 16L;
    // Every #VC comes here: what lies in one page is translated once.
    long gpa =
        (at & PAGE - 1) <= PAGE - 16 && (at & 7) == 0
            ? c.translateQuietly(at & c.linearMask())
            : -1;
    boolean there = isThere(c, gpa);
    int frame = (int) (gpa >>> 12);
    int offset = (int) gpa & PAGE - 1;
    long low = there ? c.memory.peekLong(frame, c.key, offset) : MemoryOperands.quiet(c, at, 8);
    long high =
        there
            ? c.memory.peekLong(frame, c.key, offset + 8) & 0xFFFF_FFFFL
            : MemoryOperands.quiet(c, at + 8, 4);
    return low & 0xFFFF | low >>> 32 & 0xFFFF_0000L | high << 32;
  }
}
