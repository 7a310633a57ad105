; SEV-SNP: who owns pages, and what the host must be asked for before any of it.
;
; No page is taken on trust: PVALIDATE must change something, or the host has put another page there.  Reasons of the requests to end are those of the standard and, in set 1, Linux'.

; Bits of SEV_STATUS that need help which is not here: all but those of SEV, SEV-ES, SEV-SNP, what is the
; processor's alone (8, 9, 14, 17, 23), and the exchange of debug registers (7).
equ SEV_STAT_NEED_HELP 0xffffffffff7dbc78

; All memory below 1 GB, private.
equ DIRECT_MAP 0xffff800000000000

; Locals of snp_page_states besides those of pv_begin.
equ PV_NEXT 104
equ PV_LAST 120

; snp_start(rdi = first of two pages for GHCBs): what comes before the first use of a GHCB.
snp_start:
    push rdi
    mov ecx, MSR_SEV_STATUS
    rdmsr
    shl rdx, 32
    or rax, rdx
    mov rcx, SEV_STAT_NEED_HELP
    test rax, rcx
    jne .snp_unsupported
    shr rax, 2
    mov [sev_features], rax
    mov eax, MSRPROTO_FEATURES_REQ
    call ghcb_msr
    mov ecx, eax
    and ecx, 0xfff
    cmp ecx, MSRPROTO_FEATURES_RESP
    jne .snp_unsupported
    shr rax, 12
    mov [hv_features], rax
    test eax, HV_FEATURE_SNP
    je .snp_unsupported
    ; Only level 0 may change what others may: VMPL1 gets nothing of a page of ours.
    mov rax, cpu0
    xor ecx, ecx
    mov edx, 1
    rmpadjust
    test eax, eax
    je .vmpl0
    call svsm_find
    jmp short .level_known
.vmpl0:
    or dword [early_steps], STEP_VMPL0
.level_known:
    mov rdi, [rsp]
    call .snp_share
    mov rdi, [rsp]
    add rdi, NBPG
    call .snp_share
    pop rdi
    ret
.snp_share:
    push rdi
    xor esi, esi
    call snp_validate
    pop rdi
    mov esi, PSC_SHARED
    jmp snp_page_state_msr
.snp_unsupported:
    mov rsi, msg_snp_unsupported
    mov eax, TERM_SNP_UNSUPPORTED
    jmp snp_fail

; snp_fail(rsi = why, eax = request to end): says so if there is a GHCB to say it by.  Whoever has said that it
; takes faults takes this one.
snp_fail:
    cld
    mov rcx, [gs:CI_ONFAULT_RIP]
    test rcx, rcx
    je .fail_end
    mov rsp, [gs:CI_ONFAULT_RSP]
    mov qword [gs:CI_ONFAULT_RIP], 0
    jmp rcx
.fail_end:
    test dword [early_steps], STEP_VCTRAP
    je vc_terminate64_reason
    cmp dword [panicked], 0
    jne vc_terminate64_reason
    mov dword [panicked], 1
    push rax
    push rsi
    mov rsi, msg_panic
    call puts
    pop rsi
    call puts
    call newline
    pop rax
    jmp vc_terminate64_reason

; snp_register(rdi = GHCB): no event is served before.
snp_register:
    mov rax, rdi
    or rax, MSRPROTO_REGISTER_REQ
    call ghcb_msr
    sub rax, MSRPROTO_REGISTER_RESP
    cmp rax, rdi
    jne .register_refused
    ret
.register_refused:
    mov rsi, msg_register
    mov eax, TERM_REGISTER
    jmp snp_fail

; snp_page_state_msr(rdi = page, esi = PSC_*)
snp_page_state_msr:
    mov eax, esi
    shl rax, 52
    or rax, rdi
    or rax, MSRPROTO_PSC_REQ
    call ghcb_msr
    cmp rax, MSRPROTO_PSC_RESP
    jne psc_failed
    ret
psc_failed:
    mov rsi, msg_psc
    mov eax, TERM_PSC
    jmp snp_fail

; snp_page_state(rdi = page, esi = PSC_*): by the event.
snp_page_state:
    mov eax, esi
    shl rax, 52
    or rax, rdi
    mov [psc_list+8], rax
    mov qword [psc_list], 0
    mov rdi, psc_list

; snp_page_states(rdi = list of the event, of which nothing is done): until all of it is done, however many
; exits the host takes.  A host that goes back or adds to the list is not believed.
snp_page_states:
    mov rdx, rdi
    mov ecx, 1
    call pv_begin
    mov eax, SVM_VMGEXIT_PSC
    mov [rbp+PV_EXTRA+EX_CODE], rax
    mov edi, GHCB_SW_SCRATCH
    mov esi, GHCB_SZ64
    lea rdx, [rbp+PV_OUT]
    call ghcb_sync_val
    mov edi, GHCB_SW_EXITINFO2
    lea rdx, [rbp+PV_IN]
    call ghcb_sync_val
.states_exit:
    movzx eax, word [r12]
    mov [rbp+PV_NEXT], rax
    movzx ecx, word [r12+2]
    mov [rbp+PV_LAST], rcx
    lea rcx, [rcx*8+16]
    mov [rbp+PV_EXTRA+EX_DATASZ], rcx
    mov [rbp+PV_EXTRA+EX_DATA], r12
    call pv_exchange
    cmp qword [rbp+PV_EXTRA+EX_INFO2], 0
    jne psc_failed
    cmp dword [r12+4], 0
    jne psc_failed
    movzx eax, word [r12]
    cmp rax, [rbp+PV_NEXT]
    jb psc_failed
    movzx ecx, word [r12+2]
    cmp rcx, [rbp+PV_LAST]
    jne psc_failed
    cmp eax, ecx
    jbe .states_exit
    jmp pv_end

; snp_validate(rdi = page, esi = 1 to validate, 0 to rescind): terminates if nothing has changed, for then the
; host has put another page there, or has had the same one validated twice.
snp_validate:
    xor ecx, ecx
    call snp_pvalidate
    jb .validate_unchanged
    test eax, eax
    jne .validate_failed
    test esi, esi
    jne snp_evict
    ret
.validate_unchanged:
    mov rsi, msg_unchanged
    mov eax, TERM_PVALIDATE
    jmp snp_fail
.validate_failed:
    mov rsi, msg_pvalidate
    mov eax, TERM_PVALIDATE
    jmp snp_fail

; snp_validate_large(rdi = 2 MB, esi as above): eax = 1 if at once, 0 if in pages of 4 KB since the host's are.
snp_validate_large:
    mov ecx, 1
    call snp_pvalidate
    jb .validate_unchanged
    cmp eax, PVALIDATE_FAIL_SIZEMISMATCH
    je .validate_small
    test eax, eax
    jne .validate_failed
    test esi, esi
    je .validate_at_once
    push rdi
.validate_evict:
    call snp_evict
    add rdi, NBPG
    test edi, LARGE_PAGE-1
    jne .validate_evict
    pop rdi
.validate_at_once:
    mov eax, 1
    ret
.validate_small:
    push rbx
    lea rbx, [rdi+LARGE_PAGE]
.validate_page:
    call snp_validate
    add rdi, NBPG
    cmp rdi, rbx
    jne .validate_page
    pop rbx
    xor eax, eax
    ret

; snp_evict(rdi = page that has just been validated): reads its first and its last byte, which has processors
; whose caches are not coherent with a page's new owner forget what they have of it.
snp_evict:
    mov rax, DIRECT_MAP
    add rax, rdi
    mov dl, [rax]
    mov dl, [rax+NBPG-1]
    ret

; snp_pvalidate(rdi = page, ecx = size, esi = 1 to validate): the instruction's eax and CF.
snp_pvalidate:
    cmp qword [snp_vmpl], 0
    jne svsm_pvalidate
    mov rax, DIRECT_MAP
    add rax, rdi
    mov edx, esi
    pvalidate
    ret

; snp_ap_create(rdi = save area, rax = entry's code segment): APIC 1 runs from the beginning of that segment
; in real mode, as after a SIPI.
snp_ap_create:
    push rdi
    lea rdx, [rdi+KERNBASE]
    mov [rdx+VMSA_CS], ax
    mov word [rdx+VMSA_CS+2], 0x9b
    shl eax, 4
    mov [rdx+VMSA_CS+8], rax
    mov dword [rdx+VMSA_CS+4], 0xffff
    mov rax, 0x0000ffff00930000
    mov [rdx+VMSA_ES], rax
    mov [rdx+VMSA_SS], rax
    mov [rdx+VMSA_DS], rax
    mov [rdx+VMSA_FS], rax
    mov [rdx+VMSA_GS], rax
    mov dword [rdx+VMSA_GDTR+4], 0xffff
    mov dword [rdx+VMSA_IDTR+4], 0xffff
    mov rax, 0x0000ffff00820000
    mov [rdx+VMSA_LDTR], rax
    mov rax, 0x0000ffff008b0000
    mov [rdx+VMSA_TR], rax
    mov qword [rdx+VMSA_EFER], 0x1000
    mov qword [rdx+VMSA_CR0], 0x60000010
    mov qword [rdx+VMSA_DR7], 0x400
    mov eax, 0xffff0ff0
    mov [rdx+VMSA_DR6], rax
    mov qword [rdx+VMSA_RFLAGS], 2
    mov rax, 0x0007040600070406
    mov [rdx+VMSA_G_PAT], rax
    mov rax, [sev_features]
    mov [rdx+VMSA_SEV_FEATURES], rax
    mov al, [snp_vmpl]
    mov [rdx+VMSA_VMPL], al
    mov qword [rdx+VMSA_XCR0], 1
    mov dword [rdx+VMSA_MXCSR], 0x1f80
    mov word [rdx+VMSA_X87_FTW], 0x5555
    mov word [rdx+VMSA_X87_FCW], 0x40
    mov eax, RMPADJUST_VMSA
    call snp_save_area
    pop rdx
    mov edi, 1
    jmp snp_ap_request

; snp_save_area(rdi = page, eax = RMPADJUST_VMSA or 0): makes it a save area, or a page again.
snp_save_area:
    cmp qword [snp_vmpl], 0
    jne svsm_save_area
    lea edx, [rax+1]
    lea rax, [rdi+KERNBASE]
    xor ecx, ecx
    rmpadjust
    test eax, eax
    jne .save_area_failed
    ret
.save_area_failed:
    mov rsi, msg_save_area
    jmp panic

; snp_ap_request(edi = 1 to create, 2 to destroy, rdx = save area): for APIC 1.
snp_ap_request:
    xor ecx, ecx
    call pv_begin
    mov eax, SVM_VMGEXIT_AP_CREATION
    mov [rbp+PV_EXTRA+EX_CODE], rax
    mov eax, 1
    shl rax, 32
    mov edi, edi
    or rax, rdi
    mov rdi, [snp_vmpl]
    shl rdi, 16
    or rax, rdi
    mov [rbp+PV_EXTRA+EX_INFO1], rax
    mov [rbp+PV_EXTRA+EX_INFO2], r12
    mov rax, [sev_features]
    mov [rbp+PV_FRAME+TF_RAX], rax
    mov edi, GHCB_RAX
    mov esi, GHCB_SZ64
    lea rdx, [rbp+PV_OUT]
    call ghcb_sync_val
    call pv_exchange
    jmp pv_end

; snp_features: rax = the hypervisor's features by the event.
snp_features:
    xor ecx, ecx
    call pv_begin
    mov eax, SVM_VMGEXIT_FEATURES
    mov [rbp+PV_EXTRA+EX_CODE], rax
    mov edi, GHCB_SW_EXITINFO2
    mov esi, GHCB_SZ64
    lea rdx, [rbp+PV_IN]
    call ghcb_sync_val
    call pv_exchange
    mov rcx, [rbp+PV_EXTRA+EX_INFO2]
    jmp pv_end
