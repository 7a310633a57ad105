package dev.vesper.machine.device.pci;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.PortBus;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** MSI-X of a PCI function, by PCI Local Bus 3.0, 6.8.2 and 6.8.3. */
final class MsiXTest {
  private static final int VECTORS = 40;
  private static final int ENABLE = 0x8000;
  private static final int FUNCTION_MASK = 0x4000;
  private static final long TABLE = 0xC000_0000L;
  private static final int ADDRESS = 0;
  private static final int UPPER = 4;
  private static final int DATA = 8;
  private static final int CONTROL = 12;

  private static final class Function extends PciDevice {
    Function() {
      super(0x1234_8086, 0xFF00_0000, 0, true);
      msiX(1, VECTORS);
    }
  }

  private final List<String> sent = new ArrayList<>();
  private final MmioBus mmio = new MmioBus();
  private final Function f = new Function();
  private boolean pin;

  @BeforeEach
  void plug() {
    PciBus bus = new PciBus(new PortBus(), mmio, (address, data) -> sent.add(text(address, data)));
    bus.add(3, f, on -> pin = on);
    f.assign(1, TABLE);
    f.writeConfig(4, 2, 6);
  }

  private static String text(long address, int data) {
    return Long.toHexString(address) + ":" + Integer.toHexString(data);
  }

  private int capability() {
    return f.readConfig(0x34, 1);
  }

  private void control(int bits) {
    f.writeConfig(capability() + 2, 2, bits);
  }

  private void put(int vector, int field, int v) {
    mmio.write(TABLE + 16 * vector + field, 4, v & 0xFFFF_FFFFL);
  }

  private int get(int vector, int field) {
    return (int) mmio.read(TABLE + 16 * vector + field, 4);
  }

  private void program(int vector, boolean masked) {
    put(vector, ADDRESS, 0xFEE0_1000);
    put(vector, DATA, 0x4030 + vector);
    put(vector, CONTROL, masked ? 1 : 0);
  }

  private long pending() {
    int offset = f.readConfig(capability() + 8, 4) & ~7;
    return mmio.read(TABLE + offset, 8);
  }

  @Test
  void theCapabilitySaysHowManyVectorsThereAreAndWhere() {
    assertThat(f.readConfig(6, 2) & 0x10).as("a list of capabilities").isNotZero();
    int at = capability();
    assertThat(f.readConfig(at, 1)).isEqualTo(0x11);
    assertThat(f.readConfig(at + 1, 1)).as("the last one").isZero();
    assertThat(f.readConfig(at + 2, 2)).as("neither enabled nor masked").isEqualTo(VECTORS - 1);
    assertThat(f.readConfig(at + 4, 4)).as("table in BAR 1").isEqualTo(1);
    assertThat(f.readConfig(at + 8, 4) & 7).as("pending bits in BAR 1").isEqualTo(1);
    assertThat(f.readConfig(at + 8, 4) & ~7).isGreaterThanOrEqualTo(16 * VECTORS);
  }

  @Test
  void onlyEnableAndFunctionMaskCanBeWritten() {
    control(0xFFFF);
    assertThat(f.readConfig(capability() + 2, 2)).isEqualTo(0xC000 | VECTORS - 1);
    f.writeConfig(capability() + 4, 4, -1);
    f.writeConfig(capability() + 8, 4, -1);
    assertThat(f.readConfig(capability() + 4, 4)).isEqualTo(1);
    assertThat(f.readConfig(capability() + 8, 4)).isEqualTo(0x801);
  }

  @Test
  void afterResetEachVectorIsMasked() {
    for (int v = 0; v < VECTORS; v++) {
      assertThat(get(v, CONTROL)).isEqualTo(1);
    }
    assertThat(pending()).isZero();
  }

  @Test
  void anEntryKeepsItsAddressAndData() {
    put(2, ADDRESS, 0xFEE0_3004);
    put(2, UPPER, 0x1234_5678);
    put(2, DATA, 0x8765_4321);
    put(2, CONTROL, -1);
    assertThat(get(2, ADDRESS)).isEqualTo(0xFEE0_3004);
    assertThat(get(2, UPPER)).isEqualTo(0x1234_5678);
    assertThat(get(2, DATA)).isEqualTo(0x8765_4321);
    assertThat(get(2, CONTROL)).as("bits 31:1 are reserved").isEqualTo(1);
    assertThat(mmio.read(TABLE + 32, 8)).as("as a quadword").isEqualTo(0x1234_5678_FEE0_3004L);
    assertThat(mmio.read(TABLE + 33, 1)).as("a byte").isEqualTo(0x30);
    assertThat(get(1, ADDRESS)).as("the neighbours").isZero();
    assertThat(get(3, ADDRESS)).isZero();
    mmio.write(TABLE + 32, 8, 0x1_FEE0_5000L);
    assertThat(get(2, UPPER)).isEqualTo(1);
    assertThat(get(2, ADDRESS)).isEqualTo(0xFEE0_5000);
  }

  @Test
  void aVectorSendsItsDataToItsAddress() {
    program(0, false);
    program(39, false);
    control(ENABLE);
    f.message(39);
    f.message(0);
    f.message(0);
    assertThat(sent).containsExactly("fee01000:4057", "fee01000:4030", "fee01000:4030");
    assertThat(pending()).isZero();
  }

  @Test
  void theUpperHalfOfTheAddressCounts() {
    program(1, false);
    put(1, UPPER, 1);
    control(ENABLE);
    f.message(1);
    assertThat(sent).containsExactly("1fee01000:4031");
  }

  @Test
  void whatIsNoVectorIsSentByNobody() {
    for (int v = 0; v < VECTORS; v++) {
      program(v, false);
    }
    control(ENABLE);
    f.message(VECTORS);
    f.message(-1);
    f.message(0xFFFF);
    assertThat(sent).isEmpty();
    assertThat(pending()).isZero();
  }

  @Test
  void nothingIsSentNorKeptWhileItIsDisabled() {
    program(0, false);
    f.message(0);
    control(ENABLE);
    assertThat(sent).isEmpty();
    assertThat(pending()).isZero();
  }

  @Test
  void aMaskedVectorWaitsAndIsSentOnceWhenItIsUnmasked() {
    program(33, true);
    control(ENABLE);
    f.message(33);
    f.message(33);
    assertThat(sent).isEmpty();
    assertThat(pending()).isEqualTo(1L << 33);
    put(33, DATA, 0x4099);
    assertThat(sent).as("it is still masked").isEmpty();
    put(33, CONTROL, 0);
    assertThat(sent).as("with what the entry holds now").containsExactly("fee01000:4099");
    assertThat(pending()).isZero();
    put(33, CONTROL, 1);
    put(33, CONTROL, 0);
    assertThat(sent).hasSize(1);
  }

  @Test
  void unmaskingOneVectorLeavesTheOthers() {
    program(1, true);
    program(2, true);
    control(ENABLE);
    f.message(1);
    f.message(2);
    put(2, CONTROL, 0);
    assertThat(sent).containsExactly("fee01000:4032");
    assertThat(pending()).isEqualTo(2);
  }

  @Test
  void theFunctionMaskHoldsBackEveryVector() {
    program(0, false);
    program(1, true);
    program(2, false);
    control(ENABLE | FUNCTION_MASK);
    f.message(0);
    f.message(1);
    f.message(2);
    assertThat(sent).isEmpty();
    assertThat(pending()).isEqualTo(7);
    control(ENABLE);
    assertThat(sent)
        .as("but for what is masked itself")
        .containsExactly("fee01000:4030", "fee01000:4032");
    assertThat(pending()).isEqualTo(2);
  }

  /** Both masks must be clear: one that is cleared under the other sends nothing. */
  @Test
  void clearingAVectorsMaskUnderTheFunctionMaskSendsNothing() {
    program(0, true);
    control(ENABLE | FUNCTION_MASK);
    f.message(0);
    put(0, CONTROL, 0);
    assertThat(sent).isEmpty();
    assertThat(pending()).isEqualTo(1);
    control(ENABLE);
    assertThat(sent).hasSize(1);
  }

  @Test
  void whatWaitsIsNotSentWhileMsiXIsDisabled() {
    program(0, true);
    control(ENABLE);
    f.message(0);
    control(0);
    put(0, CONTROL, 0);
    assertThat(sent).isEmpty();
    control(ENABLE);
    assertThat(sent).hasSize(1);
  }

  @Test
  void pendingBitsAreReadOnly() {
    program(0, true);
    control(ENABLE);
    f.message(0);
    mmio.write(TABLE + 0x800, 8, 0xF0);
    assertThat(pending()).isEqualTo(1);
    assertThat(mmio.read(TABLE + 0x808, 8)).isZero();
    assertThat(mmio.read(TABLE + 16 * VECTORS, 8)).as("behind the table").isZero();
    mmio.write(TABLE + 16 * VECTORS, 4, -1);
    assertThat(mmio.read(TABLE + 16 * VECTORS, 4)).isZero();
  }

  /** A function that uses MSI-X is prohibited from using its pin. */
  @Test
  void thePinIsSilentWhileMsiXIsEnabled() {
    f.interrupt(true);
    assertThat(pin).isTrue();
    control(ENABLE);
    assertThat(pin).isFalse();
    control(0);
    assertThat(pin).isTrue();
    f.interrupt(false);
    assertThat(pin).isFalse();
  }
}
