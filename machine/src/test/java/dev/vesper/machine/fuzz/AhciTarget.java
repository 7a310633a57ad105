package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.ahci.Ahci;
import dev.vesper.machine.device.ahci.SataDrive;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.List;

/**
 * An AHCI controller whose first port runs, with its command list at 1000h, received frames at
 * 2000h and a command table at 3000h; then what a guest does.
 */
public final class AhciTarget implements FuzzTarget {
  private static final int RAM = 1 << 20;
  private static final int USED = 0x1_0000;
  private static final int LIST = 0x1000;
  private static final int TABLE = 0x3000;
  private static final int PORT = 0x100;

  private final HostView memory = new PhysicalMemory(RAM, 0).hostView();
  private final byte[] zeros = new byte[USED];

  @Override
  public String name() {
    return "ahci";
  }

  @Override
  public List<String> covers() {
    return List.of("dev.vesper.machine.device.ahci.");
  }

  @Override
  public int longest() {
    return 1024;
  }

  private static byte[] command(int code, int lba, int count, int bytes, int flags) {
    return new Words()
        .u8(0)
        .u32(LIST)
        .u8(16)
        .u32(5 | flags | 1 << 16, 0, TABLE, 0)
        .u8(0)
        .u32(TABLE)
        .u8(20)
        .u8(0x27, 0x80, code, 0, lba, 0, 0, 0x40, 0, 0, 0, 0, count, 0, 0, 0)
        .u32(0)
        .u8(0)
        .u32(TABLE + 0x80)
        .u8(16)
        .u32(0x8000, 0, 0, bytes - 1)
        .u8(3)
        .u8(0)
        .done();
  }

  @Override
  public List<byte[]> seeds() {
    return List.of(
        command(0xEC, 0, 1, 512, 0),
        command(0x25, 2, 2, 1024, 0),
        command(0x35, 2, 1, 512, 0x40),
        command(0xC8, 1, 1, 512, 0),
        command(0xEA, 0, 0, 2, 0),
        command(0x60, 1, 8, 512, 0),
        command(0xEF, 3, 0x45, 2, 0),
        new Words().u8(1).u16(PORT + 0x2C).u8(2).u32(1).done());
  }

  @Override
  public void take(byte[] input) {
    memory.write(0, zeros, 0, zeros.length);
    DeviceWork work = new DeviceWork();
    Ahci a = new Ahci(memory, List.of(SataDrive.hard(new StrictDisk())), work);
    a.write(4, 4, 1L << 31 | 2);
    a.write(PORT, 4, LIST);
    a.write(PORT + 8, 4, 0x2000);
    a.write(PORT + 0x18, 4, 0x17);
    FuzzInput in = new FuzzInput(input);
    while (in.more()) {
      switch (in.u8() % 5) {
        case 0 -> {
          long at = in.i32() & RAM - 1;
          byte[] b = in.bytes(in.u8());
          if (memory.contains(at, b.length)) {
            memory.write(at, b, 0, b.length);
          }
        }
        case 1 -> {
          long at = in.u16() & 0x7FF;
          int size = 1 << (in.u8() & 3);
          a.write(at, size, in.number(size));
        }
        case 2 -> {
          long at = in.u16() & 0x7FF;
          a.read(at, 1 << (in.u8() & 3));
        }
        case 3 -> a.write(PORT + 0x38, 4, 1L << (in.u8() & 31));
        default -> {
          // A port that has stopped is started again.
          a.write(PORT + 0x18, 4, 0x16);
          a.write(PORT + 0x10, 4, -1);
          a.write(PORT + 0x30, 4, -1);
          a.write(PORT + 0x18, 4, 0x17);
        }
      }
      Pending.finish(work);
    }
  }
}
