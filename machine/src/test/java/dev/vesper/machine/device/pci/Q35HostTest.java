package dev.vesper.machine.device.pci;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.PortBus;
import org.junit.jupiter.api.Test;

/** PCIEXBAR of the Q35's host bridge, by the data sheet of the Intel 3 Series, 5.1.17. */
final class Q35HostTest {
  private static final int PCIEXBAR = 0x60;
  private static final int ENABLE = 1;
  private static final int BUSES_128 = 1 << 1;
  private static final int BUSES_64 = 2 << 1;
  private static final long BASE = 0xB000_0000L;

  private final MmioBus mmio = new MmioBus();
  private final PciBus bus = new PciBus(new PortBus(), mmio, (address, data) -> {});
  private final Q35Host host = new Q35Host(mmio, bus.ecam());

  Q35HostTest() {
    bus.add(0, 0, host);
  }

  private void set(long value) {
    host.writeConfig(PCIEXBAR + 4, 4, (int) (value >>> 32));
    host.writeConfig(PCIEXBAR, 4, (int) value);
  }

  private boolean shows(long base) {
    return mmio.read(base, 4) == Q35Host.ID;
  }

  @Test
  void itSaysWhatItIs() {
    assertThat(host.readConfig(0, 4)).isEqualTo(0x29C0_8086);
    assertThat(host.readConfig(8, 4) >>> 8).as("a host bridge").isEqualTo(0x06_0000);
    assertThat(host.readConfig(0x0E, 1)).isZero();
  }

  @Test
  void configurationSpaceAppearsInMemoryWhenItIsEnabled() {
    assertThat(host.base()).isZero();
    set(BASE);
    assertThat(host.base()).isZero();
    assertThat(shows(BASE)).isFalse();
    set(BASE | ENABLE);
    assertThat(host.base()).isEqualTo(BASE);
    assertThat(shows(BASE)).isTrue();
    assertThat(host.readConfig(PCIEXBAR, 4)).isEqualTo((int) BASE | ENABLE);
    host.writeConfig(PCIEXBAR, 1, 0);
    assertThat(host.base()).isZero();
    assertThat(shows(BASE)).isFalse();
  }

  @Test
  void itMoves() {
    set(BASE | ENABLE);
    set(0xE000_0000L | ENABLE);
    assertThat(shows(BASE)).isFalse();
    assertThat(shows(0xE000_0000L)).isTrue();
  }

  @Test
  void theUpperHalfCounts() {
    set(0x9_C000_0000L | ENABLE);
    assertThat(host.base()).isEqualTo(0x9_C000_0000L);
    assertThat(shows(0x9_C000_0000L)).isTrue();
    assertThat(shows(0xC000_0000L)).isFalse();
  }

  @Test
  void theLengthSaysHowManyBusesThereAreAndWhichBitsOfTheBaseCount() {
    set(0xF800_0000L | ENABLE);
    assertThat(host.buses()).isEqualTo(256);
    assertThat(host.base()).isEqualTo(0xF000_0000L);
    set(0xFC00_0000L | BUSES_128 | ENABLE);
    assertThat(host.buses()).isEqualTo(128);
    assertThat(host.base()).isEqualTo(0xF800_0000L);
    set(0xFC00_0000L | BUSES_64 | ENABLE);
    assertThat(host.buses()).isEqualTo(64);
    assertThat(host.base()).isEqualTo(0xFC00_0000L);
  }

  @Test
  void anAddressOutOfReachIsNoPlace() {
    set(1L << 60 | ENABLE);
    assertThat(host.base()).isZero();
    set(ENABLE);
    assertThat(host.base()).as("0 is the RAM's").isZero();
  }
}
