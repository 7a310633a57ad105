package dev.vesper.machine.device.pci;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.PortBus;
import org.junit.jupiter.api.Test;

/** Function 3 of an 82371AB (PIIX4), by its data sheet (Intel 290562), chapter 7. */
final class Piix4PmTest {
  private static final int PMBA = 0x40;
  private static final int PMREGMISC = 0x80;
  private static final int PMIOSE = 1;

  private final PortBus ports = new PortBus();
  private final AcpiPm pm = new AcpiPm(ports, () -> 0, () -> {}, (n, on) -> {}, 9);
  private final Piix4Pm function = new Piix4Pm(pm);

  @Test
  void itSaysWhatItIs() {
    assertThat(function.readConfig(0, 4)).isEqualTo(0x7113_8086);
    assertThat(function.readConfig(8, 4)).as("a bridge of another kind").isEqualTo(0x0680_0003);
    assertThat(function.readConfig(6, 2)).isEqualTo(0x0280);
    assertThat(function.readConfig(0x3D, 1)).as("interrupt pin A").isEqualTo(1);
    function.writeConfig(0, 4, 0);
    function.writeConfig(8, 4, 0);
    function.writeConfig(0x3D, 1, 0);
    assertThat(function.readConfig(0, 4)).isEqualTo(0x7113_8086);
    assertThat(function.readConfig(8, 4)).isEqualTo(0x0680_0003);
    assertThat(function.readConfig(0x3D, 1)).isEqualTo(1);
  }

  @Test
  void theInterruptLineIsSoftwaresOwn() {
    function.writeConfig(0x3C, 1, 9);
    assertThat(function.readConfig(0x3C, 2)).isEqualTo(0x0109);
  }

  @Test
  void pmbaHasTenAddressBitsAndSaysThatItIsOfPorts() {
    assertThat(function.readConfig(PMBA, 4)).isEqualTo(1);
    function.writeConfig(PMBA, 4, -1);
    assertThat(function.readConfig(PMBA, 4)).isEqualTo(0xFFC1);
    function.writeConfig(PMBA, 4, 0);
    assertThat(function.readConfig(PMBA, 4)).isEqualTo(1);
  }

  @Test
  void acpisPortsAreThereWhileTheyAreEnabled() {
    function.writeConfig(PMBA, 4, 0x601);
    assertThat(pm.base()).isZero();
    function.writeConfig(PMREGMISC, 1, PMIOSE);
    assertThat(pm.base()).isEqualTo(0x600);
    assertThat(ports.read(0x604, 2) & 1).as("SCI_EN").isEqualTo(1);
    function.writeConfig(PMBA + 1, 1, 0xB1);
    assertThat(pm.base()).as("they move while they are enabled").isEqualTo(0xB100);
    function.writeConfig(PMREGMISC, 1, 0);
    assertThat(pm.base()).isZero();
    assertThat(ports.read(0xB104, 2) & 0xFFFF).isEqualTo(0xFFFF);
  }

  @Test
  void theCommandRegisterDoesNotDecideAboutThem() {
    function.writeConfig(PMBA, 4, 0x601);
    function.writeConfig(PMREGMISC, 1, PMIOSE);
    function.writeConfig(4, 2, 0);
    assertThat(pm.base()).isEqualTo(0x600);
    function.writeConfig(4, 2, -1);
    assertThat(function.readConfig(4, 2)).isEqualTo(7);
  }
}
