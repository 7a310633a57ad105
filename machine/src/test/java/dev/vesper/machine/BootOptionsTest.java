package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.spec.BootOptions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code -boot}. */
final class BootOptionsTest {
  /** Numbers of devices that SeaBIOS reads: 1 floppy, 2 disk, 3 CD-ROM, 4 network. */
  @ParameterizedTest
  @CsvSource({
    "menu=on, 312, 312",
    "d, 3, 3",
    "order=dc, 23, 23",
    "order=nda, 134, 134",
    "once=d, 3, 312",
    "'order=c,once=dn', 43, 2"
  })
  void anOrderIsInCmosMemory(String option, String first, String later) {
    BootOptions b = HardwareOptions.boot("-boot", option);
    assertThat(Integer.toHexString(b.cmos(true))).isEqualTo(first);
    assertThat(Integer.toHexString(b.cmos(false))).isEqualTo(later);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "x | there are c (hard disk)",
        "order=cc | each once",
        "once=cdna | three devices at most",
        "menu=maybe | say on or off",
        "splash-time=70000 | up to 65535",
        "nosuch=1 | takes [order=]DEVICES",
        "reboot-timeout=-1 | a number"
      })
  void whatCannotBeIsRefused(String option, String words) {
    assertThatThrownBy(() -> HardwareOptions.boot("-boot", option))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("-boot ")
        .hasMessageContaining(words);
  }
}
