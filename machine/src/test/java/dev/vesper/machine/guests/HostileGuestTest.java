package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Guests that loop, fault and write garbage: each ends by name and in bounded time. */
final class HostileGuestTest {
  private static Outcome run(SevMode mode, String source) throws BootException {
    Machine m =
        new Machine(
            MachineSpec.builder(mode, FlatGuest.image(source), b -> {})
                .memoryBytes(32L << 20)
                .build());
    m.limit(300_000, Long.MAX_VALUE);
    return m.run();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ES | L: jmp short L | 124",
        "ES | ud2 | 5",
        "ES | cpuid | 5",
        "OFF | ud2 | 5",
        "OFF | cpuid; L: jmp short L | 124",
        "ES | cli; hlt | 6",
        "OFF | cli; hlt | 6",
        "ES | sti; hlt | 6",
        "ES | mov eax, 0x100; xor edx, edx; mov ecx, 0xc0010130; wrmsr; vmgexit | 3",
        "ES | mov eax, 0x7ff; mov edx, -1; mov ecx, 0xc0010130; wrmsr; L: vmgexit; jmp short L |"
            + " 124",
        "ES | mov eax, 0xfffff000; mov edx, -1; mov ecx, 0xc0010130; wrmsr; L: vmgexit; jmp short L"
            + " | 124",
        "ES | mov eax, 6; xor edx, edx; mov ecx, 0xc0010130; wrmsr; vmgexit | 6",
        "ES | mov rax, 0x12345678000; mov cr3, rax; L: jmp short L | 5",
        "OFF | mov rax, 0x12345678000; mov cr3, rax; L: jmp short L | 6",
        "OFF | mov al, 0xfe; out 0x64, al | 0",
        "OFF | mov dx, 0xcf9; mov al, 6; out dx, al | 0",
        "OFF | mov al, 5; out 0xf4, al | 11",
        "OFF | mov edi, 0xfee00000; mov rax, [rdi]; mov [rdi], rax; mov rsi, rdi; mov ecx, 100; rep"
            + " movsb; L: jmp short L | 124",
        "OFF | vmgexit | 124",
        "SEV | vmgexit | 124",
        "OFF | mov al, 0x34; out 0x43, al; mov al, 9; out 0x40, al; out 0x40, al; mov al, 0xff; out"
            + " 0x21, al; sti; hlt | 6",
        "ES | vmmcall | 5",
        "SNP | L: jmp short L | 124",
        "SNP | ud2 | 5",
        "SNP | cpuid | 5",
        "SNP | cli; hlt | 6",
        "SNP | mov eax, 0x100; xor edx, edx; mov ecx, 0xc0010130; wrmsr; vmgexit | 3",
        // A GHCB that is private: nobody else can read it.
        "SNP | mov eax, 0x200000; xor edx, edx; mov ecx, 0xc0010130; wrmsr; vmgexit | 6",
        // Its own code is not validated any more.
        "SNP | mov eax, 0x100000; xor ecx, ecx; xor edx, edx; pvalidate | 5",
        // Its page tables are the host's.
        "SNP | mov eax, 0x70014; mov edx, 0x200000; mov ecx, 0xc0010130; wrmsr; vmgexit; mov rax,"
            + " cr3; mov cr3, rax; L: jmp short L | 5",
        // The page of the stack is a save area, and nothing is changed by that.
        "SNP | mov rsp, 0x180000; push rax; mov eax, 0x17f000; xor ecx, ecx; mov edx, 0x10001;"
            + " rmpadjust; push rax; L: jmp short L | 124"
      })
  void endsByName(SevMode mode, String code, int status) throws BootException {
    Outcome o = run(mode, code.replace("; ", "\n") + "\nE: jmp short E");
    assertThat(o.status()).as("%s", o).isEqualTo(status);
    assertThat(o.reason()).isNotEmpty();
  }

  /** What a host writes to a page that is a guest's is lost. */
  @Test
  void aHostThatWritesToASaveAreaUnderSnpChangesNothing() throws BootException {
    Machine m =
        new Machine(
            MachineSpec.builder(SevMode.SNP, FlatGuest.image("ud2"), b -> {})
                .memoryBytes(8L << 20)
                .build());
    m.hostView().write(m.vmsaAddress() + 0x178, 8, 0x1234);
    assertThat(m.run().status()).isEqualTo(Outcome.SHUTDOWN);
  }

  @Test
  void aHostThatWritesToTheVmsaIsCaughtByVmrun() throws BootException {
    Machine m = new Machine(MachineSpec.of(SevMode.ES, FlatGuest.image("nop"), b -> {}));
    m.hostView().write(m.vmsaAddress() + 0x178, 8, 0x1234);
    Outcome o = m.run();
    assertThat(o.status()).isEqualTo(6);
    assertThat(o.reason()).contains("VMEXIT_INVALID");
  }

  @Test
  void randomCodeNeverEscapes() throws BootException {
    Random r = new Random(31337);
    for (int i = 0; i < 400; i++) {
      StringBuilder s = new StringBuilder("mov rsp, 0x180000\n");
      for (int k = 0; k < 300; k++) {
        s.append("db ").append(r.nextInt(256)).append('\n');
      }
      SevMode mode = SevMode.values()[i % SevMode.values().length];
      Machine m =
          new Machine(
              MachineSpec.builder(mode, FlatGuest.image(s.toString()), b -> {})
                  .memoryBytes(8L << 20)
                  .build());
      m.limit(20_000, Long.MAX_VALUE);
      Outcome o = m.run();
      assertThat(o.status()).as("%s", o).isNotEqualTo(125);
    }
  }

  private static final SevMode[] GARBLED = {SevMode.ES, SevMode.OFF, SevMode.SNP};

  @Test
  void garbageInPageTablesEndsByName() throws BootException {
    Random r = new Random(5);
    for (int i = 0; i < 60; i++) {
      String s =
          "mov rdi, 0x70000\nmov ecx, 3000\nmov rax, 0x"
              + Long.toHexString(r.nextLong())
              + "\n"
              + "L: mov [rdi], rax\n"
              + "imul rax, rax, 1664525\n"
              + "add rax, 1013904223\n"
              + "add rdi, 8\n"
              + "dec ecx\n"
              + "jne L\n"
              + "mov rax, cr3\n"
              + "mov cr3, rax\n"
              + "E: jmp short E";
      Outcome o = run(GARBLED[i % GARBLED.length], s);
      assertThat(o.status()).as("%s", o).isIn(5, 6, 124);
    }
  }

  /** What the reference guest does with a page of its own, at RDI. */
  private static final String[] SNP_CALLS = {
    "snp_validate", "snp_validate_large", "snp_pvalidate", "snp_page_state", "snp_page_state_msr",
    "page_share", "page_unshare", "snp_register", "snp_save_area", "snp_ap_request"
  };

  /** Random code with the reference guest's #VC handler below it, two processors, all hosts. */
  @ParameterizedTest
  @CsvSource({"kvm, ES", "openbsd:2025-06, ES", "openbsd:2026, ES", "kvm, SNP"})
  void randomCodeOnTheReferenceGuestEndsByName(String profile, SevMode mode) throws BootException {
    Random r = new Random(profile.hashCode());
    int kinds = mode == SevMode.SNP ? 10 : 8;
    for (int i = 0; i < 60; i++) {
      StringBuilder code = new StringBuilder(i % 2 == 0 ? "    sti\n" : "    call mp_start\n");
      for (int k = 0; k < 40; k++) {
        code.append(
            switch (r.nextInt(kinds)) {
              case 0 -> "    cpuid\n";
              case 1 -> "    in al, " + r.nextInt(256) + "\n";
              case 2 -> "    mov edx, " + r.nextInt(0x1_0000) + "\n    out dx, eax\n";
              case 3 -> "    rdmsr\n";
              case 4 -> "    mov ecx, 0xc0010130\n    wrmsr\n    rep vmmcall\n";
              case 5 -> "    mov rdi, [lapic]\n    mov [rdi+" + 16 * r.nextInt(64) + "], eax\n";
              case 6 -> "    mov eax, " + r.nextInt() + "\n";
              case 8 ->
                  "    mov esi, "
                      + r.nextInt(4)
                      + "\n    mov edi, "
                      + (r.nextInt(8192) << 12)
                      + "\n";
              case 9 -> "    call " + SNP_CALLS[r.nextInt(SNP_CALLS.length)] + "\n";
              default -> "    db " + r.nextInt(256) + ", " + r.nextInt(256) + "\n";
            });
      }
      Machine m =
          new Machine(
              MachineSpec.builder(
                      i % 3 == 0 && mode == SevMode.ES ? SevMode.SEV : mode,
                      Locore.withMain("    call lapic_init\n" + code),
                      b -> {})
                  .memoryBytes(32L << 20)
                  .profile(profile)
                  .processors(profile.equals("kvm") ? 2 : 1)
                  .build());
      m.limit(300_000, Long.MAX_VALUE);
      Outcome o = m.run();
      assertThat(o.reason()).isNotEmpty();
      assertThat(o.status()).as("%d: %s", i, o).isNotEqualTo(Outcome.DEFECT);
    }
  }
}
