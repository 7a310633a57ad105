; Early boot: entered in 32-bit legacy protected mode, paging off, by a multiboot loader.
; Under SEV-ES everything is private here, and CPUID raises #VC.

equ NBPG 0x1000
equ MSR_SEV_GHCB 0xc0010130
equ MSR_SEV_STATUS 0xc0010131
equ MSR_EFER 0xc0000080
equ MSRPROTO_CPUID_REQ 0x4
equ MSRPROTO_CPUID_RESP 0x5
equ MSRPROTO_TERM_REQ 0x100
equ T_VC 29
equ SEL_CODE32 0x08
equ SEL_DATA 0x10
equ SEL_CODE64 0x18
equ SEV_STAT_ENABLED 1
equ SEV_STAT_ES_ENABLED 2

; Pages behind the image, in this order.  TABLESIZE covers all of them; the last five are two for the
; GHCB (the page itself and one for a nested exchange) and three for early page tables.
equ TABLESIZE 0x9000
equ PROC0_PML4_OFF 0x0000
equ PROC0_PDPT_OFF 0x1000
equ PROC0_PD_OFF 0x2000
equ PROC0_PT_OFF 0x3000
equ PROC0_GHCB_OFF 0x4000

bits 32
align 4
multiboot_header:
    dd 0x1badb002, 0, 0xe4524ffe

start:
    cli
    cld
    mov esp, tmpstk
    push 2
    popfd

    ; One early IDT holds both temporary gates.  In legacy mode a gate has 8 bytes, in long mode 16,
    ; so they lie at 29*8 and 29*16 and do not overlap.
    mov eax, locore_vc_trap32
    mov [early_idt_legacy_vc], ax
    mov word [early_idt_legacy_vc+2], cs
    mov word [early_idt_legacy_vc+4], 0x8e00
    shr eax, 16
    mov [early_idt_legacy_vc+6], ax
    mov eax, locore_vc_trap64
    mov [early_idt_long_vc], ax
    mov word [early_idt_long_vc+2], SEL_CODE64
    mov word [early_idt_long_vc+4], 0x8e00
    shr eax, 16
    mov [early_idt_long_vc+6], ax
    lidt [idtlc]
    ; The GDT of our own has the 64-bit code segment that the long-mode gate needs.
    lgdt [gdtlc]
    jmp SEL_CODE32:start_gdt
start_gdt:
    mov eax, SEL_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    or dword [steps], 1

    ; Zero DR6 and DR7.  Where the host intercepts DR7 this is #VC 0x37, which the handler skips.
    xor eax, eax
    mov dr6, eax
    mov dr7, eax
    or dword [steps], 2

    ; CPUID, a register at a time by the MSR protocol.
    xor eax, eax
    cpuid
    mov [cpu_maxleaf], eax
    mov [cpu_vendor], ebx
    mov [cpu_vendor+4], edx
    mov [cpu_vendor+8], ecx
    mov eax, 1
    cpuid
    mov [cpu_signature], eax
    or dword [steps], 4

    ; Am I an SEV guest?
    cmp dword [cpu_vendor], 0x68747541
    jne not_sev
    cmp dword [cpu_vendor+4], 0x69746e65
    jne not_sev
    cmp dword [cpu_vendor+8], 0x444d4163
    jne not_sev
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x8000001f
    jb not_sev
    mov eax, 0x8000001f
    cpuid
    mov [sev_leaf_ebx], ebx
    test eax, 2
    je not_sev
    mov ecx, MSR_SEV_STATUS
    rdmsr
    test eax, SEV_STAT_ENABLED
    je not_sev
    mov [cpu_sev_guestmode], eax
    ; The C-bit must be in the upper half of a page table entry.
    mov ecx, [sev_leaf_ebx]
    mov eax, ecx
    and ecx, 0x3f
    mov [sev_cbit], ecx
    cmp ecx, 32
    jb not_sev
    sub ecx, 32
    mov edx, 1
    shl edx, cl
    mov [pg_crypt+4], edx
    ; Physical address bits that encryption takes away.
    shr eax, 6
    and eax, 0x3f
    mov ecx, eax
    mov edx, 0x100000
    shr edx, cl
    sub edx, 1
    and [pg_frame+4], edx
not_sev:
    or dword [steps], 8

    ; Page tables, every entry with the C-bit; the area is zeroed first.
    mov edi, tables
    mov ecx, 0x2400
    xor eax, eax
    rep stosd
    mov esi, tables
    mov edx, [pg_crypt+4]
    lea eax, [esi+PROC0_PDPT_OFF+3]
    mov [esi+PROC0_PML4_OFF], eax
    mov [esi+PROC0_PML4_OFF+4], edx
    lea eax, [esi+PROC0_PD_OFF+3]
    mov [esi+PROC0_PDPT_OFF], eax
    mov [esi+PROC0_PDPT_OFF+4], edx
    ; 64 MiB in 2 MiB pages.
    mov eax, 0x83
    lea edi, [esi+PROC0_PD_OFF]
    mov ecx, 32
fill_pd:
    mov [edi], eax
    mov [edi+4], edx
    add eax, 0x200000
    add edi, 8
    loop fill_pd
    ; The 2 MiB that hold the GHCB get a table of 4 KiB pages.
    mov eax, esi
    and eax, 0xffe00000
    or eax, 3
    lea edi, [esi+PROC0_PT_OFF]
    mov ecx, 512
fill_pt:
    mov [edi], eax
    mov [edi+4], edx
    add eax, NBPG
    add edi, 8
    loop fill_pt
    mov eax, esi
    shr eax, 21
    lea ecx, [esi+PROC0_PT_OFF+3]
    mov [esi+eax*8+PROC0_PD_OFF], ecx
    mov [esi+eax*8+PROC0_PD_OFF+4], edx
    ; Re-map the two GHCB pages shared, but only as an SEV-ES guest.
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je ghcb_stays
    lea eax, [esi+PROC0_GHCB_OFF]
    shr eax, 12
    and eax, 511
    lea edi, [esi+eax*8+PROC0_PT_OFF]
    lea eax, [esi+PROC0_GHCB_OFF+3]
    mov [edi], eax
    mov dword [edi+4], 0
    add eax, NBPG
    mov [edi+8], eax
    mov dword [edi+12], 0
ghcb_stays:
    or dword [steps], 16

    ; Into long mode; the code segment is still a 32-bit one: compatibility mode.
    mov eax, cr4
    or eax, 0x620
    mov cr4, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, 0x100
    wrmsr
    mov cr3, esi
    mov eax, cr0
    and eax, 0xfffffff3
    or eax, 0x80010022
    mov cr0, eax
    jmp short compat
compat:
    ; A #VC taken here goes through the 16-byte gate to the 64-bit handler.
    mov eax, 1
    cpuid
    cmp eax, [cpu_signature]
    jne compat_bad
    or dword [steps], 32
compat_bad:
    jmp SEL_CODE64:longmode

; locore_vc_trap32: the handler in 32-bit legacy mode.
; Stack: error code, eip, cs, eflags.
locore_vc_trap32:
    push eax
    push ebx
    push ecx
    push edx
    cmp dword [esp+16], 0x36
    je vc32_dr
    cmp dword [esp+16], 0x37
    je vc32_dr
    cmp dword [esp+16], 0x72
    jne vc32_terminate
    or dword [early_vcs], 1
    ; The instruction must be the one that the error code names.
    mov eax, [esp+20]
    cmp word [eax], 0xa20f
    jne vc32_terminate
    mov ebx, [esp+12]
    mov eax, 0
    call vc_cpuid32
    mov [esp+12], edx
    mov eax, 1
    call vc_cpuid32
    mov [esp+8], edx
    mov eax, 2
    call vc_cpuid32
    mov [esp+4], edx
    mov eax, 3
    call vc_cpuid32
    mov [esp], edx
    pop edx
    pop ecx
    pop ebx
    pop eax
    add esp, 4
    add dword [esp], 2
    iretd
vc32_dr:
    or dword [early_vcs], 2
    pop edx
    pop ecx
    pop ebx
    pop eax
    add esp, 4
    add dword [esp], 3
    iretd
vc32_terminate:
    mov eax, MSRPROTO_TERM_REQ
    xor edx, edx
    mov ecx, MSR_SEV_GHCB
    wrmsr
    vmgexit
vc32_halt:
    hlt
    jmp short vc32_halt

; vc_cpuid32: eax = register, ebx = leaf; the value comes back in edx.
vc_cpuid32:
    shl eax, 30
    or eax, MSRPROTO_CPUID_REQ
    mov edx, ebx
    mov ecx, MSR_SEV_GHCB
    wrmsr
    vmgexit
    rdmsr
    and eax, 0xfff
    cmp eax, MSRPROTO_CPUID_RESP
    jne vc32_terminate
    ret

bits 64
; locore_vc_trap64: the handler for compatibility mode, itself in a long-mode segment.
locore_vc_trap64:
    push rax
    push rbx
    push rcx
    push rdx
    cmp dword [rsp+32], 0x72
    jne vc64_terminate
    or dword [early_vcs], 4
    mov rax, [rsp+40]
    cmp word [rax], 0xa20f
    jne vc64_terminate
    mov ebx, [rsp+24]
    mov eax, 0
    call vc_cpuid64
    mov [rsp+24], rdx
    mov eax, 1
    call vc_cpuid64
    mov [rsp+16], rdx
    mov eax, 2
    call vc_cpuid64
    mov [rsp+8], rdx
    mov eax, 3
    call vc_cpuid64
    mov [rsp], rdx
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 8
    add qword [rsp], 2
    iretq
vc64_terminate:
    mov eax, MSRPROTO_TERM_REQ
    xor edx, edx
    mov ecx, MSR_SEV_GHCB
    wrmsr
    vmgexit
vc64_halt:
    hlt
    jmp short vc64_halt

vc_cpuid64:
    shl eax, 30
    or eax, MSRPROTO_CPUID_REQ
    mov edx, ebx
    mov ecx, MSR_SEV_GHCB
    wrmsr
    vmgexit
    rdmsr
    and eax, 0xfff
    cmp eax, MSRPROTO_CPUID_RESP
    jne vc64_terminate
    ret

longmode:
    mov eax, SEL_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov rsp, proc0_stack
    ; first_avail: the lowest of the five pages.
    mov rdi, tables+PROC0_GHCB_OFF
    call init_x86_64
    call main
locore_halt:
    cli
    hlt
    jmp short locore_halt
