; A small kernel that uses it all, then says on COM1 what worked.  Every step prints its name first.

equ COM1 0x3f8
equ DEBUG_EXIT 0xf4
equ PASS 0x10
equ FAIL 0x11

main:
    call comcninit
    mov rsi, msg_banner
    call puts
    mov rsi, msg_mode_off
    mov eax, [cpu_sev_guestmode]
    test eax, SEV_STAT_ENABLED
    je .main_mode
    mov rsi, msg_mode_sev
    test eax, SEV_STAT_ES_ENABLED
    je .main_mode
    mov rsi, msg_mode_es
    test eax, SEV_STAT_SNP_ENABLED
    je .main_mode
    mov rsi, msg_mode_snp
.main_mode:
    call puts
    mov rsi, msg_entry_legacy
    cmp dword [entered_paging], 0
    je .main_entry
    mov rsi, msg_entry_compat
.main_entry:
    call puts

    mov rsi, msg_args
    call step
    mov eax, STEP_ARGS
    call check_early
    mov rsi, msg_bootinfo
    call step
    call bootinfo_check
    call check
    mov rsi, msg_gates
    call step
    mov eax, STEP_IDT
    call check_early
    mov rsi, msg_dr
    call step
    mov eax, STEP_DR
    call check_early
    mov rsi, msg_cpuid_early
    call step
    mov eax, STEP_CPUID
    call check_early
    mov rsi, msg_vendor
    call puts
    mov rsi, cpu_vendor
    call puts
    call newline
    mov rsi, msg_detect
    call step
    mov eax, STEP_DETECT
    call check_early
    mov rsi, msg_cbit
    call puts
    mov eax, [amd64_sev_ebx]
    and eax, 0x3f
    call putdec
    mov rsi, msg_reduction
    call puts
    mov eax, [amd64_sev_ebx]
    shr eax, 6
    and eax, 0x3f
    call putdec
    mov rsi, msg_status
    call puts
    mov eax, [cpu_sev_guestmode]
    call putdec
    call newline
    mov rsi, msg_handlers
    call step
    call early_handlers_check
    call check
    mov rsi, msg_tables
    call step
    mov eax, STEP_TABLES
    call check_early
    mov rsi, msg_ghcb_pages
    call step
    call ghcb_pages_check
    call check
    mov rsi, msg_first_avail
    call step
    call first_avail_check
    call check
    mov rsi, msg_vctrap
    call step
    mov eax, [cpu_sev_guestmode]
    shl eax, 6
    and eax, STEP_VCTRAP
    or eax, STEP_LONG
    call check_early
    mov rsi, msg_final
    call step
    mov eax, STEP_FINAL
    call check_early
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    je .main_traps
    call snp_early_test
    call snp_cpuid_test
.main_traps:

    ; CPUID by vctrap gives what the early handlers were given.
    mov rsi, msg_cpuid
    call step
    mov eax, 1
    xor ecx, ecx
    cpuid
    cmp eax, [cpu_id]
    jne .main_cpuid
    mov eax, 0x80000000
    cpuid
    cmp eax, [cpuid_extlevel]
.main_cpuid:
    call check
    mov rsi, msg_upper
    call step
    mov rbx, 0x1122334455667788
    xor eax, eax
    xor ecx, ecx
    cpuid
    mov rax, rbx
    shr rax, 32
    call check
    mov rsi, msg_hypervisor
    call puts
    mov eax, 0x40000000
    cpuid
    mov [hv_vendor], ebx
    mov [hv_vendor+4], ecx
    mov [hv_vendor+8], edx
    mov rsi, hv_vendor
    call puts
    call newline

    ; XCR0 is the guest's own; leaf 0xD and OSXSAVE of leaf 1 follow what the host can know.
    test dword [cpu_ecxfeature], 0x4000000
    je .no_xsave
    mov rsi, msg_xcr0
    call step
    mov rax, cr4
    or eax, 0x40000
    mov cr4, rax
    xor ecx, ecx
    xor edx, edx
    mov eax, 3
    xsetbv
    xor eax, eax
    xgetbv
    cmp eax, 3
    call check
    mov rsi, msg_leaf_d
    call step
    mov eax, 0xd
    xor ecx, ecx
    cpuid
    cmp ebx, 576
    call check
    mov rsi, msg_osxsave
    call step
    mov eax, 1
    cpuid
    not ecx
    test ecx, 0x8000000
    call check
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    je .no_xsave
    call snp_xsave_test
.no_xsave:
    mov rsi, msg_cr8
    call step
    mov eax, 5
    mov cr8, rax
    mov rbx, cr8
    xor eax, eax
    mov cr8, rax
    cmp ebx, 5
    call check

    mov rsi, msg_rdmsr
    call step
    mov ecx, 0xc0011029
    mov rax, 0x1111111122222222
    mov rdx, rax
    rdmsr
    shl rdx, 32
    or rax, rdx
    cmp rax, 2
    call check
    mov rsi, msg_wrmsr
    call step
    call wrmsr_check
    call check
    mov rsi, msg_nomsr
    call step
    mov rax, .main_gp
    mov [gs:CI_ONFAULT_RIP], rax
    mov [gs:CI_ONFAULT_RSP], rsp
    mov dword [no_fault], 0
    mov ecx, 0xc0011fff
    rdmsr
    mov dword [no_fault], 1
.main_gp:
    mov qword [gs:CI_ONFAULT_RIP], 0
    cmp dword [no_fault], 0
    call check

    call ioio_test
    call string_test

    mov rsi, msg_wbinvd
    call step
    wbinvd
    db 0xf3, 0x0f, 0x09
    cmp eax, eax
    call check
    mov rsi, msg_rdtsc
    call step
    call rdtsc_check
    call check
    cmp dword [hv_vendor], 0x6e65704f
    je .no_hypercall
    mov rsi, msg_vmmcall
    call step
    mov eax, 0xffff
    vmmcall
    cmp rax, -1000
    call check
.no_hypercall:
    call lapic_init
    je .no_mmio
    call mmio_test
.no_mmio:
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je .no_es
    mov rsi, msg_pv_io
    call step
    call pv_io_check
    call check
    mov rsi, msg_nested
    call step
    mov qword [gs:CI_NEST_PROBE], 1
    mov edx, 0x3fb
    mov eax, 0xffffff00
    in al, dx
    mov ecx, [gs:CI_NEST_SEEN]
    cmp ecx, 0x68747541
    jne .nested_checked
    cmp eax, 0xffffff5b
.nested_checked:
    call check
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    je .no_es
    call snp_page_test
    cmp qword [snp_vmpl], 0
    je .no_es
    call svsm_test
.no_es:
    mov rsi, msg_timer
    call step
    call timer_start
    sti
.main_ticks:
    hlt
    cmp qword [ticks], 5
    jb .main_ticks
    cli
    mov al, 0xff
    out 0x21, al
    cmp eax, eax
    call check

    mov rsi, msg_mp
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    je .main_mp
    mov rsi, msg_mp_snp
.main_mp:
    call step
    call mp_start
    test eax, eax
    jne .mp_offered
    mov rsi, msg_not_offered
    call puts
    jmp .mp_checked
.mp_offered:
    cmp dword [ap_apicid], 1
    call check
    cmp qword [snp_vmpl], 0
    je .main_destroy
    mov rsi, msg_svsm_second
    call step
    mov rax, 0x100000001
    cmp rax, [ap_protocol]
    call check
.main_destroy:
    cmp qword [ap_save_area], 0
    je .mp_checked
    call snp_destroy_test
.mp_checked:
    call process_test
    call viornd_test

    mov rsi, msg_count
    call puts
    mov rax, [gs:CI_VC_COUNT]
    call putdec
    call newline
    mov rsi, msg_pass
    call puts
    mov al, PASS
    out DEBUG_EXIT, al
    ret

; Each check leaves ZF set if all is well.

; The record of boot arguments that names the console must name COM1.
bootinfo_check:
    mov rsi, bootinfo
    mov ecx, 8
.bootinfo_record:
    mov eax, [rsi]
    cmp eax, 5
    je .bootinfo_console
    mov eax, [rsi+4]
    add rsi, rax
    dec ecx
    jne .bootinfo_record
    inc ecx
    ret
.bootinfo_console:
    cmp qword [rsi+20], COM1
    ret

; In legacy mode the 32-bit handler must have run, in compatibility mode the 64-bit one, and no other; under
; SEV-SNP it has not asked the host.
early_handlers_check:
    mov eax, [early_vcs]
    and eax, EARLY_CPUID32+EARLY_CPUID64+EARLY_PAGE32
    xor ecx, ecx
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je .early_compare
    mov ecx, EARLY_CPUID32+EARLY_PAGE32
    test dword [cpu_sev_guestmode], SEV_STAT_SNP_ENABLED
    jne .early_compare
    mov ecx, EARLY_CPUID32
    cmp dword [entered_paging], 0
    je .early_compare
    mov ecx, EARLY_CPUID64
.early_compare:
    cmp eax, ecx
    ret

; Two pages without the C-bit under SEV-ES, none otherwise; their neighbours are private.
ghcb_pages_check:
    mov rdi, [proc0paddr]
    add rdi, PROC0_GHCB_OFF
    call kernel_pte
    mov rcx, [rax-8]
    and rcx, [rax+16]
    mov rdx, [rax]
    or rdx, [rax+8]
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    jne .ghcb_shared
    and rcx, [rax]
    and rcx, [rax+8]
    xor edx, edx
.ghcb_shared:
    and rdx, [pg_crypt]
    and rcx, [pg_crypt]
    xor rcx, [pg_crypt]
    or rdx, rcx
    ret

; The five pages: the GHCBs are taken only under SEV-ES, the early page tables always, in this order.
first_avail_check:
    mov rax, [proc0paddr]
    add rax, PROC0_GHCB_OFF
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je .first_compare
    add rax, 0x2000
.first_compare:
    mov rcx, rax
    xor rcx, [early_pte_pages]
    add rax, 0x3000
    xor rax, [first_avail]
    or rax, rcx
    ret

; HWCR keeps a bit under KVM; vmm drops that write, but has PAT.
wrmsr_check:
    ; A bit of HWCR that KVM keeps, or of a PAT entry where HWCR is nobody's.
    mov ecx, 0xc0010015
    mov ebx, 0x40000
    cmp dword [hv_vendor], 0x6e65704f
    jne .wrmsr_bit
    mov ecx, 0x277
    mov ebx, 0x100
.wrmsr_bit:
    rdmsr
    mov r12d, eax
    xor eax, ebx
    mov r13d, edx
    wrmsr
    xor eax, eax
    rdmsr
    xor eax, ebx
    ; Back to what it was.
    push rax
    wrmsr
    pop rax
    xor edx, r13d
    xor eax, r12d
    or eax, edx
    ret

ioio_test:
    mov rsi, msg_io8
    call step
    mov edx, 0x3fb
    mov al, 0x5b
    out dx, al
    mov rax, 0x1234567899aabb00
    in al, dx
    mov rcx, 0x1234567899aabb5b
    cmp rax, rcx
    call check
    mov rsi, msg_io8_imm
    call step
    mov al, 0x0f
    out 0x70, al
    mov al, 0x33
    out 0x71, al
    mov al, 0x0e
    out 0x70, al
    mov al, 0x44
    out 0x71, al
    mov al, 0x0f
    out 0x70, al
    mov rax, 0x1234567800
    in al, 0x71
    mov rcx, 0x1234567833
    cmp rax, rcx
    call check
    mov rsi, msg_io32
    call step
    mov edx, 0xcf8
    mov eax, 0x80000000
    out dx, eax
    mov rax, 0x1111111111111111
    in eax, dx
    mov ecx, 0x80000000
    cmp rax, rcx
    call check
    mov rsi, msg_io32_imm
    call step
    xor eax, eax
    out 0x70, al
    ; Byte-wide registers: a chipset makes four accesses of this one.
    mov eax, 0x5500330f
    out 0x70, eax
    mov rax, 0x1111111111111111
    in eax, 0x71
    mov rcx, rax
    shr rcx, 32
    sub al, 0x33
    or cl, al
    call check
    mov rsi, msg_io16
    call step
    xor eax, eax
    out 0x70, al
    mov edx, 0x70
    mov eax, 0x5555330f
    out dx, ax
    inc edx
    mov eax, 0x12345678
    in ax, dx
    mov ah, 0
    cmp rax, 0x12340033
    call check
    mov rsi, msg_io16_imm
    call step
    xor eax, eax
    out 0x70, al
    mov eax, 0x5555330f
    out 0x70, ax
    mov eax, 0x12345678
    in ax, 0x71
    mov ah, 0
    cmp rax, 0x12340033
    call check
    ; Ports of 0x8000 and more, where nobody answers.
    mov rsi, msg_io_high
    call step
    mov edx, 0xfff0
    mov eax, 0x12340000
    in ax, dx
    cmp eax, 0x1234ffff
    jmp check

; INS and OUTS.  vmd has none.
string_test:
    mov rsi, msg_string
    call step
    cmp dword [hv_vendor], 0x6e65704f
    je not_offered
    ; The last byte of an OUTSB selects CMOS 0x0f; INSB reads it, over more than one buffer.
    mov rsi, string_bytes
    mov edx, 0x70
    mov ecx, 4
    rep outsb
    mov rax, string_bytes+4
    cmp rsi, rax
    jne .string_bad
    inc edx
    mov rdi, scratch
    mov ecx, 4000
    rep insb
    mov rax, scratch+4000
    cmp rdi, rax
    jne .string_bad
    test ecx, ecx
    jne .string_bad
    mov rdi, scratch
    mov ecx, 4000
    mov al, 0x33
    repe scasb
    jne .string_bad
    ; Words, downwards, without REP.
    std
    mov rdi, scratch+8
    mov ecx, 7
    mov qword [scratch+8], 0
    insw
    cld
    mov rax, scratch+6
    cmp rdi, rax
    jne .string_bad
    cmp ecx, 7
    jne .string_bad
    ; The second byte came from the port behind.
    mov byte [scratch+9], 0
    cmp qword [scratch+8], 0x33
    jne .string_bad
    ; Doublewords downwards with REP: the address register of PCI keeps the last one.
    std
    mov rsi, string_words+4
    mov edx, 0xcf8
    mov ecx, 2
    rep outsd
    cld
    in eax, dx
    cmp eax, 0x80001000
.string_bad:
    jmp check

rdtsc_check:
    rdtsc
    mov r12, rdx
    shl r12, 32
    or r12, rax
    mov rdx, 0x1111111100000000
    rdtsc
    shl rdx, 32
    or rdx, rax
    sub rdx, r12
    jbe .rdtsc_bad
    mov rax, rdx
    shr rax, 24
    jne .rdtsc_bad
    mov eax, 0x80000001
    cpuid
    test edx, 0x8000000
    je .rdtsc_good
    mov rcx, 0x1111111111111111
    clc
    rdtscp
    jb .rdtsc_bad
    ; TSC_AUX of the first CPU is zero.
    test rcx, rcx
    ret
.rdtsc_good:
    cmp eax, eax
    ret
.rdtsc_bad:
    xor eax, eax
    inc eax
    ret

; The version register and the task priority of the local APIC, in every form of MOV.
mmio_test:
    mov rsi, msg_mmio_read
    call step
    mov rbx, [lapic]
    mov r12d, 0x10
    mov rax, 0x1111111111111111
    mov eax, [rbx+0x30]
    cmp rax, 0x50014
    jne .mmio_read_done
    mov rax, 0x1111111111111111
    mov r9, rax
    mov ah, [rbx+0x30]
    cmp ah, 0x14
    jne .mmio_read_done
    mov r9w, [rbx+r12+0x20]
    mov rcx, 0x1111111111110014
    cmp r9, rcx
    jne .mmio_read_done
    mov r10, 0x1111111111111111
    movzx r10d, byte [rbx+r12*2+0x10]
    cmp r10, 0x14
    jne .mmio_read_done
    movzx r11, word [rbx+r12*2+0x10]
    cmp r11, 0x14
    jne .mmio_read_done
    mov r8, [rbx+0x30]
    mov ecx, r8d
    cmp ecx, 0x50014
.mmio_read_done:
    call check
    mov rsi, msg_mmio_write
    call step
    mov rbx, [lapic]
    mov r13d, 0x87
    mov [rbx+0x80], r13d
    mov eax, [rbx+0x80]
    cmp eax, 0x87
    jne .mmio_write_done
    movsx ecx, byte [rbx+0x80]
    cmp ecx, -121
    jne .mmio_write_done
    mov dword [rbx+0x80], 0x9a
    movsx rcx, byte [rbx+0x80]
    cmp rcx, -102
    jne .mmio_write_done
    movsx ecx, word [rbx+0x80]
    cmp ecx, 0x9a
    jne .mmio_write_done
    mov dword [rbx+0x80], 0
    mov eax, [rbx+0x80]
    test eax, eax
.mmio_write_done:
    call check
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je .mmio_no_pv
    mov rsi, msg_pv_mmio
    call step
    mov rdi, [lapic]
    add rdi, 0x30
    mov esi, GHCB_SZ32
    mov rdx, pv_value
    mov ecx, 1
    call ghcb_mem_rw
    cmp dword [pv_value], 0x50014
    jne .pv_mmio_done
    mov dword [pv_value], 0x60
    mov rdi, [lapic]
    add rdi, 0x80
    mov esi, GHCB_SZ32
    mov rdx, pv_value
    xor ecx, ecx
    call ghcb_mem_rw
    mov rbx, [lapic]
    mov eax, [rbx+0x80]
    mov dword [rbx+0x80], 0
    cmp eax, 0x60
.pv_mmio_done:
    call check
.mmio_no_pv:
    ret

pv_io_check:
    mov dword [pv_value], 0xa6
    mov edi, 0x3fb
    mov esi, GHCB_SZ8
    mov rdx, pv_value
    xor ecx, ecx
    call ghcb_io_rw
    mov dword [pv_value], 0
    mov edi, 0x3fb
    mov esi, GHCB_SZ8
    mov rdx, pv_value
    mov ecx, 1
    call ghcb_io_rw
    mov ebx, [pv_value]
    mov edx, 0x3fb
    mov al, 0x5b
    out dx, al
    cmp ebx, 0xa6
    ret

; Processes that end themselves, and processes that the kernel ends.
process_test:
    mov rsi, msg_process
    call step
    mov rax, [first_avail]
    cmp qword [lapic], 0
    je .process_setup
    mov eax, LAPIC_PADDR
.process_setup:
    mov [device_paddr], rax
    call process_setup
    mov edi, USER_TEXT
    xor esi, esi
    call process_run
    or eax, edx
    call check
    ; RDMSR is #GP before any exit.
    mov rsi, msg_user_msr
    call step
    mov edi, USER_TEXT+0x40
    xor esi, esi
    call process_run
    cmp edx, SIGSEGV
    call check
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je .process_done
    ; With I/O privilege, IN gets as far as #VC.
    mov rsi, msg_user_io
    call step
    mov edi, USER_TEXT+0x80
    mov esi, 0x3000
    call process_run
    cmp edx, SIGILL
    call check
    mov rsi, msg_user_vmmcall
    call step
    mov edi, USER_TEXT+0xc0
    xor esi, esi
    call process_run
    cmp edx, SIGILL
    call check
    cmp qword [lapic], 0
    je .process_done
    mov rsi, msg_user_mmio
    call step
    mov edi, USER_TEXT+0x100
    xor esi, esi
    call process_run
    cmp edx, SIGBUS
    call check
.process_done:
    ; The kernel is none the worse.
    mov rsi, msg_after
    call step
    mov eax, 1
    cpuid
    cmp eax, [cpu_id]
    jmp check

viornd_test:
    call viornd_find
    test eax, eax
    je .no_viornd
    mov edi, eax
    push rdi
    mov rsi, msg_viornd
    call step
    pop rdi
    call viornd_read
    sete al
    test al, al
    jmp check
.no_viornd:
    ret

; ---- the self-test's own

; step(rsi = name)
step:
    call puts
    mov rsi, msg_dots
    jmp puts

; check(ZF)
check:
    jne check_failed
check_ok:
    mov rsi, msg_ok
    jmp puts
not_offered:
    mov rsi, msg_not_offered
    jmp puts
; check_early(eax = steps)
check_early:
    mov ecx, [early_steps]
    and ecx, eax
    cmp ecx, eax
    je check_ok
check_failed:
    mov rsi, msg_bad
    call puts
self_test_failed:
    mov rsi, msg_fail
    call puts
    mov al, FAIL
    out DEBUG_EXIT, al
    jmp locore_halt

; panic(rsi = message), panic_at(rsi = message, rax = address): says so if it can, and asks for the end.
panic:
    mov rax, [rsp]
panic_at:
    cld
    cmp dword [panicked], 0
    jne vc_terminate64
    mov dword [panicked], 1
    push rax
    push rsi
    mov rsi, msg_panic
    call puts
    pop rsi
    call puts
    mov rsi, msg_at
    call puts
    pop rax
    call puthex
    call newline
    jmp vc_terminate64

comcninit:
    mov edx, 0x3f9
    xor eax, eax
    out dx, al
    mov edx, 0x3fb
    mov al, 3
    out dx, al
    mov edx, 0x3fa
    mov al, 7
    out dx, al
    ret

; comcnputc(al)
comcnputc:
    push rdx
    push rax
    mov edx, 0x3fd
.comcn_wait:
    in al, dx
    test al, 0x20
    je .comcn_wait
    pop rax
    mov edx, COM1
    out dx, al
    pop rdx
    ret

; puts(rsi)
puts:
    lodsb
    test al, al
    je .puts_done
    call comcnputc
    jmp short puts
.puts_done:
    ret

newline:
    mov al, 13
    call comcnputc
    mov al, 10
    jmp comcnputc

; putdec(rax)
putdec:
    mov ecx, 10
    xor r8d, r8d
.putdec_digit:
    xor edx, edx
    div rcx
    push rdx
    inc r8d
    test rax, rax
    jne .putdec_digit
.putdec_out:
    pop rax
    add al, '0'
    call comcnputc
    dec r8d
    jne .putdec_out
    ret

; puthex(rax)
puthex:
    mov rdx, rax
    mov r8d, 16
.puthex_digit:
    rol rdx, 4
    mov eax, edx
    and eax, 15
    cmp al, 10
    jb .puthex_decimal
    add al, 39
.puthex_decimal:
    add al, '0'
    push rdx
    push r8
    call comcnputc
    pop r8
    pop rdx
    dec r8d
    jne .puthex_digit
    ret
