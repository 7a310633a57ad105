package dev.vesper.machine.device;

import java.util.OptionalLong;

/**
 * A local APIC in xAPIC or x2APIC mode (AMD APM volume 2, chapter 16): the 4 KiB of registers or
 * the block of MSRs, fixed interrupts with priorities, the timer, and the interrupt command
 * register. Its clock is 1 GHz of virtual time.
 */
public final class LocalApic implements Timed {
  /** Where the registers lie. */
  public static final long BASE = 0xFEE0_0000L;

  private static final int ID = 0x20;
  private static final int VERSION = 0x30;
  private static final int TPR = 0x80;
  private static final int PPR = 0xA0;
  private static final int EOI = 0xB0;
  private static final int LDR = 0xD0;
  private static final int DFR = 0xE0;
  private static final int SVR = 0xF0;
  private static final int ESR = 0x280;
  private static final int ICR_LOW = 0x300;
  private static final int ICR_HIGH = 0x310;
  private static final int LVT_TIMER = 0x320;
  private static final int LVT_LINT0 = 0x350;
  private static final int LVT_ERROR = 0x370;
  private static final int INITIAL_COUNT = 0x380;
  private static final int CURRENT_COUNT = 0x390;
  private static final int DIVIDE = 0x3E0;
  private static final int MASKED = 1 << 16;
  private static final int EXT_INT = 7;
  private static final int ALL = -1;

  /** First MSR of the x2APIC block; register at offset r is MSR X2_BASE + r / 16. */
  public static final int X2_BASE = 0x800;

  private static final int SELF_IPI = 0x3F0;

  /** Takes interrupt commands. */
  public interface Commands {
    /**
     * An interrupt command was written.
     *
     * @param from number of the APIC
     * @param command low half of ICR: vector 7:0, delivery mode 10:8, logical 11, assert 14,
     *     shorthand 19:18
     * @param destination an APIC number or a set of logical ones; -1 means all
     */
    void send(int from, int command, int destination);

    /** A level-triggered interrupt has ended. */
    default void ended(int vector) {}
  }

  private final int id;
  private final boolean boot;
  private final Commands commands;
  private final int[] regs = new int[0x400 / 16];
  private final long[] irr = new long[4];
  private final long[] isr = new long[4];

  /** Which requests are level-triggered: their end is told to I/O APICs. */
  private final long[] tmr = new long[4];

  private long timerStart;
  private long deadline = NEVER;
  private long now;
  private boolean x2;

  /** What is armed in deadline mode, as a time; 0 for nothing. */
  private long tscDeadline;

  /**
   * @param boot the boot processor: its LINT0 passes the 8259's interrupts through after reset
   */
  public LocalApic(int id, boolean boot, Commands commands) {
    this.id = id;
    this.boot = boot;
    this.commands = commands;
    reset();
  }

  /** RESET or INIT: everything but the identity. */
  public void reset() {
    java.util.Arrays.fill(regs, 0);
    java.util.Arrays.fill(irr, 0);
    java.util.Arrays.fill(isr, 0);
    java.util.Arrays.fill(tmr, 0);
    tscDeadline = 0;
    deadline = NEVER;
    x2 = false;
    set(ID, id << 24);
    set(VERSION, 0x0005_0014);
    set(DFR, -1);
    set(SVR, 0xFF);
    for (int r = LVT_TIMER; r <= LVT_ERROR; r += 16) {
      set(r, MASKED);
    }
    if (boot) {
      set(LVT_LINT0, EXT_INT << 8);
    }
  }

  private void set(int offset, int v) {
    regs[offset >> 4] = v;
  }

  private int get(int offset) {
    return regs[offset >> 4];
  }

  private static int highest(long[] bits) {
    for (int i = 3; i >= 0; i--) {
      if (bits[i] != 0) {
        return i * 64 + 63 - Long.numberOfLeadingZeros(bits[i]);
      }
    }
    return -1;
  }

  private int processorPriority() {
    int service = Math.max(highest(isr), 0);
    int task = get(TPR);
    return (task >> 4) >= (service >> 4) ? task : service & 0xF0;
  }

  private boolean softwareEnabled() {
    return (get(SVR) & 0x100) != 0;
  }

  /** {@return the divisor of the timer} */
  private int divisor() {
    int d = get(DIVIDE);
    int code = d >> 1 & 4 | d & 3;
    return code == 7 ? 1 : 2 << code;
  }

  /** Lets virtual time reach {@code time} before registers are read or written. */
  private void at(long time) {
    now = Math.max(now, time);
  }

  /** Reads an aligned register at a point of virtual time. */
  public int read(int offset, long time) {
    at(time);
    int r = offset & 0x3F0;
    if (r >= 0x100 && r < 0x180) {
      return half(isr, r - 0x100 >> 4);
    }
    if (r >= 0x180 && r < 0x200) {
      return half(tmr, r - 0x180 >> 4);
    }
    if (r >= 0x200 && r < 0x280) {
      return half(irr, r - 0x200 >> 4);
    }
    return switch (r) {
      case PPR -> processorPriority();
      case CURRENT_COUNT -> currentCount();
      default -> get(r);
    };
  }

  private static int half(long[] bits, int n) {
    return (int) (bits[n >> 1] >>> 32 * (n & 1));
  }

  private int currentCount() {
    long initial = get(INITIAL_COUNT) & 0xFFFF_FFFFL;
    if (initial == 0 || deadlineMode()) {
      return 0;
    }
    long elapsed = (now - timerStart) / divisor();
    if ((get(LVT_TIMER) >> 17 & 1) != 0) {
      return (int) (initial - elapsed % initial);
    }
    return elapsed >= initial ? 0 : (int) (initial - elapsed);
  }

  /** Writes an aligned register at a point of virtual time. */
  public void write(int offset, int v, long time) {
    at(time);
    int r = offset & 0x3F0;
    switch (r) {
      case TPR -> set(TPR, v & 0xFF);
      case EOI -> {
        int vector = highest(isr);
        if (vector >= 0) {
          isr[vector >> 6] &= ~(1L << vector);
          if ((tmr[vector >> 6] >> vector & 1) != 0) {
            commands.ended(vector);
          }
        }
      }
      case LDR -> set(LDR, v & 0xFF00_0000);
      case DFR -> set(DFR, v | 0x0FFF_FFFF);
      case SVR -> {
        set(SVR, v & 0x1FF);
        if (!softwareEnabled()) {
          for (int l = LVT_TIMER; l <= LVT_ERROR; l += 16) {
            set(l, get(l) | MASKED);
          }
        }
      }
      case ESR -> set(ESR, 0);
      case ICR_LOW -> {
        set(ICR_LOW, v & 0xCCFFF);
        int destination = get(ICR_HIGH) >>> 24;
        commands.send(id, v & 0xC_CFFF, destination == 0xFF ? ALL : destination);
      }
      case ICR_HIGH -> set(ICR_HIGH, v & 0xFF00_0000);
      case INITIAL_COUNT -> {
        if (deadlineMode()) {
          return;
        }
        set(INITIAL_COUNT, v);
        timerStart = now;
        schedule();
      }
      case DIVIDE -> {
        set(DIVIDE, v & 11);
        schedule();
      }
      default -> {
        if (r >= LVT_TIMER && r <= LVT_ERROR) {
          if (r == LVT_TIMER && ((v ^ get(r)) & DEADLINE_MODE) != 0) {
            set(INITIAL_COUNT, 0);
            tscDeadline = 0;
          }
          set(r, v & (r == LVT_TIMER ? 0x7_F7FF : 0x3_F7FF) | (softwareEnabled() ? 0 : MASKED));
          schedule();
        }
        // everything else is read-only or reserved
      }
    }
  }

  // ---- x2APIC mode

  /** {@return whether the registers are MSRs} */
  public boolean x2Mode() {
    return x2;
  }

  /** Moves the registers to MSRs. Only RESET and INIT move them back. */
  public void enterX2Mode() {
    x2 = true;
  }

  private static boolean present(int r) {
    return r == ID
        || r == VERSION
        || r == TPR
        || r == PPR
        || r == EOI
        || r == LDR
        || r == SVR
        || r >= 0x100 && r <= ESR
        || r == ICR_LOW
        || r >= LVT_TIMER && r <= CURRENT_COUNT
        || r == DIVIDE;
  }

  /** RDMSR of the block; empty is #GP. */
  public OptionalLong readMsr(int msr, long time) {
    int r = msr - X2_BASE << 4;
    if (!x2 || r < 0 || r > SELF_IPI || !present(r) || r == EOI) {
      return OptionalLong.empty();
    }
    return OptionalLong.of(
        switch (r) {
          case ID -> id;
          case LDR -> (long) (id >> 4) << 16 | 1 << (id & 15);
          case ICR_LOW -> (long) get(ICR_HIGH) << 32 | get(ICR_LOW) & 0xFFFF_FFFFL;
          default -> read(r, time) & 0xFFFF_FFFFL;
        });
  }

  /** WRMSR of the block; false is #GP: reserved bits and registers, and read-only ones. */
  public boolean writeMsr(int msr, long v, long time) {
    int r = msr - X2_BASE << 4;
    if (!x2 || r < 0 || r > SELF_IPI) {
      return false;
    }
    switch (r) {
      case ICR_LOW -> {
        set(ICR_HIGH, (int) (v >>> 32));
        set(ICR_LOW, (int) v & 0xC_CFFF);
        at(time);
        commands.send(id, (int) v & 0xC_CFFF, (int) (v >>> 32));
        return true;
      }
      case SELF_IPI -> {
        if (v >>> 8 != 0) {
          return false;
        }
        request((int) v);
        return true;
      }
      default -> {
        boolean readOnly =
            r == ID
                || r == VERSION
                || r == PPR
                || r == LDR
                || r == CURRENT_COUNT
                || r >= 0x100 && r < ESR;
        boolean reserved = v >>> 32 != 0 || (r == EOI || r == ESR) && v != 0;
        if (!present(r) || readOnly || reserved) {
          return false;
        }
        write(r, (int) v, time);
        return true;
      }
    }
  }

  private static final int DEADLINE_MODE = 1 << 18;

  private boolean deadlineMode() {
    return (get(LVT_TIMER) & DEADLINE_MODE) != 0;
  }

  /** {@return what IA32_TSC_DEADLINE holds, as a time; 0 when nothing is armed} */
  public long deadline() {
    return tscDeadline;
  }

  /** Arms the timer in deadline mode, or disarms it with 0; without effect in other modes. */
  public void setDeadline(long at, long time) {
    at(time);
    if (deadlineMode()) {
      tscDeadline = at;
      schedule();
    }
  }

  private void schedule() {
    if (deadlineMode()) {
      deadline = tscDeadline == 0 ? NEVER : Math.max(tscDeadline, now);
      return;
    }
    long count = (get(INITIAL_COUNT) & 0xFFFF_FFFFL) * divisor();
    if (count == 0) {
      deadline = NEVER;
      return;
    }
    boolean periodic = (get(LVT_TIMER) >> 17 & 1) != 0;
    long periods = periodic ? (now - timerStart) / count + 1 : 1;
    deadline = timerStart + periods * count;
    if (deadline <= now) {
      deadline = NEVER;
    }
  }

  @Override
  public long nextEvent() {
    return (get(LVT_TIMER) & MASKED) != 0 ? NEVER : deadline;
  }

  @Override
  public void advance(long time) {
    at(time);
    if (deadline <= now) {
      if ((get(LVT_TIMER) & MASKED) == 0) {
        request(get(LVT_TIMER) & 0xFF);
      }
      tscDeadline = 0;
      schedule();
    }
  }

  /** An edge-triggered interrupt arrives. */
  public void request(int vector) {
    request(vector, false);
  }

  /** An interrupt arrives. */
  public void request(int vector, boolean level) {
    if (vector < 16) {
      set(ESR, get(ESR) | 0x40);
    } else if (softwareEnabled()) {
      long bit = 1L << vector;
      irr[vector >> 6] |= bit;
      tmr[vector >> 6] = level ? tmr[vector >> 6] | bit : tmr[vector >> 6] & ~bit;
    }
  }

  /** {@return whether an interrupt of this APIC wants to be taken} */
  public boolean requesting() {
    int v = highest(irr);
    return v >= 0 && softwareEnabled() && v >> 4 > processorPriority() >> 4;
  }

  /** {@return the vector that {@link #requesting} spoke of, which is in service from now on} */
  public int acknowledge() {
    int v = highest(irr);
    irr[v >> 6] &= ~(1L << v);
    isr[v >> 6] |= 1L << v;
    return v;
  }

  /** {@return whether interrupts of the 8259 pass through LINT0} */
  public boolean acceptsExternal() {
    int lint0 = get(LVT_LINT0);
    return (lint0 & MASKED) == 0 && (lint0 >> 8 & 7) == EXT_INT;
  }

  /** Takes the task priority that the processor's CR8 holds. */
  public void setTaskPriority(int cr8) {
    if (get(TPR) >> 4 != cr8) {
      set(TPR, cr8 << 4);
    }
  }

  /** {@return the value of CR8 that the task priority stands for} */
  public int taskPriority() {
    return get(TPR) >> 4;
  }

  /** {@return whether a command's destination field means this APIC} */
  public boolean addressedBy(int destination, boolean logical) {
    if (destination == ALL || !logical) {
      return destination == ALL || destination == id;
    }
    if (x2) {
      return destination >>> 16 == id >> 4 && (destination >> (id & 15) & 1) != 0;
    }
    int mine = get(LDR) >>> 24;
    if (get(DFR) >>> 28 == 0xF) {
      return (mine & destination) != 0;
    }
    return mine >> 4 == destination >> 4 && (mine & destination & 15) != 0;
  }
}
