package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** For whom system calls are linked before anybody has read the options. */
final class SandboxTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "run",
        "run --sev off",
        "run --sandbox on image",
        "run --sandbox",
        "check trace.jsonl",
        "measure off",
        "attest report r.bin"
      })
  void whoIsToBeConfinedIsExpectedToBe(String line) {
    assertThat(Sandbox.isExpected(line.split(" "))).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "run --sandbox off",
        "run --sandbox=off image",
        "check trace.jsonl --sandbox off",
        "isa",
        "session --name x",
        ""
      })
  void whoIsNotIsNot(String line) {
    assertThat(Sandbox.isExpected(line.split(" "))).isFalse();
  }
}
