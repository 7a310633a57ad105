package dev.vesper.machine.device.pci;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.PortBus;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2), ECAM (PCI Express Base 3.0, 7.2.2) and
 * what a PC's firmware does with base address registers.
 */
final class PciBusTest {
  private static final int ADDRESS = 0xCF8;
  private static final int DATA = 0xCFC;
  private static final int ENABLE = 0x8000_0000;
  private static final int ID = 0x1234_8086;
  private static final int LINE = 0x3C;

  private static class Memory implements MmioDevice {
    private final long answer;

    Memory(long answer) {
      this.answer = answer;
    }

    @Override
    public long read(long offset, int bytes) {
      return answer;
    }

    @Override
    public void write(long offset, int bytes, long value) {
      // only who answers matters
    }
  }

  private static final class Function extends PciDevice {
    Function(int id, boolean pin) {
      super(id, 0x0200_0000, 0, pin);
    }

    Function io(int register, int size) {
      ioBar(register, size, new Memory(0x10 + register));
      return this;
    }

    Function memory(int register, long size) {
      memoryBar(register, size, new Memory(0x20 + register));
      return this;
    }

    Function wide(int register, long size) {
      wideBar(register, size, new Memory(0x30 + register));
      return this;
    }
  }

  private final PortBus ports = new PortBus();
  private final MmioBus mmio = new MmioBus();
  private final PciBus bus = new PciBus(ports, mmio, (address, data) -> {});
  private final List<Boolean> pin = new ArrayList<>();

  @BeforeEach
  void attach() {
    ports.attach(bus, ADDRESS, DATA + 3);
  }

  private static int select(int busNumber, int device, int function, int register) {
    return ENABLE | busNumber << 16 | device << 11 | function << 8 | register;
  }

  private Function add(int device, Function f) {
    bus.add(device, f, pin::add);
    return f;
  }

  @Test
  void theAddressRegisterReadsBackWithItsReservedBitsClear() {
    ports.write(ADDRESS, 4, -1);
    assertThat(ports.read(ADDRESS, 4)).isEqualTo(0x80FF_FFFC);
    ports.write(ADDRESS, 4, 0);
    assertThat(ports.read(ADDRESS, 4)).isZero();
  }

  @Test
  void onlyDoublewordsReachTheAddressRegister() {
    ports.write(ADDRESS, 4, select(0, 3, 0, 4));
    ports.write(ADDRESS, 1, 0);
    ports.write(ADDRESS + 2, 2, 0);
    assertThat(ports.read(ADDRESS, 4)).isEqualTo(select(0, 3, 0, 4));
    assertThat(ports.read(ADDRESS, 1) & 0xFF).isEqualTo(0xFF);
  }

  @Test
  void theDataRegisterIsAWindowOfFourBytes() {
    add(3, new Function(ID, false));
    ports.write(ADDRESS, 4, select(0, 3, 0, 0));
    assertThat(ports.read(DATA, 4)).isEqualTo(ID);
    assertThat(ports.read(DATA, 2) & 0xFFFF).isEqualTo(0x8086);
    assertThat(ports.read(DATA + 2, 2) & 0xFFFF).isEqualTo(0x1234);
    assertThat(ports.read(DATA + 3, 1) & 0xFF).isEqualTo(0x12);
    ports.write(ADDRESS, 4, select(0, 3, 0, LINE));
    ports.write(DATA, 1, 0x0B);
    assertThat(ports.read(DATA, 4)).isEqualTo(0x0B);
  }

  @Test
  void whereNobodyIsReadsGiveOnesAndWritesAreLost() {
    Function f = add(3, new Function(ID, false));
    for (int nobody :
        new int[] {
          select(0, 4, 0, LINE), select(0, 3, 1, LINE), select(1, 3, 0, LINE), LINE | 3 << 11
        }) {
      ports.write(ADDRESS, 4, nobody);
      assertThat(ports.read(DATA, 4)).isEqualTo(-1);
      ports.write(DATA, 1, 9);
    }
    assertThat(f.readConfig(LINE, 1)).isZero();
  }

  @Test
  void functionsOfADeviceAreApart() {
    bus.add(5, 0, new PciBridge(1, 0x0601_0000, true));
    bus.add(5, 7, new PciBridge(7, 0x0680_0000, false));
    ports.write(ADDRESS, 4, select(0, 5, 7, 0));
    assertThat(ports.read(DATA, 4)).isEqualTo(7);
    ports.write(ADDRESS, 4, select(0, 5, 0, 0));
    assertThat(ports.read(DATA, 4)).isEqualTo(1);
  }

  @Test
  void ecamShowsTheSameRegistersInMemory() {
    add(3, new Function(ID, false));
    MmioDevice ecam = bus.ecam();
    long at = 3 << 15;
    assertThat(ecam.read(at, 4)).isEqualTo(ID);
    assertThat(ecam.read(at + 2, 2)).isEqualTo(0x1234);
    ecam.write(at + LINE, 1, 0x0A);
    ports.write(ADDRESS, 4, select(0, 3, 0, LINE));
    assertThat(ports.read(DATA, 1) & 0xFF).isEqualTo(0x0A);
    assertThat(ecam.read(at + 0x100, 4)).as("no extended capability").isZero();
    ecam.write(at + 0x100 + LINE, 1, 0x0B);
    assertThat(ecam.read(at + LINE, 1)).isEqualTo(0x0A);
    assertThat(ecam.read(at + (1 << 12), 4)).as("another function").isEqualTo(-1);
    assertThat(ecam.read(at + (1 << 20), 4)).as("another bus").isEqualTo(-1);
  }

  @Test
  void firmwareGivesEachRegisterAnAddressOfItsOwnAlignedToItsSize() {
    Function a = add(3, new Function(ID, true).io(0, 0x20).memory(1, 0x1000).wide(4, 0x4000));
    Function b = add(4, new Function(ID, true).memory(0, 0x10).io(1, 0x100).memory(2, 0x10));
    bus.assign(0xC010, 0xE000_1000L, device -> 8 + device);
    assertThat(a.readConfig(0x10, 4)).isEqualTo(0xC020 | 1);
    assertThat(a.readConfig(0x14, 4)).isEqualTo(0xE000_1000);
    assertThat(a.readConfig(0x20, 4)).isEqualTo(0xE000_4000 | 0xC);
    assertThat(a.readConfig(0x24, 4)).isZero();
    assertThat(b.readConfig(0x10, 4)).isEqualTo(0xE000_8000);
    assertThat(b.readConfig(0x18, 4)).as("a page of its own").isEqualTo(0xE000_9000);
    assertThat(b.readConfig(0x14, 4)).isEqualTo(0xC100 | 1);
    for (Function f : List.of(a, b)) {
      assertThat(f.readConfig(4, 2)).as("ports, memory, bus master").isEqualTo(7);
    }
    assertThat(a.readConfig(LINE, 1)).isEqualTo(11);
    assertThat(b.readConfig(LINE, 1)).isEqualTo(12);
    assertThat(ports.read(0xC020, 1)).isEqualTo(0x10);
    assertThat(mmio.read(0xE000_4000L, 4)).isEqualTo(0x34);
    assertThat(mmio.read(0xE000_8000L, 4)).isEqualTo(0x20);
  }

  @Test
  void aDeviceWithoutRegistersOrPinIsLeftAlone() {
    Function f = add(3, new Function(ID, false));
    bus.assign(0xC000, 0xE000_0000L, device -> 11);
    assertThat(f.readConfig(4, 2)).isZero();
    assertThat(f.readConfig(LINE, 1)).isZero();
  }

  @Test
  void aHostWithoutFirmwarePlacesPortsAlone() {
    Function f = add(3, new Function(ID, true).io(0, 0x40));
    bus.place(3, 0x1000, 5);
    assertThat(f.readConfig(0x10, 4)).isEqualTo(0x1001);
    assertThat(f.readConfig(4, 2)).isEqualTo(1);
    assertThat(f.readConfig(LINE, 1)).isEqualTo(5);
    assertThat(ports.read(0x1000, 1)).isEqualTo(0x10);
  }

  @Test
  void theLowestFreeDeviceFrom3OnIsNext() {
    assertThat(bus.freeDevice()).isEqualTo(3);
    for (int d = 3; d < 31; d++) {
      assertThat(bus.freeDevice()).isEqualTo(d);
      add(d, new Function(ID, false));
    }
    assertThat(bus.freeDevice()).as("31 is the chip set's").isEqualTo(-1);
  }
}
