package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.MachineOptions;
import dev.vesper.machine.Tracer;
import dev.vesper.machine.boot.BootException;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.JsonLinesWriter;
import dev.vesper.machine.sev.SevMode;
import dev.vesper.machine.vmm.Outcome;
import java.io.BufferedWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The reference guest. */
final class LocoreTest {
  private static final int PASSED = Locore.PASS << 1 | 1;

  private record Run(Outcome outcome, String console, List<Event> events, String hash) {}

  private static Run run(SevMode mode, byte[] image) throws BootException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Machine m = new Machine(MachineOptions.of(mode, image, out::write).withMemory(64L << 20));
    List<Event> events = new ArrayList<>();
    m.trace(new Tracer(events::add));
    m.limit(50_000_000L, Long.MAX_VALUE);
    Outcome o = m.run();
    return new Run(o, out.toString(StandardCharsets.ISO_8859_1), events, m.stateHash());
  }

  @ParameterizedTest
  @EnumSource(SevMode.class)
  void theSelfTestPasses(SevMode mode) throws BootException {
    Run r = run(mode, Locore.image());
    assertThat(r.console).contains("locore: self-test passed").doesNotContain("FAILED");
    assertThat(r.outcome.status()).isEqualTo(PASSED);
  }

  @Test
  void underEsEveryHandlerAndExchangeIsSeen() throws BootException {
    Run r = run(SevMode.ES, Locore.image());
    var names = r.events.stream().map(e -> e.kind() + " " + e.name()).collect(Collectors.toSet());
    assertThat(names)
        .contains(
            "vc SVM_VMEXIT_CPUID",
            "vc SVM_VMEXIT_MSR",
            "vc SVM_VMEXIT_IOIO",
            "vc SVM_VMEXIT_WBINVD",
            "vc SVM_VMEXIT_DR7_WRITE",
            "ghcb SVM_VMEXIT_CPUID",
            "ghcb SVM_VMEXIT_MSR",
            "ghcb SVM_VMEXIT_IOIO",
            "write_trap SVM_VMEXIT_CR0_WRITE_TRAP",
            "write_trap SVM_VMEXIT_CR4_WRITE_TRAP",
            "write_trap SVM_VMEXIT_EFER_WRITE_TRAP");
    assertThat(r.events)
        .anyMatch(
            e ->
                e.kind().equals("msr_protocol")
                    && e.details().toString().contains("CPUID_REQ leaf=0x8000001f"));
    assertThat(r.events)
        .anyMatch(e -> e.kind().equals("vc") && e.instruction().equals("cpuid") && e.bits() == 32);
    assertThat(r.events)
        .anyMatch(e -> e.kind().equals("vc") && e.instruction().equals("in al,0x71"));
  }

  /** One handler broken on purpose: the guest must notice, by name or by asking for termination. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "    call vc_cpuid32\\n    mov [esp+8], edx|    call vc_cpuid32",
        "cmp dword [esp+16], 0x37|cmp dword [esp+16], 0x38",
        "    cmp dword [rsp+32], 0x72|    cmp dword [rsp+32], 0x73",
        "    mov eax, [rbx+GHCB_RBX]\\n    mov [rdi+TF_RBX], rax|    nop",
        "    or byte [rbx+VALID_XCR0_BYTE], VALID_XCR0\\n    xor ecx, ecx\\n    mov eax, SVM_VMEXIT_CPUID|    mov ecx, 7\\n    mov eax, 0x2e",
        "    mov ecx, 1\\n    mov eax, SVM_VMEXIT_MSR|    mov ecx, 0\\n    mov eax, SVM_VMEXIT_MSR",
        "    mov [rdi+TF_RAX], al|    mov [rdi+TF_RAX], rax",
        "    mov [rdi+TF_RAX], ax|    mov [rdi+TF_RAX], rax",
        "    shl rcx, 16|    shl rcx, 17",
        "    mov dword [edi+4], 0\\n    add eax, NBPG|    add eax, NBPG"
      })
  void aBrokenHandlerIsNoticed(String find, String replacement) throws BootException {
    String f = find.replace("\\n", "\n");
    byte[] broken = Locore.image(f, replacement.replace("\\n", "\n"));
    assertThat(broken).as("the mutation applies").isNotEqualTo(Locore.image());
    Run r = run(SevMode.ES, broken);
    assertThat(r.outcome.status())
        .as("%s%n%s", r.outcome, r.console)
        .isNotEqualTo(PASSED)
        .isNotEqualTo(125);
  }

  @Test
  void tenRunsHaveOneTraceAndOneHash() throws BootException, IOException {
    String firstTrace = "";
    String firstHash = "";
    for (int i = 0; i < 10; i++) {
      Run r = run(SevMode.ES, Locore.image());
      StringWriter text = new StringWriter();
      try (JsonLinesWriter w = new JsonLinesWriter(new BufferedWriter(text))) {
        r.events.forEach(w::accept);
      }
      if (i == 0) {
        firstTrace = text.toString();
        firstHash = r.hash;
        assertThat(firstTrace).startsWith("{\"schema\":\"vesper.trace/1\"");
      }
      assertThat(text.toString()).isEqualTo(firstTrace);
      assertThat(r.hash).isEqualTo(firstHash);
    }
  }
}
