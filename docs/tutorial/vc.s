        .set    GHCB_MSR, 0xc0010130

# What vc_entry has on its stack, from RBP.
        .set    RSI_, 0
        .set    RBX_, 8
        .set    RDX_, 16
        .set    RCX_, 24
        .set    RAX_, 32
        .set    EXIT, 48
        .set    RIP_, 56

# Makes vector 29 lead to vc_entry. An IDT takes a GDT, for the handler's code segment.
vc_setup:
        lgdt    gdtr[rip]
        xor     eax, eax
        mov     ss, eax
        pop     rax
        push    8
        push    rax
        mov     eax, offset vc_entry
        mov     edi, offset idt + 29*16
        mov     [rdi], ax
        mov     word ptr [rdi+2], 8
        mov     word ptr [rdi+4], 0x8e00        # an interrupt gate: IF is 0 in the handler
        shr     eax, 16
        mov     [rdi+6], ax
        lidt    idtr[rip]
        retfq

vc_entry:
        push    rbp
        push    rax
        push    rcx
        push    rdx
        push    rbx
        push    rsi
        mov     rbp, rsp
        mov     eax, [rbp+EXIT]
        call    vc                              # each step has its own
        pop     rsi
        pop     rbx
        pop     rdx
        pop     rcx
        pop     rax
        pop     rbp
        add     rsp, 8                          # the error code
        iretq

# One exchange of the MSR protocol: EDX:EAX goes out, and the answer comes back there.
msr_exchange:
        mov     ecx, GHCB_MSR
        wrmsr
        rep; vmmcall                            # VMGEXIT
        rdmsr
        ret

# Asks for the end of the guest. EAX: the reason code << 4, and the reason code set.
terminate:
        shl     eax, 12
        or      eax, 0x100
        xor     edx, edx
        call    msr_exchange
1:      hlt
        jmp     1b

        .data
gdt:    .quad   0, 0x00209a0000000000           # nothing; code of 64 bits
gdtr:   .word   2*8 - 1
        .quad   gdt
idtr:   .word   30*16 - 1
        .quad   idt
        .bss
        .balign 16
idt:    .skip   30*16
        .skip   4096
stack:
        .text
