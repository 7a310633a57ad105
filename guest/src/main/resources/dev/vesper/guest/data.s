; What the kernel knows, and tables.

align 8
boothowto: dd 0
bootdev: dd 0
bootapiver: dd 0
biosbasemem: dd 0
bootinfo_size: dd 0
entered_paging: dd 0
early_steps: dd 0
early_vcs: dd 0
cpuid_level: dd 0
cpuid_extlevel: dd 0
cpu_id: dd 0
cpu_feature: dd 0
cpu_ecxfeature: dd 0
cpu_ebxfeature: dd 0
cpu_sev_guestmode: dd 0
amd64_sev_ebx: dd 0
amd64_sev_eax: dd 0
ghcb_version: dd 0
panicked: dd 0
cpus_running: dd 1
ap_apicid: dd 0
no_fault: dd 0
cpu_vendor: dd 0, 0, 0, 0
hv_vendor: dd 0, 0, 0, 0
align 8
esym: dq 0
pg_crypt: dq 0
pg_nx: dq 0
pg_frame: dq 0x000ffffffffff000
proc0paddr: dq 0
early_pte_pages: dq 0
first_avail: dq 0
ticks: dq 0
lapic: dq 0
device_paddr: dq 0
pv_value: dq 0
; Physical addresses of SEV-SNP's pages, and what the host and the processor have of it.
snp_secrets: dq 0
snp_cpuid: dq 0
sev_features: dq 0
hv_features: dq 0
ap_save_area: dq 0
; The level that we run at, and what the second CPU hears of the service module.
snp_vmpl: dq 0
ap_protocol: dq 0
; A list for the page state change event: its header and two entries.
psc_list: dq 0, 0, 0
; Leaves of CPUID that have sub-leaves.
cpuid_indexed:
    dd 4, 7, 0xb, 0xd, 0xf, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1d, 0x1e, 0x1f, 0x8000001d, 0
string_words: dd 0x80001000, 0x80002000
string_bytes: db 1, 2, 3, 0x0f
align 8

; By size code: which bits a value has, and which bits of the old one stay.
ghcb_masks:
    dq 0xff, 0xffff, 0xffffffff, 0xffffffffffffffff
ghcb_clear_masks:
    dq 0xffffffffffffff00, 0xffffffffffff0000, 0, 0

; Between the loader's descriptors and early_gdt: code and data for the jump into 64-bit mode.
gdt64:
    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt64_region:
    dw 23
    dd gdt64-KERNBASE
idtlc:
    dw 0xfff
    dd early_idt-KERNBASE
align 8
early_gdt_region:
    dw 23
    dq early_gdt
align 8
early_idt_region:
    dw 0xfff
    dq early_idt
align 8
gdt_region:
    dw 0x37
    dq gdt
align 8
idt_region:
    dw 0xfff
    dq idt
align 8
gdt:
    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff
    dq 0x0000890000000067, 0

; Programs for user mode, 64 bytes each.
align 64
user_text:
    ; 0: CPUID leaf 0, and the first letters of the vendor
    xor eax, eax
    xor ecx, ecx
    cpuid
    xor edi, edi
    cmp ebx, 0x68747541
    je .user_exit
    inc edi
.user_exit:
    xor eax, eax
    int 0x80
align 64
    ; 0x40: RDMSR
    mov ecx, 0xc0000080
    rdmsr
    xor edi, edi
    xor eax, eax
    int 0x80
align 64
    ; 0x80: IN
    mov edx, 0x3fd
    in al, dx
    xor edi, edi
    xor eax, eax
    int 0x80
align 64
    ; 0xc0: VMMCALL
    vmmcall
    xor edi, edi
    xor eax, eax
    int 0x80
align 64
    ; 0x100: a device register
    mov eax, [0x402030]
    xor edi, edi
    xor eax, eax
    int 0x80
align 64

msg_banner: ascii "locore: Vesper reference guest\r\n"
    db 0
msg_mode_off: ascii "locore: not an SEV guest\r\n"
    db 0
msg_mode_sev: ascii "locore: SEV guest mode\r\n"
    db 0
msg_mode_es: ascii "locore: SEV-ES guest mode\r\n"
    db 0
msg_mode_snp: ascii "locore: SEV-SNP guest mode\r\n"
    db 0
msg_entry_legacy: ascii "locore: entered in 32-bit legacy mode\r\n"
    db 0
msg_entry_compat: ascii "locore: entered in 32-bit compatibility mode\r\n"
    db 0
msg_args: ascii "locore: stack arguments taken"
    db 0
msg_bootinfo: ascii "locore: boot arguments name the console"
    db 0
msg_gates: ascii "locore: early IDT with both temporary #VC gates"
    db 0
msg_dr: ascii "locore: DR6 and DR7 cleared before the first CPUID"
    db 0
msg_cpuid_early: ascii "locore: CPUID by early handler"
    db 0
msg_vendor: ascii "locore: vendor "
    db 0
msg_detect: ascii "locore: SEV detection by leaf 0x8000001F and SEV_STATUS"
    db 0
msg_cbit: ascii "locore: C-bit "
    db 0
msg_reduction: ascii ", address reduction "
    db 0
msg_status: ascii ", SEV_STATUS "
    db 0
msg_handlers: ascii "locore: early handler of the entry mode was used, and no other"
    db 0
msg_tables: ascii "locore: page tables with the C-bit"
    db 0
msg_ghcb_pages: ascii "locore: two GHCB pages shared under SEV-ES only"
    db 0
msg_first_avail: ascii "locore: first_avail accounts for GHCBs and early page tables"
    db 0
msg_vctrap: ascii "locore: GHCB announced (cpu_init_early_vctrap)"
    db 0
msg_final: ascii "locore: final GDT and IDT (Xtrap1d)"
    db 0
msg_cpuid: ascii "vctrap: CPUID"
    db 0
msg_upper: ascii "vctrap: 32-bit results clear the upper half"
    db 0
msg_hypervisor: ascii "locore: hypervisor "
    db 0
msg_xcr0: ascii "cpu: XSETBV and XGETBV"
    db 0
msg_leaf_d: ascii "vctrap: CPUID leaf 0xD with XCR0"
    db 0
msg_osxsave: ascii "vctrap: CPUID OSXSAVE follows CR4"
    db 0
msg_cr8: ascii "cpu: CR8 keeps what is written"
    db 0
msg_rdmsr: ascii "vctrap: RDMSR"
    db 0
msg_wrmsr: ascii "vctrap: WRMSR"
    db 0
msg_nomsr: ascii "vctrap: unknown MSR raises #GP"
    db 0
msg_io8: ascii "vctrap: IN and OUT, 8 bits, DX (EC EE)"
    db 0
msg_io8_imm: ascii "vctrap: IN and OUT, 8 bits, immediate (E4 E6)"
    db 0
msg_io32: ascii "vctrap: IN and OUT, 32 bits, DX (ED EF)"
    db 0
msg_io32_imm: ascii "vctrap: IN and OUT, 32 bits, immediate (E5 E7)"
    db 0
msg_io16: ascii "vctrap: IN and OUT, 16 bits, DX (66 ED, 66 EF)"
    db 0
msg_io16_imm: ascii "vctrap: IN and OUT, 16 bits, immediate (66 E5, 66 E7)"
    db 0
msg_io_high: ascii "vctrap: IN at port 0xfff0"
    db 0
msg_string: ascii "vctrap: INS and OUTS with REP"
    db 0
msg_wbinvd: ascii "vctrap: WBINVD and WBNOINVD"
    db 0
msg_rdtsc: ascii "vctrap: RDTSC and RDTSCP"
    db 0
msg_vmmcall: ascii "vctrap: VMMCALL"
    db 0
msg_mmio_read: ascii "vctrap: MMIO reads, decoded"
    db 0
msg_mmio_write: ascii "vctrap: MMIO writes, decoded"
    db 0
msg_pv_mmio: ascii "ghcb: MMIO by paravirtual call"
    db 0
msg_pv_io: ascii "ghcb: port I/O by paravirtual call"
    db 0
msg_nested: ascii "vctrap: a nested #VC is survived"
    db 0
msg_timer: ascii "kernel: timer interrupts"
    db 0
msg_mp: ascii "kernel: second CPU through the AP jump table"
    db 0
msg_mp_snp: ascii "kernel: second CPU by AP creation"
    db 0
msg_snp_detect: ascii "snp: detection by leaf 0x8000001F and SEV_STATUS"
    db 0
msg_snp_blob: ascii "snp: secrets and CPUID pages found, private"
    db 0
msg_snp_version: ascii "snp: GHCB protocol version 2"
    db 0
msg_snp_features: ascii "snp: hypervisor features by request and by event"
    db 0
msg_snp_vmpl: ascii "snp: VMPL0 by RMPADJUST"
    db 0
msg_snp_registered: ascii "snp: GHCB registered"
    db 0
msg_snp_cpuid: ascii "snp: CPUID by the CPUID page, without the host"
    db 0
msg_snp_cpuid_own: ascii "snp: CPUID with what is the processor's own"
    db 0
msg_snp_xsave: ascii "snp: CPUID leaf 0xD follows XCR0"
    db 0
msg_snp_unchanged: ascii "snp: PVALIDATE of a valid page is noticed"
    db 0
msg_snp_not_validated: ascii "vctrap: a page that is not validated"
    db 0
msg_snp_psc_msr: ascii "snp: page state change by request"
    db 0
msg_snp_share: ascii "snp: a page is lent to the host and taken back"
    db 0
msg_snp_psc: ascii "snp: page state change by event, a list"
    db 0
msg_snp_large: ascii "snp: page state change by event, 2 MB"
    db 0
msg_snp_destroy: ascii "snp: second CPU destroyed, its save area a page again"
    db 0
msg_svsm_found: ascii "svsm: service module by the secrets page"
    db 0
msg_svsm_protocols: ascii "svsm: core and attestation protocol, version 1"
    db 0
msg_svsm_unknown: ascii "svsm: calls and protocols that there are not"
    db 0
msg_svsm_zero: ascii "svsm: a validated page is zero"
    db 0
msg_svsm_list: ascii "svsm: a list goes as far as it is good"
    db 0
msg_svsm_format: ascii "svsm: lists and pages that are no such are refused"
    db 0
msg_svsm_module: ascii "svsm: pages that are not ours are refused"
    db 0
msg_svsm_remap: ascii "svsm: another calling area"
    db 0
msg_svsm_vcpu: ascii "svsm: save areas that may not run are refused"
    db 0
msg_svsm_attest: ascii "svsm: a report of the module's own level"
    db 0
msg_svsm_attest_bad: ascii "svsm: attestation of what there is not is refused"
    db 0
msg_svsm_second: ascii "svsm: the second CPU is served"
    db 0
msg_process: ascii "kernel: a process with CPUID of its own"
    db 0
msg_user_msr: ascii "vctrap: RDMSR ends a process"
    db 0
msg_user_io: ascii "vctrap: IN with I/O privilege ends a process"
    db 0
msg_user_vmmcall: ascii "vctrap: VMMCALL ends a process"
    db 0
msg_user_mmio: ascii "vctrap: MMIO ends a process"
    db 0
msg_after: ascii "kernel: still well"
    db 0
msg_viornd: ascii "kernel: virtio entropy through shared pages"
    db 0
msg_count: ascii "locore: #VC taken in 64-bit mode: "
    db 0
msg_fatal: ascii "unexpected exception"
    db 0
msg_exitcode: ascii "vctrap: invalid exit code"
    db 0
msg_intr: ascii "vctrap: interrupts are on"
    db 0
msg_opcode: ascii "vctrap: the opcode is not that of the exit code"
    db 0
msg_invalid: ascii "vctrap: invalid hypervisor response"
    db 0
msg_error: ascii "vctrap: the hypervisor reports an error"
    db 0
msg_event: ascii "vctrap: unexpected exception from the hypervisor"
    db 0
msg_not_validated: ascii "vctrap: a page that is not validated"
    db 0
msg_snp_unsupported: ascii "snp: features of the guest or the host are not supported"
    db 0
msg_no_svsm: ascii "snp: not at VMPL0, and no service module"
    db 0
msg_svsm_refused: ascii "svsm: the host does not run the service module"
    db 0
msg_svsm_not_served: ascii "svsm: the service module has not served a call"
    db 0
msg_register: ascii "snp: the host refuses the GHCB"
    db 0
msg_psc: ascii "snp: page state change failed"
    db 0
msg_pvalidate: ascii "snp: PVALIDATE failed"
    db 0
msg_unchanged: ascii "snp: PVALIDATE changed nothing: another page was put there"
    db 0
msg_save_area: ascii "snp: RMPADJUST refuses the save area"
    db 0
msg_cpuid_page: ascii "snp: no good CPUID page"
    db 0
msg_private: ascii "vctrap: MMIO on a private page"
    db 0
msg_sync_val: ascii "ghcb_sync_val: bad field or size"
    db 0
msg_sync_data: ascii "ghcb_sync: data longer than the shared buffer"
    db 0
msg_mem_rw: ascii "ghcb_mem_rw: no such address"
    db 0
msg_panic: ascii "panic: "
    db 0
msg_at: ascii " at 0x"
    db 0
msg_dots: ascii " ... "
    db 0
msg_ok: ascii "ok\r\n"
    db 0
msg_bad: ascii "FAILED\r\n"
    db 0
msg_not_offered: ascii "not offered by this host\r\n"
    db 0
msg_pass: ascii "locore: self-test passed\r\n"
    db 0
msg_fail: ascii "locore: self-test FAILED\r\n"
    db 0
