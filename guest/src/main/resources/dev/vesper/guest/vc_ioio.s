; IN and OUT: E4-E7, EC-EF with and without 66, and INS and OUTS, with REP through the shared buffer.
;
; r8d = bytes of the instruction so far, r9d = size bit of EXITINFO1, r10d = opcode, r11d = REP bit

vc_ioio:
    test r14d, r14d
    jne vc_refuse
    xor r8d, r8d
    mov r9d, 0x40
    xor r11d, r11d
.ioio_prefix:
    movzx r10d, byte [rbx+r8]
    inc r8d
    cmp r8d, 15
    ja vc_mismatch
    cmp r10d, 0x66
    jne .ioio_no_66
    mov r9d, 0x20
    jmp short .ioio_prefix
.ioio_no_66:
    cmp r10d, 0xf3
    je .ioio_rep
    cmp r10d, 0xf2
    jne .ioio_no_rep
.ioio_rep:
    mov r11d, 8
    jmp short .ioio_prefix
.ioio_no_rep:
    mov eax, r10d
    and eax, 0xf0
    cmp eax, 0x40
    je .ioio_prefix
    ; Bit 0 of the opcode: not 8 bits.
    test r10d, 1
    jne .ioio_sized
    mov r9d, 0x10
.ioio_sized:
    mov eax, r10d
    and eax, 0xfc
    cmp eax, 0x6c
    je vc_string
    and eax, 0xf4
    cmp eax, 0xe4
    jne vc_mismatch
    ; Bit 3: the port is in DX, not in the next byte.
    movzx ecx, word [r12+TF_RDX]
    test r10d, 8
    jne .ioio_port
    movzx ecx, byte [rbx+r8]
    inc r8d
.ioio_port:
    mov [rbp+VC_ADVANCE], r8
    shl rcx, 16
    or rcx, r9
    mov edi, GHCB_RAX
    bsf esi, r9d
    sub esi, 4
    ; Bit 1: OUT.
    test r10d, 2
    jne .ioio_out
    or rcx, 1
    mov [rbp+VC_EXTRA+EX_INFO1], rcx
    call sync_in_val
    jmp vc_exchange
.ioio_out:
    mov [rbp+VC_EXTRA+EX_INFO1], rcx
    call sync_out_val
    jmp vc_exchange

; INS and OUTS.  One exchange moves what fits into the shared buffer; with REP the instruction is run
; again until rCX is zero.  The buffer is in the order of execution, whichever way memory is walked.

equ VC_REP 128
equ VC_OPCODE 136
equ VC_ELEMENT 144
equ VC_COUNT 152

vc_string:
    mov [rbp+VC_ADVANCE], r8
    mov [rbp+VC_REP], r11
    mov [rbp+VC_OPCODE], r10
    movzx eax, word [r12+TF_RDX]
    shl rax, 16
    or rax, r9
    or rax, r11
    ; A string, 64-bit addresses.
    or rax, 0x204
    test r10d, 2
    jne .string_outs
    or rax, 1
    jmp short .string_info
.string_outs:
    ; OUTS reads DS.
    or rax, 0xc00
.string_info:
    mov [rbp+VC_EXTRA+EX_INFO1], rax
    shr r9d, 4
    mov [rbp+VC_ELEMENT], r9
    mov r15d, 1
    test r11d, r11d
    je .string_count
    mov r15, [r12+TF_RCX]
    test r15, r15
    je vc_advance
    bsf ecx, r9d
    mov edx, GHCB_SHARED_SIZE
    shr edx, cl
    cmp r15, rdx
    jbe .string_count
    mov r15d, edx
.string_count:
    mov [rbp+VC_COUNT], r15
    mov [rbp+VC_EXTRA+EX_INFO2], r15
    mov rax, [rbp+VC_GHCB_PADDR]
    add rax, GHCB_SHARED
    mov [rbp+VC_EXTRA+EX_SCRATCH], rax
    mov edi, GHCB_SW_SCRATCH
    mov esi, GHCB_SZ64
    call sync_out_val
    call vc_send
    test dword [rbp+VC_OPCODE], 2
    je .string_ins
    lea rdi, [r13+GHCB_SHARED]
    mov rsi, [r12+TF_RSI]
.outs_element:
    mov rcx, [rbp+VC_ELEMENT]
    push rsi
    rep movsb
    pop rsi
    call .string_step
    add rsi, rax
    dec r15
    jne .outs_element
    mov [r12+TF_RSI], rsi
    call vc_exit
    jmp short .string_done
.string_ins:
    call vc_exit
    lea rsi, [r13+GHCB_SHARED]
    mov rdi, [r12+TF_RDI]
.ins_element:
    mov rcx, [rbp+VC_ELEMENT]
    push rdi
    rep movsb
    pop rdi
    call .string_step
    add rdi, rax
    dec r15
    jne .ins_element
    mov [r12+TF_RDI], rdi
.string_done:
    mov rdx, r13
    call ghcb_clear
    cmp qword [rbp+VC_REP], 0
    je vc_advance
    mov rax, [rbp+VC_COUNT]
    sub [r12+TF_RCX], rax
    jne vc_return
    jmp vc_advance

; .string_step: rax = what an element adds to its address.
.string_step:
    mov rax, [rbp+VC_ELEMENT]
    bt dword [r12+TF_RFLAGS], 10
    jae .string_up
    neg rax
.string_up:
    ret
