package dev.vesper.machine.device.pci;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** PCI interrupt routing, by the data sheets of the 82371AB (PIIX4), 4.1.10 and 8.6. */
final class PirqRouterTest {
  private static final int FIRST_INPUT = 16;

  private final TreeSet<Integer> pic = new TreeSet<>();
  private final TreeSet<Integer> apic = new TreeSet<>();
  private final PirqRouter router =
      new PirqRouter((n, on) -> set(pic, n, on), (n, on) -> set(apic, n, on), FIRST_INPUT);

  private static void set(TreeSet<Integer> lines, int n, boolean on) {
    if (on) {
      lines.add(n);
    } else {
      lines.remove(n);
    }
  }

  @Test
  void afterResetNoLineIsRouted() {
    for (int i = 0; i < 4; i++) {
      assertThat(router.route(i)).isEqualTo(0x80);
      router.pin(4 + i).set(true);
    }
    assertThat(pic).isEmpty();
  }

  @Test
  void aPinReachesItsInputOfTheIoApicWhateverTheRoutesAre() {
    for (int device = 4; device < 8; device++) {
      router.pin(device).set(true);
      assertThat(apic).containsExactly(FIRST_INPUT + device % 4);
      router.pin(device).set(false);
      assertThat(apic).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15})
  void aRouteTakesThePinToALineOfThe8259Pair(int line) {
    router.route(1, line);
    router.pin(5).set(true);
    assertThat(pic).containsExactly(line);
    router.pin(5).set(false);
    assertThat(pic).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 8, 13})
  void linesOfTheTimerTheKeyboardTheClockAndTheCoprocessorAreReserved(int line) {
    router.route(1, line);
    router.pin(5).set(true);
    assertThat(pic).isEmpty();
  }

  @Test
  void bit7DisablesARouteAndBits6To4AreReserved() {
    router.route(2, 0xFB);
    assertThat(router.route(2)).isEqualTo(0x8B);
    router.pin(6).set(true);
    assertThat(pic).isEmpty();
    router.route(2, 0x7B);
    assertThat(router.route(2)).isEqualTo(0xB);
    assertThat(pic).as("the pin is high when the route is set").containsExactly(11);
    router.route(2, 0x80);
    assertThat(pic).isEmpty();
  }

  @Test
  void aLineStaysHighWhileOneOfThoseThatShareItIs() {
    router.route(0, 10);
    PirqRouter.Line first = router.pin(4);
    PirqRouter.Line second = router.pin(8);
    first.set(true);
    second.set(true);
    first.set(false);
    assertThat(pic).containsExactly(10);
    assertThat(apic).containsExactly(FIRST_INPUT);
    second.set(false);
    assertThat(pic).isEmpty();
    assertThat(apic).isEmpty();
  }

  @Test
  void twoPirqsMayShareALine() {
    router.route(0, 10);
    router.route(3, 10);
    router.pin(4).set(true);
    router.pin(7).set(true);
    router.pin(4).set(false);
    assertThat(pic).containsExactly(10);
    assertThat(apic).containsExactly(FIRST_INPUT + 3);
    router.pin(7).set(false);
    assertThat(pic).isEmpty();
  }

  @Test
  void aPinThatIsHighMovesWithItsRoute() {
    router.route(0, 10);
    router.route(1, 10);
    router.pin(4).set(true);
    router.pin(5).set(true);
    router.route(0, 11);
    assertThat(pic).as("the other one still has the old line").containsExactly(10, 11);
    router.route(1, 11);
    assertThat(pic).containsExactly(11);
  }

  @Test
  void anotherPinsFallLeavesTheLineAlone() {
    router.route(0, 10);
    router.route(1, 11);
    router.pin(4).set(true);
    router.pin(5).set(false);
    assertThat(pic).containsExactly(10);
  }
}
