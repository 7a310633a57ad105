package dev.vesper.machine.device.pci;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Bridges as set-up code sees them: PCI Local Bus 3.0, 6.1 and 6.2, and PIIX4's PIRQRC. */
final class PciBridgeTest {
  private static final int ROUTES = 0x60;

  private final List<String> lines = new ArrayList<>();
  private final PirqRouter router =
      new PirqRouter((n, on) -> lines.add(n + (on ? " up" : " down")), (n, on) -> {}, 16);
  private final PciBridge isa = new PciBridge(0x7110_8086, 0x0601_0000, true, router, ROUTES);

  @Test
  void theHeaderIsFixedButForTheCommand() {
    for (int at = 0; at < 0x40; at += 4) {
      isa.writeConfig(at, 4, at == 4 ? 0 : -1);
    }
    assertThat(isa.readConfig(0, 4)).isEqualTo(0x7110_8086);
    assertThat(isa.readConfig(8, 4)).isEqualTo(0x0601_0000);
    assertThat(isa.readConfig(0x10, 4)).as("no base address register").isZero();
    assertThat(isa.readConfig(4, 2)).isZero();
    isa.writeConfig(4, 2, -1);
    assertThat(isa.readConfig(4, 2)).as("ports, memory, bus master").isEqualTo(7);
    assertThat(isa.readConfig(6, 2)).as("medium DEVSEL").isEqualTo(0x200);
  }

  @Test
  void theHeaderSaysWhetherThereAreOtherFunctions() {
    assertThat(isa.readConfig(0x0E, 1)).isEqualTo(0x80);
    assertThat(new PciBridge(1, 0x0600_0000, false).readConfig(0x0E, 1)).isZero();
  }

  @Test
  void registersOfItsOwnKeepWhatIsWritten() {
    PciBridge host = new PciBridge(0x1237_8086, 0x0600_0002, false);
    host.writeConfig(0x59, 1, 0x30);
    host.writeConfig(0xFC, 4, 0x1234_5678);
    assertThat(host.readConfig(0x58, 4)).isEqualTo(0x3000);
    assertThat(host.readConfig(0xFC, 4)).isEqualTo(0x1234_5678);
    host.writeConfig(ROUTES, 1, 0xFF);
    assertThat(host.readConfig(ROUTES, 1)).as("no router, no routes").isEqualTo(0xFF);
  }

  @Test
  void itTellsOfWritesToTheseAlone() {
    List<Integer> told = new ArrayList<>();
    isa.onWrite(told::add);
    isa.writeConfig(4, 2, 7);
    isa.writeConfig(0x3C, 4, 0);
    isa.writeConfig(0x40, 4, 0);
    isa.writeConfig(0xFF, 1, 0);
    assertThat(told).containsExactly(0x40, 0xFF);
  }

  @Test
  void theRoutesAreRegistersOfAByteEach() {
    assertThat(isa.readConfig(ROUTES, 4)).isEqualTo(0x8080_8080);
    isa.writeConfig(ROUTES + 1, 1, 0x7A);
    assertThat(isa.readConfig(ROUTES, 4)).as("reserved bits read 0").isEqualTo(0x8080_0A80);
    assertThat(isa.readConfig(ROUTES + 1, 1)).isEqualTo(0x0A);
    assertThat(isa.readConfig(ROUTES - 1, 1)).isZero();
    isa.writeConfig(ROUTES, 4, 0x0B0A_0906);
    assertThat(isa.readConfig(ROUTES, 4)).isEqualTo(0x0B0A_0906);
    assertThat(router.route(3)).isEqualTo(11);
    router.route(3, 5);
    assertThat(isa.readConfig(ROUTES + 2, 2)).isEqualTo(0x050A);
  }

  @Test
  void aWordAcrossTheFirstRouteReachesItAlone() {
    isa.writeConfig(ROUTES + 2, 2, 0x0C05);
    assertThat(router.route(0)).isEqualTo(0x80);
    assertThat(router.route(2)).isEqualTo(5);
    assertThat(router.route(3)).isEqualTo(12);
    router.pin(6).set(true);
    assertThat(lines).last().isEqualTo("5 up");
  }
}
