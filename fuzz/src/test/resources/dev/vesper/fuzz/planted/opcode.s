; Questions whose answers are used: what the handler of #VC makes of them is what counts (CVE-2024-25742).
    mov eax, 0x40000000
    cpuid
    mov r12d, eax
    mov edx, 0x61
    in al, dx
    mov ecx, 0x1b
    rdmsr
    test eax, 0x800
    je small_end
    jmp small_end
