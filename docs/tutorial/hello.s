        .intel_syntax noprefix
        .globl  _start
_start: lea     rsp, stack[rip]
        call    vc_setup
        call    ghcb_setup
        lea     rdi, text[rip]
        call    print
        mov     edx, 0xf4                       # the board's way to end a run
        mov     al, 0x10
        out     dx, al

# Prints what RDI points to on COM1.
print:  mov     edx, 0x3fd
1:      in      al, dx
        test    al, 0x20                        # is there room for a character?
        jz      1b
        mov     edx, 0x3f8
        mov     al, [rdi]
        test    al, al
        jz      2f
        out     dx, al
        inc     rdi
        jmp     print
2:      ret

text:   .asciz  "Hello from an encrypted state\n"

vc:     cmp     eax, 0x72
        je      vc_cpuid
        cmp     eax, 0x7b                       # SVM_VMEXIT_IOIO
        je      vc_ioio
        jmp     fail

        .include "vc.s"
        .include "vc_cpuid.s"
        .include "ghcb.s"
        .include "vc_ioio.s"
