package dev.vesper.cli.confine;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is asked of Landlock. */
final class LandlockTest {
  /** The kernel refuses a set of rules with a right that it does not know. */
  @ParameterizedTest
  @CsvSource({"1, 1fff", "2, 3fff", "3, 7fff", "4, 7fff", "5, ffff", "6, ffff", "7, ffff"})
  void rightsAreThoseOfTheAbi(int abi, String rights) {
    assertThat(Landlock.rights(abi)).isEqualTo(Long.parseLong(rights, 16));
  }

  @Test
  void nothingMakesDevicesOrRunsPrograms() {
    long never =
        Landlock.EXECUTE
            | Landlock.MAKE_CHAR
            | Landlock.MAKE_BLOCK
            | Landlock.MAKE_FIFO
            | Landlock.MAKE_SOCK
            | Landlock.IOCTL_DEV;
    for (Policy.Use u : Policy.Use.values()) {
      assertThat(Landlock.rights(u) & never).as("%s", u).isZero();
      assertThat(Landlock.rights(u) & ~Landlock.rights(7)).isZero();
    }
    assertThat(Landlock.rights(Policy.Use.READ)).isEqualTo(Landlock.READ_FILE | Landlock.READ_DIR);
  }

  @Test
  void namesAreBytes() {
    assertThat(Landlock.name(Path.of("/a b%41"))).isEqualTo("/a b%41\0".getBytes());
    // Bytes that are no UTF-8.
    Path odd = Path.of(URI.create("file:///x%FFy"));
    assertThat(Landlock.name(odd)).containsExactly('/', 'x', 0xFF, 'y', 0);
  }
}
