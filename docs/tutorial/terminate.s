        .intel_syntax noprefix
        .globl  _start
_start: lea     rsp, stack[rip]
        call    vc_setup
        cpuid
        hlt

vc:     mov     eax, 0x42 << 4 | 2              # code 42h of set 2
        jmp     terminate

        .include "vc.s"
