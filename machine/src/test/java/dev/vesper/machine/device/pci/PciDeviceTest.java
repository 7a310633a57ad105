package dev.vesper.machine.device.pci;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.MmioDevice;
import dev.vesper.machine.device.PortBus;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Configuration header, base address registers, pin and MSI, by PCI Local Bus 3.0, chapter 6. */
final class PciDeviceTest {
  private static final int COMMAND = 4;
  private static final int STATUS = 6;
  private static final int IO = 1;
  private static final int MEMORY = 2;
  private static final int BAR = 0x10;

  /** Minus one, as {@link Function#moved} writes it down. */
  private static final String NOWHERE = "ffffffffffffffff";

  private static final class Registers implements MmioDevice {
    private final int[] bytes = new int[0x2000];

    @Override
    public int width(long offset) {
      return 1;
    }

    @Override
    public long read(long offset, int n) {
      return bytes[(int) offset];
    }

    @Override
    public void write(long offset, int n, long value) {
      bytes[(int) offset] = (int) value;
    }
  }

  private final class Function extends PciDevice {
    int msi;

    Function() {
      super(0x1234_8086, 0x0102_0304, 0x5678_9ABC, true);
      ioBar(0, 32, io);
      memoryBar(1, 0x1000, memory);
      wideBar(2, 0x2000, wide);
      msi = capability(9, (byte) 0x11, (byte) 0x22, (byte) 0x33);
      msi();
      msi += 8;
    }

    @Override
    protected void moved(int register, long address) {
      moves.add(register + "@" + Long.toHexString(address));
    }
  }

  private final Registers io = new Registers();
  private final Registers memory = new Registers();
  private final Registers wide = new Registers();
  private final List<String> moves = new ArrayList<>();
  private final List<String> sent = new ArrayList<>();
  private final PortBus ports = new PortBus();
  private final MmioBus mmio = new MmioBus();
  private final Function f = new Function();
  private boolean pin;

  @BeforeEach
  void plug() {
    PciBus bus =
        new PciBus(
            ports,
            mmio,
            (address, data) ->
                sent.add(Long.toHexString(address) + ":" + Integer.toHexString(data)));
    bus.add(3, f, on -> pin = on);
  }

  private int get(int at, int bytes) {
    return f.readConfig(at, bytes);
  }

  private void set(int at, int bytes, int v) {
    f.writeConfig(at, bytes, v);
  }

  // ---- the header

  @Test
  void theHeaderNamesTheFunctionAndCannotBeWritten() {
    for (int at : new int[] {0, 8, 0x2C}) {
      set(at, 4, -1);
    }
    set(0x3D, 1, 0xFF);
    set(0x34, 1, 0xFF);
    set(0x0E, 1, 0xFF);
    assertThat(get(0, 4)).isEqualTo(0x1234_8086);
    assertThat(get(8, 4)).isEqualTo(0x0102_0304);
    assertThat(get(0x2C, 4)).isEqualTo(0x5678_9ABC);
    assertThat(get(0x3D, 1)).as("pin A").isEqualTo(1);
    assertThat(get(0x34, 1)).isEqualTo(0x40);
    assertThat(get(0x0E, 1)).as("header of type 0").isZero();
  }

  @Test
  void softwareWritesCommandLineAndCacheLineSize() {
    set(COMMAND, 2, 0xFFFF);
    assertThat(get(COMMAND, 2)).as("memory, I/O, master, SERR, INTx").isEqualTo(0x0507);
    set(0x3C, 1, 0xAB);
    set(0x0C, 1, 0x10);
    assertThat(get(0x3C, 2)).isEqualTo(0x01AB);
    assertThat(get(0x0C, 4)).isEqualTo(0x10);
    set(STATUS, 2, 0xFFFF);
    assertThat(get(STATUS, 2)).as("only the list of capabilities").isEqualTo(0x10);
  }

  @Test
  void capabilitiesAreAList() {
    assertThat(get(0x40, 4)).isEqualTo(0x2211_4809);
    assertThat(get(0x44, 1)).isEqualTo(0x33);
    assertThat(get(0x48, 1)).isEqualTo(5);
    assertThat(get(0x49, 1)).as("the end").isZero();
    assertThat(get(0x4A, 2)).as("64 bits, one message, off").isEqualTo(0x80);
  }

  // ---- base address registers

  @ParameterizedTest
  @CsvSource({"0x10, 0x0000FFE1", "0x14, 0xFFFFF000", "0x18, 0xFFFFE00C", "0x1C, 0xFFFFFFFF"})
  void aBaseAddressRegisterSaysItsSizeAndKind(int at, String v) {
    set(at, 4, -1);
    assertThat(get(at, 4)).isEqualTo(Long.decode(v).intValue());
  }

  @Test
  void registersThatAreNotThereAreZero() {
    set(0x20, 4, -1);
    set(0x24, 4, -1);
    assertThat(get(0x20, 4)).isZero();
    assertThat(get(0x24, 4)).isZero();
  }

  @Test
  void portsAnswerWhereTheRegisterSaysWhileIoIsEnabled() {
    io.bytes[0] = 0x5A;
    io.bytes[31] = 0x77;
    set(BAR, 4, 0xC000);
    assertThat(ports.read(0xC000, 1)).isEqualTo(0xFF);
    set(COMMAND, 2, MEMORY);
    assertThat(ports.read(0xC000, 1)).isEqualTo(0xFF);
    set(COMMAND, 2, IO);
    assertThat(ports.read(0xC000, 1)).isEqualTo(0x5A);
    assertThat(ports.read(0xC01F, 1)).isEqualTo(0x77);
    assertThat(ports.read(0xC020, 1)).isEqualTo(0xFF);
    ports.write(0xC003, 1, 0x99);
    assertThat(io.bytes[3]).isEqualTo(0x99);
    ports.write(0xC004, 4, 0x4433_2211);
    assertThat(io.bytes[7]).isEqualTo(0x44);
    set(BAR, 4, 0xD000);
    assertThat(ports.read(0xC000, 1)).isEqualTo(0xFF);
    assertThat(ports.read(0xD000, 1)).isEqualTo(0x5A);
    set(COMMAND, 2, 0);
    assertThat(ports.read(0xD000, 1)).isEqualTo(0xFF);
  }

  @Test
  void memoryAnswersWhereTheRegisterSaysWhileMemoryIsEnabled() {
    memory.bytes[0xFFF] = 0x5A;
    set(BAR + 4, 4, 0xE000_0000);
    set(COMMAND, 2, IO);
    assertThat(mmio.read(0xE000_0FFFL, 1)).isEqualTo(0xFF);
    set(COMMAND, 2, MEMORY);
    assertThat(mmio.read(0xE000_0FFFL, 1)).isEqualTo(0x5A);
    mmio.write(0xE000_0001L, 1, 0x42);
    assertThat(memory.bytes[1]).isEqualTo(0x42);
    set(BAR + 4, 4, 0xE000_1000);
    assertThat(mmio.read(0xE000_0FFFL, 1)).isEqualTo(0xFF);
    assertThat(mmio.read(0xE000_1FFFL, 1)).isEqualTo(0x5A);
    assertThat(moves).containsExactly("1@e0000000", "1@e0001000");
  }

  @Test
  void aRegisterOf64BitsReachesAbove4Gib() {
    wide.bytes[0x1FFF] = 0x5A;
    set(COMMAND, 2, MEMORY);
    set(BAR + 8, 4, 0x8000_0000);
    set(BAR + 12, 4, 0x12);
    assertThat(mmio.read(0x12_8000_1FFFL, 1)).isEqualTo(0x5A);
    assertThat(mmio.read(0x8000_1FFFL, 1)).isEqualTo(0xFF);
    set(BAR + 12, 4, 0x10_0000);
    assertThat(moves).as("beyond physical addresses").last().isEqualTo("2@" + NOWHERE);
  }

  /** While software asks for the size the device is nowhere. */
  @Test
  void askingForTheSizeMapsNothing() {
    set(COMMAND, 2, IO | MEMORY);
    set(BAR, 4, -1);
    set(BAR + 4, 4, -1);
    set(BAR + 8, 4, -1);
    set(BAR + 12, 4, -1);
    assertThat(ports.read(0xFFE0, 1)).isEqualTo(0xFF);
    assertThat(moves).as("but by half a register").containsExactly("2@ffffe000", "2@" + NOWHERE);
    set(BAR, 4, 0);
    set(BAR + 4, 4, 0);
    io.bytes[1] = 1;
    assertThat(ports.read(1, 1)).as("zero is no address").isEqualTo(0xFF);
  }

  /** Firmware, which the machine plays where there is none, gives addresses by size. */
  @Test
  void theBusAssignsWhatIsNeeded() {
    PciBus bus = new PciBus(ports, mmio, (address, data) -> {});
    bus.add(3, f, on -> pin = on);
    bus.assign(0xC001, 0xE000_0001L, device -> 0x10 + device);
    assertThat(get(BAR, 4)).isEqualTo(0xC021);
    assertThat(get(BAR + 4, 4)).isEqualTo(0xE000_1000);
    assertThat(get(BAR + 8, 4)).as("aligned to its size").isEqualTo(0xE000_200C);
    assertThat(get(BAR + 12, 4)).isZero();
    assertThat(get(COMMAND, 2)).as("I/O, memory and master").isEqualTo(7);
    assertThat(get(0x3C, 1)).isEqualTo(0x13);
    io.bytes[0] = 0x5A;
    assertThat(ports.read(0xC020, 1)).isEqualTo(0x5A);
  }

  @Test
  void theLastPortsCanBeUsed() {
    io.bytes[31] = 0x11;
    set(COMMAND, 2, IO);
    set(BAR, 4, 0xFFC0);
    assertThat(ports.read(0xFFDF, 1)).isEqualTo(0x11);
  }

  // ---- interrupts

  @Test
  void thePinFollowsTheInterruptAndTheStatusShowsIt() {
    f.interrupt(true);
    assertThat(pin).isTrue();
    assertThat(get(STATUS, 2)).isEqualTo(0x18);
    f.interrupt(false);
    assertThat(pin).isFalse();
    assertThat(get(STATUS, 2)).isEqualTo(0x10);
  }

  @Test
  void interruptDisableSilencesThePinButNotTheStatus() {
    f.interrupt(true);
    set(COMMAND, 2, 0x400);
    assertThat(pin).isFalse();
    assertThat(get(STATUS, 2)).isEqualTo(0x18);
    set(COMMAND, 2, 0);
    assertThat(pin).isTrue();
  }

  @Test
  void msiSendsAMessageAtEachRiseInPlaceOfThePin() {
    set(f.msi + 4, 4, 0xFEE0_2003);
    set(f.msi + 8, 4, 0x1);
    set(f.msi + 12, 4, 0xFFFF_4051);
    assertThat(get(f.msi + 4, 4)).as("a doubleword's address").isEqualTo(0xFEE0_2000);
    assertThat(get(f.msi + 12, 4)).isEqualTo(0x4051);
    f.interrupt(true);
    assertThat(sent).isEmpty();
    f.interrupt(false);
    set(f.msi + 2, 2, 0xFFFF);
    assertThat(get(f.msi + 2, 2)).as("only the enable bit is there to write").isEqualTo(0x81);
    f.interrupt(true);
    f.interrupt(true);
    assertThat(sent).containsExactly("1fee02000:4051");
    assertThat(pin).isFalse();
    f.interrupt(false);
    set(f.msi + 8, 4, 0);
    f.interrupt(true);
    assertThat(sent).containsExactly("1fee02000:4051", "fee02000:4051");
  }

  /** A function that uses MSI is prohibited from using its pin. */
  @Test
  void enablingMsiLowersThePin() {
    f.interrupt(true);
    assertThat(pin).isTrue();
    set(f.msi + 2, 2, 1);
    assertThat(pin).isFalse();
    set(f.msi + 2, 2, 0);
    assertThat(pin).isTrue();
  }
}
