; Calls of the guest: a byte in its calling area says that there is one, its save area has the registers.

; svsm_serve: this processor's guest runs, and is served, for ever.  One that has no guest, or whose host has taken
; it away, waits until there is one.
svsm_serve:
    call svsm_take
    cmp qword [gs:CPU_ENTRY], 0
    je .serve_wait
    mov edi, SVM_VMGEXIT_RUN_VMPL
    mov esi, GUEST_VMPL
    xor edx, edx
    mov r9d, EVENT_NONE
    call svsm_event
    test eax, eax
    je svsm_serve
.serve_wait:
    hlt
    jmp short svsm_serve

; svsm_take: serves the call that waits, if one does.  All tables are one lock's.
svsm_take:
    mov al, 1
.take_lock:
    xchg [svsm_lock], al
    test al, al
    je .take_locked
    pause
    jmp short .take_lock
.take_locked:
    mov r12, [gs:CPU_ENTRY]
    test r12, r12
    je .take_done
    mov rcx, [r12+AREA_CAA]
    xor eax, eax
    xchg [rcx], al
    test al, al
    je .take_done
    ; The save area by our own map: rbx has it from here on.
    mov rbx, [r12+AREA_VMSA]
    mov rax, .take_faulted
    mov [gs:CPU_RECOVER], rax
    mov [gs:CPU_RECOVER_RSP], rsp
    mov eax, SVSM_ERR_ADDRESS
    mov [gs:CPU_FAULT_RESULT], rax
    mov rax, [rbx+VMSA_RAX]
    mov rdi, [rbx+VMSA_RCX]
    call svsm_dispatch
.take_served:
    mov qword [gs:CPU_RECOVER], 0
    mov [rbx+VMSA_RAX], rax
.take_done:
    mov byte [svsm_lock], 0
    ret
.take_faulted:
    mov rbx, [gs:CPU_ENTRY]
    mov rbx, [rbx+AREA_VMSA]
    mov rax, [gs:CPU_FAULT_RESULT]
    jmp short .take_served

; svsm_dispatch(rax = protocol and call, rdi = RCX, rbx = save area): rax = result
svsm_dispatch:
    mov ecx, eax
    shr rax, 32
    je .dispatch_core
    cmp eax, 1
    je svsm_attest
    mov eax, SVSM_ERR_PROTOCOL
    ret
.dispatch_core:
    cmp ecx, SVSM_CORE_REMAP_CA
    je core_remap_ca
    cmp ecx, SVSM_CORE_PVALIDATE
    je core_pvalidate
    cmp ecx, SVSM_CORE_CREATE_VCPU
    je core_create_vcpu
    cmp ecx, SVSM_CORE_DELETE_VCPU
    je core_delete_vcpu
    cmp ecx, SVSM_CORE_QUERY_PROTOCOL
    je core_query_protocol
    cmp ecx, SVSM_CORE_CONFIGURE_VTOM
    je core_configure_vtom
    mov eax, SVSM_ERR_CALL
    ret
