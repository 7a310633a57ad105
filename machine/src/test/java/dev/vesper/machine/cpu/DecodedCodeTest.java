package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.memory.CodeBudget;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Decoded code is a cache: how much of it there is shows in nothing. */
final class DecodedCodeTest {
  private static final int PASSED = Locore.PASS << 1 | 1;

  @AfterEach
  void standard() {
    System.clearProperty(CodeBudget.PROPERTY);
  }

  private static String record(MachineSpec spec, int execution, int status) throws Exception {
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    Machine m = new Machine(spec);
    Execution.choose(m, execution);
    m.limit(50_000_000, Long.MAX_VALUE);
    try (JsonLinesWriter w = new JsonLinesWriter(text)) {
      m.trace(w, true);
      assertThat(m.run().status()).isEqualTo(status);
    }
    return text.toString(StandardCharsets.UTF_8) + m.stateHash() + m.instructions();
  }

  @ParameterizedTest
  @CsvSource({
    "ES, 0, 300000",
    "OFF, 0, 100000",
    "ES, 2, 8000000",
    "OFF, 2, 4000000",
    "ES, -1, 300000",
    "SNP, -1, 300000"
  })
  void aTraceIsTheSameWithLittleRoom(SevMode mode, int execution, int bytes) throws Exception {
    MachineSpec spec =
        MachineSpec.builder(mode, Locore.image(), b -> {})
            .memoryBytes(64L << 20)
            .processors(2)
            .cpuModel(mode == SevMode.SNP ? "EPYC-Milan" : "vesper-min,+xsave")
            .build();
    String much = record(spec, execution, PASSED);
    System.setProperty(CodeBudget.PROPERTY, String.valueOf(bytes));
    assertThat(record(spec, execution, PASSED)).isEqualTo(much);
  }

  /** Code that changes itself, a byte of it at a time, and counts what it has executed. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, Execution.NATIVE})
  void codeThatChangesIsExecutedAsItIs(int execution) throws Exception {
    String code =
        """
            xor ebx, ebx
            mov ebp, 300
        again:
            lea rsi, [change + 3]
            inc byte [rsi]
            nop
            nop
        change:
            add rbx, 0
            lea rsi, [other]
            xor byte [rsi], 1
            nop
        other:
            nop
            dec ebp
            jne again
            mov eax, ebx
            mov edx, 0xf4
            out dx, al
        L:  jmp short L
        """;
    // The sum of the signed bytes from 1 on, 300 times: all 256 once, and 1 to 44.
    int sum = -128 + 44 * 45 / 2;
    record(
        MachineSpec.builder(SevMode.OFF, FlatGuest.image(code), b -> {})
            .memoryBytes(16L << 20)
            .build(),
        execution,
        (sum & 0xFF) << 1 & 0xFF | 1);
  }

  /** 2 MiB of instructions of one byte take more than 400 MiB when all are decoded. */
  @Test
  void moreCodeThanThereIsRoomFor() throws Exception {
    System.setProperty(CodeBudget.PROPERTY, String.valueOf(10L << 20));
    String code =
        """
            mov esp, 0x180000
            mov edi, 0x1000000
            mov ecx, 0x200000
            mov al, 0x90
            rep stosb
            mov byte [rdi], 0xc3
            mov ebx, 2
        L:  mov eax, 0x1000000
            call rax
            dec ebx
            jne L
            mov edx, 0xf4
            mov al, 1
            out dx, al
        M:  jmp short M
        """;
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.OFF, FlatGuest.image(code), b -> {})
                .memoryBytes(64L << 20)
                .build());
    m.translateAfter(0);
    Runtime r = Runtime.getRuntime();
    System.gc();
    long before = r.totalMemory() - r.freeMemory();
    Outcome o = m.run();
    System.gc();
    assertThat(o.status()).isEqualTo(3);
    assertThat(r.totalMemory() - r.freeMemory() - before).isLessThan(100L << 20);
    assertThat(m.instructions()).isGreaterThan(2L << 21);
  }
}
