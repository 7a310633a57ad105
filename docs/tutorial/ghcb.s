        .set    GHCB, 0x400000                  # all of this 2 MiB page is shared

# Agrees on a version, maps everything private but the GHCB, and clears the GHCB.
ghcb_setup:
        mov     eax, 2                          # SEV information, please
        xor     edx, edx
        call    msr_exchange
        and     eax, 0xfff
        cmp     eax, 1
        jne     fail
        mov     eax, 1 << 4                     # reason 1 of set 0: no version in common
        cmp     dx, 1                           # the least that the hypervisor speaks
        ja      terminate
        cmp     edx, 1 << 16                    # and the most
        jb      terminate

        mov     eax, 0x8000001f
        cpuid                                   # EBX[5:0]: where the C-bit is
        and     ebx, 63
        xor     esi, esi
        bts     rsi, rbx
        lea     rax, [rsi + pdpt + 3]           # present, writable, private
        mov     pml4[rip], rax
        lea     rax, [rsi + pd + 3]
        mov     pdpt[rip], rax
        lea     rax, [rsi + 0x83]               # a page of 2 MiB
        mov     edi, offset pd
1:      mov     [rdi], rax
        add     rax, 0x200000
        add     rdi, 8
        cmp     rdi, offset pd + 4096
        jne     1b
        btr     qword ptr pd[rip + 8*(GHCB >> 21)], rbx
        lea     rax, [rsi + pml4]
        mov     cr3, rax                        # and flush the TLB

        mov     edi, GHCB
        mov     ecx, 4096/8
        xor     eax, eax
        rep stosq
        mov     word ptr [GHCB+0xffa], 1        # the version
        ret

# One exchange. EAX: SW_EXITCODE, EBX: SW_EXITINFO1. The caller has cleared the valid bitmap and written the rest.
ghcb_exchange:
        mov     [GHCB+0x390], rax
        mov     [GHCB+0x398], rbx
        mov     qword ptr [GHCB+0x3a0], 0       # SW_EXITINFO2
        or      byte ptr [GHCB+0x3fe], 7 << 2   # these three are valid
        mov     eax, GHCB
        xor     edx, edx
        mov     ecx, GHCB_MSR
        wrmsr
        rep; vmmcall
        cmp     dword ptr [GHCB+0x398], 0       # done?
        jne     fail
        ret

        .bss
        .balign 4096
pml4:   .skip   4096
pdpt:   .skip   4096
pd:     .skip   4096
        .text
