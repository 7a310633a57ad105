package dev.vesper.machine.vmm;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Ports and device registers of whole boards: a byte says which, then come accesses and time. */
public final class BoardTarget implements FuzzTarget {
  private static final int BOARDS = 6;

  /** What happens; in seeds and in inputs. */
  private static final int IN = 0;

  private static final int OUT = 1;
  private static final int READ = 2;
  private static final int WRITE = 3;
  private static final int TIME = 4;
  private static final int INTERRUPT = 5;
  private static final int RECEIVE = 6;
  private static final int KINDS = 7;

  @Override
  public String name() {
    return "board";
  }

  /**
   * Chips and devices that hang on a board have targets of their own; kvm-unit-tests' is on none.
   */
  @Override
  public List<String> covers() {
    return Stream.of(
            "AccessSplit",
            "CmosRtc",
            "DebugConsole",
            "MmioBus",
            "Ns8250",
            "Pic8259",
            "PortBus",
            "ResetPorts",
            "Rom",
            "SerialPort",
            "Uart16550",
            "pci.")
        .map("dev.vesper.machine.device."::concat)
        .toList();
  }

  @Override
  public int longest() {
    return 4096;
  }

  @Override
  public int inputs() {
    return 1000;
  }

  /** What a guest does, in the form that inputs have. */
  private static final class Guest {
    private final ByteArrayOutputStream to = new ByteArrayOutputStream();

    Guest(int board) {
      to.write(board);
    }

    private Guest number(int bytes, long v) {
      for (int i = 0; i < bytes; i++) {
        to.write((int) (v >> 8 * i));
      }
      return this;
    }

    Guest out(int port, int... bytes) {
      for (int b : bytes) {
        to.write(OUT);
        number(2, port).number(2, b << 8);
      }
      return this;
    }

    Guest outLong(int port, int v) {
      to.write(OUT);
      return number(2, port).number(1, 2).number(4, v);
    }

    Guest in(int port, int log2) {
      to.write(IN);
      return number(2, port).number(1, log2);
    }

    Guest memory(int range, int offset, int v) {
      to.write(WRITE);
      number(1, range).number(2, offset).number(1, 3).number(4, v);
      to.write(READ);
      return number(1, range).number(2, offset).number(1, 3);
    }

    Guest pass(int nanos) {
      to.write(TIME);
      return number(4, nanos);
    }

    Guest does(int kind, int v) {
      to.write(kind);
      return number(1, v);
    }

    byte[] done() {
      return to.toByteArray();
    }
  }

  @Override
  public List<byte[]> seeds() {
    List<byte[]> all = new ArrayList<>();
    for (int board = 0; board < BOARDS; board++) {
      serial(board, all);
      clock(board, all);
      interrupts(board, all);
      pci(board, all);
      Guest other = new Guest(board).out(0xE9, 'x').out(0x402, 'y').in(0xE9, 0).in(0x402, 0);
      for (int port : new int[] {0xE0, 0xE1, 0xE4, 0xE8, 0xEC, 0x2000, 0x2001}) {
        other.out(port, 1, 0).in(port, 2).outLong(port, -1);
      }
      for (int range = 0; range < 8; range++) {
        other.memory(range, 0, -1).memory(range, 0x4C, 1).memory(range, 0xFFE, 1);
      }
      all.add(other.done());
      for (int port : new int[] {0xF4, 0x64, 0x60, 0x92, 0xCF9, 0xB2, 0xB3}) {
        all.add(new Guest(board).in(port, 0).out(port, 2, 6, 0xFE, 1, 0x10).in(port, 0).done());
      }
    }
    return all;
  }

  private static void serial(int board, List<byte[]> all) {
    Guest g = new Guest(board);
    for (int port = 0x3F8; port < 0x400; port++) {
      g.out(port, 0xFF, 0x0F, 0).in(port, 0);
    }
    // The divisor, loopback, interrupts of every kind, FIFOs on and off.
    g.out(0x3FB, 0x83).out(0x3F8, 1).out(0x3F9, 0).in(0x3F8, 0).in(0x3F9, 0).out(0x3FB, 3);
    for (int fifo : new int[] {0, 1, 0xC7}) {
      g.out(0x3FA, fifo).out(0x3F9, 0xF).out(0x3F8, 'a', 'b').in(0x3FA, 0).pass(200_000);
      g.does(RECEIVE, 'c').does(RECEIVE, 'd').in(0x3FD, 0).in(0x3FA, 0).in(0x3F8, 0).in(0x3FE, 0);
      g.out(0x3FC, 0x1B).out(0x3F8, 'e').pass(200_000).in(0x3F8, 0).in(0x3FD, 0).out(0x3FC, 8);
    }
    for (int i = 0; i < 20; i++) {
      g.does(RECEIVE, i);
    }
    all.add(g.in(0x3FD, 0).in(0x3F8, 0).done());
  }

  private static void clock(int board, List<byte[]> all) {
    for (int b : new int[] {0, 2, 4, 6, 0x72, 0x86}) {
      Guest g = new Guest(board).out(0x70, 0xB).out(0x71, b);
      for (int r = 0; r < 0x80; r++) {
        g.out(0x70, r).in(0x71, 0);
      }
      for (int r = 0; r < 14; r++) {
        g.out(0x70, r).out(0x71, r == 10 ? 0x26 : r == 11 ? b : r == 4 ? 0x81 : 1);
      }
      g.in(0x70, 0).pass(1_000_000_000).pass(1_000_000_000).out(0x70, 0xC).in(0x71, 0);
      // An alarm at any time.
      for (int r = 1; r < 6; r += 2) {
        g.out(0x70, r).out(0x71, 0xFF);
      }
      all.add(g.pass(2_000_000_000).out(0x70, 0xC).in(0x71, 0).done());
    }
  }

  private static void interrupts(int board, List<byte[]> all) {
    for (int fourth : new int[] {1, 3, 0x11, 0x1B}) {
      Guest g = new Guest(board);
      for (int chip : new int[] {0x20, 0xA0}) {
        g.out(chip, 0x11 | fourth & 8).out(chip + 1, 0x20, chip == 0x20 ? 4 : 2, fourth, 0);
      }
      g.out(0x4D0, 8).out(0x4D1, 2).in(0x4D0, 0);
      for (int line = 0; line < 16; line++) {
        g.does(INTERRUPT, line | 0x80).does(INTERRUPT, 0x40).does(INTERRUPT, line);
        for (int command : new int[] {0x0A, 0x0B, 0x0C, 0x20, 0x60 | line & 7, 0x68, 0x48}) {
          g.out(0x20, command).in(0x20, 0).out(0xA0, command).in(0xA0, 0);
        }
      }
      for (int command = 0; command < 0x100; command += 0x20) {
        g.out(0x20, command | 1).out(0xA0, command).in(0x21, 0);
      }
      all.add(g.done());
    }
  }

  /** Every register of every device, addresses moved, and messages. */
  private static void pci(int board, List<byte[]> all) {
    for (int device = 0; device < 32; device++) {
      for (int from = 0; from < 0x100; from += 0x40) {
        Guest g = new Guest(board);
        for (int r = from; r < from + 0x40; r += 4) {
          g.outLong(0xCF8, 0x8000_0000 | device << 11 | r).in(0xCFC, 2).in(0xCFE, 1);
          if (r == 4 || r == 0x18 || r >= 0x40) {
            g.outLong(0xCFC, 0x00FF_0107);
          } else {
            g.outLong(0xCFC, -1).in(0xCFC, 2).outLong(0xCFC, 0xC001_0000);
          }
          g.in(0xCFC, 2);
        }
        all.add(g.memory(1, 0x8000 * device & 0xFFFF, 7).memory(4, 0, 7).memory(2, 0, 7).done());
      }
    }
  }

  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    BoardAccessFuzzTest t = new BoardAccessFuzzTest();
    Platform p = t.platform(in.u8());
    while (in.more()) {
      switch (in.u8() % KINDS) {
        case IN -> {
          int port = in.u16();
          p.ports.read(port, 1 << in.u8() % 3);
        }
        case OUT -> {
          int port = in.u16();
          int size = 1 << in.u8() % 3;
          p.ports.write(port, size, (int) in.number(size));
        }
        case READ -> {
          long at = BoardAccessFuzzTest.register(in.u8(), in.u16());
          p.mmio.read(at, 1 + in.u8() % 8);
        }
        case WRITE -> {
          long at = BoardAccessFuzzTest.register(in.u8(), in.u16());
          int size = 1 + in.u8() % 8;
          p.mmio.write(at, size, in.number(size));
        }
        case TIME -> {
          t.pass(in.i32() & 0x7FFF_FFFF);
          p.advance(t.now());
          if (p.nextEvent() < t.now()) {
            throw new IllegalStateException("an event that is over");
          }
        }
        case INTERRUPT -> {
          int n = in.u8();
          if ((n & 0x40) == 0) {
            p.lines.line(n & 15, n >= 0x80);
          } else if (p.pic.requesting()) {
            p.pic.acknowledge();
          }
        }
        default -> p.com1.receive(in.u8());
      }
    }
  }
}
