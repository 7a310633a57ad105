align 8
steps: dd 0
early_vcs: dd 0
cpu_maxleaf: dd 0
cpu_signature: dd 0
cpu_sev_guestmode: dd 0
sev_leaf_ebx: dd 0
sev_cbit: dd 0
cpu_vendor: dd 0, 0, 0, 0
align 8
pg_crypt: dq 0
pg_frame: dq 0x000ffffffffff000
ghcb_paddr: dq 0
ghcb_vaddr: dq 0
early_pte_pages: dq 0
first_avail: dq 0
fault_resume: dq 0
vc_count: dq 0

align 8
gdt64:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff
gdtlc:
    dw 31
    dd gdt64
idtlc:
    dw 0xfff
    dd early_idt
align 8
early_gdt:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff
early_gdt_region:
    dw 31
    dq early_gdt
early_idt_region:
    dw 0xfff
    dq early_idt

msg_banner: ascii "locore: Vesper reference guest\r\n"
    db 0
msg_mode_off: ascii "locore: not an SEV guest\r\n"
    db 0
msg_mode_sev: ascii "locore: SEV guest mode\r\n"
    db 0
msg_mode_es: ascii "locore: SEV-ES guest mode\r\n"
    db 0
msg_gates: ascii "locore: early IDT with both temporary #VC gates"
    db 0
msg_dr: ascii "locore: DR6 and DR7 cleared before the first CPUID"
    db 0
msg_cpuid32: ascii "locore: CPUID in 32-bit legacy mode (locore_vc_trap32)"
    db 0
msg_vendor: ascii "locore: vendor "
    db 0
msg_detect: ascii "locore: SEV detection by leaf 0x8000001F and SEV_STATUS"
    db 0
msg_cbit: ascii "locore: C-bit "
    db 0
msg_status: ascii ", SEV_STATUS "
    db 0
msg_tables: ascii "locore: page tables with the C-bit, GHCB pages shared"
    db 0
msg_compat: ascii "locore: CPUID in compatibility mode (locore_vc_trap64)"
    db 0
msg_ghcb: ascii "locore: GHCB announced (cpu_init_early_vctrap)"
    db 0
msg_handlers: ascii "locore: every early handler was used"
    db 0
msg_idt: ascii "locore: final IDT (Xtrap1d)"
    db 0
msg_cpuid: ascii "locore: CPUID by vctrap"
    db 0
msg_upper: ascii "locore: 32-bit results clear the upper half"
    db 0
msg_msr: ascii "locore: RDMSR and WRMSR by vctrap"
    db 0
msg_nomsr: ascii "locore: unknown MSR raises #GP"
    db 0
msg_io8: ascii "locore: IN and OUT, 8 bits, DX"
    db 0
msg_ioimm: ascii "locore: IN and OUT, 8 bits, immediate"
    db 0
msg_io32: ascii "locore: IN and OUT, 32 bits"
    db 0
msg_io16: ascii "locore: IN, 16 bits, DX"
    db 0
msg_io16imm: ascii "locore: IN, 16 bits, immediate"
    db 0
msg_wbinvd: ascii "locore: WBINVD"
    db 0
msg_count: ascii "locore: #VC taken in 64-bit mode: "
    db 0
msg_fatal: ascii "locore: unexpected exception\r\n"
    db 0
msg_ok: ascii " ... ok\r\n"
    db 0
msg_bad: ascii " ... FAILED\r\n"
    db 0
msg_pass: ascii "locore: self-test passed\r\n"
    db 0
msg_fail: ascii "locore: self-test FAILED\r\n"
    db 0

; Everything from here on is zero at the start and needs no place in the file.
align 4096
bss:
early_idt:
    skip 0xe8
early_idt_legacy_vc:
    skip 0xe8
early_idt_long_vc:
    skip 0xe30
    skip 0x1000
tmpstk:
    skip 0x4000
proc0_stack:
align 4096
tables:
    skip TABLESIZE
end:
