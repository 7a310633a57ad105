; Queues of a console with several ports: their number is made of max_nr_ports, in 32 bits (Linux 28962ec595d7).
    mov edi, SMALL_CONSOLE
    call small_find
    test eax, eax
    je small_end
    mov ebx, eax
    mov edx, ebx
    in eax, dx
    and eax, 2
    mov ecx, eax
    lea edx, [rbx+4]
    out dx, eax
    mov r14d, 1
    mov r15d, 2
    test ecx, ecx
    je .ports_allocate
    lea edx, [rbx+0x18]
    in eax, dx
    mov r14d, eax
;fix|    test eax, eax
;fix|    je small_end
;fix|    cmp eax, 512
;fix|    ja small_end
    lea r15d, [rax+1]
    shl r15d, 1
.ports_allocate:
    ; Eight bytes for each queue, if there is so much.
    mov eax, r15d
    shl rax, 3
    cmp rax, 0x8000
    ja small_end
    lea rcx, [rax+NBPG-1]
    shr rcx, 12
    call page_alloc
    lea rdi, [rax+KERNBASE]
.ports_more:
    sub ecx, 1
    jbe .ports_fill
    call page_alloc
    jmp .ports_more
.ports_fill:
    mov rax, in_done
    mov rdx, out_done
    mov [rdi], rax
    mov [rdi+8], rdx
    cmp r15d, 2
    je .ports_done
    ; The control queues, then those of each further port.
    mov [rdi+16], rax
    mov [rdi+24], rdx
    mov ecx, 1
.ports_port:
    cmp ecx, r14d
    jae .ports_done
    add rdi, 16
    mov [rdi+16], rax
    mov [rdi+24], rdx
    inc ecx
    jmp .ports_port
.ports_done:
    jmp small_end

in_done:
    ret
out_done:
    ret
