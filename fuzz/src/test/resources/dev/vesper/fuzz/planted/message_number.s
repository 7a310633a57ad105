; Two reports with a nonce each, by the service module: a message that was answered with an error may have been
; answered, so that its number is used up (Linux 47894e0fa6a5).
    call page_alloc
    mov r12, rax
    call page_alloc
    mov r13, rax
    call page_alloc
    mov r14, rax
    mov r15d, 2
.message_next:
    lea rdi, [r12+KERNBASE]
    mov [rdi], r15
    mov rdi, r12
    mov rsi, r13
    mov rdx, r14
    mov rcx, [gs:CI_CAA_VADDR]
    call attest_operation
    mov rax, 0x100000000
    mov rcx, [gs:CI_CAA_PADDR]
    add rcx, 8
    xor edx, edx
    xor r8d, r8d
    call svsm_call
    dec r15d
    jne .message_next
    jmp small_end
