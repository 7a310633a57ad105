package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.HvFeatures;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Guests of several VMPLs: level 0 makes a save area for level 2, gives it permissions and runs it,
 * and both run each other (spec: snp 3.7).
 */
final class VmplTest {
  private static final SnpLaunch LEVELS =
      SnpLaunch.DEFAULT.withHost(SnpHost.KVM.offering(HvFeatures.MULTI_VMPL));

  /** The save area is a page that does not lie at 2 MiB; the other level begins at {@code low}. */
  private static final String PROLOGUE =
      """
      equ AREA 0x401000
      equ OTHER_GHCB 0x303000
      grant:                     ; permissions R8 of level 2, pages RDI to below RSI
          mov rax, rdi
          xor ecx, ecx
          mov edx, r8d
          shl edx, 8
          or edx, 2
          rmpadjust
          test eax, eax
          jne refused
          add rdi, 0x1000
          cmp rdi, rsi
          jb grant
          ret
      refused:
          mov ebx, 0x30
          or ebx, eax
          jmp ended
      selector:                  ; attributes EBX, selector EAX at RDI
          mov [rdi], ax
          mov [rdi+2], bx
          mov dword [rdi+4], -1
          mov qword [rdi+8], 0
          ret
      create:
          xor edi, edi
          mov esi, 0xa0000
          mov r8d, 15
          call grant
          mov edi, 0x100000
          mov esi, 0x300000
          call grant
          mov edi, OTHER_GHCB
          call share
          mov edi, AREA
          mov ebx, 0xc93
          mov eax, 0x18
          call selector          ; ES
          mov edi, AREA+0x20
          call selector          ; SS
          mov edi, AREA+0x30
          call selector          ; DS
          mov edi, AREA+0x10
          mov ebx, 0xa9b
          mov eax, 0x10
          call selector          ; CS
          mov edi, AREA
          lea rax, [rel gdt]
          mov [rdi+0x68], rax
          mov dword [rdi+0x64], 31
          mov eax, IDT
          mov [rdi+0x88], rax
          mov dword [rdi+0x84], 511
          mov byte [rdi+0xca], 2
          mov qword [rdi+0xd0], 0x1500
          mov qword [rdi+0x148], 0x620
          mov rax, cr3
          mov [rdi+0x150], rax
          mov rax, 0x80000011
          mov [rdi+0x158], rax
          mov qword [rdi+0x160], 0x400
          mov eax, 0xffff0ff0
          mov [rdi+0x168], rax
          mov qword [rdi+0x170], 2
          lea rax, [rel low]
          mov [rdi+0x178], rax
          mov qword [rdi+0x1d8], 0x190000
          mov rax, 0x0007040600070406
          mov [rdi+0x268], rax
          mov qword [rdi+0x3b0], 1
          mov qword [rdi+0x3e8], 1
          mov dword [rdi+0x408], 0x1f80
          mov word [rdi+0x410], 0x37f
          mov eax, AREA
          xor ecx, ecx
          mov edx, 0x10001
          rmpadjust
          test eax, eax
          jne refused
          mov r8d, 0x80000013
          mov r9d, 0x20000
          mov r10d, AREA
          mov ebx, 1
          jmp event
      run:                       ; level R9
          mov r8d, 0x80000018
          xor r10d, r10d
          jmp event
      """;

  private static SnpGuest run(String source, int execution) throws Exception {
    return SnpGuest.run(PROLOGUE + source, LEVELS, b -> b, execution);
  }

  static int[] executions() {
    return Execution.andNative(0, 1);
  }

  private static final String PING_PONG =
      """
      begin:
          call create
          mov rbx, SHARED
          mov [rbx+RESULTS], rax
          mov r14d, 20
      again:
          mov r9d, 2
          call run
          mov rbx, SHARED
          mov [rbx+RESULTS+8], rax
          inc qword [rbx+RESULTS+16]
          add [rbx+RESULTS+32], r14
          dec r14d
          jne again
          jmp end
      low:
          mov eax, OTHER_GHCB
          or eax, 0x12
          call protocol
          mov r14d, 7
          movq xmm1, r14
          mov eax, 0x4000
          xor ecx, ecx
          mov edx, 3
          rmpadjust
          mov rbx, SHARED
          mov [rbx+RESULTS+40], rax
      back:
          mov rbx, SHARED
          inc qword [rbx+RESULTS+24]
          inc r14
          mov rax, 0x16
          call protocol
          mov rbx, SHARED
          mov [rbx+RESULTS+48], rax
          mov [rbx+RESULTS+56], r14
          movq rax, xmm1
          mov [rbx+RESULTS+64], rax
          jmp back
      """;

  @ParameterizedTest
  @MethodSource("executions")
  void levelsRunEachOther(int execution) throws Exception {
    SnpGuest g = run(PING_PONG, execution).ended();
    assertThat(g.result(0)).as("AP creation").isZero();
    assertThat(g.result(1)).as("run VMPL by the GHCB").isZero();
    assertThat(g.result(2)).as("runs of level 0").isEqualTo(20);
    assertThat(g.result(3)).as("runs of level 2").isEqualTo(20);
    assertThat(g.result(4)).as("registers of level 0 are its own").isEqualTo(210);
    assertThat(g.result(5)).as("RMPADJUST of level 2 on level 3").isZero();
    assertThat(g.result(6)).as("run VMPL by the MSR protocol").isEqualTo(0x17);
    assertThat(g.result(7)).as("registers of level 2 are its own").isEqualTo(7 + 19);
    assertThat(g.result(8)).as("vector registers too").isEqualTo(7);
  }

  @Test
  void allExecutionsComeToTheSameState() throws Exception {
    TreeSet<String> states = new TreeSet<>();
    for (int e : executions()) {
      Machine m = run(PING_PONG, e).ended().machine();
      states.add(m.instructions() + " " + m.stateHash());
    }
    assertThat(states).hasSize(1);
  }

  /**
   * Each level registers a GHCB of its own, and neither is the other's mistake: whether it is run
   * when level 0 asks for it, or at once.
   */
  @ParameterizedTest
  @ValueSource(strings = {"0x20000", "0x20001"})
  void eachLevelHasItsOwnGhcb(String creation) throws Exception {
    String source = (PROLOGUE + PING_PONG).replace("0x20000", creation);
    Checker c = new Checker();
    try (Machine m =
        new Machine(
            MachineSpec.builder(SevMode.SNP, SnpGuest.image(source), b -> {})
                .memoryBytes(16 << 20)
                .snp(LEVELS)
                .build())) {
      m.trace(c::accept, true);
      m.limit(20_000_000, Long.MAX_VALUE);
      assertThat(m.run().guestValue()).isZero();
    }
    assertThat(c.findings())
        .extracting(Finding::rule)
        .doesNotContain(Rule.GHCB_NOT_REGISTERED, Rule.HOST_UNREGISTERED);
  }

  /** Permissions of level 2 on a page, what it does there, and whether it comes back. */
  @ParameterizedTest
  @CsvSource({
    "3, 'mov [rdi], eax', ''",
    "1, 'mov eax, [rdi]', ''",
    "1, 'mov [rdi], eax', 'data write'",
    "0, 'mov eax, [rdi]', 'data read'",
    "2, 'mov eax, [rdi]', 'data read'",
    "3, 'call rdi', 'fetch'",
    "11, 'call rdi', ''"
  })
  void permissionsAreObeyed(int permissions, String access, String refused) throws Exception {
    for (int e : executions()) {
      SnpGuest g =
          run(
              """
              begin:
                  mov edi, 0x500000
                  mov byte [rdi], 0xc3
                  call create
                  mov edi, 0x500000
                  mov esi, 0x501000
                  mov r8d, %d
                  call grant
                  mov r9d, 2
                  call run
                  jmp end
              low:
                  mov edi, 0x500000
                  %s
                  mov rax, 0x16
                  call protocol
              """
                  .formatted(permissions, access),
              e);
      if (refused.isEmpty()) {
        g.ended();
      } else {
        assertThat(g.end().reason()).contains("0x500000", refused, "VMPL", "vCPU 0, RIP 0x");
        assertThat(g.end().status()).isEqualTo(Outcome.PAGE_REFUSED);
      }
    }
  }

  /** PVALIDATE is level 0's: the other's try is #GP. */
  @Test
  void onlyLevel0AcceptsPages() throws Exception {
    SnpGuest g =
        run(
            """
            begin:
                call create
                mov r9d, 2
                call run
                jmp end
            low:
                mov eax, OTHER_GHCB
                or eax, 0x12
                call protocol
                mov ebp, OTHER_GHCB
                mov eax, 0x500000
                xor ecx, ecx
                xor edx, edx
                pvalidate
                jmp end
            """,
            Execution.STANDARD);
    assertThat(g.end().guestValue()).as("#GP").isEqualTo(0x4D);
  }

  @Test
  void aPageWithoutTheFlagIsNoSaveArea() throws Exception {
    SnpGuest g =
        run(
            """
            begin:
                mov r8d, 0x80000013
                mov r9d, 0x20000
                mov r10d, AREA
                mov ebx, 1
                call event
                mov r9d, 2
                call run
                jmp end
            low:
            """,
            Execution.STANDARD);
    assertThat(g.end().reason()).contains("VMEXIT_INVALID").contains("0x401000");
  }

  /** Level 2 has its #VC reflected: level 0 reads which in the save area, and answers there. */
  @ParameterizedTest
  @MethodSource("executions")
  void aHigherLevelServesWhatIsReflected(int execution) throws Exception {
    SnpGuest g =
        run(
            """
            begin:
                call create
                mov eax, AREA
                mov qword [rax+0x3b0], 5
                mov r9d, 2
                call run
                mov eax, AREA
                mov rbx, SHARED
                mov rcx, [rax+0x3c0]
                mov [rbx+RESULTS], rcx
                mov rcx, [rax+0x1f8]
                mov [rbx+RESULTS+8], rcx
                mov qword [rax+0x1f8], 0x1234
                mov rcx, [rax+0x3a8]
                mov [rax+0x178], rcx
                mov r9d, 2
                call run
                mov rax, [0x160000]
                mov rbx, SHARED
                mov [rbx+RESULTS+16], rax
                jmp end
            low:
                mov eax, 0x4000_0000
                cpuid
                mov [0x160000], rax
                cpuid
            """,
            execution);
    assertThat(g.ended().result(0)).as("exit code").isEqualTo(0x72);
    assertThat(g.result(1)).as("leaf").isEqualTo(0x4000_0000);
    assertThat(g.result(2)).as("answer").isEqualTo(0x1234);
  }
}
