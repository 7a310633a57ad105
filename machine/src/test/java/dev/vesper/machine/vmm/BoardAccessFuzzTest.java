package dev.vesper.machine.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.net.UserNetwork;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.spec.Hardware;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Accesses of every width to every port and device register of every board, with time that passes:
 * nothing is thrown, and no value is wider than what was asked for.
 */
final class BoardAccessFuzzTest {
  /** Accesses to each board; {@code -Dboard.accesses} asks for another number. */
  private static final int ACCESSES = Integer.getInteger("board.accesses", 300_000);

  private static final int RAM = 1 << 20;
  private static final int FLASH = 1 << 16;

  /** Where devices are: base, length. */
  private static final long[][] REGISTERS = {
    {0xA_0000, 0x2_0000},
    {0xB000_0000L, 0x10_0000},
    {0xC000_0000L, 0x10_0000},
    {0xC100_0000L, 0x100_0000},
    {0xE000_0000L, 0x10_0000},
    {0xFEC0_0000L, 0x50},
    {0xFED0_0000L, 0x400},
    {0x1_0000_0000L - 2 * FLASH, 2 * FLASH}
  };

  private final HostView memory = new PhysicalMemory(GuestRam.below(RAM), 1 << 20, 0).hostView();
  private long time;

  private static final class SmallDisk implements Disk {
    @Override
    public long sectors() {
      return 64;
    }

    @Override
    public boolean readOnly() {
      return false;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) {
      assertThat(sector + bytes / SECTOR).isBetween(0L, sectors());
    }

    @Override
    public void write(long sector, byte[] from, int bytes) {
      assertThat(sector + bytes / SECTOR).isBetween(0L, sectors());
    }

    @Override
    public void flush() {
      // nothing is kept
    }
  }

  private Platform platform(String profile, Hardware.Board board, boolean firmware) {
    boolean bare = board == Hardware.Board.MINIMAL;
    boolean kvm = profile.equals("kvm");
    Hardware hardware =
        new Hardware(
            board,
            bare && kvm
                ? List.of()
                : List.of(
                    new Hardware.Drive(new SmallDisk(), true),
                    new Hardware.Drive(new SmallDisk(), !kvm)),
            bare ? List.of() : List.of(new UserNetwork()),
            !bare,
            List.of(),
            bare ? null : new Hardware.Screen(new byte[0]));
    return Profile.named(profile)
        .platform(
            new Platform.Parts(
                () -> time,
                (address, data) -> {},
                memory,
                false,
                2,
                b -> {},
                b -> {},
                b -> {},
                hardware,
                board,
                new MmioMap(),
                1,
                0,
                firmware
                    ? new Platform.PlacedFirmware(
                        (1L << 32) - 2 * FLASH, 2 * FLASH, FLASH, false, null, null, "")
                    : null));
  }

  /** {@return one of the boards that are tested} */
  Platform platform(int n) {
    return switch (n % 6) {
      case 0 -> platform("kvm", Hardware.Board.MINIMAL, false);
      case 1 -> platform("kvm", Hardware.Board.PC, false);
      case 2 -> platform("kvm", Hardware.Board.PC, true);
      case 3 -> platform("kvm", Hardware.Board.Q35, false);
      case 4 -> platform("kvm", Hardware.Board.Q35, true);
      default -> platform("openbsd", Hardware.Board.MINIMAL, false);
    };
  }

  /** Lets time pass. */
  void pass(long nanos) {
    time += nanos;
  }

  long now() {
    return time;
  }

  /** {@return an address of a device's registers} */
  static long register(int range, int offset) {
    long[] r = REGISTERS[range % REGISTERS.length];
    return r[0] + offset % r[1];
  }

  private static int port(Random r) {
    return switch (r.nextInt(8)) {
      case 0 -> r.nextInt(0x1_0000);
      case 1 -> 0xC000 + r.nextInt(0x400);
      case 2 -> 0x600 + r.nextInt(0x40);
      case 3 -> 0xCF8 + r.nextInt(8);
      default -> r.nextInt(0x520);
    };
  }

  private static long number(Random r) {
    return switch (r.nextInt(4)) {
      case 0 -> r.nextInt(256) * 0x101L;
      case 1 -> 1L << r.nextInt(64);
      case 2 -> r.nextInt(RAM) & -16;
      default -> r.nextLong();
    };
  }

  private static long address(Random r) {
    long[] range = REGISTERS[r.nextInt(REGISTERS.length)];
    long in = r.nextInt(4) == 0 ? range[1] - 9 + r.nextInt(18) : r.nextLong(range[1]);
    return range[0] + (r.nextBoolean() ? in & 0x1FFF : in);
  }

  @ParameterizedTest
  @CsvSource({
    "kvm, MINIMAL, false",
    "kvm, PC, false",
    "kvm, PC, true",
    "kvm, Q35, false",
    "kvm, Q35, true",
    "openbsd, MINIMAL, false"
  })
  void anyAccessOfAnyWidthIsBorne(String profile, Hardware.Board board, boolean firmware) {
    Random r = new Random(board.ordinal() + (firmware ? 8 : 0));
    Platform p = platform(profile, board, firmware);
    for (int i = 0; i < ACCESSES; i++) {
      if (i % 5000 == 4999) {
        // Registers may have moved to where nobody looks, or devices may have stopped.
        p = platform(profile, board, firmware);
      }
      time += r.nextInt(16) == 0 ? r.nextInt(50_000_000) : 1000;
      int bytes = 1 << r.nextInt(3);
      int port = port(r);
      switch (r.nextInt(5)) {
        case 0 -> {
          int v = p.ports.read(port, bytes);
          assertThat((long) v & ~(-1L >>> 64 - 8 * bytes) & 0xFFFF_FFFFL).isZero();
        }
        case 1, 2 -> p.ports.write(port, bytes, (int) number(r));
        case 3 -> {
          int n = 1 + r.nextInt(8);
          assertThat(p.mmio.read(address(r), n) & (n == 8 ? 0 : -1L << 8 * n)).isZero();
        }
        default -> p.mmio.write(address(r), 1 + r.nextInt(8), number(r));
      }
      if (r.nextInt(8) == 0) {
        p.advance(time);
        assertThat(p.nextEvent()).isGreaterThan(time - 1);
        if (p.pic.requesting()) {
          assertThat(p.pic.acknowledge()).isBetween(0, 255);
        }
      }
    }
  }
}
