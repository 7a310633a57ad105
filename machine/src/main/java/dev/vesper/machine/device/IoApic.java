package dev.vesper.machine.device;

import dev.vesper.machine.observe.DeviceState;
import java.util.stream.LongStream;

/**
 * An I/O APIC of 24 inputs, version 20h (Intel 82093AA; the EOI register of version 20h): index at
 * offset 0, data at 10h, EOI at 40h. ISA interrupt 0 arrives at input 2, the others at the input of
 * their number; inputs from 16 on are the board's.
 */
public final class IoApic implements MmioDevice, InterruptLines {
  /** Where it lies on a PC. */
  public static final long BASE = 0xFEC0_0000L;

  /** Inputs. */
  public static final int INPUTS = 24;

  private static final int VERSION = 0x20;
  private static final long MASKED = 1 << 16;
  private static final long LEVEL = 1 << 15;
  private static final long REMOTE_IRR = 1 << 14;
  private static final long MODE = 7 << 8;
  private static final long LOWEST_PRIORITY = 1 << 8;
  private static final long LOGICAL = 1 << 11;
  private static final long WRITABLE = 0xFF00_0000_0001_AFFFL;

  private final InterruptMessages messages;
  private final long[] entries = new long[INPUTS];
  private int lines;
  private int index;
  private int id;

  /**
   * @param messages takes what inputs send to local APICs
   */
  public IoApic(InterruptMessages messages) {
    this.messages = messages;
    java.util.Arrays.fill(entries, MASKED);
  }

  /** Drives an ISA interrupt, or an input from 16 on. */
  @Override
  public void line(int number, boolean on) {
    int input = number == 0 ? 2 : number;
    // Nothing is wired to input 2 of the 8259 pair but its cascade, which stays inside.
    if (number == 2 || number < 0 || number >= INPUTS) {
      return;
    }
    int bit = 1 << input;
    boolean rises = on && (lines & bit) == 0;
    lines = on ? lines | bit : lines & ~bit;
    if (level(entries[input]) ? on : rises) {
      serve(input);
    }
  }

  /** SMI, NMI, INIT and external interrupts are edges whatever the trigger mode says. */
  private static boolean level(long entry) {
    return (entry & LEVEL) != 0 && (entry & MODE) <= LOWEST_PRIORITY;
  }

  private void serve(int input) {
    long e = entries[input];
    boolean level = level(e);
    if ((e & MASKED) != 0 || level && (e & REMOTE_IRR) != 0) {
      return;
    }
    if (level) {
      entries[input] |= REMOTE_IRR;
    }
    long address = LocalApic.BASE | (e >>> 56 & 0xFF) << 12 | ((e & LOGICAL) != 0 ? 4 : 0);
    messages.send(address, (int) e & 0x7FF | 1 << 14 | (level ? 1 << 15 : 0));
  }

  /** {@return what it holds; nothing changes by that} */
  public DeviceState.IoApic look() {
    return new DeviceState.IoApic(
        VERSION, id, index, LongStream.of(entries).boxed().toList(), lines);
  }

  /** A local APIC has ended a level-triggered interrupt. */
  public void endOfInterrupt(int vector) {
    for (int i = 0; i < INPUTS; i++) {
      long e = entries[i];
      if ((e & REMOTE_IRR) != 0 && (int) (e & 0xFF) == vector) {
        entries[i] &= ~REMOTE_IRR;
        if ((lines >> i & 1) != 0) {
          serve(i);
        }
      }
    }
  }

  @Override
  public int width(long offset) {
    return 4;
  }

  @Override
  public long read(long offset, int bytes) {
    long v =
        switch ((int) offset & ~3) {
          case 0 -> index;
          case 0x10 -> register();
          default -> 0;
        };
    return v >>> 8 * ((int) offset & 3);
  }

  private long register() {
    if (index >= 0x10 && index < 0x10 + 2 * INPUTS) {
      long e = entries[index - 0x10 >> 1];
      return (index & 1) != 0 ? e >>> 32 : e & 0xFFFF_FFFFL;
    }
    return switch (index) {
      case 0, 2 -> (long) id << 24;
      case 1 -> INPUTS - 1 << 16 | VERSION;
      default -> 0;
    };
  }

  @Override
  public void write(long offset, int bytes, long value) {
    switch ((int) offset) {
      case 0 -> index = (int) value & 0xFF;
      case 0x10 -> setRegister(value & 0xFFFF_FFFFL);
      case 0x40 -> endOfInterrupt((int) value & 0xFF);
      default -> {
        // reserved
      }
    }
  }

  private void setRegister(long v) {
    if (index == 0) {
      id = (int) (v >>> 24) & 15;
      return;
    }
    if (index < 0x10 || index >= 0x10 + 2 * INPUTS) {
      return;
    }
    int input = index - 0x10 >> 1;
    long old = entries[input];
    long merged =
        (index & 1) != 0 ? old & 0xFFFF_FFFFL | v << 32 : old & 0xFFFF_FFFF_0000_0000L | v;
    entries[input] = merged & WRITABLE | old & REMOTE_IRR;
    if (!level(entries[input])) {
      // Software that lacks the EOI register clears remote IRR by a turn to edge and back.
      entries[input] &= ~REMOTE_IRR;
    } else if ((lines >> input & 1) != 0) {
      serve(input);
    }
  }
}
