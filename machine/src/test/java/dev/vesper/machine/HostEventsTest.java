package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.x86.Assembler;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Events that the host must bring to a guest: single steps over what it emulates, NMIs that wait,
 * timers of processors that halt while others run.
 */
final class HostEventsTest {
  private static final long BASE = 0x10_0000;
  private static final int MOST_INSTRUCTIONS = 3_000_000;

  /** 32-bit code with vectors 1 (#DB), 2 (NMI) and 48 (timer), and a start for a second CPU. */
  private static final String PROLOGUE =
      """
      bits 32
      align 4
      dd 0x1badb002, 0x10000, 0xe4514ffe
      dd 0x100000, 0x100000, 0, 0x140000, start
      start: mov esp, 0x130000
      mov ecx, 8
      lea esi, [gate_list]
      fill: mov edi, [esi]
      mov eax, [esi+4]
      mov [edi*8+idt], ax
      mov word [edi*8+idt+2], 8
      mov word [edi*8+idt+4], 0x8e00
      shr eax, 16
      mov [edi*8+idt+6], ax
      add esi, 8
      cmp esi, gate_end
      jb fill
      lgdt [gdtr]
      lidt [idtr]
      jmp 8:flat
      flat: mov eax, 0x10
      mov ds, ax
      mov es, ax
      mov ss, ax
      mov dword [0xfee000f0], 0x1ff
      jmp short test
      align 8
      """;

  private static final String EPILOGUE =
      """
      fail: mov al, 0x7f
      out 0xf4, al
      jmp short fail
      done: nop
      ok: mov al, 1
      out 0xf4, al
      jmp short ok
      step: push eax
      push edx
      mov eax, [esp+8]
      cmp eax, done
      jne say
      and dword [esp+16], 0xfffffeff
      say: sub eax, test
      mov edx, 0x3f8
      out dx, al
      mov eax, dr6
      shr eax, 14
      out dx, al
      pop edx
      pop eax
      iretd
      nmi: NMI
      iretd
      timer: inc dword [ticks]
      mov dword [0xfee000b0], 0
      iretd
      send: mov dword [0xfee00310], 0
      mov dword [0xfee00300], 0x4400
      ret
      align 8
      gate_list: dd 1, step, 2, nmi, 48, timer
      gate_end: dd 0, 0
      gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
      gdtr: dw 23
      dd gdt
      idtr: dw 511
      dd idt
      ticks: dd 0
      count: dd 0
      align 8
      idt: skip 512
      bits 16
      ap: cli
      mov ax, 0x1000
      mov ds, ax
      lgdt [0]
      mov eax, cr0
      or al, 1
      mov cr0, eax
      db 0x66, 0xea
      dd ap32
      dw 8
      bits 32
      ap32: mov eax, 0x10
      mov ds, ax
      mov es, ax
      mov ss, ax
      mov esp, 0x12f000
      lidt [idtr]
      mov dword [0xfee000f0], 0x1ff
      AP
      """;

  /** Copies the second CPU's start to 8000h and starts it there. */
  private static final String START_AP =
      """
      lea esi, [ap]
      mov edi, 0x8000
      mov ecx, 64
      rep movsb
      mov eax, [gdtr]
      mov [0x10000], eax
      mov eax, [gdtr+4]
      mov [0x10004], eax
      mov dword [0xfee00300], 0xc4500
      mov dword [0xfee00300], 0xc4608
      """;

  private final ByteArrayOutputStream console = new ByteArrayOutputStream();

  private Machine machine(String profile, int processors, String body, String nmi, String ap)
      throws Exception {
    String source =
        PROLOGUE
            + "test: "
            + body.replace("; ", "\n")
            + "\n"
            + EPILOGUE
                .replace("NMI", nmi.replace("; ", "\n"))
                .replace("AP", ap.replace("; ", "\n"));
    if (!profile.equals("kvm")) {
      // vmd has no local APIC here.
      source = source.replaceAll("mov dword \\[0xfee000f0\\].*", "");
    }
    Hardware.Board board = profile.equals("kvm") ? Hardware.Board.PC : Hardware.Board.AUTO;
    return new Machine(
        MachineSpec.builder(
                SevMode.OFF, new Assembler(BASE, 32).add(source).finish(), console::write)
            .memoryBytes(16L << 20)
            .profile(profile)
            .processors(processors)
            .hardware(new Hardware(board, List.of()))
            .build());
  }

  private Outcome run(String profile, int processors, String body, String nmi, String ap)
      throws Exception {
    Machine m = machine(profile, processors, body, nmi, ap);
    m.limit(MOST_INSTRUCTIONS, Long.MAX_VALUE);
    return m.run();
  }

  private void succeeds(Outcome o) {
    assertThat(o.status()).as("%s, console %s", o.reason(), console).isEqualTo(3);
  }

  /** {@return the offsets at which single steps were reported, with BS as the sign} */
  private List<Integer> steps() {
    byte[] b = console.toByteArray();
    List<Integer> all = new ArrayList<>();
    for (int i = 0; i + 1 < b.length; i += 2) {
      int at = b[i];
      all.add((b[i + 1] & 1) != 0 ? at : -at);
    }
    return all;
  }

  private static final String SET_TF = "pushfd; or dword [esp], 0x100; popfd; ";

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cpuid",
        "in al, 0x71",
        "out 0x80, al",
        "mov ecx, 0x10; rdmsr; nop",
        "mov ecx, 0x1b; rdmsr; wrmsr; nop",
        "rdtsc",
        "xor ecx, ecx; rdpmc; nop",
        "wbinvd",
        "invd",
        "hlt",
        "sti; hlt; nop",
        "xor eax, eax; vmmcall; nop",
        "mov eax, [0xfee00020]; nop",
        "mov dword [0xfee00080], 0; nop",
        "mov eax, [0xfed10000]; nop",
        "mov edx, 0xe9; lea esi, [test]; outsb; nop",
        "mov edx, 0x71; mov edi, 0x20000; insb; nop",
        "mov ecx, 3; mov edx, 0xe9; lea esi, [test]; rep outsb; nop",
        "mov ecx, 2; mov esi, 0xfed10000; mov edi, 0x20000; rep movsb; nop"
      })
  void anEmulatedInstructionSingleSteps(String source) throws Exception {
    succeeds(run("kvm", 1, SET_TF + source + "; jmp short done", "nop", "hlt"));
    List<Integer> expected = new ArrayList<>();
    int at = Assembler.assemble(32, SET_TF.replace("; ", "\n")).length;
    int repeat = source.contains("rep ") ? Integer.parseInt(source.substring(9, 10)) : 1;
    for (String s : source.split("; ", -1)) {
      for (int i = 1; s.startsWith("rep ") && i < repeat; i++) {
        expected.add(at);
      }
      at += Assembler.assemble(32, s.replace("[test]", "[0x100000]")).length;
      expected.add(at);
    }
    List<Integer> steps = steps();
    assertThat(steps.subList(0, expected.size())).isEqualTo(expected);
    assertThat(steps).as("and the jump").hasSize(expected.size() + 1);
  }

  @Test
  void vmmInjectsTheSingleStepOverWhatItEmulatesButLeavesDr6() throws Exception {
    // vmd answers IN and OUT, and there RIP moves on without a #DB.
    run("openbsd", 1, SET_TF + "cpuid; in al, 0x71; nop; jmp short done", "nop", "hlt");
    int at = Assembler.assemble(32, SET_TF.replace("; ", "\n")).length;
    assertThat(steps().subList(0, 2)).containsExactly(-(at + 2), at + 5);
  }

  @Test
  void anNmiThatComesWhileOneIsHandledFollowsItsIret() throws Exception {
    succeeds(
        run(
            "kvm",
            1,
            "call send; cmp dword [count], 2; jne fail; jmp short done",
            "inc dword [count]; cmp dword [count], 1; jne back; call send; call send; call send;"
                + " cmp dword [count], 1; jne fail; back: nop",
            "hlt"));
  }

  @Test
  void anNmiWaitsUntilLoadsOfSsAreOver() throws Exception {
    String chain = "chain: " + "mov ss, ax; ".repeat(400) + "after: nop; ";
    succeeds(
        run(
            "kvm",
            2,
            START_AP.replace("\n", "; ")
                + "mov ebp, 400; mov eax, 0x10; "
                + chain
                + "mov eax, 0x10; dec ebp; jnz chain; cmp dword [count], 5; jb fail; jmp done",
            "cmp dword [esp], chain; jbe fine; cmp dword [esp], after; jbe fail; fine: inc dword"
                + " [count]",
            "loop1: mov ecx, 300; loop2: dec ecx; jnz loop2; mov dword [0xfee00310], 0;"
                + " mov dword [0xfee00300], 0x4400; jmp loop1"));
  }

  @ParameterizedTest
  @CsvSource({"0x30, 2000", "0x20030, 2000", "0x30, 90000"})
  void aHaltedProcessorsTimerRunsWhileAnotherOneExecutes(String timer, int after) throws Exception {
    succeeds(
        run(
            "kvm",
            2,
            START_AP.replace("\n", "; ")
                + "mov ecx, 1000000; wait: cmp dword [ticks], 1; jae done; dec ecx; jnz wait;"
                + " jmp fail",
            "nop",
            "mov dword [0xfee003e0], 11; mov dword [0xfee00320], "
                + timer
                + "; mov dword [0xfee00380], "
                + after
                + "; again: sti; hlt; jmp again"));
  }

  @Test
  void theTimeLimitEndsAGuestWhoseInstructionsTakeLong() throws Exception {
    // 4 GiB of addresses that all lie in the first 4 MiB, read byte by byte with interrupts off.
    String body =
        """
        mov eax, 0x87
        mov edi, 0x200000
        mov ecx, 1024
        rep stosd
        mov eax, cr4
        or al, 0x10
        mov cr4, eax
        mov eax, 0x200000
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        slow: mov ecx, 0xffffffff
        xor esi, esi
        rep lodsb
        jmp slow
        """;
    Machine m = machine("kvm", 1, body, "nop", "hlt");
    long start = System.nanoTime();
    m.limit(Long.MAX_VALUE, start + 500_000_000L);
    assertThat(m.run().status()).isEqualTo(124);
    assertThat(System.nanoTime() - start).isLessThan(8_000_000_000L);
  }
}
