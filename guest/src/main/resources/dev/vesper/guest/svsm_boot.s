; The service module: what runs at VMPL0 of an SEV-SNP guest and serves the kernel at VMPL2.
;
; It is entered in 32-bit code with paging off and ebx = where it lies, 2 MB of which it has to itself.  Its page
; tables map that at SVSM, once private and once shared, and all memory to itself, private.

equ SVSM 0xffffffff80000000
equ SVSM_SIZE 0x200000
equ SVSM_SHARED SVSM+SVSM_SIZE

; Its memory behind the image, by offset.  The last four pages are what the loader and the secure processor left.
equ SVSM_TABLES 0x70000
equ SVSM_AREAS 0x74000
equ SVSM_REQUEST 0x76000
equ SVSM_RESPONSE 0x77000
equ SVSM_MESSAGE 0x78000
equ SVSM_CERTIFICATES 0x7a000
equ SVSM_CPUS 0x80000
equ SVSM_CPUID_PAGE 0x1fc000
equ SVSM_SECRETS 0x1fd000
equ SVSM_GUEST_STATE 0x1fe000
equ SVSM_PARAMETERS 0x1ff000

; What the loader says, by offset into the page of parameters.
equ PARAM_PROCESSORS 0
equ PARAM_SECRETS 8
equ PARAM_CPUID 16
equ PARAM_CAA 24
equ PARAM_RANGES 32
equ PARAM_RANGE 40

; Of each processor: four pages, with what gs leads to and the stack, its own save area, its GHCB, and the save
; area that the guest starts with.
equ CPU_SIZE 0x4000
equ CPU_STACK 0x1000
equ CPU_SAVE_AREA 0x1000
equ CPU_GHCB 0x2000
equ CPU_GUEST 0x3000

equ CPU_SELF 0
equ CPU_ENTRY 8
equ CPU_RECOVER 16
equ CPU_RECOVER_RSP 24
equ CPU_READY 32
equ CPU_FAULT_RESULT 40

equ GUEST_VMPL 2
equ SVSM_VERSION 1
equ VMPL_ALL 0xf00
equ VMPL_READ 0x100
equ EFER_SVME 0x1000

bits 32
svsm_start:
    cld
    mov ecx, MSR_SEV_STATUS
    rdmsr
    test eax, SEV_STAT_SNP_ENABLED
    je .start_failed
    ; The C-bit is where the CPUID page says.
    lea esi, [ebx+SVSM_CPUID_PAGE]
    mov ecx, [esi]
    lea eax, [ecx-1]
    cmp eax, CPUID_MOST-1
    ja .start_failed
    add esi, CPUID_HEADER
.start_leaf:
    cmp dword [esi+CPUID_FN], 0x8000001f
    je .start_found
    add esi, CPUID_ENTRY
    dec ecx
    jne .start_leaf
.start_failed:
    mov eax, MSRPROTO_TERM_REQ
    xor edx, edx
    mov ecx, MSR_SEV_GHCB
    wrmsr
    rep vmmcall
.start_halt:
    hlt
    jmp short .start_halt
.start_found:
    mov ecx, [esi+CPUID_EBX]
    and ecx, 0x3f
    sub ecx, 32
    jb .start_failed
    mov ebp, 1
    shl ebp, cl
    lea edi, [ebx+SVSM_TABLES]
    lea eax, [edi+0x1003]
    mov [edi], eax
    mov [edi+4], ebp
    add eax, 0x1000
    mov [edi+0xff8], eax
    mov [edi+0xffc], ebp
    add eax, 0x1000
    mov [edi+0x2ff0], eax
    mov [edi+0x2ff4], ebp
    lea eax, [ebx+0x83]
    mov [edi+0x3000], eax
    mov [edi+0x3004], ebp
    mov [edi+0x3008], eax
    mov esi, edi
    add edi, 0x1000
    mov eax, 0x83
    mov edx, ebp
    mov ecx, 512
.start_map:
    mov [edi], eax
    mov [edi+4], edx
    add edi, 8
    add eax, 0x40000000
    adc edx, 0
    dec ecx
    jne .start_map
    lea esp, [ebx+SVSM_CPUS+CPU_STACK]
    mov eax, 0x220
    mov cr4, eax
    mov cr3, esi
    mov ecx, MSR_EFER
    mov eax, 0x100
    xor edx, edx
    wrmsr
    mov eax, 0x80000033
    mov cr0, eax
    lea eax, [ebx+svsm_gdt-SVSM]
    push eax
    push 0x1f0000
    lgdt [esp+2]
    push 8
    lea eax, [ebx+svsm_long-SVSM]
    push eax
    retf

bits 64
svsm_long:
    mov rax, svsm_high
    jmp rax
svsm_high:
    mov ebx, ebx
    mov [svsm_base], rbx
    mov eax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor edi, edi
    call svsm_area
    lea rsp, [rax+CPU_STACK]
    mov [rax+CPU_SELF], rax
    mov rdx, rax
    shr rdx, 32
    mov ecx, MSR_GSBASE
    wrmsr
    lgdt [svsm_gdtr]
    call svsm_gates
    call svsm_negotiate
    call svsm_own_memory
    call svsm_register
    call svsm_guest_memory
    call svsm_guest_pages
    call svsm_start_others
    call svsm_guest_start
    jmp svsm_serve

; svsm_area(edi = processor): rax = its pages
svsm_area:
    mov eax, edi
    shl eax, 14
    add rax, SVSM+SVSM_CPUS
    ret

; svsm_gates: every exception goes to one place, since none comes back.
svsm_gates:
    mov rdi, svsm_idt
    mov rdx, svsm_fault
    mov ecx, 32
.gate:
    mov eax, edx
    and eax, 0xffff
    or eax, 0x80000
    mov [rdi], eax
    mov eax, edx
    and eax, 0xffff0000
    or eax, 0x8e00
    mov [rdi+4], eax
    mov rax, rdx
    shr rax, 32
    mov [rdi+8], rax
    add rdi, 16
    dec ecx
    jne .gate
    lidt [svsm_idtr]
    ret

; svsm_fault: the guest has named memory that is not what it says, or all is lost.
svsm_fault:
    mov rcx, [gs:CPU_RECOVER]
    test rcx, rcx
    je svsm_end
    mov qword [gs:CPU_RECOVER], 0
    mov rsp, [gs:CPU_RECOVER_RSP]
    jmp rcx

; Requests to end, by reason.
svsm_unsupported:
    mov eax, TERM_SNP_UNSUPPORTED
    jmp short svsm_end_by
svsm_end:
    mov eax, MSRPROTO_TERM_REQ
svsm_end_by:
    call ghcb_msr
.end_halt:
    hlt
    jmp short .end_halt

; svsm_negotiate: the host must offer what all of this is built on, and this must be VMPL0.
svsm_negotiate:
    mov ecx, MSR_SEV_STATUS
    rdmsr
    shl rdx, 32
    or rax, rdx
    shr rax, 2
    mov [svsm_features], rax
    mov eax, MSRPROTO_SEV_INFO_REQ
    call ghcb_msr
    mov ecx, eax
    and ecx, 0xfff
    cmp ecx, MSRPROTO_SEV_INFO
    jne svsm_unsupported
    shr rax, 48
    cmp eax, 2
    jb svsm_unsupported
    mov eax, MSRPROTO_FEATURES_REQ
    call ghcb_msr
    mov ecx, eax
    and ecx, 0xfff
    cmp ecx, MSRPROTO_FEATURES_RESP
    jne svsm_unsupported
    shr rax, 12
    and eax, HV_FEATURE_SNP+HV_FEATURE_AP_CREATION+HV_FEATURE_MULTI_VMPL
    cmp eax, HV_FEATURE_SNP+HV_FEATURE_AP_CREATION+HV_FEATURE_MULTI_VMPL
    jne svsm_unsupported
    mov rax, svsm_start
    xor ecx, ecx
    mov edx, 1
    rmpadjust
    test eax, eax
    jne svsm_unsupported
    ret

; svsm_own_memory: pages that go to the host.
svsm_own_memory:
    push rbx
    xor ebx, ebx
.own_cpu:
    mov edi, ebx
    call svsm_area
    lea rdi, [rax+CPU_GHCB]
    call svsm_share
    inc ebx
    cmp ebx, [SVSM+SVSM_PARAMETERS+PARAM_PROCESSORS]
    jb .own_cpu
    mov rdi, SVSM+SVSM_REQUEST
    call svsm_share
    mov rdi, SVSM+SVSM_RESPONSE
    call svsm_share
    mov rbx, SVSM+SVSM_CERTIFICATES
.own_certificates:
    mov rdi, rbx
    call svsm_share
    add rbx, NBPG
    cmp rbx, SVSM+SVSM_CERTIFICATES+0x4000
    jne .own_certificates
    pop rbx
    ret

; svsm_share(rdi = page of ours): from now on it is the host's, and ours by SVSM_SHARED.
svsm_share:
    mov rax, rdi
    xor ecx, ecx
    xor edx, edx
    pvalidate
    jb svsm_end
    test eax, eax
    jne svsm_end
    call svsm_physical
    mov edx, PSC_SHARED
    shl rdx, 52
    or rax, rdx
    or rax, MSRPROTO_PSC_REQ
    call ghcb_msr
    cmp rax, MSRPROTO_PSC_RESP
    jne svsm_end
    ret

; svsm_physical(rdi = address of ours): rax = where that is
svsm_physical:
    mov rax, rdi
    sub rax, SVSM
    add rax, [svsm_base]
    ret

; svsm_register: the GHCB of this processor.
svsm_register:
    mov rdi, [gs:CPU_SELF]
    add rdi, CPU_GHCB
    call svsm_physical
    mov rdi, rax
    or rax, MSRPROTO_REGISTER_REQ
    call ghcb_msr
    sub rax, MSRPROTO_REGISTER_RESP
    cmp rax, rdi
    jne svsm_end
    ret

; Which registers an event has.
equ EVENT_NONE 0
equ EVENT_RAX 1
equ EVENT_RAX_RBX 3

; svsm_event(edi = exit code, rsi, rdx = its infos, r9d = EVENT_*, rax = RAX, r8 = RBX): eax = SW_EXITINFO1 or -1 if
; the host gives no infos, rdx = SW_EXITINFO2, rcx = RBX if it is given, or 0.
svsm_event:
    push rbx
    mov rbx, [gs:CPU_SELF]
    add rbx, CPU_GHCB+SVSM_SIZE
    mov edi, edi
    mov [rbx+GHCB_SW_EXITCODE], rdi
    mov [rbx+GHCB_SW_EXITINFO1], rsi
    mov [rbx+GHCB_SW_EXITINFO2], rdx
    mov qword [rbx+GHCB_VALID], 0
    mov rcx, 0x1c000000000000
    mov [rbx+GHCB_VALID+8], rcx
    test r9d, EVENT_RAX
    je .event_send
    mov [rbx+GHCB_RAX], rax
    bts dword [rbx+GHCB_VALID+4], 31
    test r9d, EVENT_RAX_RBX-EVENT_RAX
    je .event_send
    mov [rbx+GHCB_RBX], r8
    bts dword [rbx+GHCB_VALID+12], 3
.event_send:
    mov word [rbx+GHCB_VERSION], 2
    lea rdi, [rbx-SVSM_SIZE]
    call svsm_physical
    mov rdx, rax
    shr rdx, 32
    mov ecx, MSR_SEV_GHCB
    wrmsr
    rep vmmcall
    mov eax, -1
    xor ecx, ecx
    bt dword [rbx+GHCB_VALID+12], 19
    jae .event_done
    bt dword [rbx+GHCB_VALID+12], 20
    jae .event_done
    mov eax, [rbx+GHCB_SW_EXITINFO1]
    mov rdx, [rbx+GHCB_SW_EXITINFO2]
    test r9d, EVENT_RAX_RBX-EVENT_RAX
    je .event_done
    bt dword [rbx+GHCB_VALID+12], 3
    jae .event_done
    mov rcx, [rbx+GHCB_RBX]
.event_done:
    pop rbx
    ret

; svsm_guest_memory: all of it is VMPL2's to read, write and execute.
svsm_guest_memory:
    push rbx
    push r12
    mov rbx, SVSM+SVSM_PARAMETERS+PARAM_RANGE
    mov r12, [SVSM+SVSM_PARAMETERS+PARAM_RANGES]
.memory_range:
    mov rdi, [rbx]
    mov rsi, [rbx+8]
    ; None of it may be the module's.
    mov rax, [svsm_base]
    cmp rsi, rax
    jbe .memory_grant
    add rax, SVSM_SIZE
    cmp rdi, rax
    jb svsm_end
.memory_grant:
    call .grant
    add rbx, 16
    dec r12
    jne .memory_range
    pop r12
    pop rbx
    ret
.grant:
    cmp rdi, rsi
    jae .granted
    test edi, LARGE_PAGE-1
    jne .grant_page
    lea rax, [rdi+LARGE_PAGE]
    cmp rax, rsi
    ja .grant_page
    mov rax, rdi
    mov ecx, 1
    mov edx, VMPL_ALL+GUEST_VMPL
    rmpadjust
    cmp eax, PVALIDATE_FAIL_SIZEMISMATCH
    je .grant_page
    test eax, eax
    jne svsm_end
    add rdi, LARGE_PAGE
    jmp short .grant
.grant_page:
    mov rax, rdi
    xor ecx, ecx
    mov edx, VMPL_ALL+GUEST_VMPL
    rmpadjust
    test eax, eax
    jne svsm_end
    add rdi, NBPG
    jmp short .grant
.granted:
    ret

; svsm_guest_pages: the guest's CPUID page, and its secrets without the keys of levels above its own.
svsm_guest_pages:
    mov rsi, SVSM+SVSM_CPUID_PAGE
    mov rdi, [SVSM+SVSM_PARAMETERS+PARAM_CPUID]
    mov ecx, 512
    rep movsq
    mov rsi, SVSM+SVSM_SECRETS
    mov rdi, [SVSM+SVSM_PARAMETERS+PARAM_SECRETS]
    mov rdx, rdi
    mov ecx, 512
    rep movsq
    lea rdi, [rdx+SECRETS_VMPCK]
    xor eax, eax
    mov ecx, 8
    rep stosq
    mov rax, [svsm_base]
    mov [rdx+SECRETS_SVSM_BASE], rax
    mov qword [rdx+SECRETS_SVSM_SIZE], SVSM_SIZE
    mov rax, [SVSM+SVSM_PARAMETERS+PARAM_CAA]
    mov [rdx+SECRETS_SVSM_CAA], rax
    mov dword [rdx+SECRETS_SVSM_VERSION], SVSM_VERSION
    mov byte [rdx+SECRETS_GUEST_VMPL], GUEST_VMPL
    ret

; svsm_start_others: brings this level up on the other processors, which wait for a guest of theirs.  One whose guest
; ran first would have nobody to call.
svsm_start_others:
    push rbx
    push r12
    mov ebx, 1
.others_next:
    cmp ebx, [SVSM+SVSM_PARAMETERS+PARAM_PROCESSORS]
    jae .others_done
    mov edi, ebx
    call svsm_area
    mov r12, rax
    mov [r12+CPU_SELF], rax
    lea rdi, [r12+CPU_SAVE_AREA]
    call svsm_ap_state
    lea rax, [r12+CPU_SAVE_AREA]
    xor ecx, ecx
    mov edx, RMPADJUST_VMSA+1
    rmpadjust
    test eax, eax
    jne svsm_end
    mov esi, 1
    mov edi, ebx
    lea rdx, [r12+CPU_SAVE_AREA]
    call svsm_ap_create
.others_wait:
    pause
    cmp dword [r12+CPU_READY], 0
    je .others_wait
    inc ebx
    jmp short .others_next
.others_done:
    pop r12
    pop rbx
    ret

; svsm_ap_create(edi = processor, esi = VMPL and request, rdx = save area of ours)
svsm_ap_create:
    mov eax, edi
    shl rax, 32
    or rsi, rax
    mov rdi, rdx
    call svsm_physical
    mov rdx, rax
    mov edi, SVM_VMGEXIT_AP_CREATION
    mov rax, [svsm_features]
    mov r9d, EVENT_RAX
    call svsm_event
    test eax, eax
    jne svsm_end
    ret

; svsm_ap_state(rdi = page in the area of a processor): it goes on at svsm_ap, as we are.
svsm_ap_state:
    mov rax, 0xffffffff0c930010
    mov [rdi+VMSA_ES], rax
    mov [rdi+VMSA_SS], rax
    mov [rdi+VMSA_DS], rax
    mov [rdi+VMSA_FS], rax
    mov [rdi+VMSA_GS], rax
    mov rax, 0xffffffff0a9b0008
    mov [rdi+VMSA_CS], rax
    mov rax, 0x0000ffff00820000
    mov [rdi+VMSA_LDTR], rax
    mov rax, 0x0000ffff008b0000
    mov [rdi+VMSA_TR], rax
    lea rax, [rdi-CPU_SAVE_AREA]
    mov [rdi+VMSA_GS+8], rax
    add rax, CPU_STACK
    mov [rdi+VMSA_RSP], rax
    mov dword [rdi+VMSA_GDTR+4], 0x1f
    mov rax, svsm_gdt
    mov [rdi+VMSA_GDTR+8], rax
    mov dword [rdi+VMSA_IDTR+4], 0x1ff
    mov rax, svsm_idt
    mov [rdi+VMSA_IDTR+8], rax
    mov qword [rdi+VMSA_EFER], 0x1500
    mov rax, cr4
    mov [rdi+VMSA_CR4], rax
    mov rax, cr3
    mov [rdi+VMSA_CR3], rax
    mov rax, cr0
    mov [rdi+VMSA_CR0], rax
    mov qword [rdi+VMSA_DR7], 0x400
    mov eax, 0xffff0ff0
    mov [rdi+VMSA_DR6], rax
    mov qword [rdi+VMSA_RFLAGS], 2
    mov rax, svsm_ap
    mov [rdi+VMSA_RIP], rax
    mov rax, 0x0007040600070406
    mov [rdi+VMSA_G_PAT], rax
    mov rax, [svsm_features]
    mov [rdi+VMSA_SEV_FEATURES], rax
    mov qword [rdi+VMSA_XCR0], 1
    mov dword [rdi+VMSA_MXCSR], 0x1f80
    mov word [rdi+VMSA_X87_FCW], 0x37f
    ret

svsm_ap:
    call svsm_register
    mov dword [gs:CPU_READY], 1
    jmp svsm_serve

; svsm_guest_start: the first processor's guest is in the state that it would have been launched in.
svsm_guest_start:
    push rbx
    xor edi, edi
    call svsm_area
    lea rbx, [rax+CPU_GUEST]
    mov rsi, SVSM+SVSM_GUEST_STATE
    mov rdi, rbx
    mov ecx, 512
    rep movsq
    mov byte [rbx+VMSA_VMPL], GUEST_VMPL
    or qword [rbx+VMSA_EFER], EFER_SVME
    mov rax, [svsm_features]
    mov [rbx+VMSA_SEV_FEATURES], rax
    mov rax, rbx
    xor ecx, ecx
    mov edx, RMPADJUST_VMSA+VMPL_READ+GUEST_VMPL
    rmpadjust
    test eax, eax
    jne svsm_end
    xor edi, edi
    mov esi, 0x20000
    mov rdx, rbx
    call svsm_ap_create
    mov rdi, rbx
    call svsm_physical
    mov rdi, rax
    mov rsi, [SVSM+SVSM_PARAMETERS+PARAM_CAA]
    xor edx, edx
    mov r8d, OWNER_MODULE
    call area_add
    pop rbx
    ret
