package dev.vesper.machine.observe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.Symbols.Symbol;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which name an address has, and which has none. */
final class SymbolsTest {
  private static Symbols of(Symbol... s) {
    return new Symbols(List.of(s), LineTable.NONE, 0);
  }

  private static Symbol sized(String name, long address, long size) {
    return new Symbol(name, address, size, true);
  }

  @Test
  void addressesHaveNoSign() {
    Symbols s = of(new Symbol("user", 0x40_0000), new Symbol("kernel", 0xFFFF_FFFF_8100_0000L));
    assertThat(s.at(0x40_0010)).isEqualTo("user+0x10");
    assertThat(s.at(0xFFFF_FFFF_8100_0010L)).isEqualTo("kernel+0x10");
    // As far above the first as a signed difference can tell, and below the second.
    assertThat(s.at(0xFFFF_FFFF_8000_0000L)).isEmpty();
    assertThat(s.at(0x8000_0000_0040_0000L)).isEmpty();
    assertThat(s.at(0x3F_FFFF)).isEmpty();
  }

  @Test
  void aSymbolEndsWhereItsSizeSays() {
    Symbols s = of(sized("first", 0x1000, 0x20), sized("second", 0x1040, 0x10));
    assertThat(s.at(0x101F)).isEqualTo("first+0x1f");
    assertThat(s.at(0x1020)).isEmpty();
    assertThat(s.at(0x1040)).isEqualTo("second");
    assertThat(s.at(0x1050)).isEmpty();
  }

  @Test
  void aLabelWithinAFunctionEndsWithIt() {
    Symbols s = of(sized("function", 0x1000, 0x40), new Symbol("label", 0x1010));
    assertThat(s.at(0x103F)).isEqualTo("label+0x2f");
    assertThat(s.at(0x1040)).isEmpty();
  }

  @Test
  void aFunctionGoesOnBehindAnotherOneInsideOfIt() {
    Symbols s = of(sized("outer", 0x1000, 0x40), sized("inner", 0x1010, 0x10));
    assertThat(s.at(0x1018)).isEqualTo("inner+0x8");
    assertThat(s.at(0x1030)).isEqualTo("outer+0x30");
    assertThat(s.at(0x1040)).isEmpty();
  }

  @Test
  void whatIsNotShownEndsWhatIsBeforeIt() {
    Symbols s = of(new Symbol("code", 0x1000), new Symbol("data", 0x2000, 0, false));
    assertThat(s.at(0x1FFF)).isEqualTo("code+0xfff");
    assertThat(s.at(0x2000)).isEmpty();
    assertThat(s.all()).hasSize(1);
  }

  @Test
  void theLastAddressesOfAllAreNoWayRound() {
    Symbols s = of(sized("top", 0xFFFF_FFFF_FFFF_F000L, 0x2000), new Symbol("low", 0x10));
    assertThat(s.at(0xFFFF_FFFF_FFFF_FFF0L)).isEqualTo("top+0xff0");
    assertThat(s.at(0)).isEmpty();
  }

  @Test
  void atOneAddressAFunctionIsShownRatherThanALabel() {
    Symbols s = of(new Symbol("zlabel", 0x1000), sized("function", 0x1000, 0x10));
    assertThat(s.at(0x1000)).isEqualTo("function");
  }

  @Test
  void aSlideMovesNamesAndTheirEnds() {
    Symbols s = of(sized("f", 0xFFFF_FFFF_8100_0000L, 0x10)).slid(0x1E0_0000);
    assertThat(s.at(0xFFFF_FFFF_82E0_000FL)).isEqualTo("f+0xf");
    assertThat(s.at(0xFFFF_FFFF_82E0_0010L)).isEmpty();
  }
}
