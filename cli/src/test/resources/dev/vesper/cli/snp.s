; A guest under SEV-SNP that keeps to the rules of docs/check.md, step by step. Stanzas of rules.txt replace lines of it.
; Linear addresses from SHARED on are those of physical memory without the C-bit; below they are the same with it.

equ PASS 0x10
equ SHARED 0x40000000
equ C_BIT_HIGH 0x80000
equ STACK 0x180000
equ TABLES 0x200000
equ IDT 0x210000
equ GHCB 0x300000
equ PAGE 0x310000
equ SECOND 0x311000
equ VMSA 0x321000
equ SECRETS 0x9d000
equ CPUID_PAGE 0x9e000
equ GHCB_MSR 0xc0010130

equ G_RAX 0x1f8
equ G_RCX 0x308
equ G_RBX 0x318
equ G_EXITCODE 0x390
equ G_INFO1 0x398
equ G_INFO2 0x3a0
equ G_SCRATCH 0x3a8
equ G_VALID 0x3f0
equ G_BUFFER 0x800
equ G_VERSION 0xffa

equ EXIT_CPUID 0x72
equ EXIT_IOIO 0x7b
equ PAGE_STATE_CHANGE 0x80000010
equ AP_CREATION 0x80000013

start:
    cli
    mov esp, STACK
    call page_tables
    call vectors
    call negotiate
    call ghcb_take
    call pages_change
    call cpuid_ask
    call ap_run
    call main
    mov al, PASS
    jmp debug_exit

; What a test adds.
main:
    ret

; ---- descriptors and tables

page_tables:
    mov dword [TABLES], TABLES+0x1003
    mov dword [TABLES+0x1000], TABLES+0x2003
    mov dword [TABLES+0x1008], TABLES+0x3003
    mov edi, TABLES+0x2000
    mov eax, 0x83
.next_large:
    mov [rdi], eax
    mov dword [rdi+4], C_BIT_HIGH
    mov [rdi+0x1000], eax
    mov dword [rdi+0x1004], 0
    add edi, 8
    add eax, 0x200000
    cmp eax, 0x40000083
    jne .next_large
    mov eax, TABLES
    mov cr3, rax
    ret

vectors:
    lgdt [gdtr]
    mov eax, unexpected
    xor ecx, ecx
.next_gate:
    mov edi, ecx
    shl edi, 4
    add edi, IDT
    mov edx, eax
    and edx, 0xffff
    or edx, 0x100000
    mov [rdi], edx
    mov edx, eax
    and edx, 0xffff0000
    or edx, 0x8e00
    mov [rdi+4], edx
    mov qword [rdi+8], 0
    inc ecx
    cmp ecx, 32
    jne .next_gate
    lidt [idtr]
    ret

align 8
gdt:
    dq 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:
    dw 31
    dq gdt
idtr:
    dw 0x1ff
    dq IDT

; No exception is expected, #VC with code 404 among them.
unexpected:
    jmp terminate

; ---- the MSR protocol

; RDI: request, ESI: code of the response. Gives the response in RAX.
msr_protocol:
    mov ecx, GHCB_MSR
    mov eax, edi
    mov rdx, rdi
    shr rdx, 32
    wrmsr
    vmgexit
    rdmsr
    mov edi, eax
    and edi, 0xfff
    cmp edi, esi
    jne terminate
    shl rdx, 32
    or rax, rdx
    ret

terminate:
    mov ecx, GHCB_MSR
    mov eax, 0x100
    xor edx, edx
    wrmsr
    vmgexit
.stop:
    hlt
    jmp .stop

negotiate:
    mov edi, 2
    mov esi, 1
    call msr_protocol
    shr rax, 48
    cmp eax, 2
    jb terminate
    mov edi, 0x80
    mov esi, 0x81
    call msr_protocol
    shr rax, 12
    and eax, 3
    cmp eax, 3
    jne terminate
    ret

; ---- PVALIDATE

; EAX: page.
validate:
    push rax
    xor ecx, ecx
    mov edx, 1
    pvalidate
    jb terminate
    test eax, eax
    jne terminate
    pop rax
    mov cl, [rax]
    mov cl, [rax+0xfff]
    ret

; EAX: page.
rescind:
    xor ecx, ecx
    xor edx, edx
    pvalidate
    jb terminate
    test eax, eax
    jne terminate
    ret

; ---- the GHCB

ghcb_take:
    mov eax, GHCB
    call rescind
    mov rdi, 0x20000000000014+GHCB
    mov esi, 0x15
    call msr_protocol
    shr rax, 32
    jne terminate
    mov edi, GHCB+0x12
    mov esi, 0x13
    call msr_protocol
    cmp rax, GHCB+0x13
    jne terminate
    ret

; Gives the page in RBX.
ghcb_begin:
    mov ebx, SHARED+GHCB
    mov edi, SHARED+GHCB
    xor eax, eax
    mov ecx, 0x80
    rep stosq
    mov word [rbx+G_VERSION], 2
    ret

; RDI: exit code, RSI and RDX: infos.
ghcb_exit:
    mov [rbx+G_EXITCODE], rdi
    mov [rbx+G_INFO1], rsi
    mov [rbx+G_INFO2], rdx
    or byte [rbx+G_VALID+14], 0x1c
    mov ecx, GHCB_MSR
    mov eax, GHCB
    xor edx, edx
    wrmsr
    vmgexit
    mov rax, [rbx+G_INFO1]
    test eax, eax
    jne terminate
    ret

; RAX: entry for the list.
page_state_change:
    push rax
    call ghcb_begin
    pop rax
    mov word [rbx+G_BUFFER], 0
    mov word [rbx+G_BUFFER+2], 0
    mov dword [rbx+G_BUFFER+4], 0
    mov [rbx+G_BUFFER+8], rax
.again:
    mov qword [rbx+G_SCRATCH], GHCB+G_BUFFER
    or byte [rbx+G_VALID+14], 0x20
    mov edi, PAGE_STATE_CHANGE
    xor esi, esi
    xor edx, edx
    call ghcb_exit
    mov rax, [rbx+G_INFO2]
    test rax, rax
    jne terminate
    mov ax, [rbx+G_BUFFER]
    cmp ax, [rbx+G_BUFFER+2]
    jbe .again
    ret

; ---- pages

pages_change:
    mov eax, PAGE
    call rescind
    mov rax, 0x20000000000000+PAGE
    call page_state_change
    mov dword [SHARED+PAGE], 1
    mov rax, 0x10000000000000+PAGE
    call page_state_change
    mov eax, PAGE
    call validate
    mov dword [PAGE], 2
    ret

; ---- CPUID: what the page has is taken from there, the rest from the host

cpuid_ask:
    mov eax, [CPUID_PAGE+0x28]
    mov edi, 1
    call cpuid_host
    ret

; EDI: leaf.
cpuid_host:
    push rdi
    call ghcb_begin
    pop rdi
    mov [rbx+G_RAX], rdi
    mov qword [rbx+G_RCX], 0
    or byte [rbx+G_VALID+7], 0x80
    or byte [rbx+G_VALID+12], 2
    mov edi, EXIT_CPUID
    xor esi, esi
    xor edx, edx
    call ghcb_exit
    test byte [rbx+G_VALID+12], 8
    je terminate
    mov eax, [rbx+G_RBX]
    ret

; ---- a second processor

ap_run:
    mov edi, VMSA
    call ap_fill
    mov eax, VMSA
    xor ecx, ecx
    mov edx, 0x10001
    rmpadjust
    test eax, eax
    jne terminate
    mov rsi, 0x100000001
    mov edx, VMSA
    call ap_creation
.wait:
    pause
    cmp dword [ap_arrived], 0
    je .wait
ap_take_back:
    mov rsi, 0x100000002
    xor edx, edx
    call ap_creation
    mov eax, VMSA
    xor ecx, ecx
    mov edx, 1
    rmpadjust
    test eax, eax
    jne terminate
    ret

; RSI: request and APIC ID, RDX: save area.
ap_creation:
    push rsi
    push rdx
    call ghcb_begin
    pop rdx
    pop rsi
    mov qword [rbx+G_RAX], 1
    or byte [rbx+G_VALID+7], 0x80
    mov edi, AP_CREATION
    call ghcb_exit
    ret

; EDI: save area. The processor begins where this one is, at ap_start.
ap_fill:
    mov dword [rdi+0x10], 0x0a9b0010
    mov dword [rdi+0x14], -1
    mov dword [rdi+0x20], 0x0c930018
    mov dword [rdi+0x24], -1
    mov dword [rdi+0x30], 0x0c930018
    mov dword [rdi+0x34], -1
    mov dword [rdi+0x64], 31
    mov qword [rdi+0x68], gdt
    mov dword [rdi+0x70], 0x00820000
    mov dword [rdi+0x84], 0x1ff
    mov qword [rdi+0x88], IDT
    mov dword [rdi+0x90], 0x008b0000
    mov qword [rdi+0xd0], 0x1500
    mov qword [rdi+0x148], 0x20
    mov qword [rdi+0x150], TABLES
    mov dword [rdi+0x158], 0x80000011
    mov qword [rdi+0x160], 0x400
    mov dword [rdi+0x168], 0xffff0ff0
    mov qword [rdi+0x170], 2
    mov qword [rdi+0x178], ap_start
    mov qword [rdi+0x1d8], STACK-0x1000
    mov dword [rdi+0x268], 0x00070406
    mov dword [rdi+0x26c], 0x00070406
    mov qword [rdi+0x3b0], 1
    mov qword [rdi+0x3e8], 1
    mov dword [rdi+0x408], 0x1f80
    mov dword [rdi+0x410], 0x37f
    ret

; Lets VMPL1 have the pages that a second processor needs there.
lower_pages:
    mov edi, 0x100000
    call lower_page
    mov edi, TABLES
.next_page:
    call lower_page
    add edi, 0x1000
    cmp edi, TABLES+0x4000
    jne .next_page
    ret
lower_page:
    mov eax, edi
    xor ecx, ecx
    mov edx, 0xf01
    rmpadjust
    test eax, eax
    jne terminate
    ret

ap_start:
    mov dword [ap_arrived], 1
.ap_stop:
    hlt
    jmp .ap_stop

align 8
ap_arrived:
    dd 0

; ---- the end

; AL: what the run's status is made of.
debug_exit:
    push rax
    call ghcb_begin
    pop rax
    movzx eax, al
    mov [rbx+G_RAX], rax
    or byte [rbx+G_VALID+7], 0x80
    mov edi, EXIT_IOIO
    mov esi, 0xf40210
    xor edx, edx
    call ghcb_exit
    jmp terminate
