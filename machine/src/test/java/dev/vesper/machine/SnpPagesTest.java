package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What hosts do of their own accord with pages of guests under SEV-SNP (spec: snp 1.5 and 3.3). */
final class SnpPagesTest {
  private static final SnpLaunch STRICT = SnpLaunch.DEFAULT.withHost(SnpHost.KVM.converting(false));

  private static SnpLaunch large(boolean on) {
    return SnpLaunch.DEFAULT.withHost(SnpHost.KVM.withLargePages(on));
  }

  // ---- pages that are used as what they are not

  /** What the guest does, as what KVM has the page then, and what a strict host says. */
  @ParameterizedTest
  @CsvSource({
    "'mov rdi, SHARED\nmov [rdi+0x500000], rdi', shared data write, 0x500000, guest-valid",
    "'mov edi, GHCB\nmov rax, [rdi+0x700]', private data read, 0x300700, shared",
    "'mov edi, RESULTS\npush rdi\nret', private fetch, 0x302000, shared",
    "'mov eax, BELL\nxor ecx, ecx\nmov edx, 1\npvalidate\njmp end', private data read,"
        + " 0x301000, shared",
  })
  void aStrictHostConvertsNothing(String source, String access, String page, String state)
      throws Exception {
    String guest = "vc: jmp end\nbegin:\n" + source + "\njmp end";
    SnpGuest strict = SnpGuest.run(guest, STRICT);
    assertThat(strict.end().status()).isEqualTo(Outcome.PAGE_REFUSED);
    assertThat(strict.end().reason())
        .contains(
            access, "GPA " + page, "page that is " + state, "has not asked", "vCPU 0, RIP 0x");
    // KVM converts it, and a page that became private is one that the guest has not accepted: #VC.
    SnpGuest.run(guest, SnpLaunch.DEFAULT).ended();
  }

  /** A page that a read of shared memory finds private is no fault: the host's bytes are read. */
  @Test
  void aSharedReadOfAPrivatePageIsAllowed() throws Exception {
    SnpGuest.run("begin:\nmov rdi, SHARED\nmov rax, [rdi+0x500000]\njmp end", STRICT).ended();
  }

  @Test
  void whoAsksIsServedByAStrictHost() throws Exception {
    SnpGuest g =
        SnpGuest.run(
            """
            begin:
                mov edi, 0x500000
                call share
                mov rbx, SHARED
                mov dword [rbx+0x500000], 77
                mov rax, 0x0010000000500014
                call protocol
                mov eax, 0x500000
                xor ecx, ecx
                mov edx, 1
                pvalidate
                mov rbx, SHARED
                mov [rbx+RESULTS], rax
                mov rax, [0x500000]
                mov [rbx+RESULTS+8], rax
                jmp end
            """,
            STRICT);
    assertThat(g.ended().result(0)).isZero();
    assertThat(g.result(1)).as("private bytes begin as zero").isZero();
  }

  /** KVM's clock in a private page: what the host writes there changes nothing, and is told. */
  @Test
  void aRefusedWriteOfTheHostIsToldAsSuch() throws Exception {
    byte[] image =
        SnpGuest.image(
            """
            begin:
                mov qword [0x500008], 5
                mov esi, 0x4b564d01
                mov ebx, 0x500001
                call wrhost
                mov rax, SHARED
                mov rbx, [0x500008]
                mov [rax+RESULTS], rbx
                jmp end
            """);
    TestMachine t =
        TestMachine.of(MachineSpec.builder(SevMode.SNP, image, b -> {}).memoryBytes(16 << 20))
            .traced();
    assertThat(t.run(1_000_000).guestValue()).isZero();
    assertThat(t.machine().hostView().read(SnpGuest.RESULTS, 8)).isEqualTo(5);
    assertThat(t.events().stream().filter(Event.HostAccess.class::isInstance))
        .isNotEmpty()
        .allMatch(e -> e instanceof Event.HostAccess h && h.write() && h.refused() && !h.device());
  }

  // ---- 2 MiB

  /** Operation EAX on page RDI of 2 MiB, then PVALIDATE of it; EAX of that is result R14. */
  private static final String LARGE_CHANGE =
      """
      change:                    ; operation RAX, page RDI of 2 MiB
          mov rbx, SHARED
          shl rax, 52
          or rax, rdi
          mov rcx, 0x0100000000000000
          or rax, rcx
          mov qword [rbx+GHCB+0x800], 0
          mov [rbx+GHCB+0x808], rax
          mov r8d, 0x80000010
          xor r9d, r9d
          xor r10d, r10d
          push rdi
          call event
          pop rdi
          ret
      validate:                  ; size ECX, EDX, page RDI: EAX and CF to result R14
          mov rax, rdi
          pvalidate
          setb cl
          movzx ecx, cl
          shl ecx, 8
          or eax, ecx
          mov rbx, SHARED
          lea rcx, [rbx+RESULTS]
          mov [rcx+r14*8], rax
          inc r14
          ret
      """;

  private static final String CHANGES =
      """
      begin:
          xor r14d, r14d
          mov edi, 0x600000      ; launched: take 2 MiB back at once, and make them shared
          mov ecx, 1
          xor edx, edx
          call validate
          mov rax, 2
          call change
          mov [rbx+RESULTS+64], rdx
          mov rbx, SHARED
          mov dword [rbx+0x6ff000], 5
          mov rax, 1             ; and private again
          call change
          mov ecx, 1
          mov edx, 1
          call validate
          xor ecx, ecx           ; a page of it, which a host must split 2 MiB for
          xor edx, edx
          mov edi, 0x600000
          call validate
          mov ecx, 1
          mov edx, 1
          mov edi, 0x600000
          call validate
          xor ecx, ecx
          mov edx, 1
          mov edi, 0x600000
          call validate
          mov rax, [0x6ff000]
          mov [rbx+RESULTS+72], rax
          jmp end
      """;

  @ParameterizedTest
  @ValueSource(ints = {0, 1, Execution.NATIVE})
  void entriesOf2Mebibytes(int execution) throws Exception {
    SnpGuest g = SnpGuest.run(LARGE_CHANGE + CHANGES, large(true), b -> b, execution).ended();
    assertThat(g.result(0)).as("PVALIDATE of 2 MiB that were launched").isZero();
    assertThat(g.result(8)).as("page state change").isZero();
    assertThat(g.result(1)).as("PVALIDATE of 2 MiB that were changed").isZero();
    assertThat(g.result(2)).as("of a page in 2 MiB: the guest notices nothing").isZero();
    assertThat(g.result(3)).as("of 2 MiB that are split").isEqualTo(6);
    assertThat(g.result(4)).isZero();
    assertThat(g.result(9)).as("what was shared does not come along").isZero();
  }

  /** Without them 2 MiB are 512 pages, and the guest is told so. */
  @Test
  void withoutThemTheGuestFallsBack() throws Exception {
    SnpGuest g = SnpGuest.run("vc: jmp end\n" + LARGE_CHANGE + CHANGES, large(false)).ended();
    assertThat(g.result(0)).isEqualTo(6);
    assertThat(g.result(8)).as("page state change").isZero();
    assertThat(g.result(1)).isEqualTo(6);
  }

  /** What is measured is the same; so is what a guest comes to that does not look. */
  @Test
  void largePagesAreMeasuredAsSmallOnes() throws Exception {
    TreeSet<String> digests = new TreeSet<>();
    for (boolean on : new boolean[] {false, true}) {
      SnpGuest g = SnpGuest.run("begin: jmp end", large(on)).ended();
      digests.add(g.machine().launchDigest());
    }
    assertThat(digests).hasSize(1);
  }

  @Test
  void allExecutionsComeToTheSameState() throws Exception {
    TreeSet<String> states = new TreeSet<>();
    for (int e : Execution.andNative(0, 1)) {
      Machine m = SnpGuest.run(LARGE_CHANGE + CHANGES, large(true), b -> b, e).ended().machine();
      states.add(m.instructions() + " " + m.stateHash());
    }
    assertThat(states).hasSize(1);
  }
}
