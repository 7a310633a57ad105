package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.hostile.LawfulAction;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.hostile.Trigger;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.FlowFound;
import dev.vesper.machine.observe.flow.FlowKind;
import dev.vesper.machine.observe.flow.FlowOptions;
import dev.vesper.machine.observe.flow.FlowOptions.Secret;
import dev.vesper.machine.observe.flow.FlowReport;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An oracle changes nothing, finds the same each time, and sees what an attack takes away. */
final class FlowOracleTest {
  private static final FlowOptions BOTH = new FlowOptions(true, true, List.of());

  /** Stores, shares, asks CPUID by its GHCB and goes where the answer says. */
  private static final String SOURCE =
      """
      begin:
          mov r13d, 0x320000
          mov ebx, 2000
      again:
          mov rax, [r13]
          add rax, rbx
          mov [r13+8], rax
          dec ebx
          jne again
          mov r14, 0x100302000
          mov [r14], rax
          mov r8d, 0x72
          xor r9d, r9d
          xor r10d, r10d
          xor ebx, ebx
          xor esi, esi
          mov rdi, [r13+8]
          call event
          and ecx, 7
          mov al, [r13+rcx]
          mov al, [r13+rdx]
          xor edi, edi
          jmp end
      """;

  private record Run(String hash, long instructions, List<Event> events, FlowReport report) {}

  private static Machine machine(SevMode mode) throws Exception {
    byte[] image = mode == SevMode.SNP ? SnpGuest.image(SOURCE) : SnpGuest.esImage(SOURCE);
    Machine m =
        new Machine(MachineSpec.builder(mode, image, b -> {}).memoryBytes(16 << 20).build());
    m.limit(5_000_000, Long.MAX_VALUE);
    return m;
  }

  private static Run run(SevMode mode, int execution, boolean watched, boolean traced)
      throws Exception {
    Machine m = machine(mode);
    Execution.choose(m, execution);
    List<Event> events = new ArrayList<>();
    if (traced) {
      m.trace(events::add, true);
    }
    Oracle o = watched ? m.oracle(BOTH) : null;
    assertThat(m.run().guestValue()).isEqualTo(0);
    FlowReport r = o == null ? new FlowReport(List.of(), 0, 0, 0) : o.report();
    return new Run(m.stateHash(), m.instructions(), events, r);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, Execution.NATIVE})
  void theGuestDoesTheSameAndTheFindingsAreTheSame(int execution) throws Exception {
    for (SevMode mode : List.of(SevMode.ES, SevMode.SNP)) {
      Run alone = run(mode, execution, false, true);
      Run watched = run(mode, execution, true, true);
      Run again = run(mode, 0, true, false);
      assertThat(watched.hash).isEqualTo(alone.hash).isEqualTo(again.hash);
      assertThat(watched.instructions).isEqualTo(alone.instructions);
      List<Event> others = new ArrayList<>(watched.events);
      others.removeIf(e -> e instanceof FlowFound);
      assertThat(others).isEqualTo(alone.events);
      assertThat(watched.report.findings()).isNotEmpty().isEqualTo(again.report.findings());
      assertThat(watched.events.stream().filter(e -> e instanceof FlowFound))
          .hasSameSizeAs(watched.report.findings());
    }
  }

  @Test
  void leaksAndWhatIsUsedUncheckedAreFoundAndWhatIsMaskedIsNot() throws Exception {
    FlowReport r = run(SevMode.ES, 0, true, false).report;
    assertThat(r.findings().stream().filter(f -> f.kind() == FlowKind.ADDRESS))
        .extracting(f -> f.at().text() + " by " + f.origin())
        .containsExactly("mov al,BYTE PTR [r13+rdx*1] by SW_EXITINFO2 of SVM_VMEXIT_CPUID");
    assertThat(r.findings().stream().filter(f -> f.kind() == FlowKind.LEAK))
        .anySatisfy(f -> assertThat(f.sink()).isEqualTo("shared page 0x302000"));
    assertThat(r.findings().stream().filter(f -> f.kind() == FlowKind.EXPORT))
        .extracting(f -> f.sink() + " of " + f.origin())
        .contains("GHCB RDX, SVM_VMEXIT_CPUID of private page 0x320000");
  }

  @Test
  void anOracleMayBeginInTheMiddle() throws Exception {
    Machine m = machine(SevMode.ES);
    m.run(Until.instructions(5_000));
    Oracle o = m.oracle(BOTH);
    assertThat(m.run().guestValue()).isEqualTo(0);
    assertThat(m.stateHash()).isEqualTo(run(SevMode.ES, 0, false, false).hash);
    assertThat(o.report().findings()).extracting(f -> f.kind()).contains(FlowKind.ADDRESS);
    assertThatThrownBy(() -> m.oracle(BOTH)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void aGuestWithoutSevEsHasNoneAndOptionsSayWhatTheyAre() throws Exception {
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.SEV, SnpGuest.esImage(SOURCE), b -> {})
                .memoryBytes(16 << 20)
                .build());
    assertThatThrownBy(() -> m.oracle(BOTH)).isInstanceOf(IllegalArgumentException.class);
    assertThat(Secret.of("key")).isEqualTo(new Secret.Named("key"));
    assertThat(Secret.of("0x1000+32")).isEqualTo(new Secret.Range(0x1000, 32));
    for (String wrong : List.of("", "0x1000", "0x1000+0", "1+x", "99999999999999999999+1")) {
      assertThatThrownBy(() -> Secret.of(wrong)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  /** Answers #VC as Linux 6.1 does for VMMCALL: exports four registers, looks at no opcode. */
  private static final String VULNERABLE =
      """
      begin:
          mov eax, 0x300000
          xor edx, edx
          mov ecx, 0xc0010130
          wrmsr
          mov r13d, 0x320000
          mov rbx, [r13]
          mov rcx, [r13+8]
          mov rdx, [r13+16]
          mov rsi, [r13+24]
          mov r15d, 10000
      again:
          dec r15d
          jne again
          xor ebx, ebx
          xor esi, esi
          xor edi, edi
          jmp end
      vc:
          add rsp, 8
          push r8
          mov r12, 0x100300000
          mov qword [r12+0x390], 0x81
          mov qword [r12+0x398], 0
          mov qword [r12+0x3a0], 0
          mov qword [r12+0x1f8], 0
          mov qword [r12+0xc8], 0
          mov [r12+0x308], rcx
          mov [r12+0x310], rdx
          mov [r12+0x318], rbx
          mov [r12+0x330], rsi
          mov r8, 0x8000000002000000
          mov [r12+0x3f0], r8
          mov r8, 0x1c004e00000000
          mov [r12+0x3f8], r8
          vmgexit
          pop r8
          iretq
      """;

  @Test
  void anInjectedVcNamesTheRegistersThatItsHandlerGivesAway() throws Exception {
    Script s =
        Script.builder()
            .lawful(new Trigger.AfterInstruction(6_000))
            .perform(LawfulAction.Inject.vc(0x81))
            .build();
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.ES, SnpGuest.esImage(VULNERABLE), b -> {})
                .memoryBytes(16 << 20)
                .hostile(s)
                .build());
    m.limit(5_000_000, Long.MAX_VALUE);
    Oracle o = m.oracle(BOTH);
    assertThat(m.run().guestValue()).isEqualTo(0);
    assertThat(
            o.report().findings().stream()
                .filter(f -> f.kind() == FlowKind.EXPORT && f.sink().contains("VMMCALL")))
        .extracting(f -> f.sink().substring(0, 8))
        .containsExactlyInAnyOrder("GHCB RBX", "GHCB RCX", "GHCB RDX", "GHCB RSI");
  }
}
