; What the small drivers have in common: legacy virtio over PCI, one queue in pages that are shared with the host.
; Each driver is main. What stands behind a comment that says fix and a bar is the check that the real one has got since.

equ SMALL_ENTROPY 0x10051af4
equ SMALL_CONSOLE 0x10031af4
equ SMALL_BLOCK 0x10011af4
equ SMALL_NETWORK 0x10001af4
; From the first page of a queue: the used ring, and two pages of buffers.
equ SMALL_USED 0x1000
equ SMALL_POOL 0x2000

small_end:
    mov eax, 0x10
    mov dx, 0xf4
    out dx, al
    hlt

; small_find(edi = device and vendor): eax = I/O base, 0 if there is none.
small_find:
    push rbx
    xor ebx, ebx
.small_slot:
    mov eax, ebx
    shl eax, 11
    or eax, 0x80000000
    mov ecx, eax
    mov edx, 0xcf8
    out dx, eax
    mov edx, 0xcfc
    in eax, dx
    cmp eax, edi
    je .small_found
    inc ebx
    cmp ebx, 8
    jne .small_slot
    xor eax, eax
    pop rbx
    ret
.small_found:
    lea eax, [rcx+0x10]
    mov edx, 0xcf8
    out dx, eax
    mov edx, 0xcfc
    in eax, dx
    and eax, 0xfffc
    pop rbx
    ret

; small_queue(ebx = I/O base): queue 0 is ready; r12 = physical address of its pages, r13 = where they are mapped.
small_queue:
    call page_alloc
    mov r12, rax
    call page_alloc
    call page_alloc
    call page_alloc
    mov r13d, 4
    mov rdi, r12
.small_share:
    call page_share
    push rdi
    add rdi, KERNBASE
    xor eax, eax
    mov ecx, 512
    rep stosq
    pop rdi
    add rdi, NBPG
    dec r13d
    jne .small_share
    lea r13, [r12+KERNBASE]
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
    ret

; small_submit(edi = descriptor, rsi = physical address of a buffer, ecx = its size): the device writes there.
; r14 counts requests.
small_submit:
    mov eax, edi
    shl eax, 4
    add rax, r13
    mov [rax], rsi
    mov [rax+8], ecx
    mov word [rax+12], 2
    mov eax, r14d
    and eax, 127
    mov [r13+rax*2+2052], di
    inc r14d
    mov [r13+2050], r14w
    lea edx, [rbx+0x10]
    xor eax, eax
    out dx, ax
    ret

; small_used(r15 = elements that were taken): ZF if there is none more, else rax = the next one.
small_used:
    cmp r15w, [r13+SMALL_USED+2]
    je .small_nothing
    mov eax, r15d
    and eax, 127
    lea rax, [r13+rax*8+SMALL_USED+4]
    inc r15d
    test rax, rax
.small_nothing:
    ret
