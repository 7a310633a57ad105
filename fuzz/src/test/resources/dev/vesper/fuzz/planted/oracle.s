; What the drivers of the oracles have in common.

oracle_end:
    mov eax, 0x10
    mov dx, 0xf4
    out dx, al
    hlt

; oracle_pages: r12 = physical address of two pages, r13 = where they are mapped.
oracle_pages:
    call page_alloc
    mov r12, rax
    call page_alloc
    lea r13, [r12+KERNBASE]
    ret

; oracle_clears: the first page has zeros.
oracle_clears:
    mov rdi, r13
    xor eax, eax
    mov ecx, 512
    rep stosq
    ret
