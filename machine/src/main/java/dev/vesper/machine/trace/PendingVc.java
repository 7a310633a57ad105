package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The #VCs of one vCPU whose handlers have not returned yet, the innermost last.
 *
 * <p>A handler has returned when IRET goes back to the interrupted stack pointer at the interrupted
 * privilege in the interrupted address space. A handler may never return (the guest kills the
 * program, or unwinds); then another event that interrupts the same place, or any return to user
 * mode, shows that it is over.
 */
final class PendingVc {
  /** More than this deep is a guest that does not return at all. */
  private static final int MOST = 64;

  /** One #VC. */
  static final class Frame {
    int id;
    int code;
    long rip;
    long rsp;
    long cr3;
    int cpl;
    long start;

    /** GHCB page that was in use when it came, or -1, and its contents then. */
    int ghcbFrame = -1;

    byte[] ghcb = {};

    /** Where INS writes first, and how far each element is. */
    long insAddress = -1;

    int insBytes;
    boolean down;
    long insElements;

    /** One that is to have the state of another, which is read from a file. */
    Frame() {}

    Frame(Cpu c, int id, int code) {
      this.id = id;
      this.code = code;
      rip = c.rip;
      rsp = stack(c);
      cr3 = c.cr3;
      cpl = c.cpl;
      start = c.instructionCount();
    }

    boolean interrupts(Cpu c) {
      return stack(c) == rsp && c.cpl == cpl && c.cr3 == cr3;
    }
  }

  private final List<Frame> frames = new ArrayList<>();

  private static long stack(Cpu c) {
    return c.mode64() ? c.r[4] : c.r[4] & 0xFFFF_FFFFL | c.segBase[CpuState.SS] << 32;
  }

  void push(Frame f) {
    if (frames.size() == MOST) {
      frames.remove(0);
    }
    frames.add(f);
  }

  /** {@return the innermost #VC in service, or null} */
  @Nullable Frame top() {
    return frames.isEmpty() ? null : frames.get(frames.size() - 1);
  }

  /** An event interrupts the current place: a #VC that interrupted it before is over. */
  void interrupted(Cpu c) {
    for (int i = frames.size() - 1; i >= 0; i--) {
      if (frames.get(i).interrupts(c)) {
        frames.remove(i);
      }
    }
  }

  /** {@return the #VC that an IRET has returned from, or null} */
  @Nullable Frame returned(Cpu c) {
    for (int i = frames.size() - 1; i >= 0; i--) {
      Frame f = frames.get(i);
      if (f.interrupts(c)) {
        frames.subList(i, frames.size()).clear();
        return f;
      }
    }
    if (c.cpl == 3) {
      frames.clear();
    }
    return null;
  }
}
