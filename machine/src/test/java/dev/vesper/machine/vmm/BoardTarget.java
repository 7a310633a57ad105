package dev.vesper.machine.vmm;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import java.io.ByteArrayOutputStream;
import java.util.List;

/** Ports and device registers of whole boards: a byte says which, then come accesses and time. */
public final class BoardTarget implements FuzzTarget {
  @Override
  public String name() {
    return "board";
  }

  @Override
  public List<String> covers() {
    return List.of("dev.vesper.machine.device.");
  }

  @Override
  public int longest() {
    return 1024;
  }

  @Override
  public int inputs() {
    return 1000;
  }

  private static byte[] seed(int board, int... bytes) {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    b.write(board);
    for (int x : bytes) {
      b.write(x);
    }
    return b.toByteArray();
  }

  @Override
  public List<byte[]> seeds() {
    return List.of(
        // CF8h, CFCh: the first device's ID.
        seed(1, 1, 0xF8, 0x0C, 2, 0, 0, 0, 0x80, 0, 0xFC, 0x0C, 2),
        seed(4, 1, 0xF8, 0x0C, 2, 4, 0x18, 0, 0x80, 1, 0xFC, 0x0C, 2, 7, 0, 0, 0),
        seed(0, 1, 0x70, 0, 0, 0x0A, 0, 0x71, 0, 0, 4, 0, 0, 1, 0),
        seed(5, 1, 0xFD, 3, 0, 1, 1, 0xF8, 3, 0, 65));
  }

  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    BoardAccessFuzzTest t = new BoardAccessFuzzTest();
    Platform p = t.platform(in.u8());
    while (in.more()) {
      switch (in.u8() % 5) {
        case 0 -> {
          int port = in.u16();
          p.ports.read(port, 1 << in.u8() % 3);
        }
        case 1 -> {
          int port = in.u16();
          int size = 1 << in.u8() % 3;
          p.ports.write(port, size, (int) in.number(size));
        }
        case 2 -> {
          long at = BoardAccessFuzzTest.register(in.u8(), in.u16());
          p.mmio.read(at, 1 + in.u8() % 8);
        }
        case 3 -> {
          long at = BoardAccessFuzzTest.register(in.u8(), in.u16());
          int size = 1 + in.u8() % 8;
          p.mmio.write(at, size, in.number(size));
        }
        default -> {
          t.pass(in.i32() & 0x7FFF_FFFF);
          p.advance(t.now());
          if (p.nextEvent() < t.now()) {
            throw new IllegalStateException("an event that is over");
          }
        }
      }
    }
  }
}
