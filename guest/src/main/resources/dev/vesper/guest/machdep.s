; Between locore0 and main: temporary and final descriptor tables, the GHCB, interrupt controllers.

; init_x86_64(rdi = first_avail): the lowest of the five pages that locore0 reserved.
init_x86_64:
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je .init_no_es
    push rdi
    call cpu_init_early_vctrap
    pop rdi
    add rdi, 0x2000
.init_no_es:
    test dword [cpu_sev_guestmode], SEV_STAT_ENABLED
    je .init_no_sev
    or dword [boothowto], 0x40000
.init_no_sev:
    mov [early_pte_pages], rdi
    add rdi, 0x3000
    mov [first_avail], rdi
    call cpu_init_gs
    ; By the early handler of long mode.
    mov eax, 0x80000000
    cpuid
    mov [cpuid_extlevel], eax
    call cpu_init_idt
    ret

; cpu_init_gs: makes cpu0 the per-CPU data.
cpu_init_gs:
    mov rax, cpu0
    mov [cpu0+CI_SELF], rax
    mov rdx, rax
    shr rdx, 32
    mov ecx, MSR_GSBASE
    wrmsr
    ret

; cpu_init_early_vctrap(rdi = address of the GHCB pages)
cpu_init_early_vctrap:
    push rdi
    ; Temporary long-mode GDT, will be reset soon.
    mov rdi, early_gdt
    xor eax, eax
    mov ecx, 6
    rep stosq
    mov rax, 0x00af9b000000ffff
    mov [early_gdt+8], rax
    mov rax, 0x00cf93000000ffff
    mov [early_gdt+16], rax
    lgdt [early_gdt_region]
    call cpu_init_gs
    ; Temporary long-mode #VC entry.  The table still holds the early gates: zeroed first.
    mov rdi, early_idt
    mov ecx, 512
    xor eax, eax
    rep stosq
    mov rdi, early_idt+464
    mov rax, Xvctrap_early
    call setgate
    lidt [early_idt_region]
    ; Clear the GHCBs and tell the host.
    call ghcb_negotiate
    pop rdi
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    je .init_ghcb
    push rdi
    call snp_start
    pop rdi
.init_ghcb:
    mov rsi, cpu0
    call ghcb_init
    or dword [early_steps], STEP_VCTRAP
    ret

equ GHCB_VERSION_MAX 2
equ TERM_PROTOCOL_RANGE 0x10000
equ CPUID_VMM_SIGNATURE 0x40000000
equ SIGNATURE_OPENBSD 0x6e65704f

; ghcb_negotiate: the host's protocol versions must overlap ours, 1 to 2, and have 2 for SEV-SNP.  vmm(4) offers
; one version and ends a guest that asks.
ghcb_negotiate:
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    jne .negotiate
    push rbx
    mov eax, 1
    mov ebx, CPUID_VMM_SIGNATURE
    call vc_cpuid64
    pop rbx
    cmp edx, SIGNATURE_OPENBSD
    je .negotiated
.negotiate:
    mov eax, MSRPROTO_SEV_INFO_REQ
    xor edx, edx
    mov ecx, MSR_SEV_GHCB
    wrmsr
    rep vmmcall
    rdmsr
    and eax, 0xfff
    cmp eax, MSRPROTO_SEV_INFO
    jne vc_terminate64
    ; edx: highest version in the upper half, lowest in the lower one.
    test edx, 0xffff0000
    je .no_version
    movzx ecx, dx
    cmp ecx, GHCB_VERSION_MAX
    ja .no_version
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    je .negotiated
    shr edx, 16
    cmp edx, GHCB_VERSION_MAX
    jb .no_version
    mov word [ghcb_version], GHCB_VERSION_MAX
.negotiated:
    ret
.no_version:
    mov eax, MSRPROTO_TERM_REQ+TERM_PROTOCOL_RANGE
    jmp vc_terminate64_reason

; ghcb_init(rdi = address of two shared pages, rsi = per-CPU data): with SEV-SNP they are of the version that was
; negotiated, and registered.
ghcb_init:
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    je ghcb_announce
    call ghcb_announce
    mov rdx, [rsi+CI_GHCB_VADDR]
    mov ax, [ghcb_version]
    mov [rdx+GHCB_VERSION], ax
    call snp_register
    or dword [early_steps], STEP_REGISTERED
    ret
ghcb_announce:
    mov qword [rsi+CI_DR7], 0x400
    mov [rsi+CI_GHCB_PADDR], rdi
    lea rax, [rdi+KERNBASE]
    mov [rsi+CI_GHCB_VADDR], rax
    push rdi
    mov rdi, rax
    mov ecx, 1024
    xor eax, eax
    rep stosq
    pop rdi
    mov eax, edi
    mov rdx, rdi
    shr rdx, 32
    mov ecx, MSR_SEV_GHCB
    wrmsr
    ret

; setgate(rdi = gate, rax = handler): an interrupt gate for the kernel.
setgate:
    mov [rdi], ax
    mov word [rdi+2], GCODE_SEL
    mov word [rdi+4], 0x8e00
    shr rax, 16
    mov [rdi+6], ax
    shr rax, 16
    mov [rdi+8], eax
    mov dword [rdi+12], 0
    ret

; cpu_init_idt: the final GDT, TSS and IDT.
cpu_init_idt:
    mov rax, tss
    mov [gdt+GTSS_SEL+2], ax
    shr rax, 16
    mov [gdt+GTSS_SEL+4], al
    mov [gdt+GTSS_SEL+7], ah
    shr rax, 16
    mov [gdt+GTSS_SEL+8], eax
    lgdt [gdt_region]
    mov eax, GTSS_SEL
    ltr ax
    mov rdi, idt+96
    mov rax, Xtrap06
    call setgate
    mov rdi, idt+208
    mov rax, Xtrap0d
    call setgate
    mov rdi, idt+224
    mov rax, Xtrap0e
    call setgate
    mov rdi, idt+464
    mov rax, Xtrap1d
    call setgate
    mov rdi, idt+512
    mov rax, Xintr_timer
    call setgate
    mov rdi, idt+2048
    mov rax, Xsyscall
    call setgate
    mov byte [idt+2053], 0xee
    lidt [idt_region]
    or dword [early_steps], STEP_FINAL
    ret

; page_alloc: rax = physical address of a fresh page, zeroed.
page_alloc:
    mov rax, [first_avail]
    add qword [first_avail], NBPG
    push rax
    push rdi
    push rcx
    lea rdi, [rax+KERNBASE]
    xor eax, eax
    mov ecx, 512
    rep stosq
    pop rcx
    pop rdi
    pop rax
    ret

; kernel_pte: rdi = physical address in 16..20 MB; rax = address of its page table entry.
kernel_pte:
    mov rax, rdi
    sub rax, KERNTEXT
    shr rax, 9
    and rax, 0xfffffffffffffff8
    add rax, [proc0paddr]
    add rax, KERNBASE+PROC0_L1_OFF
    ret

; page_share(rdi = physical address): maps the page without the C-bit.  Its contents change.
page_share:
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    je page_map_shared
    push rdi
    xor esi, esi
    call snp_validate
    mov rdi, [rsp]
    mov esi, PSC_SHARED
    call snp_page_state
    pop rdi
page_map_shared:
    call kernel_pte
    mov rdx, [pg_crypt]
    not rdx
    and [rax], rdx
    lea rax, [rdi+KERNBASE]
    invlpg [rax]
    ret

; page_unshare(rdi = physical address): with SEV-SNP, makes the page private again.  Its contents are lost.
page_unshare:
    push rdi
    mov esi, PSC_PRIVATE
    call snp_page_state
    mov rdi, [rsp]
    mov esi, 1
    call snp_validate
    pop rdi
page_map_private:
    call kernel_pte
    mov rdx, [pg_crypt]
    or [rax], rdx
    lea rax, [rdi+KERNBASE]
    invlpg [rax]
    ret

; device_map(rdi = device address, esi = slot): rax = where its page appears, without the C-bit.
device_map:
    mov rax, [proc0paddr]
    lea rax, [rax+rsi*8+KERNBASE+PROC0_L1_DEV_OFF]
    mov rdx, rdi
    or rdx, 0x1b
    or rdx, [pg_nx]
    mov [rax], rdx
    mov rax, rsi
    shl rax, 12
    add rax, KERNBASE+0x3fe00000
    invlpg [rax]
    ret

; vtophys(rdi): rax = leaf page table entry, rcx = physical address without the C-bit; rax = 0: none.
vtophys:
    mov rax, cr3
    mov r8d, 39
.vtop_level:
    and rax, [pg_frame]
    mov rcx, rdi
    mov r9, rcx
    mov ecx, r8d
    shr r9, cl
    and r9, 511
    mov rax, [rax+r9*8+KERNBASE]
    test al, 1
    je .vtop_none
    cmp r8d, 12
    je .vtop_leaf
    cmp r8d, 39
    je .vtop_next
    test al, 0x80
    jne .vtop_leaf
.vtop_next:
    sub r8d, 9
    jmp short .vtop_level
.vtop_leaf:
    mov ecx, r8d
    mov r9d, 1
    shl r9, cl
    dec r9
    mov rcx, rdi
    and rcx, r9
    not r9
    mov r10, rax
    and r10, [pg_frame]
    and r10, r9
    mov r9, [pg_crypt]
    not r9
    and r10, r9
    add rcx, r10
    ret
.vtop_none:
    xor eax, eax
    ret

; timer_start: the 8259 pair at vectors 0x20 and 0x28 with IRQ 0 only, the 8254 at 100 Hz.
timer_start:
    mov al, 0x11
    out 0x20, al
    out 0xa0, al
    mov al, 0x20
    out 0x21, al
    mov al, 0x28
    out 0xa1, al
    mov al, 4
    out 0x21, al
    mov al, 2
    out 0xa1, al
    mov al, 1
    out 0x21, al
    out 0xa1, al
    mov al, 0xfe
    out 0x21, al
    mov al, 0xff
    out 0xa1, al
    mov al, 0x34
    out 0x43, al
    mov al, 0x9b
    out 0x40, al
    mov al, 0x2e
    out 0x40, al
    ret
