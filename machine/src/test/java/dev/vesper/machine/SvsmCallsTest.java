package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.SvsmCall;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.SvsmCalled;
import dev.vesper.machine.observe.format.EventCodec;
import dev.vesper.machine.observe.format.TextWriter;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Calls of a service module at VMPL0 by a guest at VMPL2 (spec: snp 4.3). */
final class SvsmCallsTest {
  /** Level 0 answers calls; level 2 finds its calling area by the copy of the secrets page. */
  private static final String MODULE =
      """
      equ CALLING_AREA 0x170000
      equ COPY 0x171000
      equ LIST 0x172000
      begin:
          mov esi, 0x9d000           ; the copy of the secrets page has no keys of the levels above
          mov edi, COPY
          mov ecx, 0x200
          cld
          rep movsq
          mov edi, COPY+0x20
          xor eax, eax
          mov ecx, 8
          rep stosq
          mov rax, CALLING_AREA
          mov [COPY+0x150], rax
          call create
      serve:
          mov r9d, 2
          call run
          mov eax, AREA
          mov rcx, [rax+0x1f8]
          cmp rcx, -1
          je end
          call answer
          mov qword [rax+0x1f8], rdx
          mov byte [CALLING_AREA], 0
          jmp serve
      answer:                        ; RAX is the save area, RCX the call: the result in RDX
          xor edx, edx
          cmp rcx, 6
          jne protocol0
          mov r8, 0x100000001
          mov [rax+0x308], r8
          ret
      protocol0:
          cmp rcx, 8
          jae unsupported
          ret
      unsupported:
          mov edx, 0x80000002
          ret
      low:
          mov eax, OTHER_GHCB
          or eax, 0x12
          call protocol
          mov eax, 6
          mov rcx, 1
          call svsm
          mov word [LIST], 2
          mov word [LIST+2], 0
          mov eax, 1
          mov ecx, LIST
          call svsm
          mov eax, 0
          mov ecx, CALLING_AREA
          call svsm
          mov rax, -1
          call svsm
      svsm:                          ; makes the call RAX with RCX
          mov r12, rax
          mov r13, rcx
          mov byte [CALLING_AREA], 1
          mov eax, 0x16
          xor edx, edx
          mov ecx, 0xc0010130
          wrmsr
          mov rax, r12
          mov rcx, r13
          vmgexit
          mov r10d, eax
          xor eax, eax
          xchg [CALLING_AREA], al
          ret
      """;

  private static List<Event> run(String source) throws Exception {
    List<Event> events = new ArrayList<>();
    try (Machine m =
        new Machine(
            MachineSpec.builder(
                    SevMode.SNP,
                    SnpGuest.image(VmplTest.prologue(SnpLaunch.SNP_ACTIVE) + source),
                    b -> {})
                .memoryBytes(16 << 20)
                .snp(VmplTest.LEVELS)
                .build())) {
      m.trace(events::add, false);
      m.limit(20_000_000, Long.MAX_VALUE);
      assertThat(m.run().guestValue()).isZero();
    }
    return events;
  }

  private static List<SvsmCalled> calls(List<Event> events) {
    return events.stream()
        .filter(SvsmCalled.class::isInstance)
        .map(SvsmCalled.class::cast)
        .toList();
  }

  @Test
  void callsAreRecordedWithTheirAnswers() throws Exception {
    List<Event> events = run(MODULE);
    List<SvsmCalled> all = calls(events);
    assertThat(all)
        .extracting(c -> EventCodec.name(c))
        .containsExactly(
            "SVSM_CORE_QUERY_PROTOCOL",
            "SVSM_CORE_PVALIDATE",
            "SVSM_CORE_REMAP_CA",
            "SVSM protocol 4294967295 call 4294967295");
    SvsmCalled query = all.get(0);
    assertThat(query.level()).isEqualTo(2);
    assertThat(query.rcx()).isEqualTo(1);
    assertThat(query.pending()).isEqualTo(1);
    assertThat(query.left()).isZero();
    assertThat(query.answered()).isTrue();
    assertThat(query.result()).isZero();
    assertThat(query.outRcx()).isEqualTo(0x1_0000_0001L);
    assertThat(all.get(1).call()).isEqualTo(SvsmCall.CORE_PVALIDATE.rax());
    assertThat(all.get(1).entries()).isEqualTo(2);
    assertThat(all.get(1).next()).isZero();
    assertThat(all.get(3).answered()).as("level 0 has ended instead").isFalse();
    assertThat(text(events))
        .contains(
            "svsm_call SVSM_CORE_QUERY_PROTOCOL",
            "request=[protocol and version 0x1]",
            "response=[success: versions 0x100000001]");
  }

  /** Both levels are on one line of time, each event with the level that ran. */
  @Test
  void eventsHaveTheirLevel() throws Exception {
    List<Event> events = run(MODULE);
    assertThat(events).extracting(e -> e.at().vmpl()).contains(0, 2).doesNotContain(1, 3);
    assertThat(text(events)).contains(" vmpl2 64-bit").doesNotContain("vmpl0");
    assertThat(events).isSortedAccordingTo((a, b) -> Long.compare(a.at().time(), b.at().time()));
  }

  /** Levels that run each other without a calling area make no calls. */
  @Test
  void otherRequestsForALevelAreNoCalls() throws Exception {
    assertThat(calls(run(VmplTest.PING_PONG))).isEmpty();
  }

  private static String text(List<Event> events) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    TextWriter w = new TextWriter(new PrintStream(out, true, StandardCharsets.UTF_8));
    events.forEach(w::accept);
    return out.toString(StandardCharsets.UTF_8);
  }
}
