; The host says which action is next: actions have 16 bytes each, and there are two.
    mov eax, 0x40000001
    cpuid
    and ebx, 0xfffff
;fix|    cmp ebx, 2
;fix|    jae oracle_end
    call oracle_acts
    jmp oracle_end

; oracle_acts(rbx = action)
oracle_acts:
    shl rbx, 4
    mov rax, oracle_actions
    add rax, rbx
    call rax
    ret

align 16
oracle_actions:
    ret
align 16
    xor eax, eax
    ret
