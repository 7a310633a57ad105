        .intel_syntax noprefix
        .set    PAGE, 0x600000
        .globl  _start
_start: lea     rsp, stack[rip]
        call    vc_setup
        call    ghcb_setup

        call    copy                            # into a private page
        btr     qword ptr pd[rip + 8*(PAGE >> 21)], rbx
        invlpg  [PAGE]
        call    compare
        je      fail                            # it cannot be there any more
        call    copy                            # once more, into the shared page
        call    compare
        jne     fail
        mov     edi, PAGE
        call    print

        mov     edx, 0xf4                       # the board's way to end a run
        mov     al, 0x10
        out     dx, al

copy:   mov     edi, PAGE
        lea     rsi, text[rip]
        mov     ecx, offset end - text
        rep movsb
        ret

compare:
        mov     edi, PAGE
        lea     rsi, text[rip]
        mov     ecx, offset end - text
        repe cmpsb
        ret

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

text:   .asciz  "Hello from a page that was private\n"
end:

vc:     cmp     eax, 0x72
        je      vc_cpuid
        cmp     eax, 0x7b                       # SVM_VMEXIT_IOIO
        je      vc_ioio
        jmp     fail

        .include "vc.s"
        .include "vc_cpuid.s"
        .include "ghcb.s"
        .include "vc_ioio.s"
