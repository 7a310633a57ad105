package dev.vesper.machine.observe.format;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is spelled out for people, and what stays. */
final class VisibleTest {
  @Test
  void whatATerminalObeysIsSpelledOut() {
    assertThat(Visible.of("\u001b[31mred\u0007")).isEqualTo("\\x1b[31mred\\x07");
    assertThat(Visible.of("a\u009b1mb\u007f\u0000")).isEqualTo("a\\x9b1mb\\x7f\\x00");
    assertThat(Visible.of("a\r\nb")).isEqualTo("a\\x0d\\x0ab");
    assertThat(Visible.of("\u202eevil\u2069")).isEqualTo("\\u202eevil\\u2069");
    assertThat(Visible.of("\u2028\ufeff\u00ad")).isEqualTo("\\u2028\\ufeff\\xad");
    assertThat(Visible.of("\ud800x\udc00")).isEqualTo("\\ud800x\\udc00");
    assertThat(Visible.of("\udb40\udc01")).isEqualTo("\\U000e0001");
    assertThat(Visible.lines("a\nb\u001b")).isEqualTo("a\nb\\x1b");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "plain", "tab\there", "é€ß 漢字 \ud83d\ude00", "back\\slash \\x1b"})
  void whatIsSeenStaysTheSame(String s) {
    assertThat(Visible.of(s)).isSameAs(s);
    assertThat(Visible.lines(s)).isSameAs(s);
  }

  @Test
  void everyCodePointIsSeenAfterwards() {
    for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
      String s = Visible.of("a" + Character.toString(c) + "b");
      assertThat(HostileText.harmless(s) && s.indexOf('\n') < 0).as("U+%04x", c).isTrue();
    }
  }
}
