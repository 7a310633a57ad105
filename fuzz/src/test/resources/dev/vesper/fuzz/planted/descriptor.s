; What was mapped is read back from the descriptor table, which the host can write (Linux, virtio_ring before it kept
; a copy; MigTD #989).
    mov edi, SMALL_ENTROPY
    call small_find
    test eax, eax
    je small_end
    mov ebx, eax
    call small_queue
    xor r14d, r14d
    xor r15d, r15d
    mov rdx, bounce_slots
    mov rax, plain_buffer
    mov [rdx], rax
    mov qword [rdx+8], 32
    xor edi, edi
    lea rsi, [r12+SMALL_POOL]
    mov rdx, mapped_address
    mov [rdx], rsi
    mov ecx, 32
    call small_submit
    call small_used
    je small_end
    mov rax, [r13]
;fix|    mov rdx, mapped_address
;fix|    mov rax, [rdx]
    ; The slot of an address: slots have 2 KiB.
    sub rax, r12
    sub rax, SMALL_POOL
    shr rax, 11
    shl rax, 4
    mov rdx, bounce_slots
    add rdx, rax
    mov rdi, [rdx]
    mov rcx, [rdx+8]
    lea rsi, [r13+SMALL_POOL]
    rep movsb
    jmp small_end

; data
align 8
mapped_address: dq 0
bounce_slots: dq 0, 0, 0, 0, 0, 0, 0, 0
plain_buffer: dq 0, 0, 0, 0
