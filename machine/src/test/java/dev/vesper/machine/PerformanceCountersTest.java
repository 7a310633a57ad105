package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Execution;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Core performance counters: events, masks, privilege levels, overflow, and what is common. */
final class PerformanceCountersTest {
  private static final int OS_AND_USER = 3 << 16;

  /** Ten rounds of a loop of four instructions that takes a call, and one IBPB. */
  private static final String LOOP =
      """
      mov ebx, 10
      again:
      nop
      call function
      dec ebx
      jne again
      jmp out
      function:
      ret
      out:
      """;

  private static String write(int msr, long value) {
    return "mov ecx, %d\nmov eax, %d\nmov edx, %d\nwrmsr\n"
        .formatted(msr, (int) value, (int) (value >>> 32));
  }

  private static final String READ =
      "mov ecx, 0xc0010201\nrdmsr\nmov [edi], eax\nmov [edi + 4], edx\nadd edi, 8\n";

  private static int count(long control) throws Exception {
    String source =
        write(0xC001_0201, 0)
            + write(0xC001_0200, control | 1 << 22)
            + LOOP
            + write(0xC001_0200, control)
            + READ
            + "jmp end";
    int interpreted = KernelGuest.run(source, o -> o, 0).result(0);
    for (int execution : Execution.andNative(1)) {
      assertThat(KernelGuest.run(source, o -> o, execution).result(0))
          .as("execution %d", execution)
          .isEqualTo(interpreted);
    }
    return interpreted;
  }

  @ParameterizedTest
  @CsvSource({
    // 52 instructions, those that stop counting up to its WRMSR, and the WRMSR that starts it.
    "0xC0, 56",
    "0x76, 56",
    "0xC2, 31",
    "0xC4, 30",
    "0xD1, 10",
    "0xC8, 10",
    "0xC9, 0",
    "0xCC, 0",
    "0xC6, 0",
    "0x2C, 0",
    "0x41, 0",
    // Where it goes the first time and where it ends are not foreseen.
    "0xC3, 2",
    "0xC5, 1"
  })
  void anEventIsCounted(String event, int expected) throws Exception {
    assertThat(count(Integer.decode(event) | OS_AND_USER)).isEqualTo(expected);
  }

  @Test
  void privilegeLevelsChoose() throws Exception {
    assertThat(count(0xC2 | 1 << 17)).as("supervisor").isEqualTo(31);
    assertThat(count(0xC2 | 1 << 16)).as("user").isZero();
    assertThat(count(0xC0 | 1 << 16)).as("user").isZero();
    assertThat(count(0xC0 | 1 << 17)).as("supervisor").isEqualTo(56);
    assertThat(count(0xC0)).as("none").isZero();
  }

  @Test
  void aMaskComparesWhatHappensInOneCycle() throws Exception {
    long instructions = 0xC0 | OS_AND_USER;
    long invert = 1 << 23;
    long edge = 1 << 18;
    assertThat(count(instructions | 1 << 24)).as("at least 1").isEqualTo(56);
    assertThat(count(instructions | 2 << 24)).as("at least 2").isZero();
    assertThat(count(instructions | 1 << 24 | invert)).as("less than 1").isZero();
    assertThat(count(instructions | 2 << 24 | invert)).as("less than 2").isEqualTo(56);
    assertThat(count(instructions | 1 << 24 | edge)).as("one beginning").isEqualTo(1);
    long branches = 0xC2 | OS_AND_USER;
    assertThat(count(branches | 1 << 24 | invert)).as("no branch").isEqualTo(25);
    // CALL and RET follow each other, and the last JNE and JMP do.
    assertThat(count(branches | 1 << 24 | edge)).as("beginnings").isEqualTo(20);
  }

  @Test
  void anOverflowInterruptsThroughTheLocalApic() throws Exception {
    long control = 0xC0 | OS_AND_USER | 1 << 20 | 1 << 22;
    KernelGuest g =
        KernelGuest.run(
            """
            mov dword [0xfee000f0], 0x1ff
            mov dword [0xfee00340], 0x51
            sti
            """
                + write(0xC001_0201, -1000L)
                + write(0xC001_0200, control)
                + "mov ebx, 2000\nround:\ndec ebx\njne round\n"
                + write(0xC001_0200, 0)
                + READ
                + "jmp end");
    assertThat(g.interrupts(0x51)).isEqualTo(1);
    assertThat(g.result(0)).isBetween(3000, 3100);
  }

  @Test
  void version2SwitchesCountersTogetherAndTellsOverflows() throws Exception {
    String status = "mov ecx, 0xc0000300\nrdmsr\nmov [edi], eax\nadd edi, 4\n";
    KernelGuest g =
        KernelGuest.run(
            write(0xC000_0301, 0)
                + write(0xC001_0201, -20L)
                + write(0xC001_0200, 0xC2 | OS_AND_USER | 1 << 22)
                + LOOP
                + status
                + write(0xC000_0301, 1)
                + LOOP.replace("again", "more").replace("function", "f2").replace("out", "o2")
                + write(0xC000_0301, 0)
                + status
                + write(0xC000_0302, 1)
                + status
                + write(0xC000_0303, 2)
                + status
                + """
                mov eax, 0x80000022
                cpuid
                mov [edi], eax
                mov [edi + 4], ebx
                add edi, 8
                """
                + READ
                + "jmp end",
            o -> o.toBuilder().cpuModel("EPYC-Genoa,+perfmon-v2").build());
    assertThat(g.result(0)).as("switched off").isZero();
    assertThat(g.result(1)).as("counter 0 has overflowed").isEqualTo(1);
    assertThat(g.result(2)).as("cleared").isZero();
    assertThat(g.result(3)).as("set").isEqualTo(2);
    assertThat(g.result(4)).as("CPUID: version 2").isEqualTo(1);
    assertThat(g.result(5)).as("CPUID: counters").isEqualTo(6);
    assertThat(g.result(6)).isEqualTo(11);
  }
}
