package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.HvFeatures;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.List;
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
  static final SnpLaunch LEVELS =
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
          mov qword [rdi+0x3b0], LOW_FEATURES
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
          mov ebx, LOW_FEATURES
          jmp event
      run:                       ; level R9
          mov r8d, 0x80000018
          xor r10d, r10d
          jmp event
      """;

  private static SnpGuest run(String source, int execution) throws Exception {
    return run(SevFeature.SNP_ACTIVE.mask, source, execution);
  }

  /** Runs a guest whose level 2 has some features. */
  private static SnpGuest run(long features, String source, int execution) throws Exception {
    return SnpGuest.run(prologue(features) + source, LEVELS, b -> b, execution);
  }

  /** {@return what a guest begins with whose level 2 has some features} */
  static String prologue(long features) {
    return PROLOGUE.replace("LOW_FEATURES", Long.toString(features));
  }

  static int[] executions() {
    return Execution.andNative(0, 1);
  }

  static final String PING_PONG =
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
    assertThat(findings((prologue(1) + PING_PONG).replace("0x20000", creation)))
        .extracting(Finding::rule)
        .doesNotContain(Rule.GHCB_NOT_REGISTERED, Rule.HOST_UNREGISTERED);
  }

  /** {@return what the checker finds about a guest that comes to its own end} */
  private static List<Finding> findings(String source) throws Exception {
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
    return c.findings();
  }

  /** The checker knows which level runs when an interrupt has had the other one run. */
  @Test
  void anInterruptThatHasAnotherLevelRunIsSeen() throws Exception {
    assertThat(findings(prologue(ALTERNATE) + TIMER))
        .extracting(Finding::rule)
        .doesNotContain(Rule.GHCB_NOT_REGISTERED, Rule.HOST_UNREGISTERED);
  }

  /**
   * A processor has a save area at each level; that of level 2 is taken away with level 1's there.
   */
  @Test
  void eachLevelHasItsOwnSaveArea() throws Exception {
    String source =
        """
        begin:
            call create
            mov eax, 0x403000
            xor ecx, ecx
            mov edx, 0x10001
            rmpadjust
            mov r8d, 0x80000013
            mov r9d, 0x10000
            mov r10d, 0x403000
            mov ebx, 1
            call event
            mov eax, %s
            xor ecx, ecx
            mov edx, 1
            rmpadjust
            jmp end
        low:
        """;
    assertThat(findings(prologue(1) + source.formatted("AREA")))
        .filteredOn(f -> f.rule() == Rule.VMSA_FREED)
        .extracting(Finding::message)
        .singleElement()
        .asString()
        .contains("0x401000", "APIC ID 0 at VMPL2");
    assertThat(findings(prologue(1) + source.formatted("0x403000")))
        .filteredOn(f -> f.rule() == Rule.VMSA_FREED)
        .extracting(Finding::message)
        .singleElement()
        .asString()
        .contains("0x403000", "APIC ID 0 at VMPL1");
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
    "7, 'call rdi', 'fetch'",
    "11, 'call rdi', ''",
    "15, 'call rdi', ''"
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

  /**
   * At CPL 3 it is the user's permission to execute that counts. The code there is VMGEXIT, with a
   * request to run level 0 in the MSR.
   */
  @ParameterizedTest
  @CsvSource({"7, ''", "15, ''", "11, 'fetch'", "3, 'fetch'"})
  void usersHaveAPermissionOfTheirOwnToExecute(int permissions, String refused) throws Exception {
    for (int e : executions()) {
      SnpGuest g =
          run(
              """
              begin:
                  mov edi, 0x500000
                  mov dword [rdi], 0xd9010ff3
                  call create
                  mov edi, 0x500000
                  mov esi, 0x501000
                  mov r8d, %d
                  call grant
                  mov r9d, 2
                  call run
                  jmp end
              low:
                  mov rax, cr3
                  and rax, -4096
                  or qword [rax], 4
                  mov rax, [rax]
                  btr rax, 51
                  and rax, -4096
                  or qword [rax], 4
                  mov rax, [rax]
                  btr rax, 51
                  and rax, -4096
                  or qword [rax+16], 4
                  mov rax, cr3
                  mov cr3, rax
                  lgdt [rel users]
                  mov ecx, 0xc0010130
                  mov eax, 0x16
                  xor edx, edx
                  wrmsr
                  push 0x2b
                  push 0x500800
                  push 2
                  push 0x23
                  push 0x500000
                  iretq
              users:
                  dw 47
                  dq segments
              align 8
              segments:
                  dq 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
                  dq 0x00affb000000ffff, 0x00cff3000000ffff
              """
                  .formatted(permissions),
              e);
      if (refused.isEmpty()) {
        g.ended();
      } else {
        assertThat(g.end().reason()).contains("0x500000", refused, "VMPL", "RIP 0x500000");
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
            REFLECTING,
            """
            begin:
                call create
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

  private static final long REFLECTING = SevFeature.SNP_ACTIVE.mask | SevFeature.REFLECT_VC.mask;
  private static final long ALTERNATE =
      SevFeature.SNP_ACTIVE.mask | SevFeature.ALTERNATE_INJECTION.mask;

  /**
   * Level 2 does what each makes a #VC, and level 0 notes the exit's code and its first info, and
   * has it go on behind the instruction; a page that is not accepted it accepts and gives, and the
   * access is made again.
   */
  @ParameterizedTest
  @MethodSource("executions")
  void aHigherLevelServesWhateverIsReflected(int execution) throws Exception {
    SnpGuest g =
        run(
            REFLECTING,
            """
            begin:
                mov edi, SHARED_TABLE
                mov eax, 0xfee00083
                mov [rdi+64], rax        ; SHARED + 16 MiB is the local APIC
                mov eax, 0x600000
                xor ecx, ecx
                xor edx, edx
                pvalidate
                call create
                mov r15, SHARED
                add r15, RESULTS
            serve:
                mov r9d, 2
                call run
                mov ebx, AREA
                mov rax, [rbx+0x3c0]
                mov [r15], rax
                mov rcx, [rbx+0x390]
                mov [r15+8], rcx
                add r15, 16
                cmp eax, 0x81
                je served
                cmp eax, 0x404
                je accept
                mov rcx, [rbx+0x3a8]
                mov [rbx+0x178], rcx
                jmp serve
            accept:
                mov eax, 0x600000
                xor ecx, ecx
                mov edx, 1
                pvalidate
                mov edi, 0x600000
                mov esi, 0x601000
                mov r8d, 15
                call grant
                jmp serve
            served:
                mov rax, [0x600000]
                mov [r15], rax
                jmp end
            low:
                cpuid
                out 0x80, al
                mov ecx, 0x1b
                rdmsr
                wrmsr
                rdpmc
                wbinvd
                invd
                mov rax, dr7
                mov ebx, 0x600000
                mov qword [rbx], 0x77
                mov rbx, SHARED
                mov eax, [rbx+0x1000030]
                vmmcall
                hlt
            """,
            execution);
    g.ended();
    long[][] exits = {
      {0x72, 0},
      {0x7B, 0x800210},
      {0x7C, 0},
      {0x7C, 1},
      {0x6F, 0},
      {0x89, 0},
      {0x76, 0},
      {0x27, 0},
      {0x404, 0},
      {0x400, 0x1_0000_000DL},
      {0x81, 0}
    };
    for (int i = 0; i < exits.length; i++) {
      assertThat(g.result(2 * i)).as("exit %d", i).isEqualTo(exits[i][0]);
      assertThat(g.result(2 * i + 1)).as("its info").isEqualTo(exits[i][1]);
    }
    assertThat(g.result(2 * exits.length)).as("the access was made in the end").isEqualTo(0x77);
  }

  /** What both levels of guests with AlternateInjection have. */
  private static final String QUEUES =
      """
      ; a gate of the table at RDI for vector RCX, which leads to RAX
      gate_at:
          shl ecx, 4
          add rdi, rcx
          mov edx, eax
          and eax, 0xffff
          or eax, 0x100000
          mov [rdi], eax
          and edx, 0xffff0000
          or edx, 0x8e00
          mov [rdi+4], edx
          mov qword [rdi+8], 0
          ret
      yield:
          mov rax, 0x16
          jmp protocol
      taken:                     ; an interrupt: counts
          push rbx
          mov rbx, SHARED
          inc qword [rbx+RESULTS]
          pop rbx
          iretq
      faulted:                   ; #GP: leaves its error code
          push rbx
          mov rbx, SHARED
          mov [rbx+RESULTS+8], rax
          mov rax, [rsp+8]
          xchg [rbx+RESULTS+8], rax
          pop rbx
          add rsp, 8
          iretq
      prepare:                   ; level 2: a table of its own at 0x160000
          mov edi, 0x160000
          mov ecx, 20
          lea rax, [rel taken]
          call gate_at
          mov edi, 0x160000
          mov ecx, 13
          lea rax, [rel faulted]
          call gate_at
          lidt [rel table]
          mov eax, OTHER_GHCB
          or eax, 0x12
          jmp protocol
      table:
          dw 511
          dq 0x160000
      """;

  /**
   * Level 0 queues an interrupt that the task priority holds up until it is lowered, and injects an
   * exception with its error code; while the save area is busy, level 2 does not run.
   */
  @ParameterizedTest
  @MethodSource("executions")
  void aHigherLevelInterrupts(int execution) throws Exception {
    SnpGuest g =
        run(
            ALTERNATE,
            QUEUES
                + """
                begin:
                    call create
                    mov rbx, SHARED
                    mov [rbx+RESULTS+64], rax
                    mov r9d, 2
                    call run                      ; comes back when level 2 is prepared
                    mov ebx, AREA
                    mov rax, 0x1400040105         ; vector 20, priority 4, task priority 5
                    mov [rbx+0x3b8], rax
                    mov r9d, 2
                    call run
                    mov rbx, SHARED
                    mov rax, [rbx+RESULTS]
                    mov [rbx+RESULTS+16], rax     ; nothing was taken
                    mov r9d, 2
                    call run                      ; level 2 lowers its task priority
                    mov rbx, SHARED
                    mov rax, [rbx+RESULTS]
                    mov [rbx+RESULTS+24], rax
                    mov ebx, AREA
                    mov rax, [rbx+0x3b8]
                    mov rcx, SHARED
                    mov [rcx+RESULTS+32], rax
                    mov rax, 0x123480000b0d
                    mov [rbx+0x3e0], rax
                    bts qword [rbx+0x3b8], 63
                    mov r9d, 2
                    call run                      ; busy: nothing happens
                    mov ebx, AREA
                    mov rax, [rbx+0x3e0]
                    mov rcx, SHARED
                    mov [rcx+RESULTS+40], rax
                    btr qword [rbx+0x3b8], 63
                    mov r9d, 2
                    call run
                    mov ebx, AREA
                    mov rax, [rbx+0x3e0]
                    mov rcx, SHARED
                    mov [rcx+RESULTS+48], rax
                    jmp end
                low:
                    call prepare
                    sti
                    call yield
                    nop
                    call yield
                    xor eax, eax
                    mov cr8, rax
                    nop
                    call yield
                    nop
                    call yield
                """,
            execution);
    g.ended();
    assertThat(g.result(8)).as("AP creation with other features").isZero();
    assertThat(g.result(2)).as("below the task priority").isZero();
    assertThat(g.result(3)).as("above it").isEqualTo(1);
    assertThat(g.result(4)).as("VINTR_CTRL then").isEqualTo(0x1400040000L);
    assertThat(g.result(5)).as("EVENTINJ of a busy area").isEqualTo(0x123480000B0DL);
    assertThat(g.result(1)).as("error code").isEqualTo(0x1234);
    assertThat(g.result(6)).as("EVENTINJ afterwards").isZero();
  }

  private static final String TIMER =
      QUEUES
          + """
          ticked:
              push rbx
              push rax
              mov rbx, SHARED
              inc qword [rbx+RESULTS+16]
              mov ebx, AREA
              mov rax, 0x1400040100
              mov [rbx+0x3b8], rax
              pop rax
              pop rbx
              iretq
          begin:
              call create
              mov r9d, 2
              call run
              mov edi, IDT
              mov ecx, 20
              lea rax, [rel ticked]
              call gate_at
              mov esi, 0x1b
              mov ebx, 0xfee00d00
              call wrhost
              mov esi, 0x80f
              mov ebx, 0x1ff
              call wrhost
              mov esi, 0x83e
              mov ebx, 0xb
              call wrhost
              mov esi, 0x832
              mov ebx, 0x14
              call wrhost
              mov esi, 0x838
              mov ebx, 50000
              call wrhost
              sti
              mov r9d, 2
              call run                      ; until the timer fires
              mov r9d, 2
              call run                      ; until level 2 has taken what was queued
              jmp end
          low:
              call prepare
              sti
              call yield
              mov rbx, SHARED
          spin:
              inc r14
              cmp qword [rbx+RESULTS], 0
              je spin
              mov [rbx+RESULTS+24], r14
              call yield
          """;

  /**
   * The host's timer fires while level 2 computes. The host can inject nothing there: it has level
   * 0 run, which takes the interrupt and queues one for level 2.
   */
  @ParameterizedTest
  @MethodSource("executions")
  void theHostsInterruptsGoToTheHigherLevel(int execution) throws Exception {
    SnpGuest g = run(ALTERNATE, TIMER, execution);
    assertThat(g.ended().result(2)).as("interrupts of level 0").isEqualTo(1);
    assertThat(g.result(0)).as("interrupts of level 2").isEqualTo(1);
    assertThat(g.result(3)).as("turns of level 2 meanwhile").isGreaterThan(1000);
  }

  /**
   * #HV is on its way to level 2 when the stack of its handler proves not to be accepted: a #VC
   * that is reflected. Level 0 accepts the page, and the host, who has rung once, rings again.
   */
  @ParameterizedTest
  @MethodSource("executions")
  void aDoorbellThatIsReflectedRingsAgain(int execution) throws Exception {
    SnpLaunch restricted = LEVELS.withFeatures(1 | SevFeature.RESTRICTED_INJECTION.mask);
    String source =
        """
        equ OTHER_BELL 0x305000
        begin:
            mov edi, OTHER_BELL
            call share
            mov eax, 0x600000
            xor ecx, ecx
            xor edx, edx
            pvalidate
            call create
            mov r9d, 2
            call run
            mov ebx, AREA
            mov rcx, SHARED
            mov rax, [rbx+0x3c0]
            mov [rcx+RESULTS+8], rax
            mov rax, [rbx+0x3a0]
            mov [rcx+RESULTS+16], rax
            mov eax, 0x600000
            xor ecx, ecx
            mov edx, 1
            pvalidate
            mov edi, 0x600000
            mov esi, 0x601000
            mov r8d, 15
            call grant
            mov r9d, 2
            call run
            jmp end
        low:
            mov eax, OTHER_GHCB
            or eax, 0x12
            call protocol
            mov ebp, OTHER_GHCB
            mov r8d, 0x80000014
            mov r9d, 1
            mov r10d, OTHER_BELL
            call event
            mov esi, 0x1b
            mov ebx, 0xfee00d00
            call wrhost
            mov esi, 0x80f
            mov ebx, 0x1ff
            call wrhost
            mov rcx, SHARED              ; an interrupt to itself
            mov qword [rcx+OTHER_GHCB+0x308], 0x830
            mov qword [rcx+OTHER_GHCB+0x1f8], 0x44040
            mov qword [rcx+OTHER_GHCB+0x310], 0
            mov qword [rcx+OTHER_GHCB+0x390], 0x7c
            mov qword [rcx+OTHER_GHCB+0x398], 1
            mov rax, 0x8000000000000000
            mov [rcx+OTHER_GHCB+0x3f0], rax
            mov rax, 0x3c000e00000000
            mov [rcx+OTHER_GHCB+0x3f8], rax
            mov esp, 0x601000
            vmgexit
            nop
            mov ebx, 0x77
            jmp ended
        hv:
            mov rbx, SHARED
            inc qword [rbx+RESULTS]
            movzx eax, word [rbx+OTHER_BELL]
            mov [rbx+RESULTS+24], rax
            mov rax, 0x16
            call protocol
        """;
    SnpGuest g = SnpGuest.run(prologue(0xD) + source, restricted, b -> b, execution).ended();
    assertThat(g.result(1)).as("exit code").isEqualTo(0x404);
    assertThat(g.result(2)).as("event on its way").isEqualTo(0x8000_031CL);
    assertThat(g.result(0)).as("rings").isEqualTo(1);
    assertThat(g.result(3) & 0xFF).as("vector").isEqualTo(0x40);
  }

  /** Level 0 itself has AlternateInjection, and nobody is above it. */
  @Test
  void nobodyWakesALevelThatTakesNothing() throws Exception {
    SnpLaunch alone = SnpLaunch.DEFAULT.withFeatures(ALTERNATE);
    SnpGuest g = SnpGuest.run("begin:\nsti\nhlt\njmp end", alone);
    assertThat(g.end().status()).isEqualTo(Outcome.GAVE_UP);
    assertThat(g.end().reason()).contains("VMPL0 with AlternateInjection", "nothing can wake it");
  }
}
