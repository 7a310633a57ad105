        .intel_syntax noprefix
        .globl  _start
_start: lea     rsp, stack[rip]
        call    vc_setup
        xor     eax, eax
        cpuid
        sti
        hlt

vc:     cmp     eax, 0x72                       # SVM_VMEXIT_CPUID
        je      vc_cpuid
        jmp     fail

        .include "vc.s"
        .include "vc_cpuid.s"
