; A second CPU: started by INIT and SIPI, under SEV-ES out of AP reset hold through the AP jump table that
; firmware has left, under SEV-SNP by AP creation.

equ LAPIC_PADDR 0xfee00000
equ BASE_MEMORY_END 0x100000
equ MP_TRAMPOLINE 0x7000
equ MP_SEGMENT 0x700
equ MP_TRAMPOLINE_PAGE 7

; lapic_init: maps the local APIC if there is one; ZF if there is none.
lapic_init:
    test dword [cpu_feature], 0x200
    je .no_lapic
    mov edi, LAPIC_PADDR
    xor esi, esi
    call device_map
    mov [lapic], rax
    mov dword [rax+0xf0], 0x1ff
    test rax, rax
.no_lapic:
    ret

; mp_start: eax = 1 when the second CPU runs, 0 when none is offered, 2 when it does not come.
mp_start:
    push rbx
    push r12
    xor eax, eax
    cmp qword [lapic], 0
    je .mp_done
    mov ecx, [cpu_ebxfeature]
    shr ecx, 16
    and ecx, 0xff
    cmp ecx, 2
    jb .mp_done
    ; Two GHCB pages and a stack for it.
    call page_alloc
    mov r12, rax
    call page_alloc
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je .mp_stack
    mov rdi, r12
    call page_share
    lea rdi, [r12+NBPG]
    call page_share
    mov [cpu1+CI_GHCB_PADDR], r12
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    jne .mp_save_area
    call ghcb_ap_jump_table
    mov rbx, rax
    xor eax, eax
    test rbx, rbx
    je .mp_done
    ; The table is private memory below 1 MB: IP, CS.  A host that names another place wants it written to.
    cmp rbx, BASE_MEMORY_END-4
    ja vc_terminate64
    mov word [rbx+KERNBASE], 0
    mov word [rbx+KERNBASE+2], MP_SEGMENT
    jmp .mp_stack
.mp_save_area:
    xor eax, eax
    test dword [hv_features], HV_FEATURE_AP_CREATION
    je .mp_done
    ; Not at a multiple of 2 MB, where processors may take it for a large page.
    call page_alloc
    test eax, LARGE_PAGE-1
    jne .mp_save_area_at
    call page_alloc
.mp_save_area_at:
    mov [ap_save_area], rax
.mp_stack:
    call page_alloc
    lea rdx, [rax+KERNBASE+NBPG]
    mov rdi, KERNBASE+MP_TRAMPOLINE
    mov rsi, mptramp
    mov ecx, NBPG
    rep movsb
    mov [KERNBASE+MP_TRAMPOLINE+0xf10], rdx
    mov rax, [proc0paddr]
    mov [KERNBASE+MP_TRAMPOLINE+0xf00], rax
    mov rax, ap_main
    mov [KERNBASE+MP_TRAMPOLINE+0xf08], rax
    mov rax, cpu1
    mov [cpu1+CI_SELF], rax
    mov [KERNBASE+MP_TRAMPOLINE+0xf18], rax
    mov ecx, MSR_EFER
    rdmsr
    and eax, 0x901
    mov [KERNBASE+MP_TRAMPOLINE+0xf30], eax
    mov word [KERNBASE+MP_TRAMPOLINE+0xf20], 31
    mov dword [KERNBASE+MP_TRAMPOLINE+0xf22], MP_TRAMPOLINE+0xf40
    mov rax, 0x00cf9b000000ffff
    mov [KERNBASE+MP_TRAMPOLINE+0xf48], rax
    mov rax, 0x00cf93000000ffff
    mov [KERNBASE+MP_TRAMPOLINE+0xf50], rax
    mov rax, 0x00af9b000000ffff
    mov [KERNBASE+MP_TRAMPOLINE+0xf58], rax
    ; The trampoline's page is executable, and mapped where it lies, for as long as it is used.
    mov rbx, [proc0paddr]
    mov rax, 0x7fffffffffffffff
    and [rbx+KERNBASE+PROC0_L1_LOW_OFF+56], rax
    lea rax, [rbx+PROC0_L3_OFF+3]
    or rax, [pg_crypt]
    mov [rbx+KERNBASE+PROC0_PML4_OFF], rax
    lea rax, [rbx+PROC0_L2_OFF+3]
    or rax, [pg_crypt]
    mov [rbx+KERNBASE+PROC0_L3_OFF], rax
    mov rdi, [ap_save_area]
    test rdi, rdi
    je .mp_sipi
    mov eax, MP_SEGMENT
    call snp_ap_create
    jmp .mp_started
.mp_sipi:
    ; INIT, SIPI to APIC 1.
    mov rax, [lapic]
    mov dword [rax+0x310], 0x1000000
    mov dword [rax+0x300], 0x4500
    mov dword [rax+0x310], 0x1000000
    mov dword [rax+0x300], 0x4600+MP_TRAMPOLINE_PAGE
.mp_started:
    mov ecx, 1000000
.mp_wait:
    pause
    cmp dword [cpus_running], 2
    je .mp_running
    dec ecx
    jne .mp_wait
    mov eax, 2
    jmp short .mp_unmap
.mp_running:
    mov eax, 1
.mp_unmap:
    mov qword [rbx+KERNBASE+PROC0_PML4_OFF], 0
    mov qword [rbx+KERNBASE+PROC0_L3_OFF], 0
    mov rcx, cr3
    mov cr3, rcx
.mp_done:
    pop r12
    pop rbx
    ret

; ap_main(rdi = per-CPU data): the second CPU in the kernel's address space.
ap_main:
    mov rax, rdi
    mov rdx, rdi
    shr rdx, 32
    mov ecx, MSR_GSBASE
    wrmsr
    lgdt [gdt_region]
    lidt [idt_region]
    push GCODE_SEL
    mov rax, .ap_code
    push rax
    retfq
.ap_code:
    mov eax, GDATA_SEL
    mov ds, ax
    mov es, ax
    mov ss, ax
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je .ap_cpuid
    mov rsi, rdi
    mov rdi, [rsi+CI_GHCB_PADDR]
    call ghcb_init
.ap_cpuid:
    ; By its own GHCB: which APIC am I?
    mov eax, 1
    xor ecx, ecx
    cpuid
    shr ebx, 24
    mov [ap_apicid], ebx
    cmp qword [snp_vmpl], 0
    je .ap_running
    call svsm_query_core
    mov [ap_protocol], rcx
.ap_running:
    lock inc dword [cpus_running]
.ap_halt:
    cli
    hlt
    jmp short .ap_halt
