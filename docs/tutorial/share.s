        .intel_syntax noprefix
        .globl  _start
_start: lea     rsp, stack[rip]
        call    vc_setup
        call    ghcb_setup
        sti
        hlt

vc:     cmp     eax, 0x72
        je      vc_cpuid
        jmp     fail

        .include "vc.s"
        .include "vc_cpuid.s"
        .include "ghcb.s"
