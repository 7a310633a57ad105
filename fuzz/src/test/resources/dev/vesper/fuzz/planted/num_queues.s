; Queues of a disk with VIRTIO_BLK_F_MQ: their number comes from configuration space, and may be zero (Linux
; af8ececda185).
    mov edi, SMALL_BLOCK
    call small_find
    test eax, eax
    je small_end
    mov ebx, eax
    mov edx, ebx
    in eax, dx
    and eax, 0x1000
    mov ecx, eax
    lea edx, [rbx+4]
    out dx, eax
    mov r14d, 1
    test ecx, ecx
    je .queues_allocate
    lea edx, [rbx+0x36]
    in ax, dx
    movzx r14d, ax
;fix|    test r14d, r14d
;fix|    je small_end
    ; No more than there are processors.
    cmp r14d, 1
    jbe .queues_allocate
    mov r14d, 1
.queues_allocate:
    mov ecx, r14d
    call small_alloc
    mov r15, rax
    xor ecx, ecx
.queues_set:
    cmp ecx, r14d
    je .queues_depth
    mov eax, ecx
    shl eax, 6
    mov rdx, disk_queue
    mov [r15+rax], rdx
    inc ecx
    jmp .queues_set
.queues_depth:
    ; How many requests the first one takes.
    mov rax, [r15]
    mov ecx, [rax]
    shr ecx, 1
    jmp small_end

; small_alloc(ecx = entries of 64 bytes): rax = where; as kmalloc, which has an address for nothing at all.
small_alloc:
    test ecx, ecx
    jne .alloc_page
    mov eax, 16
    ret
.alloc_page:
    call page_alloc
    mov rcx, KERNBASE
    add rax, rcx
    ret

; data
align 8
disk_queue: dd 128, 0
