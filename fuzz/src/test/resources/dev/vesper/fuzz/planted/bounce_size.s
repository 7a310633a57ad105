; Bounce buffers: what comes back is as long as the device says, not as long as what was mapped (Linux daf9514fd5eb).
    mov edi, SMALL_ENTROPY
    call small_find
    test eax, eax
    je small_end
    mov ebx, eax
    call small_queue
    xor r14d, r14d
    xor r15d, r15d
    mov ebp, 3
.bounce_round:
    ; The slot knows whose it is, and how much of it.
    mov rdx, bounce_slot
    mov rax, secret_buffer
    mov [rdx], rax
    mov dword [rdx+8], 32
    xor edi, edi
    lea rsi, [r12+SMALL_POOL]
    mov ecx, [rdx+8]
    call small_submit
    call small_used
    je .bounce_next
    mov ecx, [rax+4]
    call bounce_unmap
.bounce_next:
    dec ebp
    jne .bounce_round
    mov rax, [after_buffer]
    call rax
    jmp small_end

; bounce_unmap(ecx = bytes to be given back)
bounce_unmap:
    mov rdx, bounce_slot
;fix|    cmp ecx, [rdx+8]
;fix|    jbe .bounce_fits
;fix|    mov ecx, [rdx+8]
;fix|.bounce_fits:
    lea rsi, [r13+SMALL_POOL]
    mov rdi, [rdx]
    rep movsb
    ret

entropy_ready:
    ret

; data
align 8
bounce_slot: dq 0, 0
secret_buffer: dq 0, 0, 0, 0
after_buffer: dq entropy_ready
