package dev.vesper.machine.device.pci;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.PortBus;
import org.junit.jupiter.api.Test;

/** The LPC bridge of an ICH9, by its data sheet (Intel 316972), 13.1. */
final class Ich9LpcTest {
  private static final int PMBASE = 0x40;
  private static final int ACPI_CNTL = 0x44;
  private static final int ACPI_EN = 0x80;
  private static final int ROUTES = 0x68;

  private final PortBus ports = new PortBus();
  private final AcpiPm pm = new AcpiPm(ports, () -> 0, () -> {}, (n, on) -> {}, 9);
  private final PirqRouter router = new PirqRouter((n, on) -> {}, (n, on) -> {}, 20);
  private final Ich9Lpc lpc = new Ich9Lpc(pm, router);

  @Test
  void itSaysWhatItIs() {
    assertThat(lpc.readConfig(0, 4)).isEqualTo(0x2918_8086);
    assertThat(lpc.readConfig(8, 4)).as("an ISA bridge").isEqualTo(0x0601_0002);
    assertThat(lpc.readConfig(0x0E, 1)).as("with SATA and SMBus beside it").isEqualTo(0x80);
  }

  @Test
  void pmbaseHasNineAddressBitsAndSaysThatItIsOfPorts() {
    assertThat(lpc.readConfig(PMBASE, 4)).isEqualTo(1);
    lpc.writeConfig(PMBASE, 4, -1);
    assertThat(lpc.readConfig(PMBASE, 4)).isEqualTo(0xFF81);
    assertThat(lpc.readConfig(PMBASE, 1)).isEqualTo(0x81);
    assertThat(lpc.readConfig(PMBASE, 2)).isEqualTo(0xFF81);
    assertThat(lpc.readConfig(PMBASE + 2, 2)).as("reserved").isZero();
  }

  @Test
  void acpisPortsAreThereWhileTheyAreEnabled() {
    lpc.writeConfig(PMBASE, 4, 0x601);
    assertThat(pm.base()).isZero();
    lpc.writeConfig(ACPI_CNTL, 1, ACPI_EN);
    assertThat(pm.base()).isEqualTo(0x600);
    assertThat(ports.read(0x604, 2) & 1).as("SCI_EN").isEqualTo(1);
    lpc.writeConfig(PMBASE, 2, 0xB07F);
    assertThat(pm.base()).as("they move while they are enabled").isEqualTo(0xB000);
    assertThat(ports.read(0x604, 2) & 0xFFFF).isEqualTo(0xFFFF);
    lpc.writeConfig(ACPI_CNTL, 1, 0);
    assertThat(pm.base()).isZero();
    assertThat(ports.read(0xB004, 2) & 0xFFFF).isEqualTo(0xFFFF);
  }

  @Test
  void linesEToHAreRoutedAt68() {
    assertThat(lpc.readConfig(ROUTES, 4)).isEqualTo(0x8080_8080);
    lpc.writeConfig(ROUTES, 4, 0x0B0A_0B0A);
    assertThat(lpc.readConfig(ROUTES, 4)).isEqualTo(0x0B0A_0B0A);
    assertThat(router.route(0)).isEqualTo(10);
    assertThat(router.route(3)).isEqualTo(11);
    lpc.writeConfig(0x60, 4, 0x0505_0505);
    assertThat(router.route(0)).as("A to D are others").isEqualTo(10);
  }
}
