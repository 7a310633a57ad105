package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Guests with Secure TSC (AMD APM volume 2, 15.36.18). */
final class SecureTscGuestTest {
  private static final SnpLaunch TWO_GIGAHERTZ =
      SnpLaunch.DEFAULT
          .withFeatures(SevFeature.SNP_ACTIVE.mask | SevFeature.SECURE_TSC.mask)
          .withTscKilohertz(2_000_000);

  static int[] executions() {
    return Execution.andNative(0, 1);
  }

  private static SnpGuest run(String source, int execution) throws Exception {
    return SnpGuest.run(source, TWO_GIGAHERTZ, b -> b.cpuModel("EPYC-Genoa"), execution);
  }

  /** Status, frequency, and the counter before and after a million instructions. */
  private static final String LOOKS =
      """
      keep:                      ; EDX:EAX at R15
          shl rdx, 32
          mov eax, eax
          or rax, rdx
          mov [r15], rax
          add r15, 8
          ret
      begin:
          mov r15, SHARED
          add r15, RESULTS
          mov ecx, 0xc0010131
          rdmsr
          call keep
          mov ecx, 0xc0010134
          rdmsr
          call keep
          rdtsc
          call keep
          mov ecx, 500000
      spin:
          dec ecx
          jne spin
          rdtscp
          call keep
          mov esi, 0x10              ; by the host, who wants to move it and cannot
          mov rbx, -1
          call wrhost
          rdtsc
          call keep
          jmp end
      """;

  @ParameterizedTest
  @MethodSource("executions")
  void theCounterIsTheGuests(int execution) throws Exception {
    SnpGuest g = run(LOOKS, execution).ended();
    assertThat(g.result(0)).as("SEV_STATUS").isEqualTo(7 | 1 << 11);
    assertThat(g.result(1)).as("GUEST_TSC_FREQ").isEqualTo(2000);
    // A nanosecond an instruction, 0.2 % less than two ticks each.
    SecureTsc t = SecureTsc.ofKilohertz(2_000_000);
    assertThat(g.result(3) - g.result(2)).isBetween(t.at(1_000_000), t.at(1_000_020));
    assertThat(g.result(4) - g.result(3)).as("what the host wrote").isBetween(0L, 1000L);
  }

  @Test
  void allExecutionsComeToTheSameState() throws Exception {
    Set<String> states = new TreeSet<>();
    for (int e : executions()) {
      Machine m = run(LOOKS, e).ended().machine();
      states.add(m.instructions() + " " + m.stateHash());
    }
    assertThat(states).hasSize(1);
  }

  /** A host that intercepts is found out: the guest has #VC, and which. */
  @ParameterizedTest
  @CsvSource({"rdtsc, 0x6E", "rdtscp, 0x87"})
  void aHostThatInterceptsIsFoundOut(String read, long code) throws Exception {
    SnpGuest g =
        SnpGuest.run(
            """
            begin:
                %s
                mov ebx, 0x11
                jmp ended
            vc:
                pop rax
                mov rbx, SHARED
                mov [rbx+RESULTS], rax
                jmp end
            """
                .formatted(read),
            TWO_GIGAHERTZ,
            b -> b.cpuModel("EPYC-Genoa").intercepts(read),
            Execution.STANDARD);
    assertThat(g.ended().result(0)).isEqualTo(code);
  }

  @Test
  void aProcessorWithoutItIsRefusedByName() {
    assertThat(
            catchThrowableOfType(
                    IllegalArgumentException.class,
                    () ->
                        SnpGuest.run(
                            "begin: jmp end",
                            TWO_GIGAHERTZ,
                            b -> b.cpuModel("EPYC-Genoa,-secure-tsc"),
                            Execution.STANDARD))
                .getMessage())
        .contains("EPYC-Genoa has no SecureTSC", "take -cpu");
  }
}
