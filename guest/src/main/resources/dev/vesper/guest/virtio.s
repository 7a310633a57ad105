; The entropy device of a virtio host: a queue of one request in pages that are shared with the host.

equ VIRTIO_RNG_ID 0x10051af4

; viornd_find: eax = I/O base of the device, 0 if there is none.
viornd_find:
    push rbx
    xor ebx, ebx
.pci_slot:
    mov eax, ebx
    shl eax, 11
    or eax, 0x80000000
    mov ecx, eax
    mov edx, 0xcf8
    out dx, eax
    mov edx, 0xcfc
    in eax, dx
    cmp eax, VIRTIO_RNG_ID
    je .pci_found
    inc ebx
    cmp ebx, 32
    jne .pci_slot
    xor eax, eax
    pop rbx
    ret
.pci_found:
    lea eax, [rcx+0x10]
    mov edx, 0xcf8
    out dx, eax
    mov edx, 0xcfc
    in eax, dx
    and eax, 0xfffc
    pop rbx
    ret

; viornd_read(edi = I/O base): ZF clear if 64 bytes came and are not all zero.
viornd_read:
    push rbx
    push r12
    push r13
    mov ebx, edi
    ; Descriptors and available ring, used ring, buffer: one page each, in a row.
    call page_alloc
    mov r12, rax
    call page_alloc
    call page_alloc
    mov r13d, 3
    mov rdi, r12
.rnd_share:
    call page_share
    push rdi
    add rdi, KERNBASE
    xor eax, eax
    mov ecx, 512
    rep stosq
    pop rdi
    add rdi, NBPG
    dec r13d
    jne .rnd_share
    lea r13, [r12+KERNBASE]
    ; One descriptor, written by the device.
    lea rax, [r12+0x2000]
    mov [r13], rax
    mov dword [r13+8], 64
    mov word [r13+12], 2
    mov word [r13+2050], 1
    ; Reset, acknowledge, driver, queue 0, ready, notify.
    lea edx, [rbx+0x12]
    xor eax, eax
    out dx, al
    mov al, 3
    out dx, al
    lea edx, [rbx+0x0e]
    xor eax, eax
    out dx, ax
    lea edx, [rbx+8]
    mov rax, r12
    shr rax, 12
    out dx, eax
    lea edx, [rbx+0x12]
    mov al, 7
    out dx, al
    lea edx, [rbx+0x10]
    xor eax, eax
    out dx, ax
    cmp word [r13+0x1002], 1
    jne .rnd_none
    ; The used ring names the descriptor that it was given, and as many bytes.
    cmp dword [r13+0x1004], 0
    jne .rnd_none
    cmp dword [r13+0x1008], 64
    jne .rnd_none
    mov rax, [r13+0x2000]
    or rax, [r13+0x2008]
    jmp short .rnd_done
.rnd_none:
    xor eax, eax
.rnd_done:
    pop r13
    pop r12
    pop rbx
    ret
