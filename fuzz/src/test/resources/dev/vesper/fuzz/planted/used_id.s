; Completions by number: the id of a used element is the index of the request that is done (RT-Thread #11326 and
; #11327, OSv #1450, Zephyr #113343).
    mov edi, SMALL_ENTROPY
    call small_find
    test eax, eax
    je small_end
    mov ebx, eax
    call small_queue
    xor r14d, r14d
    xor r15d, r15d
    xor ecx, ecx
.id_request:
    mov rdx, requests
    mov eax, ecx
    shl eax, 4
    add rdx, rax
    mov rax, entropy_done
    mov [rdx], rax
    mov eax, ecx
    shl eax, 6
    lea rax, [r13+rax+SMALL_POOL]
    mov [rdx+8], rax
    inc ecx
    cmp ecx, 4
    jne .id_request
    mov dword [next_request], 0
.id_round:
    mov edi, [next_request]
    mov esi, edi
    shl esi, 6
    lea rsi, [r12+rsi+SMALL_POOL]
    mov ecx, 64
    call small_submit
    call small_used
    je .id_next
    mov eax, [rax]
;fix|    cmp eax, 4
;fix|    jae .id_next
    shl rax, 4
    mov rdx, requests
    add rdx, rax
    mov rdi, [rdx+8]
    call qword [rdx]
.id_next:
    inc dword [next_request]
    cmp dword [next_request], 4
    jne .id_round
    jmp small_end

; entropy_done(rdi = buffer)
entropy_done:
    mov rax, [rdi]
    mov rdx, entropy
    xor [rdx], rax
    ret

; data
align 8
next_request: dd 0, 0
entropy: dq 0
requests: dq 0, 0, 0, 0, 0, 0, 0, 0
