package dev.vesper.bench;

/**
 * Guests without SEV that leave for a device in each round: a port, a register of the local APIC at
 * its physical address, or that APIC's timer, whose handler arms it again, ends the interrupt and
 * returns: three exits. A periodic timer would keep QEMU busy with what it has missed.
 */
final class ExitGuest {
  /** A register that nothing but a read of it has to do with: the local APIC's version. */
  static final String READ = "mov eax, [rdi+0x30]";

  /** Nanoseconds until the timer interrupts, which are as many of our instructions. */
  static final int PERIOD = 100;

  /** The last 2 MiB page but eight below 4 GiB, where the APIC is, in a directory of its own. */
  static final String MAP =
      """
      mov rax, 0xfee00093
      mov [0x290fb8], rax
      mov rax, 0x290003
      mov [0x71018], rax
      mov rax, cr3
      mov cr3, rax
      mov edi, 0xfee00000
      """;

  private static final String TABLES =
      """
      align 8
      D: dq 0, 0, 0x00af9a000000ffff, 0x00cf92000000ffff
      G: dw 31
      dq D
      T: dw 0xfff
      dq I
      align 16
      I: skip 1024
      I64: skip 16
      """;

  private ExitGuest() {}

  /** {@return a loop around some instructions, with the APIC's address in RDI} */
  static String loop(int rounds, String body) {
    return MAP + "mov r15d, " + rounds + "\nL:\n" + body + "\ndec r15d\njne L\n" + Kernels.NOTHING;
  }

  /** {@return code that waits while the timer interrupts it} */
  static String timer(int rounds) {
    return """
        mov rsp, 0x280000
        MAP
        lgdt [G]
        mov rax, H
        mov [I64], ax
        mov word [I64+2], 0x10
        mov word [I64+4], 0x8e00
        shr rax, 16
        mov [I64+6], ax
        lidt [T]
        ; Where QEMU enters, CS is another selector.
        push 0x18
        push 0x280000
        pushfq
        push 0x10
        mov rax, S
        push rax
        iretq
        S: mov al, 0xff
        out 0x21, al
        out 0xa1, al
        mov dword [rdi+0xf0], 0x1ff
        mov dword [rdi+0x3e0], 0xb
        mov dword [rdi+0x320], 0x40
        mov r15d, ROUNDS
        mov dword [rdi+0x380], PERIOD
        sti
        L: add rbx, 1
        test r15d, r15d
        jg L
        cli
        NOTHING
        H: dec r15d
        mov dword [rdi+0x380], PERIOD
        mov dword [rdi+0xb0], 0
        iretq
        TABLES
        """
        .replace("MAP", MAP)
        .replace("ROUNDS", Integer.toString(rounds))
        .replace("PERIOD", Integer.toString(PERIOD))
        .replace("NOTHING", Kernels.NOTHING)
        .replace("TABLES", TABLES);
  }
}
