; Where a second CPU starts, at 0x7000 in real mode.  The kernel has put behind it: 0x7f00 CR3, 0x7f08 entry,
; 0x7f10 stack, 0x7f18 per-CPU data, 0x7f20 GDT pointer, 0x7f30 EFER, 0x7f40 GDT.

bits 16
    cli
    xor ax, ax
    mov ds, ax
    lgdt [0x7f20]
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    jmp 0x08:tramp32
bits 32
tramp32:
    mov eax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, cr4
    or eax, 0x6b0
    mov cr4, eax
    mov ecx, 0xc0000080
    xor edx, edx
    mov eax, [0x7f30]
    wrmsr
    mov eax, [0x7f00]
    mov cr3, eax
    mov eax, cr0
    and eax, 0x9ffffff3
    or eax, 0x80010023
    mov cr0, eax
    jmp 0x18:tramp64
bits 64
tramp64:
    mov rsp, [0x7f10]
    mov rdi, [0x7f18]
    mov rax, [0x7f08]
    jmp rax
