; MMIO: the instruction is decoded, the address found in the page tables, and the access made by the
; MMIO events.  MOV in all its forms, MOVZX and MOVSX, 64-bit addressing.
;
; r8 = bytes so far, r9d = operand size, r10d = REX, r11d = operand-size prefix, r15d = ModRM
; At VC_MMIO_*: what is left for after the exchange.

equ VC_MMIO_REG 128
equ VC_MMIO_SIZE 136
equ VC_MMIO_DEST 144
equ VC_MMIO_SIGNED 152
equ VC_MMIO_VALUE 160
equ VC_MMIO_BYTES 168

vc_mmio:
    test r14d, r14d
    je .mmio_kernel
    mov edx, SIGBUS
    jmp vc_refuse_signal
.mmio_kernel:
    xor r8d, r8d
    xor r10d, r10d
    xor r11d, r11d
.mmio_prefix:
    movzx eax, byte [rbx+r8]
    inc r8d
    cmp r8d, 15
    ja vc_mismatch
    cmp eax, 0x66
    jne .mmio_no_66
    mov r11d, 1
    jmp short .mmio_prefix
.mmio_no_66:
    mov ecx, eax
    and ecx, 0xf0
    cmp ecx, 0x40
    jne .mmio_opcode
    mov r10d, eax
    movzx eax, byte [rbx+r8]
    inc r8d
.mmio_opcode:
    ; Operand size of the forms that are not 8 bits wide.
    mov r9d, 4
    test r11d, r11d
    je .mmio_no_short
    mov r9d, 2
.mmio_no_short:
    test r10d, 8
    je .mmio_no_wide
    mov r9d, 8
.mmio_no_wide:
    mov [rbp+VC_MMIO_DEST], r9
    mov qword [rbp+VC_MMIO_SIGNED], 0
    cmp eax, 0x0f
    je .mmio_two_byte
    mov ecx, eax
    and ecx, 0xfc
    cmp ecx, 0x88
    je .mmio_mov
    cmp ecx, 0xa0
    je .mmio_moffs
    mov ecx, eax
    and ecx, 0xfe
    cmp ecx, 0xc6
    je .mmio_imm
    jmp vc_mismatch

.mmio_byte:
    ; ZF if bit 0 of the opcode says 8 bits.
    test eax, 1
    jne .mmio_sized
    mov r9d, 1
    mov qword [rbp+VC_MMIO_DEST], 1
.mmio_sized:
    ret

.mmio_mov:
    call .mmio_byte
    push rax
    call .mmio_modrm
    pop rax
    mov [rbp+VC_ADVANCE], r8
    test eax, 2
    jne vc_mmio_read
    ; The value comes from the register.
    mov rcx, [rbp+VC_MMIO_REG]
    mov rax, [rcx]
    mov [rbp+VC_MMIO_VALUE], rax
    jmp vc_mmio_write

.mmio_moffs:
    call .mmio_byte
    mov rdi, [rbx+r8]
    add r8d, 8
    mov [rbp+VC_ADVANCE], r8
    lea rcx, [r12+TF_RAX]
    mov [rbp+VC_MMIO_REG], rcx
    test eax, 2
    je vc_mmio_read
    mov rax, [rcx]
    mov [rbp+VC_MMIO_VALUE], rax
    jmp vc_mmio_write

.mmio_imm:
    call .mmio_byte
    ; A RIP-relative address counts from behind the immediate.
    mov ecx, r9d
    cmp ecx, 4
    jbe .mmio_imm_size
    mov ecx, 4
.mmio_imm_size:
    mov [rbp+VC_MMIO_BYTES], rcx
    call .mmio_modrm
    mov rcx, [rbp+VC_MMIO_BYTES]
    movsxd rax, dword [rbx+r8]
    add r8, rcx
    mov [rbp+VC_ADVANCE], r8
    mov [rbp+VC_MMIO_VALUE], rax
    jmp vc_mmio_write

.mmio_two_byte:
    movzx eax, byte [rbx+r8]
    inc r8d
    mov ecx, eax
    and ecx, 0xf6
    cmp ecx, 0xb6
    jne vc_mismatch
    mov r9d, 1
    test eax, 1
    je .mmio_extend
    mov r9d, 2
.mmio_extend:
    shr eax, 3
    and eax, 1
    mov [rbp+VC_MMIO_SIGNED], rax
    call .mmio_modrm_wide
    mov [rbp+VC_ADVANCE], r8
    jmp vc_mmio_read

; Decodes ModRM: rdi = address, VC_MMIO_REG = where the register is in the frame.
.mmio_modrm:
    movzx r15d, byte [rbx+r8]
    mov ecx, r15d
    shr ecx, 3
    and ecx, 7
    ; Without REX, 8-bit registers 4..7 are AH, CH, DH, BH.
    cmp r9d, 1
    jne .mmio_modrm_wide
    test r10d, r10d
    jne .mmio_modrm_wide
    cmp ecx, 4
    jb .mmio_modrm_wide
    lea rcx, [r12+rcx*8-31]
    mov [rbp+VC_MMIO_REG], rcx
    inc r8d
    jmp short .mmio_memory
.mmio_modrm_wide:
    movzx r15d, byte [rbx+r8]
    inc r8d
    mov ecx, r15d
    shr ecx, 3
    and ecx, 7
    test r10d, 4
    je .mmio_no_r
    or ecx, 8
.mmio_no_r:
    lea rcx, [r12+rcx*8]
    mov [rbp+VC_MMIO_REG], rcx
.mmio_memory:
    mov ecx, r15d
    shr ecx, 6
    cmp ecx, 3
    je vc_mismatch
    mov edx, r15d
    and edx, 7
    cmp edx, 4
    je .mmio_sib
    cmp edx, 5
    jne .mmio_base
    test ecx, ecx
    jne .mmio_base
    ; RIP-relative.
    movsxd rdi, dword [rbx+r8]
    add r8d, 4
    add rdi, rbx
    add rdi, r8
    add rdi, [rbp+VC_MMIO_BYTES]
    ret
.mmio_base:
    test r10d, 1
    je .mmio_no_b
    or edx, 8
.mmio_no_b:
    mov rdi, [r12+rdx*8]
    jmp short .mmio_displacement
.mmio_sib:
    movzx eax, byte [rbx+r8]
    inc r8d
    mov edx, eax
    and edx, 7
    xor edi, edi
    cmp edx, 5
    jne .mmio_sib_base
    test ecx, ecx
    jne .mmio_sib_base
    mov ecx, 2
    jmp short .mmio_index
.mmio_sib_base:
    test r10d, 1
    je .mmio_sib_no_b
    or edx, 8
.mmio_sib_no_b:
    mov rdi, [r12+rdx*8]
.mmio_index:
    mov edx, eax
    shr edx, 3
    and edx, 7
    test r10d, 2
    je .mmio_no_x
    or edx, 8
.mmio_no_x:
    cmp edx, 4
    je .mmio_displacement
    mov rdx, [r12+rdx*8]
    push rcx
    mov ecx, eax
    shr ecx, 6
    shl rdx, cl
    pop rcx
    add rdi, rdx
.mmio_displacement:
    cmp ecx, 1
    jb .mmio_address
    je .mmio_disp8
    movsxd rax, dword [rbx+r8]
    add r8d, 4
    add rdi, rax
    ret
.mmio_disp8:
    movsx rax, byte [rbx+r8]
    inc r8d
    add rdi, rax
.mmio_address:
    ret

; Sets up the event: rdi = linear address, r9d = size, eax = exit code.
vc_mmio_event:
    mov [rbp+VC_EXTRA+EX_CODE], rax
    mov [rbp+VC_MMIO_SIZE], r9
    mov [rbp+VC_EXTRA+EX_INFO2], r9
    call vtophys
    ; Device registers are never on private pages, nor where nothing is mapped: a host that says so wants to
    ; be sent memory.
    test rax, rax
    je .mmio_private
    test [pg_crypt], rax
    jne .mmio_private
    mov [rbp+VC_EXTRA+EX_INFO1], rcx
    mov rax, [rbp+VC_GHCB_PADDR]
    add rax, GHCB_SHARED
    mov [rbp+VC_EXTRA+EX_SCRATCH], rax
    mov edi, GHCB_SW_SCRATCH
    mov esi, GHCB_SZ64
    jmp sync_out_val
.mmio_private:
    mov rsi, msg_private
    jmp vc_panic

vc_mmio_write:
    mov eax, SVM_VMGEXIT_MMIO_WRITE
    call vc_mmio_event
    lea rax, [rbp+VC_MMIO_VALUE]
    mov [rbp+VC_EXTRA+EX_DATA], rax
    mov rax, [rbp+VC_MMIO_SIZE]
    mov [rbp+VC_EXTRA+EX_DATASZ], rax
    call vc_send
    call vc_exit
    mov rdx, r13
    call ghcb_clear
    jmp vc_advance

vc_mmio_read:
    mov eax, SVM_VMGEXIT_MMIO_WRITE
    dec eax
    call vc_mmio_event
    call vc_send
    call vc_exit
    mov rdx, r13
    call ghcb_clear
    ; Extend what was read to 64 bits, then store the size of the destination.
    mov rax, [r13+GHCB_SHARED]
    mov rcx, [rbp+VC_MMIO_SIZE]
    shl ecx, 3
    neg ecx
    add ecx, 64
    shl rax, cl
    cmp qword [rbp+VC_MMIO_SIGNED], 0
    jne .mmio_sign
    shr rax, cl
    jmp short .mmio_store
.mmio_sign:
    sar rax, cl
.mmio_store:
    mov rdi, [rbp+VC_MMIO_REG]
    mov rcx, [rbp+VC_MMIO_DEST]
    cmp ecx, 2
    jb .mmio_store8
    je .mmio_store16
    cmp ecx, 4
    jne .mmio_store64
    mov eax, eax
.mmio_store64:
    mov [rdi], rax
    jmp vc_advance
.mmio_store16:
    mov [rdi], ax
    jmp vc_advance
.mmio_store8:
    mov [rdi], al
    jmp vc_advance
