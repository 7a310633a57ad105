; #VC in 64-bit mode: Xvctrap_early until the final IDT is loaded, Xtrap1d afterwards.  Interrupts stay
; off: there is one GHCB.

equ TF_R15 0
equ TF_RDI 64
equ TF_RBX 88
equ TF_RDX 96
equ TF_RCX 104
equ TF_RAX 112
equ TF_ERR 120
equ TF_RIP 128
equ TF_CS 136

equ SVM_VMEXIT_DR7_READ 0x27
equ SVM_VMEXIT_DR7_WRITE 0x37
equ SVM_VMEXIT_CPUID 0x72
equ SVM_VMEXIT_IOIO 0x7b
equ SVM_VMEXIT_MSR 0x7c
equ SVM_VMEXIT_WBINVD 0x89

; Offsets in the GHCB, and the bytes of the valid bitmap.
equ GHCB_RAX 0x1f8
equ GHCB_RCX 0x308
equ GHCB_RDX 0x310
equ GHCB_RBX 0x318
equ GHCB_EXITCODE 0x390
equ GHCB_EXITINFO1 0x398
equ GHCB_EXITINFO2 0x3a0
equ GHCB_XCR0 0x3e8
equ GHCB_VALID 0x3f0
equ VALID_RAX_BYTE 0x3f7
equ VALID_RAX 0x80
equ VALID_GPR_BYTE 0x3fc
equ VALID_RCX 2
equ VALID_RDX 4
equ VALID_RBX 8
equ VALID_SW_BYTE 0x3fe
equ VALID_SW 0x1c
equ VALID_XCR0_BYTE 0x3ff
equ VALID_XCR0 0x20

Xvctrap_early:
Xtrap1d:
    push rax
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    call vctrap
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
    add rsp, 8
    iretq

; vctrap(rdi = frame)
vctrap:
    inc qword [vc_count]
    mov rbx, [ghcb_vaddr]
    call ghcb_clear
    mov rsi, [rdi+TF_RIP]
    mov eax, [rdi+TF_ERR]
    cmp eax, SVM_VMEXIT_CPUID
    je vc_cpuid
    cmp eax, SVM_VMEXIT_MSR
    je vc_msr
    cmp eax, SVM_VMEXIT_IOIO
    je vc_ioio
    cmp eax, SVM_VMEXIT_WBINVD
    je vc_wbinvd
    jmp vc_panic

; CPUID: leaf and sub-leaf out, four registers in.  Leaf 0xD depends on XCR0.
vc_cpuid:
    cmp word [rsi], 0xa20f
    jne vc_panic
    mov eax, [rdi+TF_RAX]
    mov [rbx+GHCB_RAX], rax
    or byte [rbx+VALID_RAX_BYTE], VALID_RAX
    mov ecx, [rdi+TF_RCX]
    mov [rbx+GHCB_RCX], rcx
    or byte [rbx+VALID_GPR_BYTE], VALID_RCX
    mov qword [rbx+GHCB_XCR0], 1
    or byte [rbx+VALID_XCR0_BYTE], VALID_XCR0
    xor ecx, ecx
    mov eax, SVM_VMEXIT_CPUID
    call ghcb_exit
    test byte [rbx+VALID_RAX_BYTE], VALID_RAX
    je vc_invalid_answer
    mov al, [rbx+VALID_GPR_BYTE]
    and al, 14
    cmp al, 14
    jne vc_invalid_answer
    mov eax, [rbx+GHCB_RAX]
    mov [rdi+TF_RAX], rax
    mov eax, [rbx+GHCB_RBX]
    mov [rdi+TF_RBX], rax
    mov eax, [rbx+GHCB_RCX]
    mov [rdi+TF_RCX], rax
    mov eax, [rbx+GHCB_RDX]
    mov [rdi+TF_RDX], rax
    add qword [rdi+TF_RIP], 2
    jmp ghcb_clear

; RDMSR and WRMSR.
vc_msr:
    mov ecx, [rdi+TF_RCX]
    mov [rbx+GHCB_RCX], rcx
    or byte [rbx+VALID_GPR_BYTE], VALID_RCX
    cmp word [rsi], 0x300f
    je vc_wrmsr
    cmp word [rsi], 0x320f
    jne vc_panic
    xor ecx, ecx
    mov eax, SVM_VMEXIT_MSR
    call ghcb_exit
    test eax, eax
    jne vc_exception
    test byte [rbx+VALID_RAX_BYTE], VALID_RAX
    je vc_invalid_answer
    test byte [rbx+VALID_GPR_BYTE], VALID_RDX
    je vc_invalid_answer
    mov eax, [rbx+GHCB_RAX]
    mov [rdi+TF_RAX], rax
    mov eax, [rbx+GHCB_RDX]
    mov [rdi+TF_RDX], rax
    add qword [rdi+TF_RIP], 2
    jmp ghcb_clear
vc_wrmsr:
    mov eax, [rdi+TF_RAX]
    mov [rbx+GHCB_RAX], rax
    or byte [rbx+VALID_RAX_BYTE], VALID_RAX
    mov edx, [rdi+TF_RDX]
    mov [rbx+GHCB_RDX], rdx
    or byte [rbx+VALID_GPR_BYTE], VALID_RDX
    mov ecx, 1
    mov eax, SVM_VMEXIT_MSR
    call ghcb_exit
    test eax, eax
    jne vc_exception
    add qword [rdi+TF_RIP], 2
    jmp ghcb_clear

vc_wbinvd:
    cmp word [rsi], 0x090f
    jne vc_panic
    xor ecx, ecx
    mov eax, SVM_VMEXIT_WBINVD
    call ghcb_exit
    add qword [rdi+TF_RIP], 2
    jmp ghcb_clear

; IN and OUT in every form but the string ones.
; r8d = bytes of the instruction, r9d = size bits of EXITINFO1, r10d = opcode
vc_ioio:
    mov r8d, 1
    mov r9d, 0x40
    movzx r10d, byte [rsi]
    cmp r10d, 0x66
    jne vc_ioio_opcode
    mov r9d, 0x20
    inc r8d
    movzx r10d, byte [rsi+1]
vc_ioio_opcode:
    ; Only E4-E7 and EC-EF are left here.
    mov eax, r10d
    and eax, 0xf4
    cmp eax, 0xe4
    jne vc_panic
    test r10d, 1
    jne vc_ioio_sized
    mov r9d, 0x10
vc_ioio_sized:
    ; Bit 3 of the opcode: the port is in DX, not in the next byte.
    mov ecx, [rdi+TF_RDX]
    and ecx, 0xffff
    test r10d, 8
    jne vc_ioio_port
    mov eax, r8d
    movzx ecx, byte [rsi+rax]
    inc r8d
vc_ioio_port:
    shl rcx, 16
    or rcx, r9
    ; Bit 1 of the opcode: OUT.
    test r10d, 2
    jne vc_out
    or rcx, 1
    mov eax, SVM_VMEXIT_IOIO
    call ghcb_exit
    test eax, eax
    jne vc_exception
    test byte [rbx+VALID_RAX_BYTE], VALID_RAX
    je vc_invalid_answer
    mov rax, [rbx+GHCB_RAX]
    ; 8- and 16-bit results merge, 32-bit ones clear the upper half.
    cmp r9d, 0x10
    je vc_in8
    cmp r9d, 0x20
    je vc_in16
    mov eax, eax
    mov [rdi+TF_RAX], rax
    jmp short vc_io_done
vc_in16:
    mov [rdi+TF_RAX], ax
    jmp short vc_io_done
vc_in8:
    mov [rdi+TF_RAX], al
vc_io_done:
    add [rdi+TF_RIP], r8
    jmp ghcb_clear
vc_out:
    mov eax, [rdi+TF_RAX]
    cmp r9d, 0x40
    je vc_out_value
    and eax, 0xffff
    cmp r9d, 0x20
    je vc_out_value
    and eax, 0xff
vc_out_value:
    mov [rbx+GHCB_RAX], rax
    or byte [rbx+VALID_RAX_BYTE], VALID_RAX
    mov eax, SVM_VMEXIT_IOIO
    call ghcb_exit
    test eax, eax
    jne vc_exception
    jmp short vc_io_done

; The host asks for an exception.  Only #GP and #UD are accepted, and only where the code expects one.
vc_exception:
    cmp eax, 1
    jne vc_invalid_answer
    mov eax, [rbx+GHCB_EXITINFO2]
    and eax, 0x800007ff
    cmp eax, 0x8000030d
    je vc_raise
    cmp eax, 0x80000306
    jne vc_invalid_answer
vc_raise:
    mov rax, [fault_resume]
    test rax, rax
    je vc_panic
    mov [rdi+TF_RIP], rax
    mov qword [fault_resume], 0
    jmp ghcb_clear

vc_invalid_answer:
vc_panic:
    jmp vc64_terminate

; ghcb_clear(rbx): the valid bitmap only.
ghcb_clear:
    mov qword [rbx+GHCB_VALID], 0
    mov qword [rbx+GHCB_VALID+8], 0
    ret

; ghcb_exit(rbx, eax = exit code, rcx = EXITINFO1): VMGEXIT; eax = low half of the returned EXITINFO1.
ghcb_exit:
    mov [rbx+GHCB_EXITCODE], rax
    mov [rbx+GHCB_EXITINFO1], rcx
    mov qword [rbx+GHCB_EXITINFO2], 0
    or byte [rbx+VALID_SW_BYTE], VALID_SW
    ; The address is announced before each use: an early handler may have used the MSR.
    mov rax, [ghcb_paddr]
    mov rdx, rax
    shr rdx, 32
    mov ecx, MSR_SEV_GHCB
    wrmsr
    vmgexit
    mov eax, [rbx+GHCB_EXITINFO1]
    ret

; The other exceptions: resume where the code said, or end.
Xtrap0d:
Xtrap0e:
    add rsp, 8
Xtrap06:
    push rax
    mov rax, [fault_resume]
    test rax, rax
    je trap_fatal
    mov [rsp+8], rax
    mov qword [fault_resume], 0
    pop rax
    iretq
trap_fatal:
    mov rsi, msg_fatal
    call puts
    jmp self_test_failed
