; CPUID under SEV-SNP: the answers are those of the CPUID page, which the secure processor has looked at.  The
; host is asked for what differs from processor to processor, and for nothing else.

; What the host has said, at rbp.
equ VC_HOST_EAX 128
equ VC_HOST_EBX 136
equ VC_HOST_ECX 144
equ VC_HOST_EDX 152

snp_vc_cpuid:
    mov qword [rbp+VC_ADVANCE], 2
    mov eax, [r12+TF_RAX]
    cmp eax, 1
    je .cpuid_ask
    cmp eax, 0xb
    je .cpuid_ask
    cmp eax, 0x8000001e
    jne .cpuid_table
.cpuid_ask:
    mov edi, GHCB_RAX
    mov esi, GHCB_SZ32
    call sync_out_val
    mov edi, GHCB_RCX
    call sync_out_val
    mov edi, GHCB_RAX
    call sync_in_val
    mov edi, GHCB_RBX
    call sync_in_val
    mov edi, GHCB_RCX
    call sync_in_val
    mov edi, GHCB_RDX
    call sync_in_val
    call vc_send
    call vc_exit
    mov eax, [r13+GHCB_RAX]
    mov [rbp+VC_HOST_EAX], rax
    mov eax, [r13+GHCB_RBX]
    mov [rbp+VC_HOST_EBX], rax
    mov eax, [r13+GHCB_RCX]
    mov [rbp+VC_HOST_ECX], rax
    mov eax, [r13+GHCB_RDX]
    mov [rbp+VC_HOST_EDX], rax
    mov rdx, r13
    call ghcb_clear
.cpuid_table:
    mov r8d, [r12+TF_RAX]
    mov r9d, [r12+TF_RCX]
    call cpuid_entry
    xor eax, eax
    xor r10d, r10d
    xor ecx, ecx
    xor edx, edx
    test rsi, rsi
    je .cpuid_store
    mov eax, [rsi+CPUID_EAX]
    mov r10d, [rsi+CPUID_EBX]
    mov ecx, [rsi+CPUID_ECX]
    mov edx, [rsi+CPUID_EDX]
    cmp r8d, 1
    je .cpuid_1
    cmp r8d, 7
    je .cpuid_7
    cmp r8d, 0xb
    je .cpuid_b
    cmp r8d, 0xd
    je .cpuid_d
    cmp r8d, 0x8000001e
    je .cpuid_8000001e
.cpuid_store:
    mov [r12+TF_RAX], rax
    mov [r12+TF_RBX], r10
    mov [r12+TF_RCX], rcx
    mov [r12+TF_RDX], rdx
    jmp vc_advance
; The APIC's number, whether it is on, and OSXSAVE.
.cpuid_1:
    and r10d, 0x00ffffff
    mov r11d, [rbp+VC_HOST_EBX]
    and r11d, 0xff000000
    or r10d, r11d
    and edx, 0xfffffdff
    mov r11d, [rbp+VC_HOST_EDX]
    and r11d, 0x200
    or edx, r11d
    and ecx, 0xf7ffffff
    mov r11, cr4
    test r11d, 0x40000
    je .cpuid_store
    or ecx, 0x8000000
    jmp .cpuid_store
; OSPKE
.cpuid_7:
    test r9d, r9d
    jne .cpuid_store
    and ecx, 0xffffffef
    mov r11, cr4
    test r11d, 0x400000
    je .cpuid_store
    or ecx, 0x10
    jmp .cpuid_store
.cpuid_b:
    mov edx, [rbp+VC_HOST_EDX]
    jmp .cpuid_store
.cpuid_8000001e:
    mov eax, [rbp+VC_HOST_EAX]
    mov r10b, [rbp+VC_HOST_EBX]
    mov cl, [rbp+VC_HOST_ECX]
    jmp .cpuid_store
; How large the XSAVE area is with what XCR0 enables: in sub-leaf 1 in its compact form, if there is one.
.cpuid_d:
    cmp r9d, 1
    ja .cpuid_store
    jb .cpuid_size
    test eax, 0xa
    je .cpuid_store
.cpuid_size:
    push rax
    push rcx
    push rdx
    call xsave_size
    pop rdx
    pop rcx
    mov r10, rax
    pop rax
    jmp .cpuid_store

; xsave_size(r9d = 1 for the compact form): eax = bytes.  XSS is 0 here.
xsave_size:
    push rbx
    push r15
    mov eax, 1
    mov rcx, cr4
    bt ecx, 18
    jae .xsave_enabled
    xor ecx, ecx
    xgetbv
.xsave_enabled:
    shl rdx, 32
    mov eax, eax
    or rax, rdx
    mov r15, rax
    mov r10d, 0x240
    mov r11d, r9d
    mov ebx, 2
.xsave_component:
    bt r15, rbx
    jae .xsave_next
    mov r8d, 0xd
    mov r9d, ebx
    push r11
    call cpuid_entry
    pop r11
    test rsi, rsi
    je cpuid_failed
    test r11d, r11d
    je .xsave_standard
    ; Bit 1 of ECX: at a multiple of 64 bytes.
    test dword [rsi+CPUID_ECX], 2
    je .xsave_add
    add r10d, 63
    and r10d, 0xffffffc0
.xsave_add:
    add r10d, [rsi+CPUID_EAX]
    jmp short .xsave_next
.xsave_standard:
    mov eax, [rsi+CPUID_EAX]
    add eax, [rsi+CPUID_EBX]
    cmp eax, r10d
    jb .xsave_next
    mov r10d, eax
.xsave_next:
    inc ebx
    cmp ebx, 63
    jne .xsave_component
    mov eax, r10d
    pop r15
    pop rbx
    ret

; cpuid_entry(r8d = leaf, r9d = sub-leaf): rsi = entry of the CPUID page, 0 if there is none.  Sub-leaves count
; only where the leaf has some; sizes of leaf 0xD are there for several XCR0, and those of the least are taken.
cpuid_entry:
    mov rsi, [snp_cpuid]
    test rsi, rsi
    je cpuid_failed
    mov rcx, DIRECT_MAP
    add rsi, rcx
    mov ecx, [rsi]
    lea eax, [rcx-1]
    cmp eax, CPUID_MOST-1
    ja cpuid_failed
    add rsi, CPUID_HEADER
    mov rdx, cpuid_indexed
.entry_indexed:
    mov eax, [rdx]
    add rdx, 4
    cmp eax, r8d
    je .entry_compare
    test eax, eax
    jne .entry_indexed
    ; Any sub-leaf will do.
    xor edx, edx
.entry_compare:
    cmp [rsi+CPUID_FN], r8d
    jne .entry_next
    test rdx, rdx
    je .entry_done
    cmp [rsi+CPUID_SUBFN], r9d
    jne .entry_next
    cmp r8d, 0xd
    jne .entry_done
    cmp r9d, 1
    ja .entry_done
    cmp qword [rsi+CPUID_XSS], 0
    jne .entry_next
    cmp qword [rsi+CPUID_XCR0], 1
    je .entry_done
    cmp qword [rsi+CPUID_XCR0], 3
    je .entry_done
.entry_next:
    add rsi, CPUID_ENTRY
    dec ecx
    jne .entry_compare
    xor esi, esi
.entry_done:
    ret
cpuid_failed:
    mov rsi, msg_cpuid_page
    mov eax, TERM_CPUID
    jmp snp_fail
