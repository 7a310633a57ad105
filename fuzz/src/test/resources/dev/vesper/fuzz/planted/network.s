; Asks the gateway for its address by ARP (RFC 826), queue 1, and looks at the answer in queue 0: one that is no answer
; is a fault.
    mov edi, SMALL_NETWORK
    call small_find
    test eax, eax
    je small_end
    mov ebx, eax
    call small_queue
    xor r14d, r14d
    xor r15d, r15d
    xor edi, edi
    lea rsi, [r12+SMALL_POOL]
    mov ecx, 128
    call small_submit
    push r12
    push r13
    call page_alloc
    mov r12, rax
    call page_alloc
    call page_alloc
    call page_alloc
    mov r13d, 4
    mov rdi, r12
.network_share:
    call page_share
    push rdi
    add rdi, KERNBASE
    xor eax, eax
    mov ecx, 512
    rep stosq
    pop rdi
    add rdi, NBPG
    dec r13d
    jne .network_share
    lea r13, [r12+KERNBASE]
    lea edx, [rbx+0x0e]
    mov eax, 1
    out dx, ax
    lea edx, [rbx+8]
    mov rax, r12
    shr rax, 12
    out dx, eax
    lea rdi, [r13+SMALL_POOL+10]
    mov rsi, network_question
    mov ecx, 42
    rep movsb
    lea rax, [r12+SMALL_POOL]
    mov [r13], rax
    mov dword [r13+8], 52
    mov word [r13+2050], 1
    lea edx, [rbx+0x10]
    mov eax, 1
    out dx, ax
    pop r13
    pop r12
    call small_used
    je small_end
network_answered:
    mov ecx, [rax+4]
    cmp ecx, 52
    jne network_wrong
    cmp dword [r13+SMALL_POOL+38], 0x0202000a
    jne network_wrong
    jmp small_end
network_wrong:
    lidt [network_none]
    ud2

; data
align 8
network_none: dq 0, 0
network_question: db 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 6
    db 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2
