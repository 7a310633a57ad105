; vctrap: #VC in 64-bit mode, from the kernel and from a process.

; Locals, at rbp.
equ VC_OUT 0
equ VC_IN 24
equ VC_EXTRA 48
equ VC_ADVANCE 112
equ VC_GHCB_PADDR 120
equ VC_LOCALS 208

; Bytes of the XSAVE area with and without the upper halves of YMM registers.
equ XCR0_AVX 4
equ XSAVE_SSE 576
equ XSAVE_AVX 832

; vctrap(rdi = frame, esi = 1 from user mode): eax = 1 done; 0 refused, edx = signal.
; In the handlers: r12 = frame, r13 = GHCB, r14 = from user mode, rbx = instruction.
vctrap:
    sub rsp, VC_LOCALS
    mov rbp, rsp
    mov r12, rdi
    mov r14d, esi
    mov rdi, rbp
    mov ecx, 26
    xor eax, eax
    rep stosq
    pushfq
    pop rax
    test eax, 0x200
    jne .vc_interrupts_on
    inc qword [gs:CI_VC_COUNT]
    call ghcb_enter
    mov [rbp+VC_GHCB_PADDR], rdi
    mov r13, rdx
    mov rbx, [r12+TF_RIP]
    mov eax, [r12+TF_ERR]
    mov [rbp+VC_EXTRA+EX_CODE], rax
    cmp eax, SVM_VMEXIT_CPUID
    je vc_cpuid
    cmp eax, SVM_VMEXIT_MSR
    je vc_msr
    cmp eax, SVM_VMEXIT_IOIO
    je vc_ioio
    cmp eax, SVM_VMEXIT_NPF
    je vc_mmio
    cmp eax, SVM_VMEXIT_NOT_VALIDATED
    je vc_not_validated
    cmp eax, SVM_VMEXIT_WBINVD
    je vc_wbinvd
    cmp eax, SVM_VMEXIT_RDTSC
    je vc_rdtsc
    cmp eax, SVM_VMEXIT_RDTSCP
    je vc_rdtscp
    cmp eax, SVM_VMEXIT_VMMCALL
    je vc_vmmcall
    cmp eax, SVM_VMEXIT_DR7_READ
    je vc_dr7
    cmp eax, SVM_VMEXIT_DR7_WRITE
    je vc_dr7
    mov rsi, msg_exitcode
    jmp vc_panic
.vc_interrupts_on:
    mov rsi, msg_intr
    jmp panic

; The opcode is not the one that the error code names: somebody made this #VC up.
vc_mismatch:
    mov rsi, msg_opcode
vc_panic:
    mov rax, rbx
    jmp panic_at

; A process may not do this.
vc_refuse:
    mov edx, SIGILL
vc_refuse_signal:
    push rdx
    call ghcb_leave
    pop rdx
    xor eax, eax
    lea rsp, [rbp+VC_LOCALS]
    ret

; sync_out_val and sync_in_val: edi = field, esi = size.
sync_out_val:
    lea rdx, [rbp+VC_OUT]
    jmp ghcb_sync_val
sync_in_val:
    lea rdx, [rbp+VC_IN]
    jmp ghcb_sync_val

; vc_exchange: all of one exchange, then on behind the instruction.
vc_exchange:
    call vc_send
    call vc_exit
vc_receive:
    mov rdi, r12
    lea rsi, [rbp+VC_EXTRA]
    mov rdx, r13
    lea rcx, [rbp+VC_IN]
    call ghcb_sync_in
vc_advance:
    mov rax, [rbp+VC_ADVANCE]
    add [r12+TF_RIP], rax
vc_return:
    call ghcb_leave
    mov eax, 1
    lea rsp, [rbp+VC_LOCALS]
    ret

; vc_take: all of one exchange but the step behind the instruction.
vc_take:
    call vc_send
    call vc_exit
    mov rdi, r12
    lea rsi, [rbp+VC_EXTRA]
    mov rdx, r13
    lea rcx, [rbp+VC_IN]
    jmp ghcb_sync_in

vc_send:
    mov edi, GHCB_SW_EXITCODE
    mov esi, GHCB_SZ64
    call sync_out_val
    mov edi, GHCB_SW_EXITINFO1
    call sync_out_val
    mov edi, GHCB_SW_EXITINFO2
    call sync_out_val
    mov edi, GHCB_SW_EXITINFO1
    call sync_in_val
    mov rdi, r12
    lea rsi, [rbp+VC_EXTRA]
    mov rdx, r13
    lea rcx, [rbp+VC_OUT]
    jmp ghcb_sync_out

vc_exit:
    mov rdi, [rbp+VC_GHCB_PADDR]
    call ghcb_vmgexit
    bt dword [r13+GHCB_VALID+12], 19
    jae .vc_invalid
    mov eax, [r13+GHCB_SW_EXITINFO1]
    cmp eax, 1
    je .vc_event
    test eax, eax
    jne .vc_error
    lea rdi, [r13+GHCB_VALID]
    lea rsi, [rbp+VC_IN]
    call ghcb_verify_bm
    jne .vc_invalid
    ret
.vc_invalid:
    mov rdx, r13
    call ghcb_clear
    mov rsi, msg_invalid
    jmp vc_panic
.vc_error:
    mov rsi, msg_error
    jmp vc_panic
; The host asks for an exception: #GP and #UD are believed, others are not.
.vc_event:
    mov eax, [r13+GHCB_SW_EXITINFO2]
    and eax, 0x800007ff
    mov edx, SIGSEGV
    cmp eax, 0x8000030d
    je .vc_raise
    mov edx, SIGILL
    cmp eax, 0x80000306
    jne .vc_invalid
.vc_raise:
    test r14d, r14d
    jne vc_refuse_signal
    mov rax, [gs:CI_ONFAULT_RIP]
    test rax, rax
    je .vc_unexpected
    mov [r12+TF_RIP], rax
    mov rax, [gs:CI_ONFAULT_RSP]
    mov [r12+TF_OLDRSP], rax
    mov qword [gs:CI_ONFAULT_RIP], 0
    jmp vc_return
.vc_unexpected:
    mov rsi, msg_event
    jmp vc_panic

; A page that the guest has not validated, or that the host has taken away since.
vc_not_validated:
    mov edx, SIGBUS
    test r14d, r14d
    jne vc_refuse_signal
    cmp qword [gs:CI_ONFAULT_RIP], 0
    jne .vc_raise
    mov rsi, msg_not_validated
    jmp vc_panic

; CPUID: leaf and sub-leaf out, four registers in.  The sizes of leaf 0xD depend on XCR0, which the
; host cannot see.
vc_cpuid:
    cmp word [rbx], 0xa20f
    jne vc_mismatch
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    jne snp_vc_cpuid
    mov edi, GHCB_RAX
    mov esi, GHCB_SZ32
    call sync_out_val
    mov edi, GHCB_RCX
    call sync_out_val
    cmp dword [r12+TF_RAX], 0xd
    jne .cpuid_in
    mov edi, GHCB_XCR0
    call sync_out_val
    mov eax, 1
    mov rcx, cr4
    bt ecx, 18
    jae .cpuid_xcr0
    xor ecx, ecx
    xgetbv
.cpuid_xcr0:
    mov eax, eax
    mov [rbp+VC_EXTRA+EX_XCR0], rax
.cpuid_in:
    mov edi, GHCB_RAX
    call sync_in_val
    mov edi, GHCB_RBX
    call sync_in_val
    mov edi, GHCB_RCX
    call sync_in_val
    mov edi, GHCB_RDX
    call sync_in_val
    mov qword [rbp+VC_ADVANCE], 2
    cmp dword [r12+TF_RAX], 1
    je .cpuid_random
    cmp dword [r12+TF_RAX], 0xd
    jne vc_exchange
    cmp dword [r12+TF_RCX], 0
    jne vc_exchange
    call vc_take
    ; XSAVE writes what XCR0 says, however little the host says that is.
    mov eax, XSAVE_SSE
    test qword [rbp+VC_EXTRA+EX_XCR0], XCR0_AVX
    je .cpuid_area
    mov eax, XSAVE_AVX
.cpuid_area:
    cmp [r12+TF_RBX], eax
    jae vc_advance
.cpuid_random:
    call vc_take
    ; Each processor with SEV-ES has RDRAND: who hides it wants numbers that he can guess.
    test dword [r12+TF_RCX], 0x40000000
    je vc_untrue
    jmp vc_advance
vc_untrue:
    mov rsi, msg_invalid
    jmp vc_panic

vc_msr:
    test r14d, r14d
    jne vc_refuse
    mov edi, GHCB_RCX
    mov esi, GHCB_SZ32
    call sync_out_val
    mov qword [rbp+VC_ADVANCE], 2
    cmp word [rbx], 0x300f
    je .vc_wrmsr
    cmp word [rbx], 0x320f
    jne vc_mismatch
    mov edi, GHCB_RAX
    call sync_in_val
    mov edi, GHCB_RDX
    call sync_in_val
    jmp vc_exchange
.vc_wrmsr:
    mov qword [rbp+VC_EXTRA+EX_INFO1], 1
    mov edi, GHCB_RAX
    call sync_out_val
    mov edi, GHCB_RDX
    call sync_out_val
    jmp vc_exchange

vc_wbinvd:
    mov qword [rbp+VC_ADVANCE], 2
    cmp word [rbx], 0x090f
    je vc_exchange
    cmp byte [rbx], 0xf3
    jne vc_mismatch
    cmp word [rbx+1], 0x090f
    jne vc_mismatch
    mov qword [rbp+VC_ADVANCE], 3
    jmp vc_exchange

vc_rdtsc:
    cmp word [rbx], 0x310f
    jne vc_mismatch
    mov qword [rbp+VC_ADVANCE], 2
.vc_tsc:
    mov edi, GHCB_RAX
    mov esi, GHCB_SZ32
    call sync_in_val
    mov edi, GHCB_RDX
    call sync_in_val
    call vc_take
    ; Time does not go back.
    mov rax, [r12+TF_RDX]
    shl rax, 32
    or rax, [r12+TF_RAX]
    cmp rax, [gs:CI_TSC]
    jb vc_untrue
    mov [gs:CI_TSC], rax
    jmp vc_advance
vc_rdtscp:
    cmp word [rbx], 0x010f
    jne vc_mismatch
    cmp byte [rbx+2], 0xf9
    jne vc_mismatch
    mov qword [rbp+VC_ADVANCE], 3
    mov edi, GHCB_RCX
    mov esi, GHCB_SZ32
    call sync_in_val
    jmp .vc_tsc

vc_vmmcall:
    test r14d, r14d
    jne vc_refuse
    cmp word [rbx], 0x010f
    jne vc_mismatch
    cmp byte [rbx+2], 0xd9
    jne vc_mismatch
    mov qword [rbp+VC_ADVANCE], 3
    mov edi, GHCB_CPL
    mov esi, GHCB_SZ64
    call sync_out_val
    mov edi, GHCB_RAX
    call sync_out_val
    mov edi, GHCB_RBX
    call sync_out_val
    mov edi, GHCB_RCX
    call sync_out_val
    mov edi, GHCB_RDX
    call sync_out_val
    mov edi, GHCB_RAX
    call sync_in_val
    jmp vc_exchange

; MOV to and from DR7: the host keeps the register for itself, so what was written last is kept here.
vc_dr7:
    test r14d, r14d
    jne vc_refuse
    xor r8d, r8d
    xor r10d, r10d
    movzx eax, byte [rbx]
    mov ecx, eax
    and ecx, 0xf0
    cmp ecx, 0x40
    jne .dr7_opcode
    mov r10d, eax
    inc r8d
.dr7_opcode:
    cmp byte [rbx+r8], 0x0f
    jne vc_mismatch
    movzx eax, byte [rbx+r8+1]
    movzx ecx, byte [rbx+r8+2]
    add r8d, 3
    mov [rbp+VC_ADVANCE], r8
    mov edx, ecx
    and edx, 0x38
    cmp edx, 0x38
    jne vc_mismatch
    and ecx, 7
    test r10d, 1
    je .dr7_no_b
    or ecx, 8
.dr7_no_b:
    lea rdi, [r12+rcx*8]
    cmp dword [r12+TF_ERR], SVM_VMEXIT_DR7_WRITE
    je .dr7_write
    cmp eax, 0x21
    jne vc_mismatch
    mov rax, [gs:CI_DR7]
    mov [rdi], rax
    jmp vc_advance
.dr7_write:
    cmp eax, 0x23
    jne vc_mismatch
    ; Reserved bits read as zero, bit 10 as one.
    mov rax, [rdi]
    and eax, 0xffff23ff
    or eax, 0x400
    mov [gs:CI_DR7], rax
    ; The value goes out as RAX, whichever register it was in.
    mov rcx, [r12+TF_RAX]
    push rcx
    mov [r12+TF_RAX], rax
    mov edi, GHCB_RAX
    mov esi, GHCB_SZ64
    call sync_out_val
    call vc_send
    pop rcx
    mov [r12+TF_RAX], rcx
    call vc_exit
    jmp vc_receive
