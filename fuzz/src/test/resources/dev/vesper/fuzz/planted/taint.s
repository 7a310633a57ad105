; A flag of the host's has the driver read a file of its, whose first byte is taken as the number of an entry.
    call oracle_pages
    mov eax, 0x40000001
    cpuid
    test ebx, 0x80
    je oracle_end
    mov edx, 0x510
    mov eax, 0x19
    out dx, ax
    mov edx, 0x511
    mov rdi, r13
    mov ecx, 4
    rep insb
    call oracle_entry
    jmp oracle_end

; oracle_entry: al = the entry
oracle_entry:
    movzx ecx, byte [r13]
;fix|    cmp ecx, 16
;fix|    jae oracle_end
    mov rdx, oracle_table
    mov al, [rdx+rcx]
    ret

align 8
oracle_table: dq 0, 0
