package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.x86.Assembler;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Legacy protected mode through a multiboot guest: segments, gates, rings, paging, exceptions. */
final class ProtectedModeTest {
  private static final long BASE = 0x10_0000;

  /**
   * GDT: 8 code32, 10 data, 18 user code, 20 user data, 28 TSS, 30 call gate, 38 small data, 40 not
   * present.
   */
  private static final String PROLOGUE =
      """
      bits 32
      align 4
      dd 0x1badb002, 0x10000, 0xe4514ffe
      dd 0x100000, 0x100000, 0, 0x140000, start
      start:
      mov esp, 0x130000
      mov eax, tss
      mov [gdt+0x2a], ax
      shr eax, 16
      mov [gdt+0x2c], al
      mov [gdt+0x2f], ah
      mov eax, gate_target
      mov [gdt+0x30], ax
      shr eax, 16
      mov [gdt+0x36], ax
      mov dword [tss+4], 0x138000
      mov dword [tss+8], 0x10
      mov word [tss+0x66], 0x68
      mov edi, idt
      xor ecx, ecx
      fill: lea eax, [ecx*8+stubs]
      mov [edi+ecx*8], ax
      mov word [edi+ecx*8+2], 8
      mov word [edi+ecx*8+4], 0x8e00
      shr eax, 16
      mov [edi+ecx*8+6], ax
      inc ecx
      cmp ecx, 32
      jb fill
      mov byte [idt+29], 0xee
      lgdt [gdtr]
      lidt [idtr]
      jmp 8:flat
      flat: mov eax, 0x10
      mov ds, ax
      mov es, ax
      mov ss, ax
      mov eax, 0x28
      ltr ax
      """;

  private static final String EPILOGUE =
      """
      fail: mov al, 0x7f
      out 0xf4, al
      jmp short fail
      ok: mov al, 1
      out 0xf4, al
      jmp short ok
      user: mov esp, 0x12f000
      push 0x23
      push 0x12f800
      push 0x202
      push 0x1b
      push user_code
      iretd
      gate_target: mov al, 0x20
      out 0xf4, al
      jmp short gate_target
      common: mov eax, [esp]
      add al, 0x40
      out 0xf4, al
      jmp short common
      align 8
      stubs: STUBS
      align 8
      gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00cffa000000ffff, 0x00cff2000000ffff
      dq 0x0000890000000067, 0x0000ec0000080000, 0x00009210000000ff, 0x00cf12000000ffff
      gdtr: dw 71
      dd gdt
      idtr: dw 255
      dd idt
      align 8
      idt: skip 256
      tss: skip 104
      """;

  private static int run(String body) throws BootException {
    Outcome o = machine(body).run();
    assertThat(o.reason()).contains("debug exit");
    return o.status() >> 1;
  }

  private static final int OK = 1;
  private static final int GATE = 0x20;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "nop | 1",
        "ud2 | 0x46",
        "xor edx, edx; xor ecx, ecx; div ecx | 0x40",
        "mov eax, 0x38; mov ds, ax; mov al, [0xff] | 1",
        "mov eax, 0x38; mov ds, ax; mov al, [0x100] | 0x4d",
        "mov eax, 0x38; mov es, ax; mov edi, 0x100; stosb | 0x4d",
        "mov eax, 0x40; mov ds, ax | 0x4b",
        "mov eax, 0x50; mov ds, ax | 0x4d",
        "mov eax, 8; mov ss, ax | 0x4d",
        "mov cs:[0], eax | 0x4d",
        "call 0x30:0 | 0x20",
        "jmp 0x1b:0 | 0x4d",
        "int 3 | 0x43",
        "int 0x30 | 0x4d",
        "mov eax, 0x1000000; mov cr3, eax; mov eax, cr0; or eax, 0x80000000; mov cr0, eax | 0x7f"
      })
  void segmentsAndGates(String code, String status) throws BootException {
    String s = code.replace("; ", "\n");
    if (s.contains("cr3")) {
      // Page tables where there is no memory: nothing can be delivered any more.
      Machine m = machine(s);
      assertThat(m.run().status()).isIn(5, 6);
      return;
    }
    assertThat(run(s)).isEqualTo(Integer.decode(status));
  }

  private static Machine machine(String body) throws BootException {
    StringBuilder stubs = new StringBuilder();
    for (int v = 0; v < 32; v++) {
      // Eight bytes each: PUSH, a long jump, padding.
      stubs.append("push ").append(v).append("\njmp common\ndb 0\n");
    }
    String user = body.contains("user_code:") ? "" : "user_code: jmp ok\n";
    String source = PROLOGUE + body + "\njmp ok\n" + user + EPILOGUE.replace("STUBS", stubs);
    byte[] image = new Assembler(BASE, 32).add(source).finish();
    Machine m =
        new Machine(MachineSpec.builder(SevMode.OFF, image, b -> {}).memoryBytes(4L << 20).build());
    m.limit(100_000, Long.MAX_VALUE);
    return m;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "hlt | 0x4d",
        "cli | 0x4d",
        "in al, 0x60 | 0x4d",
        "mov eax, cr0 | 0x4d",
        "mov eax, 0x10; mov ds, ax | 0x4d",
        "int 3 | 0x43",
        "int 0x10 | 0x4d",
        "call 0x30:0 | 0x20",
        "mov eax, ds; mov ds, ax; ud2 | 0x46"
      })
  void ringThree(String code, String status) throws BootException {
    // The gate at 3 has DPL 3; the call gate leads to ring 0 with the stack of the TSS.
    String body =
        "mov eax, 0x23\nmov ds, ax\nmov es, ax\njmp user\nuser_code:\n" + code.replace("; ", "\n");
    assertThat(run(body)).isEqualTo(Integer.decode(status));
  }

  @Test
  void twoLevelPagingWithPseAndWriteProtect() throws BootException {
    String tables =
        """
        mov edi, 0x200000
        mov ecx, 1024
        xor eax, eax
        rep stosd
        mov dword [0x200000], 0x83
        mov dword [0x200004], 0x201003
        mov dword [0x201000], 0x202001
        mov eax, cr4
        or eax, 0x10
        mov cr4, eax
        mov eax, 0x200000
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        mov dword [0x202000], 0x12345678
        cmp dword [0x400000], 0x12345678
        jne fail
        mov dword [0x400000], 1
        test dword [0x201000], 0x60
        je fail
        mov eax, cr0
        or eax, 0x10000
        mov cr0, eax
        """;
    assertThat(run("WP:\n" + tables.replace("WP:", ""))).isEqualTo(OK);
    assertThat(run(tables + "mov dword [0x400000], 2")).as("#PF with CR0.WP").isEqualTo(0x4E);
    assertThat(run(tables + "mov eax, [0x401000]")).as("#PF, not present").isEqualTo(0x4E);
  }

  @Test
  void singleStepTrapsAfterOneInstruction() throws BootException {
    String s = "pushfd\nor dword [esp], 0x100\npopfd\nnop\njmp fail";
    assertThat(run(s)).isEqualTo(0x41);
  }

  @Test
  void movSsHoldsTheTrapBack() throws BootException {
    // The trap comes after the instruction behind MOV SS; that one changes EBX.
    assertThat(run("call 0x30:0")).isEqualTo(GATE);
    String s = "mov ebx, ss\npushfd\nor dword [esp], 0x100\npopfd\nmov ss, bx\nnop\njmp fail";
    assertThat(run(s)).isEqualTo(0x41);
  }
}
