package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Guests that restrict injection get their events by #HV and the doorbell page (snp 3.6). */
final class RestrictedInjectionTest {
  private static final SnpLaunch RESTRICTED =
      SnpLaunch.DEFAULT.withFeatures(
          SevFeature.SNP_ACTIVE.mask | SevFeature.RESTRICTED_INJECTION.mask);

  /**
   * A handler that takes the doorbell's word and counts: rings in result 0, vectors from result 8
   * on, NMIs in result 1. An interrupt between the look and HLT has the look done again. R15 is the
   * vector that came last.
   */
  private static final String HANDLER =
      """
      hv:
          push rax
          push rbx
          push rcx
          mov rbx, SHARED
          lea rcx, [rbx+RESULTS]
          inc qword [rcx]
          xor eax, eax
          xchg [rbx+BELL], ax
          test ah, 1
          je nonmi
          inc qword [rcx+8]
      nonmi:
          movzx eax, al
          test eax, eax
          je taken
          mov r15d, eax
          inc qword [rcx+rax*8]
      taken:
          lea rax, [rel idle]
          cmp [rsp+24], rax
          jb back
          lea rax, [rel idled]
          cmp [rsp+24], rax
          jae back
          lea rax, [rel idle]
          mov [rsp+24], rax
      back:
          pop rcx
          pop rbx
          pop rax
          iretq
      wait:
      idle:
          test r15d, r15d
          jne idled
          hlt
          jmp idle
      idled:
          ret
      eoi:
          mov rax, SHARED
          xor ecx, ecx
          xor r15d, r15d
          xchg [rax+BELL+2], cl
          test cl, 1
          jne light
          inc qword [rax+RESULTS+16]
          mov esi, 0x80b
          xor ebx, ebx
          jmp wrhost
      light:
          inc qword [rax+RESULTS+24]
          ret
      setbell:
          mov r8d, 0x80000014
          mov r9d, 1
          mov r10d, BELL
          jmp event
      apic:
          mov esi, 0x1b
          mov ebx, 0xfee00d00
          call wrhost
          mov esi, 0x80f
          mov ebx, 0x1ff
          jmp wrhost
      """;

  private static SnpGuest run(String source, int execution) throws Exception {
    return SnpGuest.run(HANDLER + source, RESTRICTED, b -> b, execution).ended();
  }

  static int[] executions() {
    return Execution.andNative(0, 1);
  }

  @Test
  void theHostSaysWhatItOffers() throws Exception {
    String ask = "begin:\nmov eax, 0x80\ncall protocol\nmov rbx, SHARED\nmov [rbx+RESULTS], rax\n";
    assertThat(SnpGuest.run(ask + "jmp end", RESTRICTED).ended().result(0)).isEqualTo(0x7081);
    assertThat(SnpGuest.run(ask + "jmp end", SnpLaunch.DEFAULT).ended().result(0))
        .isEqualTo(0x3081);
  }

  /** RFLAGS.IF is clear all the time, and nothing but #HV comes. */
  @ParameterizedTest
  @MethodSource("executions")
  void theTimerRings(int execution) throws Exception {
    SnpGuest g =
        run(
            """
            begin:
                call setbell
                call apic
                mov esi, 0x83e
                mov ebx, 0xb
                call wrhost
                mov esi, 0x832
                mov ebx, 0x20040
                call wrhost
                mov esi, 0x838
                mov ebx, 50000
                call wrhost
                mov r14d, 5
            more:
                call wait
                call eoi
                dec r14d
                jne more
                jmp end
            """,
            execution);
    assertThat(g.result(0x40)).as("timer interrupts").isEqualTo(5);
    assertThat(g.result(0)).as("rings").isEqualTo(5);
    assertThat(g.result(2)).as("EOIs by an exit").isZero();
    assertThat(g.result(3)).as("EOIs by the page").isEqualTo(5);
  }

  /** A device behind the 8259 pair, whose EOI is none of the local APIC's. */
  @ParameterizedTest
  @MethodSource("executions")
  void aDeviceRings(int execution) throws Exception {
    StringBuilder s = new StringBuilder("begin:\ncall setbell\n");
    int[][] ports = {
      {0x20, 0x11},
      {0x21, 0x30},
      {0x21, 4},
      {0x21, 1},
      {0x21, 0xFE},
      {0x43, 0x34},
      {0x40, 0},
      {0x40, 4}
    };
    for (int[] p : ports) {
      s.append("mov esi, %d\nmov ebx, %d\ncall outb\n".formatted(p[0], p[1]));
    }
    s.append("mov r14d, 3\nmore:\ncall wait\nxor r15d, r15d\n");
    s.append("mov esi, 0x20\nmov ebx, 0x20\ncall outb\ndec r14d\njne more\njmp end\n");
    SnpGuest g = run(s.toString(), execution);
    assertThat(g.result(0x30)).as("timer of the board").isEqualTo(3);
    assertThat(g.machine().hostView().read(SnpGuest.RESULTS - 0x1000 + 2, 1))
        .as("there is no EOI to be spared")
        .isZero();
  }

  /** An interrupt that comes while another is in service must be told of the end of that. */
  @Test
  void anEoiThatSomebodyWaitsForTakesAnExit() throws Exception {
    SnpGuest g =
        run(
            """
            begin:
                call setbell
                call apic
                mov r8d, 0x80000015
                mov r9d, 0x44050
                call event
                mov r8d, 0x80000015
                mov r9d, 0x44051
                call event
                mov rbx, SHARED
                mov rcx, [rbx+RESULTS+0x280]
                mov rdx, [rbx+RESULTS+0x288]
                mov [rbx+RESULTS+32], rcx
                mov [rbx+RESULTS+40], rdx
                call eoi
                call wait
                call eoi
                jmp end
            """,
            Execution.STANDARD);
    assertThat(g.result(4)).as("the first one came").isEqualTo(1);
    assertThat(g.result(5)).as("the other waits: same priority").isZero();
    assertThat(g.result(0x51)).isEqualTo(1);
    assertThat(g.result(2)).as("EOIs by an exit").isEqualTo(1);
    assertThat(g.result(3)).as("EOIs by the page").isEqualTo(1);
  }

  /** NMIs and interrupts share the page; the bell rings once until the guest has looked. */
  @Test
  void anNmiIsAFlag() throws Exception {
    SnpGuest g =
        run(
            """
            begin:
                call setbell
                call apic
                mov r8d, 0x80000015
                mov r9d, 0x400
                call event
                jmp end
            """,
            Execution.STANDARD);
    assertThat(g.result(0)).as("rings").isEqualTo(1);
    assertThat(g.result(1)).as("NMIs").isEqualTo(1);
  }

  @Test
  void withoutAPageNothingIsToldUntilThereIsOne() throws Exception {
    SnpGuest g =
        run(
            """
            begin:
                call apic
                mov r8d, 0x80000015
                mov r9d, 0x44050
                call event
                mov r13d, 1000
            spin:
                dec r13d
                jne spin
                mov rbx, SHARED
                mov rax, [rbx+RESULTS]
                mov [rbx+RESULTS+32], rax
                call setbell
                jmp end
            """,
            Execution.STANDARD);
    assertThat(g.result(4)).isZero();
    assertThat(g.result(0x50)).isEqualTo(1);
  }

  /** Two interrupts and a guest that does not look: one ring, one vector. */
  @Test
  void theBellRingsOnceUntilTheGuestHasLooked() throws Exception {
    SnpGuest g =
        SnpGuest.run(
                """
                hv: push rbx
                    mov rbx, SHARED
                    inc qword [rbx+RESULTS]
                    pop rbx
                    iretq
                begin:
                    mov r8d, 0x80000014
                    mov r9d, 1
                    mov r10d, BELL
                    call event
                    mov esi, 0x1b
                    mov ebx, 0xfee00d00
                    call wrhost
                    mov esi, 0x80f
                    mov ebx, 0x1ff
                    call wrhost
                    mov r8d, 0x80000015
                    mov r9d, 0x44050
                    call event
                    mov r8d, 0x80000015
                    mov r9d, 0x44090
                    call event
                    mov rbx, SHARED
                    mov rax, [rbx+BELL]
                    mov [rbx+RESULTS+8], rax
                    jmp end
                """,
                RESTRICTED)
            .ended();
    assertThat(g.result(0)).isEqualTo(1);
    assertThat(g.result(1)).as("vector, flags").isEqualTo(0x8050);
  }

  /** Guests look whether there is an event before HLT: who does not sleeps for ever. */
  @Test
  void aGuestThatHaltsOverAnEventIsNotWoken() throws Exception {
    SnpGuest g =
        SnpGuest.run(
            """
            hv: iretq
            begin:
                mov r8d, 0x80000014
                mov r9d, 1
                mov r10d, BELL
                call event
                mov esi, 0x1b
                mov ebx, 0xfee00d00
                call wrhost
                mov esi, 0x80f
                mov ebx, 0x1ff
                call wrhost
                mov r8d, 0x80000015
                mov r9d, 0x44050
                call event
                hlt
                jmp end
            """,
            RESTRICTED);
    assertThat(g.end().reason()).contains("halted", "doorbell page");
    assertThat(g.end().status()).isEqualTo(Outcome.GAVE_UP);
  }

  @Test
  void aPrivatePageEndsTheRun() throws Exception {
    SnpGuest g =
        SnpGuest.run(
            HANDLER
                + """
                begin:
                    call setbell
                    call apic
                    mov rax, 0x0010000000000014
                    or rax, BELL
                    call protocol
                    jmp end
                """,
            RESTRICTED);
    assertThat(g.end().reason()).contains("#HV doorbell page").contains("private");
  }

  @Test
  void allExecutionsComeToTheSameState() throws Exception {
    String timer =
        """
        begin:
            call setbell
            call apic
            mov esi, 0x83e
            mov ebx, 0xb
            call wrhost
            mov esi, 0x832
            mov ebx, 0x20040
            call wrhost
            mov esi, 0x838
            mov ebx, 20000
            call wrhost
            mov r14d, 40
        more:
            mov r13d, 300
        work:
            imul r11, r11, 31
            add r11, r13
            dec r13d
            jne work
            call wait
            call eoi
            dec r14d
            jne more
            jmp end
        """;
    TreeSet<String> states = new TreeSet<>();
    for (int e : executions()) {
      Machine m = run(timer, e).machine();
      states.add(m.instructions() + " " + m.stateHash());
    }
    assertThat(states).hasSize(1);
  }
}
