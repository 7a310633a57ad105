; The memory map by fw_cfg: address and length of an entry are added without a look at the carry (oak f7160c809b).
equ SMALL_MEMORY 0x4000000

    mov edx, 0x510
    mov eax, 0x19
    out dx, ax
    mov edx, 0x511
    mov rdi, fw_file
    mov ecx, 4
    rep insb
    mov r14d, [fw_file]
    bswap r14d
    cmp r14d, 64
    ja small_end
.e820_file:
    sub r14d, 1
    jb small_end
    mov rdi, fw_file
    mov ecx, 64
    mov edx, 0x511
    rep insb
    mov rax, 0x3238652f637465
    mov rcx, 0xffffffffffffff
    and rcx, [fw_file+8]
    cmp rax, rcx
    jne .e820_file
    mov r14d, [fw_file]
    bswap r14d
    mov ax, [fw_file+4]
    xchg al, ah
    mov edx, 0x510
    out dx, ax
    cmp r14d, 320
    ja small_end
    mov r15d, 16
.e820_entry:
    sub r14d, 20
    jb small_end
    mov rdi, fw_file
    mov ecx, 20
    mov edx, 0x511
    rep insb
    cmp dword [fw_file+16], 1
    jne .e820_next
    ; All of it must be memory that there is.
    mov rax, [fw_file]
    mov rcx, [fw_file+8]
    test rcx, rcx
    je .e820_next
    add rcx, rax
;fix|    jb .e820_next
    mov rdx, SMALL_MEMORY
    cmp rcx, rdx
    ja .e820_next
    ; Its first word is looked at.
    mov rdx, DIRECT_MAP
    mov rcx, [rdx+rax]
.e820_next:
    dec r15d
    jne .e820_entry
    jmp small_end

; data
align 8
fw_file: dq 0, 0, 0, 0, 0, 0, 0, 0
