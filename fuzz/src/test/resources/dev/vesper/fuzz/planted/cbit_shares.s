; The host says how many pages its buffer has: as many are shared, and what lies behind the buffer is private.
    call oracle_pages
    mov rax, 0x7c3ed1950a6b82f4
    mov [r13+NBPG], rax
    mov ecx, 0x1b
    rdmsr
    mov ebx, eax
    shr ebx, 4
    and ebx, 1
;fix|    xor ebx, ebx
    inc ebx
    mov rdi, r12
.oracle_share:
    call page_share
    add rdi, NBPG
    dec ebx
    jne .oracle_share
    call oracle_clears
    call oracle_reads
    jmp oracle_end

; oracle_reads: rax = the driver's own word
oracle_reads:
    mov rax, [r13+NBPG]
    ret
