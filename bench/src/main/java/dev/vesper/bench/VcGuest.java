package dev.vesper.bench;

/** Guests that execute what an SEV-ES guest may not behind a minimal #VC handler of their own. */
final class VcGuest {
  /** What the loops execute. */
  static final String CPUID = "xor eax, eax\nxor ecx, ecx\ncpuid";

  static final String OUT = "out 0x80, al";

  /** Splits the 2 MiB page at 0x200000 and clears the C-bit of the GHCB. */
  static final String MAP_GHCB =
      """
      mov rax, 0x0008000000200003
      mov rdi, 0x290000
      mov ecx, 512
      S: mov [rdi], rax
      add rax, 0x1000
      add rdi, 8
      dec ecx
      jne S
      mov rax, 0x300003
      mov [0x290800], rax
      mov rax, 0x290003
      mov [0x72008], rax
      mov rax, cr3
      mov cr3, rax
      """;

  private VcGuest() {}

  /** {@return a loop of CPUID} */
  static String cpuid(int rounds) {
    return source("", loop(rounds, CPUID), CPUID_HANDLER);
  }

  /** {@return a loop of OUT to a port that nothing listens to} */
  static String out(int rounds) {
    return source("", loop(rounds, OUT), OUT_HANDLER);
  }

  /** {@return a loop of REP OUTSB of 64 KiB to COM1} */
  static String outs(int rounds) {
    String body = "mov esi, 0x400000\nmov ecx, 65536\nmov edx, 0x3f8\nrep outsb";
    return source("", loop(rounds, body), OUTS_HANDLER);
  }

  /** {@return a loop of reads of a register of the local APIC at its physical address} */
  static String mmio(int rounds) {
    return source(ExitGuest.MAP, loop(rounds, ExitGuest.READ), MMIO_HANDLER);
  }

  /** {@return code that waits while the local APIC's timer interrupts it, without #VC} */
  static String timer(int rounds) {
    return source(ExitGuest.MAP + TIMER_SET_UP, TIMER.replace("ROUNDS", "" + rounds), "hlt");
  }

  private static final String CPUID_HANDLER =
      """
      mov rax, [rsp+24]
      mov [rbx+0x390], rax
      mov qword [rbx+0x398], 0
      mov qword [rbx+0x3a0], 0
      mov rax, [rsp+16]
      mov [rbx+0x1f8], rax
      mov rax, [rsp+8]
      mov [rbx+0x308], rax
      mov qword [rbx+0x3e8], 1
      mov rax, 0x8000000000000000
      mov [rbx+0x3f0], rax
      mov rax, 0x201c000200000000
      mov [rbx+0x3f8], rax
      mov eax, GHCB
      xor edx, edx
      mov ecx, 0xc0010130
      wrmsr
      vmgexit
      mov eax, [rbx+0x1f8]
      mov [rsp+16], rax
      mov eax, [rbx+0x308]
      mov [rsp+8], rax
      mov eax, [rbx+0x310]
      mov [rsp], rax
      mov ebx, [rbx+0x318]
      pop rdx
      pop rcx
      pop rax
      add rsp, 8
      add qword [rsp], 2
      iretq
      """;

  private static final String OUT_HANDLER =
      """
      mov rax, [rsp+24]
      mov [rbx+0x390], rax
      mov qword [rbx+0x398], 0x800210
      mov qword [rbx+0x3a0], 0
      mov rax, [rsp+16]
      mov [rbx+0x1f8], rax
      mov rax, 0x8000000000000000
      mov [rbx+0x3f0], rax
      mov rax, 0x001c000000000000
      mov [rbx+0x3f8], rax
      mov eax, GHCB
      xor edx, edx
      mov ecx, 0xc0010130
      wrmsr
      vmgexit
      pop rdx
      pop rcx
      pop rax
      add rsp, 8
      add qword [rsp], 2
      iretq
      """;

  // As Linux does it: a buffer full at a time, and the instruction again until RCX is zero.
  private static final String OUTS_HANDLER =
      """
      mov rax, [rsp+8]
      cmp rax, 2032
      jbe C
      mov eax, 2032
      C: sub [rsp+8], rax
      mov rdi, GHCB+0x800
      mov rcx, rax
      rep movsb
      mov rdx, [rsp+24]
      mov [rbx+0x390], rdx
      mov qword [rbx+0x398], 0x3f8021c
      mov [rbx+0x3a0], rax
      mov qword [rbx+0x3a8], GHCB+0x800
      mov qword [rbx+0x3f0], 0
      mov rax, 0x003c000000000000
      mov [rbx+0x3f8], rax
      vmgexit
      pop rdx
      pop rcx
      pop rax
      add rsp, 8
      test ecx, ecx
      jne R
      add qword [rsp], 2
      R: iretq
      """;

  private static final String MMIO_HANDLER =
      """
      mov eax, 0x80000001
      mov [rbx+0x390], rax
      lea rax, [rdi+0x30]
      mov [rbx+0x398], rax
      mov qword [rbx+0x3a0], 4
      mov qword [rbx+0x3a8], GHCB+0x800
      mov qword [rbx+0x3f0], 0
      mov rax, 0x003c000000000000
      mov [rbx+0x3f8], rax
      vmgexit
      mov eax, [rbx+0x800]
      mov [rsp+16], rax
      pop rdx
      pop rcx
      pop rax
      add rsp, 8
      add qword [rsp], 3
      iretq
      """;

  /** Writes to the APIC are VMGEXITs at once, as those of a kernel that knows where it is. */
  private static final String TIMER_SET_UP =
      """
      mov rax, A
      mov [I64], ax
      mov word [I64+2], 0x10
      mov word [I64+4], 0x8e00
      shr rax, 16
      mov [I64+6], ax
      """;

  private static final String TIMER =
      """
      mov rsi, 0xf0
      mov eax, 0x1ff
      call W
      mov rsi, 0x3e0
      mov eax, 0xb
      call W
      mov rsi, 0x320
      mov eax, 0x40
      call W
      mov r15d, ROUNDS
      mov rsi, 0x380
      mov eax, PERIOD
      call W
      sti
      L: add rbx, 1
      test r15d, r15d
      jg L
      cli
      jmp E
      W: mov [GHCB+0x800], rax
      add rsi, rdi
      mov [GHCB+0x398], rsi
      mov eax, 0x80000002
      mov [GHCB+0x390], rax
      mov qword [GHCB+0x3a0], 4
      mov qword [GHCB+0x3a8], GHCB+0x800
      mov qword [GHCB+0x3f0], 0
      mov rax, 0x003c000000000000
      mov [GHCB+0x3f8], rax
      vmgexit
      ret
      A: dec r15d
      mov rsi, 0x380
      mov eax, PERIOD
      call W
      mov rsi, 0xb0
      xor eax, eax
      call W
      iretq
      E:
      """
          .replace("PERIOD", Integer.toString(ExitGuest.PERIOD));

  private static String loop(int rounds, String body) {
    return "mov r15d, " + rounds + "\nL:\n" + body + "\ndec r15d\njne L";
  }

  /** The GHCB is a page of its own, mapped shared through a 4 KiB table. */
  private static String source(String setUp, String body, String handler) {
    return """
        equ GHCB 0x300000
        mov rsp, 0x280000
        MAPPING
        lgdt [G]
        mov rax, H
        mov [I29], ax
        mov word [I29+2], 0x10
        mov word [I29+4], 0x8e00
        shr rax, 16
        mov [I29+6], ax
        lidt [T]
        mov rdi, GHCB
        mov ecx, 512
        xor eax, eax
        rep stosq
        mov eax, GHCB
        xor edx, edx
        mov ecx, 0xc0010130
        wrmsr
        SETUP
        BODY
        mov eax, 0x8000fffe
        mov [GHCB+0x390], rax
        mov byte [GHCB+0x3fe], 0x1c
        vmgexit
        hlt
        H: push rax
        push rcx
        push rdx
        mov rbx, GHCB
        HANDLER
        align 8
        D: dq 0, 0, 0x00af9a000000ffff, 0x00cf92000000ffff
        G: dw 31
        dq D
        T: dw 0xfff
        dq I
        align 16
        I: skip 464
        I29: skip 16
        skip 544
        I64: skip 16
        """
        .replace("MAPPING", MAP_GHCB)
        .replace("SETUP", setUp)
        .replace("BODY", body)
        .replace("HANDLER", handler);
  }
}
