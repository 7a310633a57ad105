; SEV-SNP at another level than VMPL0: what only level 0 may do is asked of the service module.

; svsm_find: where to call it, by the secrets page.  Reasons to end are Linux'.
svsm_find:
    mov rsi, [snp_secrets]
    test rsi, rsi
    je .find_none
    mov rax, DIRECT_MAP
    add rsi, rax
    cmp qword [rsi+SECRETS_SVSM_SIZE], 0
    je .find_none
    movzx ecx, byte [rsi+SECRETS_GUEST_VMPL]
    mov eax, TERM_SVSM_VMPL0
    test ecx, ecx
    je .find_failed
    mov [snp_vmpl], rcx
    mov rcx, [rsi+SECRETS_SVSM_CAA]
    mov eax, TERM_SVSM_CAA
    test ecx, NBPG-1
    jne .find_failed
    mov [gs:CI_CAA_PADDR], rcx
    mov rax, DIRECT_MAP
    add rcx, rax
    mov [gs:CI_CAA_VADDR], rcx
    ret
.find_none:
    mov eax, TERM_NO_SVSM
.find_failed:
    mov rsi, msg_no_svsm
    jmp snp_fail

; svsm_call(rax = protocol and call, rcx, rdx, r8 for it): rax = result, rcx = what it has of rcx.  By the MSR
; protocol until there is a GHCB.
svsm_call:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    pushfq
    cli
    mov r12, rax
    mov r13, rcx
    mov r14, rdx
    mov r15, r8
    mov rbx, [gs:CI_CAA_VADDR]
.call_again:
    test dword [early_steps], STEP_VCTRAP
    je .call_request
    call ghcb_enter
    mov rbp, rdx
    call ghcb_clear
    mov eax, SVM_VMGEXIT_RUN_VMPL
    mov [rbp+GHCB_SW_EXITCODE], rax
    mov qword [rbp+GHCB_SW_EXITINFO1], 0
    mov qword [rbp+GHCB_SW_EXITINFO2], 0
    mov rax, 0x1c000000000000
    mov [rbp+GHCB_VALID+8], rax
    mov rax, rdi
    call .call_exit
    mov r9, [rbp+GHCB_SW_EXITINFO1]
    push rax
    push rcx
    mov rdx, rbp
    call ghcb_clear
    call ghcb_leave
    pop rcx
    pop rax
    test r9d, r9d
    jne .call_refused
    jmp short .call_answered
.call_request:
    mov eax, MSRPROTO_RUN_VMPL_REQ
    call .call_exit
    push rax
    push rcx
    mov ecx, MSR_SEV_GHCB
    rdmsr
    cmp eax, MSRPROTO_RUN_VMPL_RESP
    jne .call_refused
    test edx, edx
    jne .call_refused
    pop rcx
    pop rax
.call_answered:
    cmp eax, SVSM_ERR_INCOMPLETE
    je .call_again
    cmp eax, SVSM_ERR_BUSY
    je .call_again
    popfq
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
; .call_exit(rax = GHCB or request)
.call_exit:
    mov rdx, rax
    shr rdx, 32
    mov ecx, MSR_SEV_GHCB
    wrmsr
    inc qword [gs:CI_EXITS]
    mov byte [rbx], 1
    mov rax, r12
    mov rcx, r13
    mov rdx, r14
    mov r8, r15
    rep vmmcall
    xor edx, edx
    xchg [rbx], dl
    test dl, dl
    jne .call_not_served
    ret
.call_refused:
    mov rsi, msg_svsm_refused
    jmp panic
.call_not_served:
    mov rsi, msg_svsm_not_served
    jmp panic

; svsm_query(rdi = protocol and version): ZF if there is that and no other version of it.
svsm_query_core:
    mov edi, 1
svsm_query:
    mov eax, SVSM_CORE_QUERY_PROTOCOL
    mov rcx, rdi
    call svsm_call
    test eax, eax
    jne .query_done
    mov rax, 0x100000001
    cmp rax, rcx
.query_done:
    ret

; svsm_pvalidate(rdi = page, ecx = size, esi = 1 to validate): eax and CF as the instruction has them.
svsm_pvalidate:
    push rdi
    push rsi
    mov rdx, [gs:CI_CAA_VADDR]
    mov qword [rdx+8], 1
    shl esi, 2
    or esi, ecx
    or rdi, rsi
    mov [rdx+16], rdi
    mov eax, SVSM_CORE_PVALIDATE
    mov rcx, [gs:CI_CAA_PADDR]
    add rcx, 8
    call svsm_call
    pop rsi
    pop rdi
    cmp eax, SVSM_ERR_UNCHANGED
    je .pvalidate_unchanged
    mov ecx, eax
    and ecx, 0xfffffff0
    cmp ecx, SVSM_ERR_PVALIDATE
    jne .pvalidate_other
    and eax, 15
    ret
.pvalidate_other:
    test eax, eax
    je .pvalidate_done
    mov eax, 1
.pvalidate_done:
    ret
.pvalidate_unchanged:
    xor eax, eax
    stc
    ret

; svsm_save_area(rdi = page, eax = RMPADJUST_VMSA or 0): as snp_save_area, for APIC 1.
svsm_save_area:
    mov rcx, rdi
    test eax, eax
    mov eax, SVSM_CORE_DELETE_VCPU
    je .area_call
    call page_alloc
    mov [cpu1+CI_CAA_PADDR], rax
    lea rdx, [rax+KERNBASE]
    mov [cpu1+CI_CAA_VADDR], rdx
    mov rdx, rax
    mov r8d, 1
    mov eax, SVSM_CORE_CREATE_VCPU
.area_call:
    call svsm_call
    test eax, eax
    jne .save_area_failed
    ret
