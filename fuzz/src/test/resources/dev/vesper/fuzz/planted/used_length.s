; A received frame: as many bytes as the device says, less its header, are copied out of the shared buffer
; (RT-Thread #11327, virtio_net_rx; Linux d00d8da5869a).
    mov edi, SMALL_ENTROPY
    call small_find
    test eax, eax
    je small_end
    mov ebx, eax
    call small_queue
    xor r14d, r14d
    xor r15d, r15d
    mov ebp, 3
.length_round:
    xor edi, edi
    lea rsi, [r12+SMALL_POOL]
    mov ecx, 64
    call small_submit
    call small_used
    je .length_next
    mov ecx, [rax+4]
    sub ecx, 10
;fix|    jb .length_next
;fix|    cmp ecx, 54
;fix|    ja .length_next
    lea rsi, [r13+SMALL_POOL+10]
    mov rdi, frame
    rep movsb
.length_next:
    dec ebp
    jne .length_round
    jmp small_end

; data
align 8
frame: dq 0, 0, 0, 0, 0, 0, 0, 0
