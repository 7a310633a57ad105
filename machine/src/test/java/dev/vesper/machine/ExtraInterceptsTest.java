package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What is intercepted besides, to look at it, does what it does otherwise: the host emulates it.
 */
final class ExtraInterceptsTest {
  private static final String END = "\nout 0xf4, al\nL: jmp short L";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "rdtsc | rdtsc; mov al, 16",
        "rdtscp | rdtscp; mov al, cl; add al, 16",
        "rdpmc | xor ecx, ecx; rdpmc; mov al, 16",
        "wbinvd | mov al, 16; wbinvd",
        "invd | mov al, 16; invd",
        "vmmcall | mov eax, 5; vmmcall; mov al, 16",
        "dr7 | mov ebx, 0x710; mov dr7, rbx; xor ebx, ebx; mov rax, dr7"
      })
  void theGuestCannotTell(String name, String code) throws Exception {
    for (SevMode mode : new SevMode[] {SevMode.OFF, SevMode.SEV}) {
      Machine m =
          new Machine(
              MachineSpec.builder(mode, FlatGuest.image(code.replace("; ", "\n") + END), b -> {})
                  .memoryBytes(32L << 20)
                  .cpuModel("EPYC-Genoa")
                  .intercepts(name)
                  .build());
      m.limit(100_000, Long.MAX_VALUE);
      Outcome o = m.run();
      assertThat(o.status()).as("%s, %s", mode, o).isEqualTo(33);
    }
  }
}
