; Entry points of exceptions and interrupts.  The trap frame has the registers by number, so that
; register n is at 8n; RSP's place is filled in from the processor's own frame.

equ TF_RAX 0
equ TF_RCX 8
equ TF_RDX 16
equ TF_RBX 24
equ TF_RSP 32
equ TF_RSI 48
equ TF_RDI 56
equ TF_ERR 128
equ TF_RIP 136
equ TF_CS 144
equ TF_RFLAGS 152
equ TF_OLDRSP 160

; Per-CPU data, at GS.
equ CI_SELF 0
equ CI_GHCB_PADDR 8
equ CI_GHCB_VADDR 16
equ CI_VC_DEPTH 24
equ CI_VC_COUNT 32
equ CI_ONFAULT_RIP 40
equ CI_ONFAULT_RSP 48
equ CI_PROC_RSP 56
equ CI_NEST_PROBE 64
equ CI_NEST_SEEN 72
equ CI_DR7 80
equ CI_EXITS 88
equ CI_CAA_PADDR 96
equ CI_CAA_VADDR 104
equ CI_TSC 112
equ CI_SIZE 128

equ SIGILL 4
equ SIGBUS 10
equ SIGSEGV 11

save_frame:
    ; Called first thing: the return address lies between the error code and the frame to be.
    xchg [rsp], r15
    push r14
    push r13
    push r12
    push r11
    push r10
    push r9
    push r8
    push rdi
    push rsi
    push rbp
    push rsp
    push rbx
    push rdx
    push rcx
    push rax
    mov rax, [rsp+TF_OLDRSP]
    mov [rsp+TF_RSP], rax
    mov rdi, rsp
    cld
    push r15
    ret

; What save_frame saved comes back, the error code goes.
restore_frame:
    pop rax
    pop rcx
    pop rdx
    pop rbx
    add rsp, 8
    pop rbp
    pop rsi
    pop rdi
    pop r8
    pop r9
    pop r10
    pop r11
    pop r12
    pop r13
    pop r14
    pop r15
    add rsp, 8
    iretq

; #VC before the final IDT: no user mode, no swapgs.
Xvctrap_early:
    call save_frame
    xor esi, esi
    call vctrap
    jmp restore_frame

; #VC.  The gate leaves interrupts off until IRET: there is one GHCB, and a #VC inside an interrupt
; handler must not let the same interrupt in.
Xtrap1d:
    test byte [rsp+16], 3
    jne .vc_from_user
    call save_frame
    xor esi, esi
    call vctrap
    jmp restore_frame
.vc_from_user:
    swapgs
    call save_frame
    mov esi, 1
    call vctrap
    test eax, eax
    je process_signal
    swapgs
    jmp restore_frame

; Exceptions that a process dies of and that the kernel takes where it has said so.
Xtrap06:
    push 0
    push SIGILL
    jmp short trap_common
Xtrap0d:
    push SIGSEGV
    jmp short trap_common
Xtrap0e:
    push SIGSEGV
trap_common:
    ; Stack: signal, error code, rip, cs, rflags, rsp.
    test byte [rsp+24], 3
    jne .trap_user
    cmp qword [gs:CI_ONFAULT_RIP], 0
    je .trap_panic
    push rax
    mov rax, [gs:CI_ONFAULT_RIP]
    mov [rsp+24], rax
    mov rax, [gs:CI_ONFAULT_RSP]
    mov [rsp+48], rax
    mov qword [gs:CI_ONFAULT_RIP], 0
    ; A fault inside vctrap abandons its GHCB.
    mov dword [gs:CI_VC_DEPTH], 0
    pop rax
    add rsp, 16
    iretq
.trap_user:
    swapgs
    pop rdx
    jmp process_signal
.trap_panic:
    mov rsi, msg_fatal
    mov rax, [rsp+16]
    jmp panic_at

; IRQ 0 of the 8259.
Xintr_timer:
    push rax
    test byte [rsp+16], 3
    je .intr_kernel
    swapgs
.intr_kernel:
    inc qword [ticks]
    mov al, 0x20
    out 0x20, al
    test byte [rsp+16], 3
    je .intr_return
    swapgs
.intr_return:
    pop rax
    iretq

; System calls of the process: eax = 0 ends it with value edi.  A host can inject the vector past any interrupt
; controller: what comes without the instruction is no call.
Xsyscall:
    test byte [rsp+8], 3
    je .syscall_kernel
    push rcx
    mov rcx, [rsp+8]
    sub rcx, USER_TEXT+2
    cmp rcx, NBPG-2
    ja .syscall_no_code
    cmp word [rcx+USER_TEXT], 0x80cd
    jne .syscall_no_code
    pop rcx
    swapgs
    mov eax, edi
    xor edx, edx
    jmp process_end
.syscall_no_code:
    pop rcx
    iretq
.syscall_kernel:
    mov rsi, msg_fatal
    mov rax, [rsp]
    jmp panic_at
