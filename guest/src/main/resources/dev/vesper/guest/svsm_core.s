; Protocol 0: memory and processors.  All calls: rdi = RCX of the guest, rbx = its save area; rax = result.

; The guest's save areas: where, of which processor, its calling area, and whose memory the save area is.
equ AREA_VMSA 0
equ AREA_CPU 8
equ AREA_CAA 16
equ AREA_OWNER 24
equ AREA_SIZE 32
equ MOST_AREAS 256

; Any address may be a save area's, so that what is free is said by the owner alone.
equ OWNER_NONE 0
equ OWNER_MODULE 1
equ OWNER_GUEST 2

; area_add(rdi = save area, rsi = calling area, edx = processor, r8d = owner): the processor's guest has that one from
; now on; ZF if there is no room.
area_add:
    mov rax, SVSM+SVSM_AREAS
    mov ecx, MOST_AREAS
.add_next:
    cmp qword [rax+AREA_OWNER], OWNER_NONE
    je .add_found
    add rax, AREA_SIZE
    dec ecx
    jne .add_next
    ret
.add_found:
    mov [rax+AREA_CPU], rdx
    mov [rax+AREA_CAA], rsi
    mov [rax+AREA_VMSA], rdi
    mov [rax+AREA_OWNER], r8
    mov rcx, rax
    mov edi, edx
    call svsm_area
    mov [rax+CPU_ENTRY], rcx
    test rsp, rsp
    ret

; area_of(rdi = save area in the guest's memory): rax = its entry; ZF if there is one.
area_of:
    mov rax, SVSM+SVSM_AREAS
    mov ecx, MOST_AREAS
.of_next:
    cmp qword [rax+AREA_OWNER], OWNER_GUEST
    jne .of_other
    cmp [rax+AREA_VMSA], rdi
    je .of_done
.of_other:
    add rax, AREA_SIZE
    dec ecx
    jne .of_next
    test rsp, rsp
.of_done:
    ret

; guest_memory(rdi = address, rsi = bytes): ZF if all of that is the guest's, and none of it a save area or a calling
; area.  Destroys rax, rcx, rdx.
guest_memory:
    mov rdx, rdi
    add rdx, rsi
    jb .memory_bad
    mov rax, SVSM+SVSM_PARAMETERS+PARAM_RANGE
    mov ecx, [SVSM+SVSM_PARAMETERS+PARAM_RANGES]
.memory_next:
    cmp rdi, [rax]
    jb .memory_other
    cmp rdx, [rax+8]
    jbe .memory_used
.memory_other:
    add rax, 16
    dec ecx
    jne .memory_next
.memory_bad:
    test rsp, rsp
    ret
.memory_used:
    mov rax, SVSM+SVSM_AREAS
    mov ecx, MOST_AREAS
.used_next:
    cmp qword [rax+AREA_OWNER], OWNER_NONE
    je .used_no
    cmp [rax+AREA_VMSA], rdi
    jb .used_caa
    cmp [rax+AREA_VMSA], rdx
    jb .memory_bad
.used_caa:
    cmp [rax+AREA_CAA], rdi
    jb .used_no
    cmp [rax+AREA_CAA], rdx
    jb .memory_bad
.used_no:
    add rax, AREA_SIZE
    dec ecx
    jne .used_next
    ret

; guest_piece(rdi = address, rsi = bytes): ZF if they are in one page, and that is the guest's.  It may be the calling
; area, which is where kernels put what belongs to a call.  Destroys rax, rcx, rdx.
guest_piece:
    mov eax, edi
    and eax, NBPG-1
    add eax, esi
    cmp eax, NBPG
    ja .piece_done
    push rdi
    push rsi
    and rdi, -NBPG
    cmp rdi, [r12+AREA_CAA]
    je .piece_known
    mov esi, NBPG
    call guest_memory
.piece_known:
    pop rsi
    pop rdi
.piece_done:
    ret

core_remap_ca:
    mov eax, SVSM_ERR_PARAMETER
    test edi, NBPG-1
    jne .remap_done
    cmp rdi, [r12+AREA_CAA]
    je .remap_same
    mov esi, NBPG
    call guest_memory
    mov eax, SVSM_ERR_ADDRESS
    jne .remap_done
    mov qword [rdi], 0
    mov [r12+AREA_CAA], rdi
.remap_same:
    xor eax, eax
.remap_done:
    ret

; PVALIDATE of a list: u16 entries, u16 next, then u64 each.  What is done is said in next, page by page.
core_pvalidate:
    mov eax, SVSM_ERR_PARAMETER
    test dil, 7
    jne .list_done
    push rbp
    push r13
    push r14
    mov rbp, rdi
    mov esi, 8
    call guest_piece
    mov eax, SVSM_ERR_ADDRESS
    jne .list_return
    movzx r13d, word [rbp]
    mov ecx, ebp
    and ecx, NBPG-1
    neg ecx
    add ecx, NBPG-8
    shr ecx, 3
    mov eax, SVSM_ERR_PARAMETER
    cmp r13d, ecx
    ja .list_return
    movzx r14d, word [rbp+2]
    cmp r14d, r13d
    jae .list_return
.list_next:
    mov rdi, [rbp+r14*8+8]
    call pvalidate_entry
    test eax, eax
    jne .list_return
    inc r14d
    mov [rbp+2], r14w
    cmp r14d, r13d
    jne .list_next
.list_return:
    pop r14
    pop r13
    pop rbp
.list_done:
    ret

; pvalidate_entry(rdi = entry: 1:0 size, 2 validate, 3 unchanged is no error, 63:12 page): eax = result
pvalidate_entry:
    push rbx
    push r12
    push r13
    push r14
    mov r12, rdi
    mov eax, SVSM_ERR_PARAMETER
    test edi, 0xff0
    jne .entry_return
    mov r13d, edi
    and r13d, 3
    cmp r13d, 1
    ja .entry_return
    mov esi, NBPG
    jb .entry_small
    mov esi, LARGE_PAGE
.entry_small:
    mov r14d, esi
    and rdi, -NBPG
    lea ecx, [rsi-1]
    test edi, ecx
    jne .entry_return
    mov rbx, rdi
    call guest_memory
    mov eax, SVSM_ERR_ADDRESS
    jne .entry_return
    ; A page that is not there to be changed, because the host has it, is one that an instruction cannot take.
    mov eax, SVSM_ERR_PVALIDATE+1
    mov [gs:CPU_FAULT_RESULT], rax
    ; Whoever may not have the page loses it before it is nobody's: VMPL2, and VMPL3 by its grace.
    test r12b, 4
    jne .entry_validate
    mov edx, 2
    call .entry_adjust
    jne .entry_failed
    mov edx, 3
    call .entry_adjust
    jne .entry_failed
.entry_validate:
    mov edx, r12d
    shr edx, 2
    and edx, 1
    mov ecx, r13d
    mov rax, rbx
    pvalidate
    jae .entry_changed
    test r12b, 8
    jne .entry_changed
    mov eax, SVSM_ERR_UNCHANGED
    jmp short .entry_return
.entry_changed:
    test eax, eax
    jne .entry_failed
    test r12b, 4
    je .entry_done
    ; Caches that are not coherent with a page's new owner forget what they have of it.
    lea rdx, [rbx+r14]
    mov rdi, rbx
.entry_evict:
    mov al, [rdi]
    mov al, [rdi+NBPG-1]
    add rdi, NBPG
    cmp rdi, rdx
    jne .entry_evict
    ; The host may have put a page of ours here: its contents are not for the guest.
    mov rdi, rbx
    mov ecx, r14d
    shr ecx, 3
    xor eax, eax
    rep stosq
    mov edx, VMPL_ALL+GUEST_VMPL
    call .entry_adjust
    jne .entry_failed
.entry_done:
    xor eax, eax
.entry_return:
    mov ecx, SVSM_ERR_ADDRESS
    mov [gs:CPU_FAULT_RESULT], rcx
    pop r14
    pop r13
    pop r12
    pop rbx
    ret
.entry_failed:
    or eax, SVSM_ERR_PVALIDATE
    jmp short .entry_return
; .entry_adjust(edx = level and permissions): eax = RMPADJUST's result; ZF if it is done
.entry_adjust:
    mov rax, rbx
    mov ecx, r13d
    rmpadjust
    test eax, eax
    ret

; A save area of the guest's becomes one of a processor's: RCX, with the calling area RDX, for the APIC ID R8.
core_create_vcpu:
    push rbp
    push r13
    push r14
    mov rbp, rdi
    mov r13, [rbx+VMSA_RDX]
    mov r14d, [rbx+VMSA_R8]
    mov rax, rbp
    or rax, r13
    test eax, NBPG-1
    jne .create_address
    cmp rbp, r13
    je .create_address
    mov esi, NBPG
    call guest_memory
    jne .create_address
    mov rdi, r13
    call guest_memory
    jne .create_address
    mov eax, SVSM_ERR_PARAMETER
    cmp r14d, [SVSM+SVSM_PARAMETERS+PARAM_PROCESSORS]
    jae .create_return
    ; No call waits there, and a page that is not there is found out now, where that harms nobody.
    mov qword [r13], 0
    ; Nobody changes it behind the checks.
    mov rdi, rbp
    mov edx, 2
    call save_area_adjust
    jne .create_address
    mov edx, 3
    call save_area_adjust
    jne .create_address
    cmp byte [rbp+VMSA_VMPL], GUEST_VMPL
    jne .create_wrong
    test dword [rbp+VMSA_EFER], EFER_SVME
    je .create_wrong
    mov rax, [svsm_features]
    cmp rax, [rbp+VMSA_SEV_FEATURES]
    jne .create_wrong
    mov rdi, rbp
    mov edx, RMPADJUST_VMSA+VMPL_READ+GUEST_VMPL
    call save_area_adjust
    jne .create_address
    mov rsi, r13
    mov edx, r14d
    mov r8d, OWNER_GUEST
    call area_add
    je .create_full
    xor eax, eax
.create_return:
    pop r14
    pop r13
    pop rbp
    ret
.create_address:
    mov eax, SVSM_ERR_ADDRESS
    jmp short .create_return
.create_wrong:
    mov eax, SVSM_ERR_PARAMETER
    jmp short .create_give_back
.create_full:
    mov eax, SVSM_ERR_REQUEST
.create_give_back:
    push rax
    mov rdi, rbp
    mov edx, VMPL_ALL+GUEST_VMPL
    call save_area_adjust
    pop rax
    jmp short .create_return

; save_area_adjust(rdi = page, edx = what RMPADJUST gets): eax = its result; ZF if it is done
save_area_adjust:
    mov rax, rdi
    xor ecx, ecx
    rmpadjust
    test eax, eax
    ret

; A save area is a page of the guest's again.
core_delete_vcpu:
    push rbp
    call area_of
    mov rbp, rax
    mov eax, SVSM_ERR_PARAMETER
    jne .delete_return
    ; One that runs is left at its next exit and does not run again.
    and qword [rdi+VMSA_EFER], -EFER_SVME-1
    mov edx, VMPL_ALL+GUEST_VMPL
    call save_area_adjust
    mov eax, SVSM_ERR_ADDRESS
    jne .delete_return
    mov edi, [rbp+AREA_CPU]
    mov qword [rbp+AREA_OWNER], OWNER_NONE
    call svsm_area
    cmp [rax+CPU_ENTRY], rbp
    jne .delete_done
    mov qword [rax+CPU_ENTRY], 0
.delete_done:
    xor eax, eax
.delete_return:
    pop rbp
    ret

; RCX = protocol and version; the guest gets the versions that there are, or 0.
core_query_protocol:
    xor ecx, ecx
    mov rdx, rdi
    shr rdx, 32
    cmp edx, 1
    ja .query_done
    cmp edi, SVSM_VERSION
    jne .query_done
    mov rcx, 0x100000001
.query_done:
    mov [rbx+VMSA_RCX], rcx
    xor eax, eax
    ret

; There is no vTOM: whoever asks is told so, whoever wants it is refused.
core_configure_vtom:
    mov eax, SVSM_ERR_REQUEST
    test dil, 1
    je .vtom_done
    mov qword [rbx+VMSA_RCX], 0
    xor eax, eax
.vtom_done:
    ret
