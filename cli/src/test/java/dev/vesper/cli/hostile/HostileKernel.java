package dev.vesper.cli.hostile;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.BootException;
import dev.vesper.x86.Assembler;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The reference guest with programs in place of its self-test: one for each of two processors, that
 * runs in 64-bit mode on the kernel's handlers of #VC and interrupts. A program is a list of steps;
 * an exception in one leads to the next.
 *
 * <p>Besides what the kernel has mapped, linear addresses below 4 GiB are physical ones without the
 * C-bit: memory that is shared with the host, and devices.
 */
final class HostileKernel {
  /** Where a program says what its next step is, at GS. */
  static final String NEXT = "gs:88";

  private static final int AREA = 0x2_0000;
  private static final String MARK = "hostile programs";
  private static final int HEADER = 32;

  private static final String RUNTIME =
      """
      equ H_NEXT 88
      equ H_STACK 96
      equ H_LEFT 104
      hostile_main:
          call lapic_init
          call mp_start
          call hostile_map
          call hostile_slots
          mov rdi, idt
          xor ebx, ebx
      .h_gate:
          cmp ebx, 29
          je .h_gate_next
          mov rax, hostile_fault
          cmp ebx, 32
          jb .h_gate_set
          mov rax, hostile_interrupt
      .h_gate_set:
          call setgate
      .h_gate_next:
          add rdi, 16
          inc ebx
          cmp ebx, 256
          jne .h_gate
          lea rax, [rsp-0x100]
          mov [gs:H_STACK], rax
          mov [tss+4], rax
          mov dword [gs:H_LEFT], 400
          mov dword [hostile_go], 1
          mov rax, [hostile_area+16]
          jmp rax
      hostile_ap:
          lea rax, [rsp-0x100]
          mov [gs:H_STACK], rax
          mov dword [gs:H_LEFT], 400
      .h_wait:
          pause
          cmp dword [hostile_go], 1
          jne .h_wait
          mov rax, cr3
          mov cr3, rax
          mov rax, [hostile_area+24]
          jmp rax

      ; The low 4 GiB as they are, in pages of 2 MiB that are not private.
      hostile_map:
          call page_alloc
          mov r12, rax
          xor r13d, r13d
          lea r14, [r12+KERNBASE]
      .h_table:
          call page_alloc
          mov rcx, rax
          or rcx, 3
          or rcx, [pg_crypt]
          mov [r14], rcx
          add r14, 8
          lea rdi, [rax+KERNBASE]
          mov ecx, 512
      .h_entry:
          mov rax, r13
          or rax, 0x83
          mov [rdi], rax
          add rdi, 8
          add r13, 0x200000
          dec ecx
          jne .h_entry
          mov rax, r13
          shr rax, 32
          je .h_table
          or r12, 3
          or r12, [pg_crypt]
          mov rcx, [proc0paddr]
          mov [rcx+KERNBASE+PROC0_PML4_OFF], r12
          mov rax, cr3
          mov cr3, rax
          ret

      ; What is on the first bus of PCI.
      hostile_slots:
          xor ebx, ebx
      .h_slot:
          mov eax, ebx
          shl eax, 11
          or eax, 0x80000000
          mov edx, 0xcf8
          out dx, eax
          mov edx, 0xcfc
          in eax, dx
          mov [hostile_ids+rbx*4], eax
          inc ebx
          cmp ebx, 32
          jne .h_slot
          ret

      ; hostile_find(edi = device and vendor, esi = how many to pass): eax = its configuration address or 0.
      hostile_find:
          xor ebx, ebx
      .h_find:
          cmp edi, [hostile_ids+rbx*4]
          jne .h_find_next
          dec esi
          js .h_found
      .h_find_next:
          inc ebx
          cmp ebx, 32
          jne .h_find
          xor eax, eax
          ret
      .h_found:
          mov eax, ebx
          shl eax, 11
          or eax, 0x80000000
          ret

      ; hostile_config(eax = configuration address): eax = the register.
      hostile_config:
          mov edx, 0xcf8
          out dx, eax
          mov edx, 0xcfc
          in eax, dx
          ret

      hostile_interrupt:
          push rax
          mov al, 0x20
          out 0x20, al
          out 0xa0, al
          mov rax, [lapic]
          test rax, rax
          je .h_interrupted
          mov dword [rax+0xb0], 0
      .h_interrupted:
          pop rax
          iretq

      ; On with the next step, whatever this one has done.
      hostile_fault:
          cli
          cld
          lgdt [gdt_region]
          lidt [idt_region]
          mov eax, GDATA_SEL
          mov ds, ax
          mov es, ax
          mov ss, ax
          mov eax, 0x80010033
          mov cr0, rax
          mov eax, 0x6b0
          mov cr4, rax
          mov rax, [proc0paddr]
          mov cr3, rax
          mov ecx, MSR_GSBASE
          rdmsr
          mov rbx, cpu1
          cmp eax, ebx
          je .h_known
          mov rbx, cpu0
      .h_known:
          mov eax, ebx
          mov rdx, rbx
          shr rdx, 32
          wrmsr
          mov dword [gs:CI_VC_DEPTH], 0
          mov rsp, [gs:H_STACK]
          push 2
          popfq
          dec dword [gs:H_LEFT]
          js hostile_end
          mov rax, [gs:H_NEXT]
          test rax, rax
          je vc_terminate64
          jmp rax
      ; The second processor waits for what the first one does.
      hostile_end:
          mov rax, cpu1
          cmp [gs:CI_SELF], rax
          je .h_rest
          mov al, 0x21
          out DEBUG_EXIT, al
          jmp hostile_end
      .h_rest:
          cli
          hlt
          jmp .h_rest

      align 4096
      hostile_area:
          ascii "hostile programs"
          skip %d
      """
          .formatted(AREA - MARK.length());

  private static final Map<String, String> PIECES =
      Map.of(
          "\npanic_at:\n    cld\n",
          "\npanic_at:\n    jmp hostile_fault\n",
          ".ap_halt:\n    cli\n    hlt\n    jmp short .ap_halt",
          ".ap_halt:\n    jmp hostile_ap",
          "\n; ---- the self-test's own\n",
          "\n" + RUNTIME,
          "\nno_fault: dd 0\n",
          "\nno_fault: dd 0\nhostile_go: dd 0\nhostile_ids:\nskip 128\n");

  private static final Pattern NAMED = Pattern.compile("@(\\w+)");
  private static final byte[] IMAGE = Locore.variant("    jmp hostile_main", PIECES);
  private static final int PLACE = new String(IMAGE, StandardCharsets.ISO_8859_1).indexOf(MARK);
  private static final Symbols NAMES = names();

  private HostileKernel() {}

  private static Symbols names() {
    try {
      return Machine.readSymbols("hostile", IMAGE);
    } catch (BootException e) {
      throw new AssertionError(e);
    }
  }

  /**
   * {@return the kernel with programs as an ELF64}
   *
   * @param source of both, with labels {@code begin} and {@code begin_ap}; {@code @NAME} is the
   *     address of a symbol of the kernel
   */
  static byte[] image(String source) {
    long area = NAMES.address("hostile_area");
    Assembler a = new Assembler(area + MARK.length(), 64);
    a.add("dq begin\ndq begin_ap\n" + NAMED.matcher(source).replaceAll(m -> address(m.group(1))));
    byte[] code = a.finish();
    if (code.length > AREA - HEADER) {
      throw new IllegalArgumentException("programs of " + code.length + " bytes are too long");
    }
    byte[] image = IMAGE.clone();
    System.arraycopy(code, 0, image, PLACE + MARK.length(), code.length);
    return image;
  }

  private static String address(String name) {
    return "0x" + Long.toHexString(NAMES.address(name));
  }
}
