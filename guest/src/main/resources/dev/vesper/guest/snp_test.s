; What the self-test asks of SEV-SNP.

; 2 MB behind what the kernel's own page tables map.
equ SNP_TEST_LARGE 0x1400000

; snp_early_test: what early code has found and done.
snp_early_test:
    mov rsi, msg_snp_detect
    call step
    mov eax, [amd64_sev_eax]
    not eax
    test eax, CPUID_SNP
    call check
    mov rsi, msg_snp_blob
    call step
    call snp_pages_check
    call check
    mov rsi, msg_snp_version
    call step
    cmp word [ghcb_version], 2
    call check
    mov rsi, msg_snp_features
    call step
    call snp_features
    cmp rax, [hv_features]
    call check
    cmp qword [snp_vmpl], 0
    jne .early_service
    mov rsi, msg_snp_vmpl
    call step
    mov eax, STEP_VMPL0
    call check_early
    jmp short .early_registered
.early_service:
    mov rsi, msg_svsm_found
    call step
    cmp qword [snp_vmpl], 2
    call check
.early_registered:
    mov rsi, msg_snp_registered
    call step
    mov eax, STEP_REGISTERED
    jmp check_early

; The secrets page has a version, and a key for each of the four levels that is not above ours; the CPUID page has the leaf of SEV.  Both are
; private, at pages of their own.
snp_pages_check:
    mov rdi, [snp_secrets]
    cmp rdi, [snp_cpuid]
    je .pages_bad
    mov eax, edi
    or eax, [snp_cpuid]
    test eax, NBPG-1
    jne .pages_bad
    call .private_at
    jne .pages_bad
    mov rdi, [snp_cpuid]
    call .private_at
    jne .pages_bad
    mov rsi, DIRECT_MAP
    add rsi, [snp_secrets]
    cmp dword [rsi], 2
    jb .pages_bad
    xor ecx, ecx
.pages_key:
    mov rax, [rsi+0x20]
    or rax, [rsi+0x28]
    or rax, [rsi+0x30]
    or rax, [rsi+0x38]
    setne al
    cmp rcx, [snp_vmpl]
    setae dl
    cmp al, dl
    jne .pages_bad
    add rsi, 32
    inc ecx
    cmp ecx, 4
    jne .pages_key
    mov r8d, 0x8000001f
    xor r9d, r9d
    call cpuid_entry
    test rsi, rsi
    je .pages_bad
    mov eax, [rsi+CPUID_EBX]
    cmp eax, [amd64_sev_ebx]
    ret
.pages_bad:
    xor eax, eax
    inc eax
    ret
; .private_at(rdi = page): ZF if its mapping has the C-bit.
.private_at:
    mov rax, DIRECT_MAP
    add rdi, rax
    call vtophys
    mov rcx, [pg_crypt]
    and rax, rcx
    cmp rax, rcx
    ret

; snp_cpuid_test: answers come from the page, but for what is the processor's own.
snp_cpuid_test:
    mov rsi, msg_snp_cpuid
    call step
    mov r12, [gs:CI_EXITS]
    xor eax, eax
    xor ecx, ecx
    cpuid
    mov eax, 0x8000001f
    xor ecx, ecx
    cpuid
    cmp eax, [amd64_sev_eax]
    jne .cpuid_checked
    cmp r12, [gs:CI_EXITS]
    jne .cpuid_checked
    ; No leaf, no answer, whatever a host may say.
    mov eax, 0x80000999
    xor ecx, ecx
    cpuid
    or eax, ebx
    or eax, ecx
    or eax, edx
    jne .cpuid_checked
    cmp r12, [gs:CI_EXITS]
.cpuid_checked:
    call check
    mov rsi, msg_snp_cpuid_own
    call step
    mov r12, [gs:CI_EXITS]
    inc r12
    mov eax, 1
    xor ecx, ecx
    cpuid
    cmp r12, [gs:CI_EXITS]
    jne .own_checked
    ; This is the first processor, with its APIC on.
    shr ebx, 24
    jne .own_checked
    and edx, 0x200
    cmp edx, 0x200
.own_checked:
    jmp check

; snp_xsave_test: the size that leaf 0xD gives is that of what is enabled.
snp_xsave_test:
    test dword [cpu_ecxfeature], 0x10000000
    je .no_avx
    mov rsi, msg_snp_xsave
    call step
    xor ecx, ecx
    xor edx, edx
    mov eax, 7
    xsetbv
    mov eax, 0xd
    xor ecx, ecx
    cpuid
    push rbx
    xor ecx, ecx
    xor edx, edx
    mov eax, 3
    xsetbv
    pop rbx
    cmp ebx, 832
    jmp check
.no_avx:
    ret

; snp_page_test: pages go to the host and come back, in each way that there is.
snp_page_test:
    push rbx
    push r12
    ; Three pages in a row.
    call page_alloc
    mov rbx, rax
    call page_alloc
    call page_alloc
    lea r12, [rbx+KERNBASE]

    ; A page that is valid already, and one that is so no longer.
    mov rsi, msg_snp_unchanged
    call step
    mov rax, .unchanged_noticed
    mov [gs:CI_ONFAULT_RIP], rax
    mov [gs:CI_ONFAULT_RSP], rsp
    mov rdi, rbx
    mov esi, 1
    call snp_validate
    mov qword [gs:CI_ONFAULT_RIP], 0
    test rsp, rsp
    jmp short .unchanged_checked
.unchanged_noticed:
    cmp eax, eax
.unchanged_checked:
    call check
    mov rsi, msg_snp_not_validated
    call step
    mov rdi, rbx
    xor esi, esi
    call snp_validate
    call .touch
    setne cl
    push rcx
    mov rdi, rbx
    mov esi, 1
    call snp_validate
    pop rcx
    call .touch
    sete al
    or cl, al
    call check

    mov rsi, msg_snp_psc_msr
    call step
    mov rax, 0x7365637265742121
    mov [r12], rax
    mov rdi, rbx
    xor esi, esi
    call snp_validate
    mov rdi, rbx
    mov esi, PSC_SHARED
    call snp_page_state_msr
    mov rdi, rbx
    call page_map_shared
    mov rax, 0x7365637265742121
    cmp rax, [r12]
    je .psc_msr_bad
    mov rax, 0x7075626c69632121
    mov [r12], rax
    mov rdi, rbx
    mov esi, PSC_PRIVATE
    call snp_page_state_msr
    ; Private, but nobody's yet.
    mov rdi, rbx
    call page_map_private
    call .touch
    jne .psc_msr_checked
    mov rdi, rbx
    mov esi, 1
    call snp_validate
    mov rax, 0x7075626c69632121
    cmp rax, [r12]
    je .psc_msr_bad
    mov [r12], rax
    cmp rax, [r12]
    jmp short .psc_msr_checked
.psc_msr_bad:
    test rsp, rsp
.psc_msr_checked:
    call check

    mov rsi, msg_snp_share
    call step
    mov rdi, rbx
    call page_share
    mov rax, 0x7075626c69632121
    mov [r12], rax
    call page_unshare
    mov rax, 0x7075626c69632121
    cmp rax, [r12]
    je .share_bad
    mov [r12], rax
    cmp rax, [r12]
    jmp short .share_checked
.share_bad:
    test rsp, rsp
.share_checked:
    call check

    ; By the event: the outer pages of three, in one list, and the inner one untouched.
    mov rsi, msg_snp_psc
    call step
    mov rax, 0x6b65707421212121
    mov [r12+NBPG], rax
    xor esi, esi
    call .outer_validate
    mov esi, PSC_SHARED
    call .outer_state
    mov rdi, rbx
    call page_map_shared
    lea rdi, [rbx+0x2000]
    call page_map_shared
    mov qword [r12], 1
    mov qword [r12+0x2000], 1
    mov esi, PSC_PRIVATE
    call .outer_state
    mov esi, 1
    call .outer_validate
    mov rdi, rbx
    call page_map_private
    lea rdi, [rbx+0x2000]
    call page_map_private
    mov rax, 0x6b65707421212121
    cmp rax, [r12+NBPG]
    jne .psc_checked
    cmp qword [r12], 1
    je .psc_bad
    mov [r12+0x2000], rax
    cmp rax, [r12+0x2000]
    jmp short .psc_checked
.psc_bad:
    test rsp, rsp
.psc_checked:
    call check

    mov rsi, msg_snp_large
    call step
    call .large_there
    jne .large_none
    mov edi, SNP_TEST_LARGE
    xor esi, esi
    call snp_validate_large
    mov esi, PSC_SHARED
    call .large_state
    mov esi, PSC_PRIVATE
    call .large_state
    mov edi, SNP_TEST_LARGE
    mov esi, 1
    call snp_validate_large
    mov rdx, DIRECT_MAP+SNP_TEST_LARGE
    mov rax, 0x6c61726765212121
    mov [rdx], rax
    mov [rdx+LARGE_PAGE-8], rax
    cmp rax, [rdx]
    jne .large_checked
    cmp rax, [rdx+LARGE_PAGE-8]
.large_checked:
    call check
.page_test_done:
    pop r12
    pop rbx
    ret
.large_none:
    call not_offered
    jmp short .page_test_done

; .large_there: ZF if the memory map, the first of the boot arguments, has these 2 MB as free.
.large_there:
    mov rsi, bootinfo+12
.large_entry:
    mov eax, [rsi+16]
    test eax, eax
    je .large_absent
    cmp eax, 1
    jne .large_next
    mov rax, [rsi]
    cmp rax, SNP_TEST_LARGE
    ja .large_next
    add rax, [rsi+8]
    cmp rax, SNP_TEST_LARGE+LARGE_PAGE
    jae .large_found
.large_next:
    add rsi, 20
    jmp short .large_entry
.large_found:
    cmp eax, eax
    ret
.large_absent:
    test rsp, rsp
    ret

; .touch: reads the first page; ZF if that is #VC of a page that is not validated.
.touch:
    mov rax, .touch_fault
    mov [gs:CI_ONFAULT_RIP], rax
    mov [gs:CI_ONFAULT_RSP], rsp
    mov rax, [r12]
    mov qword [gs:CI_ONFAULT_RIP], 0
    test rsp, rsp
    ret
.touch_fault:
    cmp eax, eax
    ret

; .outer_validate(esi = 1 to validate)
.outer_validate:
    mov rdi, rbx
    call snp_validate
    lea rdi, [rbx+0x2000]
    jmp snp_validate

; .outer_state(esi = PSC_*)
.outer_state:
    shl rsi, 52
    mov rax, rsi
    or rax, rbx
    mov [psc_list+8], rax
    lea rax, [rbx+0x2000]
    or rax, rsi
    mov [psc_list+16], rax
    mov qword [psc_list], 0x10000
    mov rdi, psc_list
    jmp snp_page_states

; .large_state(esi = PSC_*)
.large_state:
    mov eax, esi
    shl rax, 52
    mov rcx, 0x100000000000000+SNP_TEST_LARGE
    or rax, rcx
    mov [psc_list+8], rax
    mov qword [psc_list], 0
    mov rdi, psc_list
    jmp snp_page_states

; snp_destroy_test: the second CPU is taken away, and its save area is a page again.
snp_destroy_test:
    mov rsi, msg_snp_destroy
    call step
    mov edi, 2
    mov rdx, [ap_save_area]
    call snp_ap_request
    mov rdi, [ap_save_area]
    xor eax, eax
    call snp_save_area
    cmp eax, eax
    jmp check

; svsm_test: what the service module serves, and what it refuses.
svsm_test:
    push rbx
    push r12
    push r13
    call page_alloc
    mov rbx, rax
    call page_alloc
    call page_alloc
    mov r13, rax
    lea r12, [rbx+KERNBASE]

    mov rsi, msg_svsm_protocols
    call step
    mov rdi, 1
    call svsm_query
    jne .protocols_checked
    mov rdi, 0x100000001
    call svsm_query
    jne .protocols_checked
    ; Neither a later version, nor a virtual TPM.
    mov rdi, 2
    call svsm_query
    je .protocols_bad
    mov rdi, 0x200000001
    call svsm_query
    je .protocols_bad
    cmp eax, eax
    jmp short .protocols_checked
.protocols_bad:
    test rsp, rsp
.protocols_checked:
    call check

    mov rsi, msg_svsm_unknown
    call step
    mov rax, 0x700000000
    mov edx, SVSM_ERR_PROTOCOL
    call .answers
    jne .unknown_checked
    mov eax, 99
    mov edx, SVSM_ERR_CALL
    call .answers
    jne .unknown_checked
    ; Nobody deposits memory.
    mov eax, 4
    mov edx, SVSM_ERR_CALL
    call .answers
    jne .unknown_checked
    mov eax, SVSM_CORE_CONFIGURE_VTOM
    xor ecx, ecx
    mov edx, SVSM_ERR_REQUEST
    call .answers
.unknown_checked:
    call check

    mov rsi, msg_svsm_zero
    call step
    mov rax, 0x7365637265742121
    mov [r12], rax
    mov [r12+NBPG-8], rax
    mov rdi, rbx
    xor esi, esi
    call snp_validate
    mov rdi, rbx
    mov esi, 1
    call snp_validate
    mov rax, [r12]
    or rax, [r12+NBPG-8]
    call check

    ; Rescinds the first page and the third, and stops between them at one that is the host's.
    mov rsi, msg_svsm_list
    call step
    mov rdx, [gs:CI_CAA_VADDR]
    mov qword [rdx+8], 3
    mov [rdx+16], rbx
    mov rax, 0xa0000
    mov [rdx+24], rax
    mov [rdx+32], r13
    mov edx, SVSM_ERR_ADDRESS
    call .list
    jne .list_checked
    mov rdx, [gs:CI_CAA_VADDR]
    cmp word [rdx+10], 1
    jne .list_checked
    ; One that is not valid cannot be rescinded.
    mov [rdx+24], rbx
    mov edx, SVSM_ERR_PVALIDATE+1
    call .list
    jne .list_checked
    ; What changes nothing is no error if we say so, and the list goes on.
    mov rdx, [gs:CI_CAA_VADDR]
    lea rax, [r13-NBPG+12]
    mov [rdx+24], rax
    xor edx, edx
    call .list
    jne .list_checked
    mov rdx, [gs:CI_CAA_VADDR]
    cmp word [rdx+10], 3
    jne .list_checked
    mov rdi, rbx
    mov esi, 1
    call snp_validate
    mov rdi, r13
    mov esi, 1
    call snp_validate
    cmp eax, eax
.list_checked:
    call check

    mov rsi, msg_svsm_format
    call step
    ; Nothing in it, nothing left of it, more than a page has; a size and a bit that there are not; no list.
    mov edx, SVSM_ERR_PARAMETER
    mov rcx, 0
    call .header
    jne .format_checked
    mov rcx, 0x10001
    call .header
    jne .format_checked
    mov rcx, 511
    call .header
    jne .format_checked
    mov ecx, 2
    call .entry
    jne .format_checked
    mov ecx, 0x14
    call .entry
    jne .format_checked
    ; 2 MB that are not aligned.
    mov ecx, 0x1001
    call .entry
    jne .format_checked
    ; A good list at a bad place.
    mov rax, [gs:CI_CAA_VADDR]
    mov qword [rax+12], 1
    lea rcx, [r13-NBPG+12]
    mov [rax+20], rcx
    mov eax, SVSM_CORE_PVALIDATE
    mov rcx, [gs:CI_CAA_PADDR]
    add rcx, 12
    call .answers
.format_checked:
    call check

    mov rsi, msg_svsm_module
    call step
    mov rsi, DIRECT_MAP
    add rsi, [snp_secrets]
    mov rcx, [rsi+SECRETS_SVSM_BASE]
    mov edx, SVSM_ERR_ADDRESS
    call .entry
    jne .module_checked
    mov rcx, [rsi+SECRETS_SVSM_BASE]
    add rcx, [rsi+SECRETS_SVSM_SIZE]
    sub rcx, NBPG-4
    call .entry
    jne .module_checked
    ; Behind all memory, around the end of all addresses, our own calling area.
    mov rcx, 0x000ffffffffff004
    call .entry
    jne .module_checked
    mov rcx, 0xfffffffffffff004
    call .entry
    jne .module_checked
    mov rcx, [gs:CI_CAA_PADDR]
    call .entry
    jne .module_checked
    mov eax, SVSM_CORE_PVALIDATE
    mov rcx, [rsi+SECRETS_SVSM_BASE]
    call .answers
    jne .module_checked
    mov eax, SVSM_CORE_REMAP_CA
    mov rcx, [rsi+SECRETS_SVSM_BASE]
    call .answers
.module_checked:
    call check

    mov rsi, msg_svsm_remap
    call step
    mov eax, SVSM_CORE_REMAP_CA
    lea rcx, [rbx+8]
    mov edx, SVSM_ERR_PARAMETER
    call .answers
    jne .remap_checked
    mov byte [r12], 1
    mov eax, SVSM_CORE_REMAP_CA
    mov rcx, rbx
    xor edx, edx
    call .answers
    jne .remap_checked
    cmp byte [r12], 0
    jne .remap_checked
    mov [gs:CI_CAA_PADDR], rbx
    mov [gs:CI_CAA_VADDR], r12
    mov rdi, 1
    call svsm_query
.remap_checked:
    call check

    ; A save area of level 0, one that is not for AMD-V, one of other features, a processor that there is not.
    mov rsi, msg_svsm_vcpu
    call step
    lea rdi, [r13+KERNBASE]
    mov byte [rdi+VMSA_VMPL], 0
    mov qword [rdi+VMSA_EFER], 0x1000
    mov rax, [sev_features]
    mov [rdi+VMSA_SEV_FEATURES], rax
    mov edx, SVSM_ERR_PARAMETER
    call .vcpu
    jne .vcpu_checked
    mov byte [rdi+VMSA_VMPL], 2
    mov qword [rdi+VMSA_EFER], 0
    call .vcpu
    jne .vcpu_checked
    mov qword [rdi+VMSA_EFER], 0x1000
    mov qword [rdi+VMSA_SEV_FEATURES], 3
    call .vcpu
    jne .vcpu_checked
    mov rax, [sev_features]
    mov [rdi+VMSA_SEV_FEATURES], rax
    mov r8d, 0x1000
    call .vcpu_of
    jne .vcpu_checked
    ; The page is ours all the while; and what is no save area is not taken for one.
    mov eax, SVSM_CORE_DELETE_VCPU
    mov rcx, r13
    call .answers
    jne .vcpu_checked
    mov edx, SVSM_ERR_ADDRESS
    mov eax, SVSM_CORE_CREATE_VCPU
    lea rcx, [r13+8]
    call .answers
    jne .vcpu_checked
    mov eax, SVSM_CORE_CREATE_VCPU
    mov rcx, [gs:CI_CAA_PADDR]
    call .answers
.vcpu_checked:
    call check

    ; Nonce and operation in the first page, which is the calling area, the report to the second, the manifest to the
    ; third.
    mov rsi, msg_svsm_attest
    call step
    lea rdi, [rbx+0x200]
    lea rsi, [r13-NBPG]
    mov rdx, r13
    mov rcx, [gs:CI_CAA_VADDR]
    call attest_operation
    xor ecx, ecx
    xor edx, edx
    call .attest
    jne .attest_checked
    cmp ecx, 24
    jne .attest_checked
    lea rsi, [r13+KERNBASE]
    cmp dword [rsi], 0x63849ebb
    jne .attest_checked
    sub rsi, NBPG
    ; Its version, its level, and 64 bytes that are no nonce of ours.
    cmp dword [rsi], 2
    jb .attest_bad
    mov rax, [rsi+0x50]
    cmp rax, [r12+0x200]
    je .attest_bad
    cmp dword [rsi+0x30], 0
    jmp short .attest_checked
.attest_bad:
    test rsp, rsp
.attest_checked:
    call check

    mov rsi, msg_svsm_attest_bad
    call step
    ; A single service, of whatever name, and another version of its manifest; a call that there is not.
    mov ecx, 1
    mov edx, SVSM_ERR_PROTOCOL
    call .attest
    jne .refused_checked
    mov rdi, [gs:CI_CAA_VADDR]
    mov dword [rdi+8+80], 1
    mov ecx, 1
    mov edx, SVSM_ERR_PARAMETER
    call .attest
    jne .refused_checked
    mov ecx, 2
    mov edx, SVSM_ERR_CALL
    call .attest
    jne .refused_checked
    ; Reserved bytes; a short nonce; a report at no page, and in the module; no room for it.
    mov edx, SVSM_ERR_PARAMETER
    mov r8d, 0x3c
    mov r9d, 1
    call .attest_with
    jne .refused_checked
    mov r8d, 0x1a
    mov r9d, 1
    call .attest_with
    jne .refused_checked
    mov r8d, 0x18
    mov r9d, 0x7f
    call .attest_with
    jne .refused_checked
    mov r8d, 0
    mov r9d, 8
    call .attest_with
    jne .refused_checked
    mov r8d, 0x38
    mov r9d, 0x4001
    call .attest_with
    jne .refused_checked
    mov r8d, 8
    mov r9d, 0x1100
    call .attest_with
    jne .refused_checked
    cmp ecx, 24
    jne .refused_checked
    mov edx, SVSM_ERR_ADDRESS
    mov r8d, 2
    mov r9d, 0x8000
    call .attest_with
    jne .refused_checked
    mov r8d, 0x22
    mov r9d, 0x8000
    call .attest_with
.refused_checked:
    call check
    pop r13
    pop r12
    pop rbx
    ret

; .answers(rax = call, rcx as the module gets it, edx = result): ZF if that is the result.  Keeps rdx, rsi, rdi.
.answers:
    push rdi
    push rsi
    push rdx
    mov r8d, 1
    call svsm_call
    pop rdx
    pop rsi
    pop rdi
    cmp eax, edx
    ret
; .attest(ecx = call, edx = result): the operation in the calling area; rcx as the module leaves it.
.attest:
    mov rax, 0x100000000
    add rax, rcx
    mov rcx, [gs:CI_CAA_PADDR]
    add rcx, 8
    jmp .answers
; .attest_with(r8d = offset, r9d = word to change there, edx = result)
.attest_with:
    mov rdi, [gs:CI_CAA_VADDR]
    xor [rdi+r8+8], r9w
    push r8
    push r9
    xor ecx, ecx
    call .attest
    pop r9
    pop r8
    mov rdi, [gs:CI_CAA_VADDR]
    pushfq
    xor [rdi+r8+8], r9w
    popfq
    ret
; .list(edx = result): the list in the calling area
.list:
    mov eax, SVSM_CORE_PVALIDATE
    mov rcx, [gs:CI_CAA_PADDR]
    add rcx, 8
    jmp short .answers
; .header(rcx = that of the list, edx = result)
.header:
    mov rax, [gs:CI_CAA_VADDR]
    mov [rax+8], rcx
    jmp short .list
; .entry(rcx = the only one, edx = result)
.entry:
    mov rax, [gs:CI_CAA_VADDR]
    mov qword [rax+8], 1
    mov [rax+16], rcx
    jmp short .list
; .vcpu(edx = result): the third page as the save area of APIC 1, or of .vcpu_of's R8
.vcpu:
    mov r8d, 1
.vcpu_of:
    push rdi
    push rdx
    mov eax, SVSM_CORE_CREATE_VCPU
    mov rcx, r13
    lea rdx, [r13-NBPG]
    call svsm_call
    pop rdx
    pop rdi
    cmp eax, edx
    ret

; attest_operation(rdi = nonce, rsi = where the report goes, rdx = the manifest, rcx = calling area): the operation.
attest_operation:
    add rcx, 8
    mov [rcx], rsi
    mov qword [rcx+8], 0x1000
    mov [rcx+16], rdi
    mov qword [rcx+24], 64
    mov [rcx+32], rdx
    mov qword [rcx+40], 0x1000
    mov qword [rcx+48], 0
    mov qword [rcx+56], 0
    mov qword [rcx+64], 0
    mov qword [rcx+72], 0
    mov qword [rcx+80], 0
    ret
