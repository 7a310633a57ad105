package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.flow.FlowFinding;
import dev.vesper.machine.observe.flow.FlowKind;
import dev.vesper.machine.observe.flow.FlowOptions;
import dev.vesper.machine.observe.flow.FlowOptions.Secret;
import dev.vesper.machine.observe.flow.FlowReport;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Instruction by instruction: what a result is made of, and what it is not. */
final class FlowRulesTest {
  /** What a result was made of. */
  private enum Of {
    NOTHING,
    HOST,
    SECRET,
    BOTH
  }

  private record Row(String code, Of of) {}

  private static final List<Secret> SECRET = List.of(new Secret.Range(0x32_0000, 8));

  /** RBX has a value of the host's, RCX a secret, RAX 7, RDX 3; RAX is looked at. */
  private static final List<Row> ROWS =
      List.of(
          row("nop", Of.NOTHING),
          row("mov rax, rbx", Of.HOST),
          row("mov rax, rcx", Of.SECRET),
          row("mov rax, rbx; mov eax, 5", Of.NOTHING),
          row("mov al, bl", Of.HOST),
          row("mov ax, bx; mov ax, 1", Of.NOTHING),
          row("mov ah, cl", Of.SECRET),
          row("mov ah, cl; mov al, ah; and eax, 0xff00; xor ah, ah", Of.NOTHING),
          row("movzx eax, bl", Of.HOST),
          row("movzx eax, bl; shr eax, 8", Of.NOTHING),
          row("movsx eax, bl; shr eax, 24", Of.HOST),
          row("mov eax, ebx; shr rax, 32", Of.NOTHING),
          row("mov rax, rbx; shl rax, 56; shl rax, 8", Of.NOTHING),
          row("movzx eax, cl; rol eax, 8; mov al, 0; mov ah, 0", Of.NOTHING),
          row("movzx eax, cl; rol eax, 8; mov al, 0", Of.SECRET),
          row("lea rax, [rbx+rcx]", Of.BOTH),
          row("lea rax, [rdx+4]", Of.NOTHING),
          row("add rax, rbx", Of.HOST),
          row("add rax, rcx; sub rax, rax", Of.NOTHING),
          row("mov rax, rcx; xor rax, rax", Of.NOTHING),
          row("xor rax, rcx", Of.SECRET),
          row("or rax, rbx", Of.HOST),
          row("mov rax, rcx; and rax, 0", Of.NOTHING),
          row("mov rax, rcx; and eax, 0xff; shr eax, 8", Of.NOTHING),
          row("mov rax, rcx; or rax, -1", Of.NOTHING),
          row("mov rax, rcx; mov esi, 0xff; and rax, rsi; shr eax, 8", Of.NOTHING),
          row("mov rax, rcx; mov rsi, -1; and rax, rsi", Of.SECRET),
          row("mov rax, rcx; neg rax", Of.SECRET),
          row("mov rax, rcx; inc rax; not rax", Of.SECRET),
          row("mov eax, ecx; imul eax, eax, 3", Of.SECRET),
          row("mul rcx", Of.SECRET),
          row("mul rcx; mov rax, rdx", Of.SECRET),
          row("mov eax, ecx; xor edx, edx; mov esi, 3; div esi; mov eax, edx", Of.SECRET),
          row("mov rax, rcx; cqo; mov rax, rdx", Of.SECRET),
          row("movzx eax, cl; cdqe; shr rax, 32", Of.NOTHING),
          row("mov rax, rcx; bswap rax", Of.SECRET),
          row("movzx eax, cl; bswap eax; mov al, 0; shl eax, 8", Of.NOTHING),
          row("xchg rax, rcx", Of.SECRET),
          row("xchg rax, rcx; mov rax, rcx", Of.NOTHING),
          row("xadd rcx, rax", Of.SECRET),
          row("mov [r13+0x200], rcx; mov rax, [r13+0x200]", Of.SECRET),
          row("mov [r13+0x208], rcx; mov byte [r13+0x208], 0; mov al, [r13+0x208]", Of.NOTHING),
          row("mov rsi, rcx; lock cmpxchg [r13+0x210], rsi; mov rax, [r13+0x210]", Of.NOTHING),
          row(
              "mov [r13+0x218], rdx; mov eax, 3; cmpxchg [r13+0x218], rcx; mov rax, [r13+0x218]",
              Of.SECRET),
          row("push rcx; pop rax", Of.SECRET),
          row("push rcx; push rdx; pop rax; pop rsi", Of.NOTHING),
          row("push rcx; mov eax, [rsp+4]; add rsp, 8", Of.SECRET),
          row("cmp rcx, 5; sete al", Of.SECRET),
          row("cmp rdx, 3; cmove rax, rcx", Of.SECRET),
          row("cmp rdx, 3; cmovne rax, rcx", Of.NOTHING),
          row("cmp rcx, 5; lahf; xor al, al", Of.SECRET),
          row("cmp rcx, 5; pushfq; pop rax", Of.SECRET),
          row("movq xmm0, rcx; movq rax, xmm0", Of.SECRET),
          row("movq xmm0, rcx; pxor xmm0, xmm0; movq rax, xmm0", Of.NOTHING),
          row("movq xmm0, rcx; movaps xmm1, xmm0; psrldq xmm1, 1; movq rax, xmm1", Of.SECRET),
          row("movd xmm0, ecx; movq rax, xmm0; shr rax, 32", Of.NOTHING),
          row("movq xmm0, rcx; movhlps xmm1, xmm0; movq rax, xmm1", Of.NOTHING),
          row("pxor xmm1, xmm1; movq xmm0, rcx; paddd xmm1, xmm0; movq rax, xmm1", Of.SECRET),
          row("movq xmm0, rcx; movups [r13+0x240], xmm0; mov rax, [r13+0x248]", Of.NOTHING),
          row("movq xmm0, rcx; movups [r13+0x240], xmm0; mov rax, [r13+0x240]", Of.SECRET),
          row(
              "mov [r13+0x250], rcx; fld qword [r13+0x250]; fstp qword [r13+0x258];"
                  + " mov rax, [r13+0x258]; fninit",
              Of.SECRET),
          row(
              "lea rsi, [r13]; lea rdi, [r13+0x260]; mov ecx, 8; rep movsb; mov rax, [r13+0x260]",
              Of.SECRET),
          row(
              "lea rsi, [r13]; lea rdi, [r13+0x268]; mov ecx, 4; rep movsb; mov eax, [r13+0x26c]",
              Of.NOTHING),
          row(
              "mov rax, rcx; lea rdi, [r13+0x270]; stosq; mov eax, 1; mov rax, [r13+0x270]",
              Of.SECRET),
          row("lea rsi, [r13]; lodsb", Of.SECRET),
          row("shld rax, rcx, 8", Of.SECRET),
          row("bt rcx, 1; setb al", Of.SECRET),
          row("popcnt rax, rcx", Of.SECRET),
          row("tzcnt rax, rdx", Of.NOTHING));

  private static Row row(String code, Of of) {
    return new Row(code, of);
  }

  private static String source() {
    StringBuilder s = new StringBuilder("begin:\nmov r13d, 0x320000\nmov r14, 0x100302000\n");
    s.append("mov rax, cr4\nor eax, 0x600\nmov cr4, rax\nfninit\n");
    s.append("mov rax, 0x1122334455667788\nmov [r13], rax\n");
    for (int i = 0; i < ROWS.size(); i++) {
      s.append("mov rbx, [r14+").append(16 * i).append("]\nmov rcx, [r13]\n");
      s.append("mov eax, 7\nmov edx, 3\n");
      s.append(ROWS.get(i).code().replace(';', '\n'));
      s.append("\nstore").append(i).append(":\nmov [r13+0x100], rax\n");
      s.append("leak").append(i).append(":\nmov [r14+0x800], rax\n");
    }
    return s.append("jmp end\n").toString();
  }

  @Test
  void resultsAreMadeOfWhatWentIntoThem() throws Exception {
    String source = source();
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.ES, SnpGuest.esImage(source), b -> {})
                .memoryBytes(16 << 20)
                .build());
    m.limit(5_000_000, Long.MAX_VALUE);
    Oracle o = m.oracle(new FlowOptions(true, true, SECRET));
    assertThat(m.run().guestValue()).isEqualTo(0);
    FlowReport r = o.report();
    Map<String, Long> at = SnpGuest.esLabels(source);
    List<String> wrong = new ArrayList<>();
    for (int i = 0; i < ROWS.size(); i++) {
      boolean host = has(r, FlowKind.STORE, at.getOrDefault("store" + i, -1L));
      boolean secret = has(r, FlowKind.LEAK, at.getOrDefault("leak" + i, -1L));
      Of of = host ? secret ? Of.BOTH : Of.HOST : secret ? Of.SECRET : Of.NOTHING;
      if (of != ROWS.get(i).of()) {
        wrong.add(ROWS.get(i) + " but is of " + of);
      }
    }
    assertThat(wrong).isEmpty();
  }

  private static boolean has(FlowReport r, FlowKind kind, long rip) {
    return r.findings().stream().anyMatch(f -> f.kind() == kind && f.at().rip() == rip);
  }

  /** Runs a guest under an oracle of both, where 8 bytes at 320000 are secret. */
  private static List<FlowFinding> findings(String source) throws Exception {
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.ES, SnpGuest.esImage(source), b -> {})
                .memoryBytes(16 << 20)
                .build());
    m.limit(5_000_000, Long.MAX_VALUE);
    Oracle o = m.oracle(new FlowOptions(true, true, SECRET));
    assertThat(m.run().guestValue()).isEqualTo(0);
    return o.report().findings().stream().filter(f -> f.kind() != FlowKind.STORE).toList();
  }

  /** Asks CPUID for leaf 0 by the GHCB and has the answer's RAX in RCX. */
  private static final String ASKS =
      """
      begin:
          mov r8d, 0x72
          xor r9d, r9d
          xor r10d, r10d
          xor ebx, ebx
          xor esi, esi
          xor edi, edi
          call event
          mov r13d, 0x320000
      """;

  @Test
  void anAnswerThatIsAnIndexIsReportedWithItsWay() throws Exception {
    String source = ASKS + "mov edx, ecx\nand r13, -1\nuse: mov al, [r13+rdx]\njmp end\n";
    FlowFinding f = findings(source).get(0);
    assertThat(f.kind()).isEqualTo(FlowKind.ADDRESS);
    assertThat(f.at().rip()).isEqualTo(SnpGuest.esLabels(source).get("use"));
    assertThat(f.origin()).isEqualTo("RAX of SVM_VMEXIT_CPUID");
    assertThat(f.exchange()).isPositive();
    assertThat(f.path().getLast().text()).isEqualTo("mov edx,ecx");
    assertThat(f.path().getFirst().text()).isEqualTo("mov rcx,QWORD PTR [r12+0x1f8]");
  }

  @Test
  void anIndexThatWasComparedOrMaskedIsNotReported() throws Exception {
    assertThat(findings(ASKS + "cmp ecx, 100\nja end\nmov al, [r13+rcx]\njmp end\n")).isEmpty();
    assertThat(findings(ASKS + "and ecx, 63\nmov al, [r13+rcx]\njmp end\n")).isEmpty();
    assertThat(findings(ASKS + "mov edx, ecx\nsub edx, 99\nja end\nmov al, [r13+rcx]\njmp end\n"))
        .isEmpty();
  }

  @Test
  void jumpsCountsAndBranchesByAnAnswerAreReported() throws Exception {
    assertThat(
            findings(
                ASKS
                    + "lea rdx, [rel there]\nadd rcx, rdx\nsub rcx, rcx\nadd rcx, rdx\njmp rcx\n"
                    + "there: jmp end\n"))
        .isEmpty();
    List<FlowFinding> jump =
        findings(
            ASKS + "lea rdx, [rel there]\nshr rcx, 63\nadd rcx, rdx\njmp rcx\nthere: jmp end\n");
    assertThat(jump).extracting(FlowFinding::kind).containsExactly(FlowKind.JUMP);
    List<FlowFinding> count =
        findings(ASKS + "lea rdi, [r13+16]\nxor eax, eax\nrep stosb\njmp end\n");
    assertThat(count).extracting(FlowFinding::kind).containsExactly(FlowKind.COUNT);
    List<FlowFinding> branch = findings(ASKS + "again: dec ecx\njne again\njmp end\n");
    assertThat(branch).extracting(FlowFinding::kind).containsExactly(FlowKind.BRANCH);
  }

  @Test
  void aSecretThatIsExportedIsReportedByTheStoreThatDidIt() throws Exception {
    String source =
        """
        begin:
            mov r13d, 0x320000
            mov r8d, 0x72
            xor r9d, r9d
            xor r10d, r10d
            xor ebx, ebx
            xor esi, esi
            xor edi, edi
            call event
            mov rdi, [r13]
            call event
            xor edi, edi
            jmp end
        """;
    List<FlowFinding> all = findings(source);
    assertThat(all)
        .extracting(FlowFinding::kind)
        .containsExactlyInAnyOrder(FlowKind.LEAK, FlowKind.EXPORT);
    assertThat(all.get(0).sink()).isEqualTo("GHCB RDX");
    assertThat(all.get(1).sink()).isEqualTo("GHCB RDX, SVM_VMEXIT_CPUID");
    assertThat(all.get(1).at()).isEqualTo(all.get(0).at());
    assertThat(all.get(0).origin()).isEqualTo("0x320000+8");
    assertThat(all.get(0).at().text()).isEqualTo("mov QWORD PTR [r12+0x310],rdi");
  }
}
