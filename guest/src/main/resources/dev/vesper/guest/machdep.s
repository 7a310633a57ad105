; What runs in 64-bit mode before and around main.

; init_x86_64(rdi = first_avail)
init_x86_64:
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je init_no_es
    call cpu_init_early_vctrap
    ; Both GHCB pages are taken; what follows starts behind them.
    add rdi, 0x2000
init_no_es:
    mov [early_pte_pages], rdi
    add rdi, 0x3000
    mov [first_avail], rdi
    call cpu_init_idt
    ret

; cpu_init_early_vctrap(rdi = address of the GHCB pages): temporary GDT and IDT, then the GHCB.
cpu_init_early_vctrap:
    push rdi
    lgdt [early_gdt_region]
    mov rdi, early_idt
    mov ecx, 512
    xor eax, eax
    rep stosq
    mov rax, Xvctrap_early
    mov edi, T_VC
    call setgate
    lidt [early_idt_region]
    pop rdi
    mov [ghcb_paddr], rdi
    mov [ghcb_vaddr], rdi
    ; Clear both pages and tell the host where the first one is.
    push rdi
    mov ecx, 1024
    xor eax, eax
    rep stosq
    pop rdi
    mov eax, edi
    mov rdx, rdi
    shr rdx, 32
    mov ecx, MSR_SEV_GHCB
    wrmsr
    or dword [steps], 64
    ret

; setgate(rax = handler, edi = vector): an interrupt gate of early_idt.
setgate:
    shl edi, 4
    add rdi, early_idt
    mov [rdi], ax
    mov word [rdi+2], SEL_CODE64
    mov word [rdi+4], 0x8e00
    shr rax, 16
    mov [rdi+6], ax
    shr rax, 16
    mov [rdi+8], eax
    mov dword [rdi+12], 0
    ret

; cpu_init_idt: the final table, with the exceptions that this kernel takes.
cpu_init_idt:
    mov rax, Xtrap06
    mov edi, 6
    call setgate
    mov rax, Xtrap0d
    mov edi, 13
    call setgate
    mov rax, Xtrap0e
    mov edi, 14
    call setgate
    mov rax, Xtrap1d
    mov edi, T_VC
    call setgate
    lgdt [early_gdt_region]
    lidt [early_idt_region]
    or dword [steps], 128
    ret
