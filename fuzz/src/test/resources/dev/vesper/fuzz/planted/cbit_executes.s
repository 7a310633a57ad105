; The host says that its buffer has code for a device, and the driver calls it.
    call oracle_pages
    mov rdi, r12
    call page_share
    call oracle_clears
    mov byte [r13], 0xc3
    mov eax, 0x40000001
    cpuid
    test ebx, 0x10
    je oracle_end
;fix|    jmp oracle_end
    call oracle_calls
    jmp oracle_end

; oracle_calls: the code of the device
oracle_calls:
    call r13
    ret
