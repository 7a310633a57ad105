; A small kernel that uses it all: console on COM1, then a self-test that names every step.

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
    je main_mode
    mov rsi, msg_mode_sev
    test eax, SEV_STAT_ES_ENABLED
    je main_mode
    mov rsi, msg_mode_es
main_mode:
    call puts

    mov rsi, msg_gates
    mov eax, 1
    call check_step
    mov rsi, msg_dr
    mov eax, 2
    call check_step
    mov rsi, msg_cpuid32
    mov eax, 4
    call check_step
    mov rsi, msg_vendor
    call puts
    mov rsi, cpu_vendor
    call puts
    call newline
    mov rsi, msg_detect
    mov eax, 8
    call check_step
    mov rsi, msg_cbit
    call puts
    mov eax, [sev_cbit]
    call putdec
    mov rsi, msg_status
    call puts
    mov eax, [cpu_sev_guestmode]
    call putdec
    call newline
    mov rsi, msg_tables
    mov eax, 16
    call check_step
    mov rsi, msg_compat
    mov eax, 32
    call check_step
    mov rsi, msg_idt
    mov eax, 128
    call check_step
    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je main_native
    mov rsi, msg_ghcb
    mov eax, 64
    call check_step
    ; The three early handlers must all have run.
    mov rsi, msg_handlers
    mov eax, [early_vcs]
    cmp eax, 7
    call check_equal

main_native:
    ; CPUID through vctrap gives what the early handlers were given.
    mov eax, 1
    xor ecx, ecx
    cpuid
    mov rsi, msg_cpuid
    cmp eax, [cpu_signature]
    call check_equal
    ; The upper halves of the results are clear.
    mov rbx, 0x1122334455667788
    xor eax, eax
    xor ecx, ecx
    cpuid
    mov rsi, msg_upper
    mov rax, rbx
    shr rax, 32
    cmp rax, 0
    call check_equal

    ; HWCR: what is written reads back.
    mov ecx, 0xc0010015
    rdmsr
    mov r12d, eax
    xor eax, 0x100
    wrmsr
    rdmsr
    mov rsi, msg_msr
    xor r12d, 0x100
    cmp eax, r12d
    call check_equal
    ; An MSR that does not exist is #GP.
    mov rax, main_gp
    mov [fault_resume], rax
    mov ecx, 0xc0011fff
    rdmsr
    mov rsi, msg_nomsr
    cmp ecx, 0
    call check_equal
main_gp:
    mov rsi, msg_nomsr
    cmp ecx, 0xc0011fff
    call check_equal

    ; Ports: the scratch register of COM1 in 8 bits, by DX and by immediate; CF8 in 32 bits.
    mov dx, 0x3ff
    mov al, 0x5a
    out dx, al
    mov eax, 0xffffff00
    in al, dx
    mov rsi, msg_io8
    cmp eax, 0xffffff5a
    call check_equal
    mov al, 0x0f
    out 0x70, al
    mov al, 0x33
    out 0x71, al
    mov rax, 0x1234567800
    in al, 0x71
    mov rcx, 0x1234567833
    mov rsi, msg_ioimm
    cmp rax, rcx
    call check_equal
    mov dx, 0xcf8
    mov eax, 0x80000000
    out dx, eax
    mov rax, 0x1111111111111111
    in eax, dx
    mov ecx, 0x80000000
    mov rsi, msg_io32
    cmp rax, rcx
    call check_equal
    ; A port that nobody answers reads as ones; 16 bits merge.
    mov dx, 0x8000
    mov eax, 0x12340000
    in ax, dx
    mov rsi, msg_io16
    cmp eax, 0x1234ffff
    call check_equal
    mov eax, 0x55550000
    in ax, 0xe0
    mov rsi, msg_io16imm
    cmp eax, 0x5555ffff
    call check_equal

    wbinvd
    mov rsi, msg_wbinvd
    cmp eax, eax
    call check_equal

    test dword [cpu_sev_guestmode], SEV_STAT_ES_ENABLED
    je main_pass
    mov rsi, msg_count
    call puts
    mov rax, [vc_count]
    call putdec
    call newline
main_pass:
    mov rsi, msg_pass
    call puts
    mov al, PASS
    out DEBUG_EXIT, al
    ret

self_test_failed:
    mov rsi, msg_fail
    call puts
    mov al, FAIL
    out DEBUG_EXIT, al
    jmp locore_halt

; check_step(rsi = name, eax = bit of steps)
check_step:
    and eax, [steps]
    cmp eax, 0
    je check_failed
    jmp short check_ok

; check_equal(rsi = name, ZF)
check_equal:
    jne check_failed
check_ok:
    call puts
    mov rsi, msg_ok
    jmp puts
check_failed:
    call puts
    mov rsi, msg_bad
    call puts
    jmp self_test_failed

comcninit:
    mov dx, 0x3f9
    xor eax, eax
    out dx, al
    mov dx, 0x3fb
    mov al, 3
    out dx, al
    mov dx, 0x3fa
    mov al, 7
    out dx, al
    ret

; comcnputc(al)
comcnputc:
    push rdx
    push rax
    mov edx, 0x3fd
comcnwait:
    in al, dx
    test al, 0x20
    je comcnwait
    pop rax
    mov edx, COM1
    out dx, al
    pop rdx
    ret

; puts(rsi)
puts:
    lodsb
    test al, al
    je puts_done
    call comcnputc
    jmp short puts
puts_done:
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
putdec_digit:
    xor edx, edx
    div rcx
    push rdx
    inc r8d
    test rax, rax
    jne putdec_digit
putdec_out:
    pop rax
    add al, '0'
    call comcnputc
    dec r8d
    jne putdec_out
    ret
