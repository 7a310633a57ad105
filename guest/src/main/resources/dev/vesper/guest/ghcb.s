; The GHCB: which fields an exchange sends and expects, by size.

equ SVM_VMEXIT_DR7_READ 0x27
equ SVM_VMEXIT_DR7_WRITE 0x37
equ SVM_VMEXIT_RDTSC 0x6e
equ SVM_VMEXIT_CPUID 0x72
equ SVM_VMEXIT_IOIO 0x7b
equ SVM_VMEXIT_MSR 0x7c
equ SVM_VMEXIT_VMMCALL 0x81
equ SVM_VMEXIT_RDTSCP 0x87
equ SVM_VMEXIT_WBINVD 0x89
equ SVM_VMEXIT_NPF 0x400
equ SVM_VMEXIT_NOT_VALIDATED 0x404
equ SVM_VMGEXIT_MMIO_WRITE 0x80000002
equ SVM_VMGEXIT_AP_JUMP_TABLE 0x80000005

equ GHCB_SZ8 0
equ GHCB_SZ16 1
equ GHCB_SZ32 2
equ GHCB_SZ64 3

; struct ghcb_sync: a valid bitmap and the sizes of RAX, RCX, RDX, RBX.
equ SYNC_SIZES 16

; struct ghcb_extra_regs
equ EX_CODE 0
equ EX_INFO1 8
equ EX_INFO2 16
equ EX_SCRATCH 24
equ EX_XCR0 32
equ EX_DATA 40
equ EX_DATASZ 48

; ghcb_clear(rdx = GHCB): nothing in it is valid any more.
ghcb_clear:
    mov qword [rdx+GHCB_VALID], 0
    mov qword [rdx+GHCB_VALID+8], 0
    ret

; ghcb_sync_val(edi = field, esi = size code, rdx = sync)
ghcb_sync_val:
    cmp esi, GHCB_SZ64
    ja .sync_bad
    xor ecx, ecx
    cmp edi, GHCB_RAX
    je .sync_size
    inc ecx
    cmp edi, GHCB_RCX
    je .sync_size
    inc ecx
    cmp edi, GHCB_RDX
    je .sync_size
    inc ecx
    cmp edi, GHCB_RBX
    je .sync_size
    cmp edi, GHCB_CPL
    je .sync_bit
    cmp edi, GHCB_XCR0
    je .sync_bit
    cmp edi, GHCB_SW_EXITCODE
    jb .sync_bad
    cmp edi, GHCB_SW_SCRATCH
    jbe .sync_bit
.sync_bad:
    mov rsi, msg_sync_val
    jmp panic
.sync_size:
    mov [rdx+rcx+SYNC_SIZES], sil
.sync_bit:
    shr edi, 3
    bts dword [rdx], edi
    ret

; ghcb_sync_out(rdi = frame, rsi = extra, rdx = GHCB, rcx = sync)
ghcb_sync_out:
    call ghcb_clear
    mov rax, [rcx]
    mov [rdx+GHCB_VALID], rax
    mov rax, [rcx+8]
    mov [rdx+GHCB_VALID+8], rax
    mov r8d, GHCB_RAX
    mov r9d, TF_RAX
    xor r10d, r10d
    call .out_gpr
    mov r8d, GHCB_RCX
    mov r9d, TF_RCX
    inc r10d
    call .out_gpr
    mov r8d, GHCB_RDX
    mov r9d, TF_RDX
    inc r10d
    call .out_gpr
    mov r8d, GHCB_RBX
    mov r9d, TF_RBX
    inc r10d
    call .out_gpr
    ; CPL is the kernel's: what a process may not do is never sent.
    mov byte [rdx+GHCB_CPL], 0
    mov rax, [rsi+EX_CODE]
    mov [rdx+GHCB_SW_EXITCODE], rax
    mov rax, [rsi+EX_INFO1]
    mov [rdx+GHCB_SW_EXITINFO1], rax
    mov rax, [rsi+EX_INFO2]
    mov [rdx+GHCB_SW_EXITINFO2], rax
    mov rax, [rsi+EX_SCRATCH]
    mov [rdx+GHCB_SW_SCRATCH], rax
    mov rax, [rsi+EX_XCR0]
    mov [rdx+GHCB_XCR0], rax
    cmp qword [rsi+EX_DATA], 0
    je .out_done
    push rdi
    push rsi
    push rcx
    mov rcx, [rsi+EX_DATASZ]
    cmp rcx, GHCB_SHARED_SIZE
    ja .out_data_bad
    mov rsi, [rsi+EX_DATA]
    lea rdi, [rdx+GHCB_SHARED]
    rep movsb
    pop rcx
    pop rsi
    pop rdi
.out_done:
    ret
.out_data_bad:
    mov rsi, msg_sync_data
    jmp panic
.out_gpr:
    mov eax, r8d
    shr eax, 3
    bt dword [rcx], eax
    jae .out_done
    movzx eax, byte [rcx+r10+SYNC_SIZES]
    mov r11, [ghcb_masks+rax*8]
    and r11, [rdi+r9]
    mov [rdx+r8], r11
    ret

; ghcb_sync_in(rdi = frame, rsi = extra, rdx = GHCB, rcx = sync): 8- and 16-bit values merge into the
; register, 32-bit ones clear its upper half.
ghcb_sync_in:
    mov r8d, GHCB_RAX
    mov r9d, TF_RAX
    xor r10d, r10d
    call .in_gpr
    mov r8d, GHCB_RCX
    mov r9d, TF_RCX
    inc r10d
    call .in_gpr
    mov r8d, GHCB_RDX
    mov r9d, TF_RDX
    inc r10d
    call .in_gpr
    mov r8d, GHCB_RBX
    mov r9d, TF_RBX
    inc r10d
    call .in_gpr
    cmp qword [rsi+EX_DATA], 0
    je ghcb_clear
    mov rcx, [rsi+EX_DATASZ]
    cmp rcx, GHCB_SHARED_SIZE
    ja .in_data_bad
    mov rdi, [rsi+EX_DATA]
    lea rsi, [rdx+GHCB_SHARED]
    rep movsb
    jmp ghcb_clear
.in_data_bad:
    mov rsi, msg_sync_data
    jmp panic
.in_gpr:
    mov eax, r8d
    shr eax, 3
    bt dword [rcx], eax
    jae .in_none
    movzx eax, byte [rcx+r10+SYNC_SIZES]
    mov r11, [ghcb_clear_masks+rax*8]
    and [rdi+r9], r11
    mov r11, [ghcb_masks+rax*8]
    and r11, [rdx+r8]
    or [rdi+r9], r11
.in_none:
    ret

; ghcb_verify_bm(rdi = valid bitmap, rsi = expected one): ZF if all that is expected is valid.
ghcb_verify_bm:
    mov rax, [rdi]
    not rax
    and rax, [rsi]
    mov rcx, [rdi+8]
    not rcx
    and rcx, [rsi+8]
    or rax, rcx
    ret

; ghcb_vmgexit(rdi = physical address of the GHCB): the address is announced before every exit, since
; the MSR may hold something else.
ghcb_vmgexit:
    mov eax, edi
    mov rdx, rdi
    shr rdx, 32
    mov ecx, MSR_SEV_GHCB
    wrmsr
    cmp qword [gs:CI_NEST_PROBE], 0
    je .no_probe
    ; The self-test asks for a #VC right here, where the MSR and the page are in use: leaf 1 is one that takes
    ; an exchange with SEV-SNP too.
    mov qword [gs:CI_NEST_PROBE], 0
    push rbx
    mov eax, 1
    xor ecx, ecx
    cpuid
    xor eax, eax
    xor ecx, ecx
    cpuid
    mov [gs:CI_NEST_SEEN], rbx
    pop rbx
.no_probe:
    inc qword [gs:CI_EXITS]
    rep vmmcall
    ret

; ghcb_enter: takes the GHCB of this CPU.  rdi = physical address, rdx = virtual address.
; One exchange may interrupt another: what is in the GHCB then goes to the second page until ghcb_leave.
; A host may take the first address it was told for good, so both use one page.  A third exchange ends
; the guest.
ghcb_enter:
    mov eax, [gs:CI_VC_DEPTH]
    cmp eax, 2
    jae vc_terminate64
    inc dword [gs:CI_VC_DEPTH]
    mov rdx, [gs:CI_GHCB_VADDR]
    test eax, eax
    je .enter_first
    mov rsi, rdx
    lea rdi, [rdx+NBPG]
    call .copy_ghcb
.enter_first:
    mov rdi, [gs:CI_GHCB_PADDR]
    ret
.copy_ghcb:
    mov ecx, 512
    rep movsq
    ret

; ghcb_leave: gives it back, to the exchange that was interrupted.
ghcb_leave:
    dec dword [gs:CI_VC_DEPTH]
    je .leave_done
    mov rdi, [gs:CI_GHCB_VADDR]
    lea rsi, [rdi+NBPG]
    call .copy_ghcb
.leave_done:
    ret

; Locals of all of them, at rbp.
equ PV_OUT 0
equ PV_IN 24
equ PV_EXTRA 48
equ PV_FRAME 128
equ PV_FLAGS 112

; ghcb_io_rw(edi = port, esi = size code, rdx = value, ecx = 1 to read)
ghcb_io_rw:
    call pv_begin
    mov qword [rbp+PV_EXTRA+EX_CODE], SVM_VMEXIT_IOIO
    mov edi, edi
    shl rdi, 16
    mov eax, 0x10
    mov ecx, esi
    shl eax, cl
    or rdi, rax
    or rdi, r14
    mov [rbp+PV_EXTRA+EX_INFO1], rdi
    mov eax, [r12]
    mov [rbp+PV_FRAME+TF_RAX], rax
    lea rdx, [rbp+PV_OUT]
    test r14d, r14d
    je .io_out
    lea rdx, [rbp+PV_IN]
.io_out:
    mov edi, GHCB_RAX
    call ghcb_sync_val
    call pv_exchange
    test r14d, r14d
    je .io_done
    mov eax, [rbp+PV_FRAME+TF_RAX]
    mov [r12], eax
.io_done:
    jmp pv_end

; ghcb_mem_rw(rdi = virtual address of a device register, esi = size code, rdx = value, ecx = 1 to read)
ghcb_mem_rw:
    call pv_begin
    mov eax, SVM_VMGEXIT_MMIO_WRITE
    sub eax, r14d
    mov [rbp+PV_EXTRA+EX_CODE], rax
    mov ecx, esi
    mov ebx, 1
    shl ebx, cl
    mov [rbp+PV_EXTRA+EX_INFO2], rbx
    call vtophys
    test rax, rax
    je .mem_unmapped
    mov [rbp+PV_EXTRA+EX_INFO1], rcx
    mov edi, GHCB_SW_SCRATCH
    mov esi, GHCB_SZ64
    lea rdx, [rbp+PV_OUT]
    call ghcb_sync_val
    mov [rbp+PV_EXTRA+EX_DATASZ], rbx
    test r14d, r14d
    jne .mem_exchange
    mov [rbp+PV_EXTRA+EX_DATA], r12
.mem_exchange:
    call pv_exchange
    jmp pv_end
.mem_unmapped:
    mov rsi, msg_mem_rw
    jmp panic

; ghcb_ap_jump_table: rax = address of the AP jump table, 0 if there is none.
ghcb_ap_jump_table:
    xor ecx, ecx
    call pv_begin
    mov eax, SVM_VMGEXIT_AP_JUMP_TABLE
    mov [rbp+PV_EXTRA+EX_CODE], rax
    mov qword [rbp+PV_EXTRA+EX_INFO1], 1
    mov edi, GHCB_SW_EXITINFO2
    mov esi, GHCB_SZ64
    lea rdx, [rbp+PV_IN]
    call ghcb_sync_val
    call pv_exchange
    mov rcx, [rbp+PV_EXTRA+EX_INFO2]
    jmp pv_end

; pv_begin: called first; makes the frame that pv_end takes down.  Locals zero, interrupts off; r12 = value,
; r14 = 1 to read.
pv_begin:
    pop rax
    push rbx
    push rbp
    push r12
    push r13
    push r14
    sub rsp, 304
    mov rbp, rsp
    push rax
    mov r12, rdx
    mov r14d, ecx
    push rdi
    mov rdi, rbp
    mov ecx, 38
    xor eax, eax
    rep stosq
    pop rdi
    pushfq
    pop rax
    mov [rbp+PV_FLAGS], rax
    cli
    ret

; pv_exchange: sends what is marked, takes what is expected.
pv_exchange:
    mov edi, GHCB_SW_EXITCODE
    mov esi, GHCB_SZ64
    lea rdx, [rbp+PV_OUT]
    call ghcb_sync_val
    mov edi, GHCB_SW_EXITINFO1
    call ghcb_sync_val
    mov edi, GHCB_SW_EXITINFO2
    call ghcb_sync_val
    lea rdx, [rbp+PV_IN]
    mov edi, GHCB_SW_EXITINFO1
    call ghcb_sync_val
    call ghcb_enter
    mov r13, rdx
    lea rax, [rdi+GHCB_SHARED]
    mov [rbp+PV_EXTRA+EX_SCRATCH], rax
    push rdi
    lea rdi, [rbp+PV_FRAME]
    lea rsi, [rbp+PV_EXTRA]
    lea rcx, [rbp+PV_OUT]
    call ghcb_sync_out
    pop rdi
    call ghcb_vmgexit
    lea rdi, [r13+GHCB_VALID]
    lea rsi, [rbp+PV_IN]
    call ghcb_verify_bm
    jne .pv_invalid
    cmp dword [r13+GHCB_SW_EXITINFO1], 0
    jne .pv_invalid
    mov rax, [r13+GHCB_SW_EXITINFO2]
    mov [rbp+PV_EXTRA+EX_INFO2], rax
    ; Data comes back of a read only, and only where some was asked for.
    mov qword [rbp+PV_EXTRA+EX_DATA], 0
    test r14d, r14d
    je .pv_receive
    cmp qword [rbp+PV_EXTRA+EX_DATASZ], 0
    je .pv_receive
    mov [rbp+PV_EXTRA+EX_DATA], r12
.pv_receive:
    lea rdi, [rbp+PV_FRAME]
    lea rsi, [rbp+PV_EXTRA]
    mov rdx, r13
    lea rcx, [rbp+PV_IN]
    call ghcb_sync_in
    jmp ghcb_leave
.pv_invalid:
    mov rsi, msg_invalid
    jmp panic

; pv_end: rcx = what the caller gets in rax.
pv_end:
    mov rax, [rbp+PV_FLAGS]
    push rax
    popfq
    mov rax, rcx
    add rsp, 304
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
