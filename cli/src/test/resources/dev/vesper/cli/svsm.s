
; ---- a service module at VMPL0, and the guest that calls it at VMPL1. Behind snp.s, whose main calls svsm_serve.

equ CALLING_AREA 0x170000
equ LIST 0x171000
equ SECRETS_COPY 0x172000
equ LOW_STACK 0x17e000
equ RUN_VMPL 0x80000018
equ RUN_VMPL_REQ 0x16
equ RUN_VMPL_RESP 0x17
equ INCOMPLETE 0x80000000
equ BUSY 0x80000007

svsm_serve:
    cld
    mov esi, SECRETS
    mov edi, SECRETS_COPY
    mov ecx, 0x200
    rep movsq
    mov edi, SECRETS_COPY+0x20
    xor eax, eax
    mov ecx, 4
    rep stosq
    mov dword [SECRETS_COPY+0x150], CALLING_AREA
    call lower_pages
    mov edi, 0x101000
    call lower_page
    mov edi, CALLING_AREA
    call lower_page
    mov edi, LIST
    call lower_page
    mov edi, SECRETS_COPY
    call lower_page
    mov edi, LOW_STACK
    call lower_page
    mov edi, VMSA
    call ap_fill
    mov byte [VMSA+0xca], 1
    mov qword [VMSA+0x178], svsm_low
    mov eax, VMSA
    xor ecx, ecx
    mov edx, 0x10001
    rmpadjust
    test eax, eax
    jne terminate
    mov esi, 0x10000
    mov edx, VMSA
    call ap_creation
.serve:
    call ghcb_begin
    mov edi, RUN_VMPL
    mov esi, 1
    xor edx, edx
    call ghcb_exit
    mov rcx, [VMSA+G_RAX]
    cmp ecx, 3
    je .served
    cmp ecx, 6
    jne .result
    mov dword [VMSA+G_RCX], 1
    mov dword [VMSA+G_RCX+4], 1
.result:
    xor edx, edx
    mov [VMSA+G_RAX], rdx
    mov byte [CALLING_AREA], 0
    jmp .serve
.served:
    ret

svsm_low:
    mov eax, 6
    mov ecx, 1
    call svsm_call
    mov word [LIST], 2
    mov word [LIST+2], 0
    mov eax, 1
    mov ecx, LIST
    call svsm_call
    mov eax, 3
    xor ecx, ecx

; RAX: call, RCX: its first input; R14 is the result.
svsm_call:
    mov r12, rax
    mov r13, rcx
svsm_call_again:
    mov byte [CALLING_AREA], 1
    mov ecx, GHCB_MSR
    mov eax, RUN_VMPL_REQ
    xor edx, edx
    wrmsr
    mov rax, r12
    mov rcx, r13
    vmgexit
    mov r14, rax
    mov ecx, GHCB_MSR
    rdmsr
    cmp eax, RUN_VMPL_RESP
    jne terminate
    test edx, edx
    jne terminate
    xor eax, eax
    xchg [CALLING_AREA], al
    test al, al
    jne svsm_call_again
    cmp r14d, INCOMPLETE
    je svsm_call_again
    cmp r14d, BUSY
    je svsm_call_again
    ret
