package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.observe.OperandListener;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;

/** Operands are told as the instruction finds them, and nothing is changed by that. */
final class OperandWatchTest {
  private static final String MAIN =
      """
        call page_alloc
        mov rdi, rax
        push rdi
        call page_share
        pop rdi
        add rdi, KERNBASE
        mov rax, 0x1122334455667788
        mov [rdi+0x10], rax
        mov byte [rdi], 0x42
      watched:
        mov ecx, [rdi+0x14]
        cmp ecx, 0x55667788
        mov ebx, 0x1234abcd
        cmp bh, 0xab
        test bx, -16
        movzx edx, byte [rdi+0x11]
        sub rax, rcx
        cmp byte [rdi+0x17], 0x11
        lea rsi, [rdi+0x10]
        lodsd
        mov al, 0x7f
        scasb
        mov [rsi], ecx
        cmp [rsp], rsi
      unwatched:
        mov al, 0x10
        out 0xf4, al
        hlt
      """;

  private static final class Said implements OperandListener {
    final List<String> all = new ArrayList<>();

    @Override
    public void compares(long rip, long left, long right, int bytes) {
      all.add(String.format(Locale.ROOT, "%x:%x/%d", left, right, bytes));
    }

    @Override
    public void reads(long rip, long gpa, int bytes, long value) {
      all.add(String.format(Locale.ROOT, "[%x]=%x/%d", gpa & 0xFFF, value, bytes));
    }
  }

  private static Machine machine() throws Exception {
    return new Machine(
        MachineSpec.builder(SevMode.ES, Locore.withMain(MAIN), b -> {})
            .memoryBytes(64L << 20)
            .cpuModel("vesper-min,+xsave")
            .build());
  }

  @Test
  void comparisonsAndReadsOfSharedMemoryAreToldAndOthersAreNot() throws Exception {
    Said said = new Said();
    try (Machine m = machine()) {
      m.run(Until.symbol("watched"));
      m.operands(said, Long.MAX_VALUE);
      m.run(Until.symbol("unwatched"));
      m.operands(null, 0);
      m.run();
    }
    assertThat(said.all.subList(0, said.all.size() - 1))
        .containsExactly(
            "[14]=11223344/4",
            "11223344:55667788/4",
            "ab:ab/1",
            "abcd:fff0/2",
            "[11]=77/1",
            "1122334455667788:11223344/8",
            "[17]=11/1",
            "11:11/1",
            "[10]=55667788/4",
            "[0]=42/1",
            "7f:42/1");
    assertThat(said.all.getLast()).endsWith("/8").doesNotStartWith("[");
  }

  @Test
  void whatIsLookedAtRunsAsWhatIsNot() throws Exception {
    String hash;
    try (Machine m = machine()) {
      m.run();
      hash = m.stateHash();
    }
    Said said = new Said();
    try (Machine m = machine()) {
      m.operands(said, 5_000);
      m.run();
      assertThat(m.stateHash()).isEqualTo(hash);
    }
    assertThat(said.all).isNotEmpty();
  }
}
