package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where a debugger cannot come in. */
final class DebugOptionsTest {
  @ParameterizedTest
  @CsvSource({
    "-gdb stdio, -serial",
    "-gdb stdio -serial none --virtio-console stdio, --virtio-console",
    "-gdb stdio -serial none -debugcon stdio, -debugcon",
    "-S, nobody could let the guest go on",
    "-gdb none, 'unix:PATH'",
    "-gdb tcp:0.0.0.0:1234, only 127.0.0.1"
  })
  void oneLineSaysWhy(String options, String why) {
    CommandResult r = CommandResult.of(("run " + options).split(" "));
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).contains(why).containsOnlyOnce("\n");
  }
}
