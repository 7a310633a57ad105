package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is piped in before a guest's driver is ready reaches the guest, all of it and in order. */
final class ConsoleInputTest {
  /** Probes the port as drivers do, looks at the line status for a while, clears, then echoes. */
  private static final String GUEST =
      """
      mov edx, 0x3fd
      mov ecx, 200
      probe:
      in al, dx
      dec ecx
      jnz probe
      mov edx, 0x3fc
      mov al, 0x10
      out dx, al
      mov ecx, 200
      loopback:
      in al, dx
      dec ecx
      jnz loopback
      mov al, 3
      out dx, al
      mov edx, 0x3fa
      mov al, 7
      out dx, al
      echo:
      mov edx, 0x3fd
      in al, dx
      test al, 1
      jz echo
      mov edx, 0x3f8
      in al, dx
      out dx, al
      cmp al, 10
      jne echo
      mov al, 0
      out 0xf4, al
      """;

  private static ConsoleInput typedAhead(String text) {
    return new ConsoleInput() {
      private int at;

      @Override
      public int poll() {
        return at < text.length() ? text.charAt(at++) : -1;
      }

      @Override
      public boolean closed() {
        return at == text.length();
      }

      @Override
      public void await(long nanos) {
        // everything is there already
      }
    };
  }

  @ParameterizedTest
  @ValueSource(strings = {"kvm", "openbsd"})
  void nothingThatWasTypedAheadIsLost(String profile) throws Exception {
    String text = "echo the first words, and what comes after them\n";
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.OFF, FlatGuest.image(GUEST), console::write)
                .profile(profile)
                .input(typedAhead(text))
                .build());
    m.limit(5_000_000, Long.MAX_VALUE);
    assertThat(m.run().status()).isEqualTo(1);
    assertThat(console.toString(StandardCharsets.US_ASCII)).isEqualTo(text);
  }
}
