# IN AL, DX and OUT DX, AL by the GHCB.
vc_ioio:
        mov     rsi, [rbp+RIP_]
        movzx   esi, byte ptr [rsi]
        mov     ebx, [rbp+RDX_]
        shl     ebx, 16                         # the port
        or      ebx, 0x210                      # 8 bits, 64-bit addresses
        xor     eax, eax
        mov     [GHCB+0x3f0], rax               # nothing is valid yet
        mov     [GHCB+0x3f8], rax
        cmp     esi, 0xec
        je      1f
        cmp     esi, 0xee
        jne     fail
        mov     al, [rbp+RAX_]                  # AL and no more: the host reads the rest too
        mov     [GHCB+0x1f8], rax
        or      byte ptr [GHCB+0x3f7], 0x80     # RAX is valid
        mov     eax, 0x7b
        call    ghcb_exchange
        jmp     2f
1:      or      ebx, 1                          # IN
        mov     eax, 0x7b
        call    ghcb_exchange
        test    byte ptr [GHCB+0x3f7], 0x80     # has the host answered with RAX?
        jz      fail
        mov     al, [GHCB+0x1f8]
        mov     [rbp+RAX_], al
2:      inc     qword ptr [rbp+RIP_]
        ret
