package dev.vesper.machine.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.net.UserNetwork;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.spec.Hardware;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The board of vmd(8) as a guest finds it. */
final class VmdBoardTest {
  private static final int COM1 = 0x3F8;
  private static final int CONTROL = 0x0777_0B5D;

  private final PhysicalMemory memory = new PhysicalMemory(1 << 20, 64);
  private final ByteArrayOutputStream console = new ByteArrayOutputStream();
  private long time;

  private static final Hardware.Drive DISK = new Hardware.Drive(new EmptyDisk(), true);

  /** A disk of zeroes. */
  private static final class EmptyDisk implements Disk {
    @Override
    public long sectors() {
      return 2048;
    }

    @Override
    public boolean readOnly() {
      return true;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) {
      Arrays.fill(to, 0, bytes, (byte) 0);
    }

    @Override
    public void write(long sector, byte[] from, int bytes) {
      throw new AssertionError("it is read only");
    }

    @Override
    public void flush() {
      // nothing was written
    }
  }

  private Platform board(Hardware h) {
    return Profile.named("openbsd")
        .platform(
            new Platform.Parts(
                () -> time,
                (address, data) -> {},
                memory.hostView(),
                true,
                1,
                console::write,
                b -> {},
                b -> {},
                h,
                Hardware.Board.MINIMAL,
                new MmioMap(),
                1,
                0,
                null));
  }

  private static int config(Platform p, int slot, int offset) {
    p.ports.write(0xCF8, 4, 1 << 31 | slot << 11 | offset);
    return p.ports.read(0xCFC, 4);
  }

  private static List<Integer> devices(Platform p) {
    List<Integer> ids = new ArrayList<>();
    for (int slot = 1; slot < 32 && config(p, slot, 0) != -1; slot++) {
      ids.add(config(p, slot, 0));
    }
    return ids;
  }

  private static Hardware hardware(int networks, boolean console) {
    List<dev.vesper.machine.device.net.Network> n = new ArrayList<>();
    for (int i = 0; i < networks; i++) {
      n.add(new UserNetwork());
    }
    return new Hardware(Hardware.Board.AUTO, List.of(), n, console, List.of(), null);
  }

  @Test
  void entropyAndTheControlInterfaceAreAlwaysThere() {
    assertThat(devices(board(Hardware.NONE))).containsExactly(0x1005_1AF4, CONTROL);
  }

  @Test
  void aConsoleIsThereIfItIsAskedFor() {
    assertThat(devices(board(hardware(0, true))))
        .containsExactly(0x1005_1AF4, CONTROL, 0x1003_1AF4);
  }

  @Test
  void networkAdaptersHaveVmdsAddresses() {
    Platform p = board(hardware(2, false));
    assertThat(devices(p)).containsExactly(0x1005_1AF4, 0x1000_1AF4, 0x1000_1AF4, CONTROL);
    int bar = config(p, 3, 0x10) & -4;
    int[] mac = new int[4];
    for (int i = 0; i < 4; i++) {
      mac[i] = p.ports.read(bar + 0x14 + i, 1) & 0xFF;
    }
    assertThat(mac).containsExactly(0xFE, 0xE1, 0xBB, 0xD2);
  }

  /** Thirteen disks with entropy and the control interface are all that its ports take. */
  @Test
  void thereArePortsForThirteenDisks() {
    for (int disks = 1; disks <= 13; disks++) {
      Hardware h = Hardware.NONE.withDrives(Collections.nCopies(disks, DISK));
      Platform p = board(h);
      assertThat(devices(p)).hasSize(disks + 2);
      for (int slot = 1; slot <= disks + 2; slot++) {
        assertThat(config(p, slot, 0x10) & -4).isEqualTo(0x1000 * slot);
      }
    }
    Hardware more = Hardware.NONE.withDrives(Collections.nCopies(14, DISK));
    assertThatThrownBy(() -> board(more))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("15 devices");
  }

  @Test
  void comIsAn8250WithoutFifo() {
    Platform p = board(Hardware.NONE);
    p.ports.write(COM1 + 2, 1, 0xC7);
    assertThat(p.ports.read(COM1 + 2, 1) & 0xC0).as("no FIFO").isZero();
    p.ports.write(COM1 + 7, 1, 0x55);
    assertThat(p.ports.read(COM1 + 7, 1) & 0xFF).as("no scratch register").isEqualTo(0xFF);
    assertThat(p.ports.read(COM1 + 6, 1) & 0xFF).isEqualTo(0xB0);
    p.ports.write(COM1, 1, 'x');
    assertThat(console.toString(java.nio.charset.StandardCharsets.US_ASCII)).isEqualTo("x");
    p.com1.receive('a');
    assertThat(p.com1.canReceive()).as("one byte waits, no more").isFalse();
    assertThat(p.ports.read(COM1 + 5, 1) & 0xFF).isEqualTo(0x61);
    assertThat(p.ports.read(COM1, 1)).isEqualTo('a');
  }

  private int control(Platform p) {
    int bar = config(p, 2, 0x10) & -4;
    assertThat(config(p, 2, 0x2C)).as("subsystem").isEqualTo(0xFFFF_0B5D);
    assertThat(p.ports.read(bar, 4)).as("features").isEqualTo(7);
    return bar + 0x14;
  }

  @Test
  void theControlInterfaceTellsTheHostsTime() {
    Platform p = board(Hardware.NONE);
    int at = control(p);
    time = 12_345_678_000L;
    assertThat(p.ports.read(at + 4, 4)).isEqualTo((int) Hardware.NONE.startSeconds() + 12);
    assertThat(p.ports.read(at + 8, 4)).isZero();
    assertThat(p.ports.read(at + 12, 4)).isEqualTo(345_678);
  }

  @Test
  void aGuestThatHasAnnouncedItsShutdownIsSwitchedOffThreeSecondsLater() {
    Platform p = board(Hardware.NONE);
    p.ports.write(control(p), 4, 1);
    assertThat(p.nextEvent()).isEqualTo(3_000_000_000L);
    p.advance(2_999_999_999L);
    assertThat(p.reset.poweredOff()).isFalse();
    p.advance(3_000_000_000L);
    assertThat(p.reset.poweredOff()).isTrue();
  }
}
