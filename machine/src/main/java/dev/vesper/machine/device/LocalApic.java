package dev.vesper.machine.device;

import dev.vesper.machine.observe.DeviceState;
import dev.vesper.x86.Msr;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/**
 * A local APIC (AMD APM volume 2, chapter 16): disabled, with its registers in memory (xAPIC), or
 * with its registers as MSRs (x2APIC). Fixed interrupts with priorities, the timer, other local
 * sources, errors, and the interrupt command register.
 */
public final class LocalApic implements Timed {
  /** Where the registers lie after RESET. */
  public static final long BASE = 0xFEE0_0000L;

  /** Bits of the base register besides the address (APM volume 2, 16.3.1). */
  public static final long BOOT_PROCESSOR = 0x100;

  public static final long EXTENDED = 0x400;
  public static final long ENABLE = 0x800;

  private static final int ID = 0x20;
  private static final int VERSION = 0x30;
  private static final int TPR = 0x80;
  private static final int APR = 0x90;
  private static final int PPR = 0xA0;
  private static final int EOI = 0xB0;
  private static final int LDR = 0xD0;
  private static final int DFR = 0xE0;
  private static final int SVR = 0xF0;
  private static final int ESR = 0x280;
  private static final int ICR_LOW = 0x300;
  private static final int ICR_HIGH = 0x310;
  private static final int LVT_TIMER = 0x320;
  private static final int LVT_PERFORMANCE = 0x340;
  private static final int LVT_LINT0 = 0x350;
  private static final int LVT_LINT1 = 0x360;
  private static final int LVT_ERROR = 0x370;
  private static final int INITIAL_COUNT = 0x380;
  private static final int CURRENT_COUNT = 0x390;
  private static final int DIVIDE = 0x3E0;
  private static final int MASKED = 1 << 16;
  private static final int SOFTWARE_ENABLE = 0x100;
  private static final int FIXED = 0;
  private static final int LOWEST_PRIORITY = 1;
  private static final int NMI = 4;
  private static final int EXT_INT = 7;
  private static final int ALL = -1;
  private static final int ALL_XAPIC = 0xFF;
  private static final int FLAT = -1;
  private static final int CLUSTER = 0x0FFF_FFFF;

  // Bits of the error status register.
  private static final int SENT_ILLEGAL_VECTOR = 0x20;
  private static final int RECEIVED_ILLEGAL_VECTOR = 0x40;
  private static final int ILLEGAL_REGISTER = 0x80;

  /** Bits of the interrupt command that are reserved in x2APIC mode. */
  private static final long ICR_RESERVED = 0xFFF3_2000L;

  /** Delivery status: a command is never pending. */
  private static final int BUSY = 1 << 12;

  private static final int SELF_IPI = 0x3F0;

  /** What an APIC reaches outside. */
  public interface Commands {
    /**
     * An interrupt command was written.
     *
     * @param from number of the APIC
     * @param command low half of ICR: vector 7:0, delivery mode 10:8, logical 11, assert 14, level
     *     15, shorthand 19:18
     * @param destination 8 bits in xAPIC mode, 32 in x2APIC mode
     */
    void send(int from, int command, int destination);

    /** A level-triggered interrupt has ended. */
    default void ended(int vector) {}

    /** A local source of an APIC is configured to be a non-maskable interrupt. */
    default void nmi(int to) {}
  }

  private final int id;
  private final Commands commands;
  private final ApicTimer timer = new ApicTimer();
  private final int[] regs = new int[0x400 / 16];
  private final long[] irr = new long[4];
  private final long[] isr = new long[4];

  /** Which requests are level-triggered: their end is told to I/O APICs. */
  private final long[] tmr = new long[4];

  private long base;
  private boolean deadlines;
  private long now;

  /** Errors since the error status register was written last. */
  private int errors;

  /**
   * An APIC after RESET.
   *
   * @param boot the boot processor: its LINT0 passes the 8259's interrupts through after reset
   */
  public LocalApic(int id, boolean boot, Commands commands) {
    this.id = id;
    this.commands = commands;
    base = BASE | ENABLE | (boot ? BOOT_PROCESSOR : 0);
    set(ID, id << 24);
    init();
  }

  /** Offers the timer's deadline mode, or not. */
  public void offerDeadlines(boolean on) {
    deadlines = on;
  }

  /** INIT: everything but the base register, and so the mode, and the identity. */
  public void init() {
    int identity = get(ID);
    java.util.Arrays.fill(regs, 0);
    java.util.Arrays.fill(irr, 0);
    java.util.Arrays.fill(isr, 0);
    java.util.Arrays.fill(tmr, 0);
    timer.reset();
    errors = 0;
    set(ID, identity);
    set(VERSION, 0x0005_0014);
    set(DFR, FLAT);
    set(SVR, 0xFF);
    for (int r = LVT_TIMER; r <= LVT_ERROR; r += 16) {
      set(r, MASKED);
    }
    if ((base & BOOT_PROCESSOR) != 0) {
      set(LVT_LINT0, EXT_INT << 8);
    }
  }

  // ---- the base register

  /** {@return the base register} */
  public long base() {
    return base;
  }

  /** {@return whether it is not switched off by the base register} */
  public boolean enabled() {
    return (base & ENABLE) != 0;
  }

  /** {@return whether the registers are MSRs} */
  public boolean x2Mode() {
    return (base & EXTENDED) != 0;
  }

  /** {@return whether an address is in the page of the registers, whatever answers there} */
  public boolean covers(long address) {
    return address >>> 12 == base >>> 12;
  }

  /**
   * Writes the base register. Of the modes only these follow each other: disabled, xAPIC, x2APIC,
   * disabled.
   *
   * @param reserved bits that must be 0
   * @return false for #GP
   */
  public boolean setBase(long v, long reserved) {
    boolean on = (v & ENABLE) != 0;
    boolean extended = (v & EXTENDED) != 0;
    if ((v & reserved) != 0
        || extended && !on
        || x2Mode() && on && !extended
        || !enabled() && extended) {
      return false;
    }
    if (on && !enabled()) {
      set(ID, id << 24);
      set(LDR, 0);
    }
    base = v;
    return true;
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

  /** {@return how much it has to do: an interrupt for the one with least goes to the least} */
  public int arbitrationPriority() {
    int task = get(TPR);
    int request = Math.max(highest(irr), 0) & 0xF0;
    int service = Math.max(highest(isr), 0) & 0xF0;
    return (task & 0xF0) >= request && (task & 0xF0) > service
        ? task
        : Math.max(task & 0xF0, Math.max(request, service));
  }

  /** {@return whether it takes interrupts that come} */
  public boolean accepts() {
    return enabled() && (get(SVR) & SOFTWARE_ENABLE) != 0;
  }

  private void error(int bit) {
    errors |= bit;
    int entry = get(LVT_ERROR);
    if ((entry & MASKED) == 0 && (entry & 0xFF) >= 16) {
      request(entry & 0xFF, false);
    }
  }

  /** Lets virtual time reach {@code time} before registers are read or written. */
  private void at(long time) {
    now = Math.max(now, time);
    if (timer.advance(now)) {
      local(LVT_TIMER);
    }
  }

  // ---- registers

  /** Reads an aligned register at a point of virtual time. */
  public int read(int offset, long time) {
    at(time);
    int r = offset & 0x3F0;
    boolean answers = isComputed(r) || readable(r) || r == DFR || r == ICR_HIGH;
    if (!answers) {
      error(ILLEGAL_REGISTER);
    }
    return peek(r);
  }

  /** {@return what it holds, as of when it was last in use; nothing changes by that} */
  public DeviceState.LocalApic look() {
    List<Integer> all = new ArrayList<>();
    for (int r = 0; r < 0x400; r += 16) {
      all.add(peek(r));
    }
    return new DeviceState.LocalApic(base, all);
  }

  /** {@return whether a register is made of other things than what was written to it} */
  private static boolean isComputed(int r) {
    return r >= 0x100 && r < 0x280
        || r == APR
        || r == PPR
        || r == INITIAL_COUNT
        || r == CURRENT_COUNT;
  }

  private int peek(int r) {
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
      case APR -> arbitrationPriority();
      case PPR -> processorPriority();
      case INITIAL_COUNT -> timer.initial();
      case CURRENT_COUNT -> timer.count(now);
      default -> get(r);
    };
  }

  private static int half(long[] bits, int n) {
    return (int) (bits[n >> 1] >>> 32 * (n & 1));
  }

  private static int writableOfEntry(int r) {
    return switch (r) {
      case LVT_TIMER -> MASKED | 3 << 17 | 0xFF;
      case LVT_LINT0, LVT_LINT1 -> MASKED | 0xA7FF;
      case LVT_ERROR -> MASKED | 0xFF;
      default -> MASKED | 0x7FF;
    };
  }

  /** Writes an aligned register at a point of virtual time. */
  public void write(int offset, int v, long time) {
    at(time);
    int r = offset & 0x3F0;
    switch (r) {
      case ID -> set(ID, v & 0xFF00_0000);
      case TPR -> set(TPR, v & 0xFF);
      case EOI -> endOfInterrupt();
      case LDR -> set(LDR, v & 0xFF00_0000);
      case DFR -> set(DFR, v | 0x0FFF_FFFF);
      case SVR -> {
        set(SVR, v & 0x3FF);
        if ((v & SOFTWARE_ENABLE) == 0) {
          for (int l = LVT_TIMER; l <= LVT_ERROR; l += 16) {
            set(l, get(l) | MASKED);
          }
        }
      }
      case ESR -> {
        set(ESR, errors);
        errors = 0;
      }
      case ICR_LOW -> {
        set(ICR_LOW, v & ~BUSY);
        send(v & ~BUSY, get(ICR_HIGH) >>> 24);
      }
      case ICR_HIGH -> set(ICR_HIGH, v & 0xFF00_0000);
      case INITIAL_COUNT -> timer.start(v, now);
      case DIVIDE -> {
        set(DIVIDE, v & 11);
        timer.divide(v & 11, now);
      }
      default -> {
        if (r >= LVT_TIMER && r <= LVT_ERROR) {
          localVector(r, v);
        } else if (!readable(r)) {
          error(ILLEGAL_REGISTER);
        }
        // the others are read-only
      }
    }
  }

  private void localVector(int r, int v) {
    int kept = v & writableOfEntry(r) & (r == LVT_TIMER && !deadlines ? ~(1 << 18) : -1);
    set(r, kept | ((get(SVR) & SOFTWARE_ENABLE) != 0 ? 0 : MASKED));
    if (r == LVT_TIMER) {
      timer.mode(kept >> 17 & 3);
    }
  }

  /** EOI: ends the interrupt of highest priority that is in service. */
  public void endOfInterrupt() {
    int vector = highest(isr);
    if (vector >= 0) {
      isr[vector >> 6] &= ~(1L << vector);
      if ((tmr[vector >> 6] >> vector & 1) != 0) {
        commands.ended(vector);
      }
    }
  }

  private void send(int command, int destination) {
    int delivery = command >> 8 & 7;
    if ((command & 0xFF) < 16 && (delivery == FIXED || delivery == LOWEST_PRIORITY)) {
      error(SENT_ILLEGAL_VECTOR);
    } else {
      commands.send(id, command, destination);
    }
  }

  // ---- x2APIC mode

  private static boolean readable(int r) {
    return r == ID
        || r == VERSION
        || r == TPR
        || r == PPR
        || r == LDR
        || r == SVR
        || r >= 0x100 && r <= ESR
        || r == ICR_LOW
        || r >= LVT_TIMER && r <= CURRENT_COUNT
        || r == DIVIDE;
  }

  private int extendedLogical() {
    return id >> 4 << 16 | 1 << (id & 15);
  }

  /** RDMSR of the block; empty is #GP. */
  public OptionalLong readMsr(int msr, long time) {
    int r = msr - Msr.X2APIC << 4;
    if (!x2Mode() || r < 0 || r > SELF_IPI || !readable(r)) {
      return OptionalLong.empty();
    }
    return OptionalLong.of(
        switch (r) {
          case ID -> id;
          case LDR -> extendedLogical();
          case ICR_LOW -> (long) get(ICR_HIGH) << 32 | get(ICR_LOW) & 0xFFFF_FFFFL;
          default -> read(r, time) & 0xFFFF_FFFFL;
        });
  }

  /** {@return bits of a register that WRMSR must leave 0, or -1 if it cannot be written} */
  private static int reserved(int r) {
    return switch (r) {
      case TPR -> ~0xFF;
      case EOI, ESR -> -1;
      case SVR -> ~0x13FF;
      case INITIAL_COUNT -> 0;
      case DIVIDE -> ~11;
      case LVT_TIMER -> ~(MASKED | 3 << 17 | 0x17FF);
      default -> ~(MASKED | 0xF7FF);
    };
  }

  private static boolean writable(int r) {
    return r == TPR
        || r == EOI
        || r == SVR
        || r == ESR
        || r >= LVT_TIMER && r <= INITIAL_COUNT
        || r == DIVIDE;
  }

  /** WRMSR of the block; false is #GP: reserved bits and registers, and read-only ones. */
  public boolean writeMsr(int msr, long v, long time) {
    int r = msr - Msr.X2APIC << 4;
    if (!x2Mode() || r < 0 || r > SELF_IPI) {
      return false;
    }
    switch (r) {
      case ICR_LOW -> {
        return command(v, time);
      }
      case SELF_IPI -> {
        if (v >>> 8 != 0) {
          return false;
        }
        at(time);
        if (v < 16) {
          error(SENT_ILLEGAL_VECTOR);
        } else {
          request((int) v, false);
        }
        return true;
      }
      default -> {
        if (!writable(r) || v >>> 32 != 0 || ((int) v & reserved(r)) != 0) {
          return false;
        }
        write(r, (int) v, time);
        return true;
      }
    }
  }

  // ---- the timer

  /** {@return what IA32_TSC_DEADLINE holds, as a time; 0 when nothing is armed} */
  public long deadline() {
    return enabled() ? timer.armed() : 0;
  }

  /** Arms the timer in deadline mode, or disarms it with 0; without effect in other modes. */
  public void setDeadline(long at, long time) {
    at(time);
    if (enabled()) {
      timer.arm(at, now);
    }
  }

  @Override
  public long nextEvent() {
    return (get(LVT_TIMER) & MASKED) != 0 || !enabled() ? NEVER : timer.next();
  }

  @Override
  public void advance(long time) {
    at(time);
  }

  // ---- interrupts that come

  /** A local source signals: its entry in the local vector table says what comes of it. */
  private void local(int entry) {
    int e = get(entry);
    if ((e & MASKED) != 0 || !enabled()) {
      return;
    }
    int delivery = entry == LVT_TIMER || entry == LVT_ERROR ? FIXED : e >> 8 & 7;
    switch (delivery) {
      case FIXED -> request(e & 0xFF, false);
      case NMI -> commands.nmi(id);
      default -> {
        // SMI and INIT: there is no SMM. ExtINT is asked for by acceptsExternal
      }
    }
  }

  /** A performance counter has overflowed. */
  public void performanceCounter() {
    local(LVT_PERFORMANCE);
  }

  /** The 8259 pair's output, which is wired to LINT0 of each processor, goes up. */
  public void externalRises() {
    if ((get(LVT_LINT0) >> 8 & 7) != EXT_INT) {
      local(LVT_LINT0);
    }
  }

  /** An interrupt arrives. */
  public void request(int vector, boolean level) {
    if (!accepts()) {
      return;
    }
    if (vector < 16) {
      error(RECEIVED_ILLEGAL_VECTOR);
      return;
    }
    long bit = 1L << vector;
    irr[vector >> 6] |= bit;
    tmr[vector >> 6] = level ? tmr[vector >> 6] | bit : tmr[vector >> 6] & ~bit;
  }

  /** {@return whether an interrupt of this APIC wants to be taken} */
  public boolean requesting() {
    int v = highest(irr);
    return v >= 0 && enabled() && v >> 4 > processorPriority() >> 4;
  }

  /** {@return the vector that {@link #requesting} spoke of, which is in service from now on} */
  public int acknowledge() {
    int v = highest(irr);
    irr[v >> 6] &= ~(1L << v);
    isr[v >> 6] |= 1L << v;
    return v;
  }

  /**
   * {@return whether a vector is all that there is: it alone is in service, no other waits, and
   * nobody outside is told of its end}
   */
  public boolean serves(int vector) {
    int i = vector >> 6;
    long bit = 1L << vector;
    for (int n = 0; n < isr.length; n++) {
      if (irr[n] != 0 || isr[n] != (n == i ? bit : 0)) {
        return false;
      }
    }
    return (tmr[i] & bit) == 0;
  }

  /**
   * Sends what a command register would hold in x2APIC mode, whatever the mode is.
   *
   * @return false if reserved bits are set
   */
  public boolean command(long icr, long time) {
    if ((icr & ICR_RESERVED) != 0) {
      return false;
    }
    at(time);
    set(ICR_HIGH, (int) (icr >>> 32));
    set(ICR_LOW, (int) icr & ~BUSY);
    send((int) icr & ~BUSY, (int) (icr >>> 32));
    return true;
  }

  /** {@return whether interrupts of the 8259 pass through LINT0} */
  public boolean acceptsExternal() {
    int lint0 = get(LVT_LINT0);
    return !enabled() || (lint0 & MASKED) == 0 && (lint0 >> 8 & 7) == EXT_INT;
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

  /** {@return whether x2APIC identities name this APIC by a number} */
  public boolean numbered(int number) {
    return enabled() && number == (x2Mode() ? id : get(ID) >>> 24);
  }

  /**
   * {@return whether a destination field means this APIC}
   *
   * @param message it is one of a message of a device, whose 8 bits mean all when they are set
   */
  public boolean addressedBy(int destination, boolean logical, boolean message) {
    if (!enabled()) {
      return false;
    }
    if (destination == ALL || destination == ALL_XAPIC && (message || !x2Mode())) {
      return true;
    }
    if (!logical) {
      // A number that xAPIC mode cannot have names the processor by what it would be in x2APIC
      // mode.
      return destination >>> 8 != 0 ? destination == id : numbered(destination);
    }
    if (x2Mode()) {
      return destination >>> 16 == id >> 4 && (destination >> (id & 15) & 1) != 0;
    }
    int mine = get(LDR) >>> 24;
    return switch (get(DFR)) {
      case FLAT -> (mine & destination) != 0;
      case CLUSTER -> mine >> 4 == destination >> 4 && (mine & destination & 15) != 0;
      default -> false;
    };
  }
}
