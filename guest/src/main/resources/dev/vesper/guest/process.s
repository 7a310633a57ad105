; A user-mode process: one page of code, one of stack, one device page.

equ USER_TEXT 0x400000
equ USER_STACK_TOP 0x402000
equ USER_DEVICE 0x402000

; process_setup: page tables for the lower half, the programs copied.  device_paddr = device page.
process_setup:
    push rbx
    call page_alloc
    mov rbx, rax
    call .user_entry
    mov rcx, [proc0paddr]
    mov [rcx+KERNBASE+PROC0_PML4_OFF], rax
    call page_alloc
    lea rcx, [rbx+KERNBASE]
    mov rbx, rax
    call .user_entry
    mov [rcx], rax
    call page_alloc
    lea rcx, [rbx+KERNBASE]
    mov rbx, rax
    call .user_entry
    mov [rcx+16], rax
    add rbx, KERNBASE
    call page_alloc
    mov rdi, rax
    call .user_entry
    mov rcx, 0xfffffffffffffffd
    and rax, rcx
    mov [rbx], rax
    add rdi, KERNBASE
    mov rsi, user_text
    mov ecx, NBPG
    rep movsb
    call page_alloc
    call .user_entry
    or rax, [pg_nx]
    mov [rbx+8], rax
    ; The device page is not private.
    mov rax, [device_paddr]
    or rax, 0x1f
    or rax, [pg_nx]
    mov [rbx+16], rax
    mov rax, cr3
    mov cr3, rax
    pop rbx
    ret

; .user_entry: rax = table entry for the page at rax, for user mode.
.user_entry:
    or rax, 7
    or rax, [pg_crypt]
    ret

; process_run(rdi = entry, esi = I/O privilege as flags): eax = exit value, edx = signal or 0
process_run:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    pushfq
    mov [gs:CI_PROC_RSP], rsp
    mov [tss+4], rsp
    push GUDATA_SEL
    push USER_STACK_TOP
    or esi, 0x202
    push rsi
    push GUCODE_SEL
    push rdi
    swapgs
    iretq

; The process has done what the kernel does not do for it: edx = signal.
process_signal:
    xor eax, eax
process_end:
    mov rsp, [gs:CI_PROC_RSP]
    popfq
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
