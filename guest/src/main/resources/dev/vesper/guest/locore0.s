; Early boot, from 32-bit code with a kernel's stack arguments to 64-bit code in the upper half.
;
; Entered in 32-bit legacy mode with paging off (vmd since 2026, boot(8) after UEFI) or in 32-bit
; compatibility mode with an identity map (vmd in 2025).  The image is linked at KERNBASE + its physical
; address; until paging is the kernel's own, every address has KERNBASE subtracted.

equ KERNBASE 0xffffffff80000000
equ KERNTEXT 0x1000000
equ MSR_KERNELGSBASE 0xc0000102
equ T_VC 29
equ GCODE_SEL 0x08
equ GDATA_SEL 0x10
equ GUDATA_SEL 0x1b
equ GUCODE_SEL 0x23
equ GTSS_SEL 0x28
equ GSEL3 0x18
equ CPUID_SNP 0x10
equ CBIT_LOWEST 32
equ CBIT_HIGHEST 51

; Steps that early code has taken, in early_steps, for the self-test.
equ STEP_ARGS 0x1
equ STEP_IDT 0x2
equ STEP_DR 0x4
equ STEP_CPUID 0x8
equ STEP_DETECT 0x10
equ STEP_TABLES 0x20
equ STEP_LONG 0x40
equ STEP_VCTRAP 0x80
equ STEP_FINAL 0x100
equ STEP_VMPL0 0x200
equ STEP_REGISTERED 0x400

; Which early handlers ran, in early_vcs.
equ EARLY_CPUID32 1
equ EARLY_DR32 2
equ EARLY_CPUID64 4
equ EARLY_PAGE32 8

; Where the boot arguments lead to SEV-SNP's pages: the record of the EFI system table, in whose list of
; configuration tables firmware names the blob.
equ BOOTARG_END 0xffffffff
equ BOOTARG_EFIINFO 11
equ EFIINFO_SYSTEM_TABLE 96
equ EFI_TABLES 0x68
equ EFI_TABLE_LIST 0x70
equ CC_BLOB_MAGIC 0x45444d41
equ CC_BLOB_SECRETS 8
equ CC_BLOB_SECRETS_SIZE 16
equ CC_BLOB_CPUID 24
equ CC_BLOB_CPUID_SIZE 32

; Page table area behind the image and its symbols.  The last five pages are two for GHCBs and three
; for early page tables; init_x86_64 takes both from first_avail.
equ PROC0_PML4_OFF 0
equ PROC0_STK_OFF 0x1000
equ PROC0_L3_OFF 0x5000
equ PROC0_L2_OFF 0x6000
equ PROC0_L1_LOW_OFF 0x7000
equ PROC0_L1_OFF 0x8000
equ PROC0_L1_DEV_OFF 0xa000
equ PROC0_DMP3_OFF 0xb000
equ PROC0_DMP2_OFF 0xc000
equ TABLESIZE 0x12000
equ PROC0_GHCB_OFF 0xd000

bits 32
start:
    mov word [0x472], 0x1234
    mov eax, [esp+4]
    mov [boothowto-KERNBASE], eax
    mov eax, [esp+8]
    mov [bootdev-KERNBASE], eax
    mov eax, [esp+12]
    mov [bootapiver-KERNBASE], eax
    mov eax, [esp+16]
    mov [esym-KERNBASE], eax
    mov eax, [esp+24]
    mov [biosbasemem-KERNBASE], eax
    mov ecx, [esp+28]
    mov [bootinfo_size-KERNBASE], ecx
    cmp ecx, NBPG
    jbe .bi_size_ok
    mov ecx, NBPG
.bi_size_ok:
    mov esi, [esp+32]
    mov edi, bootinfo-KERNBASE
    cld
    rep movsb
    push 2
    popfd
    call cc_blob_find
    mov eax, cr0
    shr eax, 31
    mov [entered_paging-KERNBASE], eax
    or dword [early_steps-KERNBASE], STEP_ARGS

    ; Temporary #VC handlers, before the first CPUID.  One table holds both gates: in legacy mode a gate
    ; has 8 bytes and is found at 29*8, in long mode 16 bytes and at 29*16.  The long-mode one needs a
    ; 64-bit code segment, which vmd has as its fourth descriptor where it enters in compatibility mode.
    mov eax, locore_vc_trap32-KERNBASE
    mov [early_idt_vc32-KERNBASE], ax
    mov word [early_idt_vc32+2-KERNBASE], cs
    mov word [early_idt_vc32+4-KERNBASE], 0x8e00
    shr eax, 16
    mov [early_idt_vc32+6-KERNBASE], ax
    mov eax, locore_vc_trap64-KERNBASE
    mov [early_idt_vc64-KERNBASE], ax
    mov word [early_idt_vc64+2-KERNBASE], GSEL3
    mov word [early_idt_vc64+4-KERNBASE], 0x8e00
    shr eax, 16
    mov [early_idt_vc64+6-KERNBASE], ax
    lidt [idtlc-KERNBASE]
    or dword [early_steps-KERNBASE], STEP_IDT

    ; Where the host intercepts DR7 this is #VC 0x37; the handler skips the write.
    xor eax, eax
    mov dr6, eax
    stc
    mov dr7, eax
    jae .dr_done
    or dword [early_steps-KERNBASE], STEP_DR
.dr_done:

    xor eax, eax
    cpuid
    mov [cpuid_level-KERNBASE], eax
    mov [cpu_vendor-KERNBASE], ebx
    mov [cpu_vendor+4-KERNBASE], edx
    mov [cpu_vendor+8-KERNBASE], ecx
    mov eax, 1
    cpuid
    mov [cpu_id-KERNBASE], eax
    mov [cpu_ebxfeature-KERNBASE], ebx
    mov [cpu_ecxfeature-KERNBASE], ecx
    mov [cpu_feature-KERNBASE], edx
    mov eax, 0x80000001
    cpuid
    test edx, 0x100000
    je .no_nx
    mov dword [pg_nx+4-KERNBASE], 0x80000000
.no_nx:
    or dword [early_steps-KERNBASE], STEP_CPUID

    ; Are we an SEV guest?
    cmp dword [cpu_vendor-KERNBASE], 0x68747541
    jne .sev_done
    cmp dword [cpu_vendor+4-KERNBASE], 0x69746e65
    jne .sev_done
    cmp dword [cpu_vendor+8-KERNBASE], 0x444d4163
    jne .sev_done
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x8000001f
    jb .sev_done
    mov eax, 0x8000001f
    cpuid
    test eax, 2
    je .sev_done
    mov [amd64_sev_ebx-KERNBASE], ebx
    mov [amd64_sev_eax-KERNBASE], eax
    mov ecx, MSR_SEV_STATUS
    rdmsr
    test eax, SEV_STAT_ENABLED
    je .sev_done
    mov [cpu_sev_guestmode-KERNBASE], eax
    ; The processor says it by SEV_STATUS, the CPUID page by leaf 0x8000001F: both or none.
    test eax, SEV_STAT_SNP_ENABLED
    setne cl
    test dword [amd64_sev_eax-KERNBASE], CPUID_SNP
    setne ch
    cmp cl, ch
    jne vc_terminate32
    mov ecx, [amd64_sev_ebx-KERNBASE]
    and ecx, 0x3f
    cmp ecx, 32
    jb .sev_done
    sub ecx, 32
    mov eax, 1
    shl eax, cl
    mov [pg_crypt+4-KERNBASE], eax
    ; Physical address bits that encryption takes away.
    mov ecx, [amd64_sev_ebx-KERNBASE]
    shr ecx, 6
    and ecx, 0x3f
    mov eax, 0x100000
    shr eax, cl
    dec eax
    and [pg_frame+4-KERNBASE], eax
.sev_done:
    ; Whatever the host says: #VC has come, so the state is encrypted, and the C-bit is one of an address.
    ; A wrong one among those is a reserved bit, or leads fetches, which are always private, astray.
    test dword [early_vcs-KERNBASE], EARLY_CPUID32+EARLY_CPUID64+EARLY_PAGE32
    je .sev_believed
    test dword [cpu_sev_guestmode-KERNBASE], SEV_STAT_ES_ENABLED
    je vc_terminate32
    mov ecx, [amd64_sev_ebx-KERNBASE]
    and ecx, 0x3f
    sub ecx, CBIT_LOWEST
    cmp ecx, CBIT_HIGHEST-CBIT_LOWEST
    ja vc_terminate32
.sev_believed:
    or dword [early_steps-KERNBASE], STEP_DETECT

    ; The tables follow the image, or its symbols where a loader left some.
    mov esp, tmpstk-KERNBASE
    mov esi, end-KERNBASE
    mov eax, [esym-KERNBASE]
    test eax, eax
    je .no_esym
    mov esi, eax
.no_esym:
    add esi, NBPG-1
    and esi, 0xfffff000
    mov edi, esi
    mov ecx, TABLESIZE
    shr ecx, 2
    xor eax, eax
    rep stosd

    ; Text is not writable, everything else is not executable.
    mov ebp, [pg_crypt+4-KERNBASE]
    mov edx, ebp
    lea edi, [esi+PROC0_L1_OFF]
    mov eax, KERNTEXT+1
    mov ecx, data_start-KERNBASE-KERNTEXT
    shr ecx, 12
    call fillkpt
    or edx, [pg_nx+4-KERNBASE]
    or eax, 2
    mov ecx, 1024
    lea ebx, [esi+PROC0_L1_OFF]
    sub ebx, edi
    sar ebx, 3
    add ecx, ebx
    call fillkpt
    ; The first 2 MB, for the ISA hole and what boot programs left.
    lea edi, [esi+PROC0_L1_LOW_OFF]
    mov eax, 3
    mov ecx, 512
    call fillkpt
    ; Re-map the GHCB pages shared, only in SEV-ES guest mode.
    test dword [cpu_sev_guestmode-KERNBASE], SEV_STAT_ES_ENABLED
    je .no_ghcb
    lea eax, [esi+PROC0_GHCB_OFF+3]
    mov edx, [pg_nx+4-KERNBASE]
    lea edi, [esi+PROC0_GHCB_OFF-KERNTEXT]
    shr edi, 9
    lea edi, [esi+edi+PROC0_L1_OFF]
    mov ecx, 2
    call fillkpt
.no_ghcb:
    ; The direct map: 1 GB in 2 MB pages at PML4 slot 256.
    mov edx, ebp
    or edx, [pg_nx+4-KERNBASE]
    lea edi, [esi+PROC0_DMP2_OFF]
    mov eax, 0x83
    mov ecx, 512
.direct_map:
    mov [edi], eax
    mov [edi+4], edx
    add eax, 0x200000
    add edi, 8
    dec ecx
    jne .direct_map
    ; Upper levels.  KERNBASE is L3 entry 510; entry 0 and PML4 entry 0 make the identity map for now.
    lea eax, [esi+PROC0_DMP2_OFF+3]
    mov [esi+PROC0_DMP3_OFF], eax
    mov [esi+PROC0_DMP3_OFF+4], ebp
    lea eax, [esi+PROC0_L1_LOW_OFF+3]
    mov [esi+PROC0_L2_OFF], eax
    mov [esi+PROC0_L2_OFF+4], ebp
    lea eax, [esi+PROC0_L1_OFF+3]
    mov [esi+PROC0_L2_OFF+64], eax
    mov [esi+PROC0_L2_OFF+68], ebp
    add eax, NBPG
    mov [esi+PROC0_L2_OFF+72], eax
    mov [esi+PROC0_L2_OFF+76], ebp
    lea eax, [esi+PROC0_L1_DEV_OFF+3]
    mov [esi+PROC0_L2_OFF+4088], eax
    mov [esi+PROC0_L2_OFF+4092], ebp
    lea eax, [esi+PROC0_L2_OFF+3]
    mov [esi+PROC0_L3_OFF], eax
    mov [esi+PROC0_L3_OFF+4], ebp
    mov [esi+PROC0_L3_OFF+4080], eax
    mov [esi+PROC0_L3_OFF+4084], ebp
    lea eax, [esi+PROC0_L3_OFF+3]
    mov [esi+PROC0_PML4_OFF], eax
    mov [esi+PROC0_PML4_OFF+4], ebp
    mov [esi+PROC0_PML4_OFF+4088], eax
    mov [esi+PROC0_PML4_OFF+4092], ebp
    lea eax, [esi+PROC0_DMP3_OFF+3]
    mov [esi+PROC0_PML4_OFF+2048], eax
    mov [esi+PROC0_PML4_OFF+2052], ebp
    or dword [early_steps-KERNBASE], STEP_TABLES

    mov eax, cr4
    or eax, 0x6b0
    mov cr4, eax
    ; LMA must stay as it is: in compatibility mode it is set, and the host cannot mend the value.
    mov ecx, MSR_EFER
    rdmsr
    and eax, 0x400
    or eax, 0x101
    cmp dword [pg_nx+4-KERNBASE], 0
    je .no_nxe
    or eax, 0x800
.no_nxe:
    xor edx, edx
    wrmsr
    mov cr3, esi
    mov eax, cr0
    and eax, 0xfffffff3
    or eax, 0x80010023
    mov cr0, eax
    jmp short .compat
.compat:
    lgdt [gdt64_region-KERNBASE]
    jmp GCODE_SEL:longmode-KERNBASE

; cc_blob_find: snp_secrets and snp_cpuid, if firmware has left a blob that names both.
cc_blob_find:
    mov esi, bootinfo-KERNBASE
    mov ecx, 16
.blob_record:
    mov eax, [esi]
    cmp eax, BOOTARG_END
    je .blob_none
    cmp eax, BOOTARG_EFIINFO
    je .blob_efi
    add esi, [esi+4]
    dec ecx
    jne .blob_record
.blob_none:
    ret
.blob_efi:
    mov esi, [esi+EFIINFO_SYSTEM_TABLE]
    test esi, esi
    je .blob_none
    mov ecx, [esi+EFI_TABLES]
    mov esi, [esi+EFI_TABLE_LIST]
.blob_table:
    dec ecx
    js .blob_none
    ; 067b1f5f-cf26-44c5-8554-93d777912d42
    cmp dword [esi], 0x067b1f5f
    jne .blob_next
    cmp dword [esi+4], 0x44c5cf26
    jne .blob_next
    cmp dword [esi+8], 0xd7935485
    jne .blob_next
    cmp dword [esi+12], 0x422d9177
    je .blob_found
.blob_next:
    add esi, 24
    jmp short .blob_table
.blob_found:
    mov esi, [esi+16]
    cmp dword [esi], CC_BLOB_MAGIC
    jne .blob_none
    cmp dword [esi+CC_BLOB_SECRETS_SIZE], NBPG
    jb .blob_none
    cmp dword [esi+CC_BLOB_CPUID_SIZE], NBPG
    jb .blob_none
    mov eax, [esi+CC_BLOB_SECRETS]
    mov [snp_secrets-KERNBASE], eax
    mov eax, [esi+CC_BLOB_CPUID]
    mov [snp_cpuid-KERNBASE], eax
    ret

; fillkpt: edi = table entry, eax = address and flags, edx = upper half, ecx = count.
fillkpt:
    mov [edi], eax
    mov [edi+4], edx
    add eax, NBPG
    add edi, 8
    dec ecx
    jne fillkpt
    ret

; locore_vc_trap32: the handler in legacy mode.  Stack: error code, eip, cs, eflags.
locore_vc_trap32:
    push eax
    push ebx
    push ecx
    push edx
    mov eax, [esp+16]
    cmp eax, 0x36
    je .vc32_dr
    cmp eax, 0x37
    je .vc32_dr
    cmp eax, 0x72
    jne vc_terminate32
    mov edx, [esp+20]
    cmp word [edx], 0xa20f
    jne vc_terminate32
    or dword [early_vcs-KERNBASE], EARLY_CPUID32
    mov ecx, MSR_SEV_STATUS
    rdmsr
    mov ebx, [esp+12]
    test eax, SEV_STAT_SNP_ENABLED
    jne .vc32_page
    mov eax, 0
    call vc_cpuid32
    mov [esp+12], edx
    mov eax, 1
    call vc_cpuid32
    mov [esp+8], edx
    mov eax, 2
    call vc_cpuid32
    mov [esp+4], edx
    ; Each processor with SEV-ES has RDRAND: who hides it wants numbers that he can guess.
    cmp ebx, 1
    jne .vc32_random
    test edx, 0x40000000
    je vc_terminate32
.vc32_random:
    mov eax, 3
    call vc_cpuid32
    mov [esp], edx
.vc32_cpuid_done:
    pop edx
    pop ecx
    pop ebx
    pop eax
    add esp, 4
    add dword [esp], 2
    iretd
; Under SEV-SNP the host is not asked: ebx = leaf, of which early code wants sub-leaf 0 only.
.vc32_page:
    or dword [early_vcs-KERNBASE], EARLY_PAGE32
    mov edx, [snp_cpuid-KERNBASE]
    test edx, edx
    je vc_terminate32
    mov ecx, [edx]
    lea eax, [ecx-1]
    cmp eax, CPUID_MOST-1
    ja vc_terminate32
    add edx, CPUID_HEADER
.vc32_entry:
    cmp [edx+CPUID_FN], ebx
    jne .vc32_next
    cmp dword [edx+CPUID_SUBFN], 0
    je .vc32_found
.vc32_next:
    add edx, CPUID_ENTRY
    dec ecx
    jne .vc32_entry
    xor eax, eax
    mov [esp+12], eax
    mov [esp+8], eax
    mov [esp+4], eax
    mov [esp], eax
    jmp short .vc32_cpuid_done
.vc32_found:
    mov eax, [edx+CPUID_EAX]
    mov [esp+12], eax
    mov eax, [edx+CPUID_EBX]
    mov [esp+8], eax
    mov eax, [edx+CPUID_ECX]
    mov [esp+4], eax
    mov eax, [edx+CPUID_EDX]
    mov [esp], eax
    jmp short .vc32_cpuid_done
.vc32_dr:
    ; The write is ignored; MOV to a debug register has 3 bytes, of which the last one says to which.
    mov edx, [esp+20]
    cmp word [edx], 0x230f
    jne vc_terminate32
    movzx edx, byte [edx+2]
    shr edx, 3
    and edx, 7
    or edx, 0x30
    cmp edx, eax
    jne vc_terminate32
    or dword [early_vcs-KERNBASE], EARLY_DR32
    pop edx
    pop ecx
    pop ebx
    pop eax
    add esp, 4
    add dword [esp], 3
    iretd

; Termination request, reason set 0 code 0: general.
vc_terminate32:
    mov eax, MSRPROTO_TERM_REQ
    xor edx, edx
    mov ecx, MSR_SEV_GHCB
    wrmsr
    rep vmmcall
.vc32_halt:
    hlt
    jmp short .vc32_halt

; vc_cpuid32: eax = register, ebx = leaf; the value comes back in edx.
vc_cpuid32:
    shl eax, 30
    or eax, MSRPROTO_CPUID_REQ
    mov edx, ebx
    mov ecx, MSR_SEV_GHCB
    wrmsr
    rep vmmcall
    rdmsr
    ; Bits 29:12 are reserved, 31:30 name the register.
    and eax, 0x3fffffff
    cmp eax, MSRPROTO_CPUID_RESP
    jne vc_terminate32
    ret

bits 64
; locore_vc_trap64: the handler for compatibility mode, itself in a 64-bit segment.
locore_vc_trap64:
    push rax
    push rbx
    push rcx
    push rdx
    mov eax, [rsp+32]
    cmp eax, 0x36
    je .vc64_dr
    cmp eax, 0x37
    je .vc64_dr
    cmp eax, 0x72
    jne vc_terminate64
    mov rdx, [rsp+40]
    cmp word [rdx], 0xa20f
    jne vc_terminate64
    mov eax, early_vcs-KERNBASE
    or dword [rax], EARLY_CPUID64
    ; Nobody enters so under SEV-SNP, where the host must not be asked.
    mov ecx, MSR_SEV_STATUS
    rdmsr
    test eax, SEV_STAT_SNP_ENABLED
    jne vc_terminate64
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
    cmp ebx, 1
    jne .vc64_random
    test edx, 0x40000000
    je vc_terminate64
.vc64_random:
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
.vc64_dr:
    mov rdx, [rsp+40]
    cmp word [rdx], 0x230f
    jne vc_terminate64
    movzx edx, byte [rdx+2]
    shr edx, 3
    and edx, 7
    or edx, 0x30
    cmp edx, eax
    jne vc_terminate64
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 8
    add qword [rsp], 3
    iretq

vc_terminate64:
    mov eax, MSRPROTO_TERM_REQ
; Termination request with a reason; eax is the low half of the request.
vc_terminate64_reason:
    xor edx, edx
    mov ecx, MSR_SEV_GHCB
    wrmsr
    rep vmmcall
.vc64_halt:
    hlt
    jmp short .vc64_halt

vc_cpuid64:
    shl eax, 30
    or eax, MSRPROTO_CPUID_REQ
    mov edx, ebx
    mov ecx, MSR_SEV_GHCB
    wrmsr
    rep vmmcall
    rdmsr
    ; Bits 29:12 are reserved, 31:30 name the register.
    and eax, 0x3fffffff
    cmp eax, MSRPROTO_CPUID_RESP
    jne vc_terminate64
    ret

longmode:
    mov rax, longmode_hi
    jmp rax
longmode_hi:
    mov eax, GDATA_SEL
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    ; esi is the physical address of the tables; the identity map goes.
    mov esi, esi
    mov [proc0paddr], rsi
    mov qword [rsi+KERNBASE+PROC0_PML4_OFF], 0
    mov qword [rsi+KERNBASE+PROC0_L3_OFF], 0
    mov rax, cr3
    mov cr3, rax
    lea rsp, [rsi+KERNBASE+PROC0_L3_OFF]
    or dword [early_steps], STEP_LONG
    lea rdi, [rsi+TABLESIZE-0x5000]
    call init_x86_64
    call main
locore_halt:
    cli
    hlt
    jmp short locore_halt
