; SHA-512 of what is attested, and AES-256 in Galois/counter mode for messages to the secure processor.

; sha512(rdi = message, padded, rsi = its blocks of 128 bytes): the digest is in sha_state, as it is written.
sha512:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov rax, sha_initial
    mov rdx, sha_state
    mov ecx, 8
.sha_start:
    mov rbx, [rax]
    mov [rdx], rbx
    add rax, 8
    add rdx, 8
    dec ecx
    jne .sha_start
.sha_block:
    push rsi
    mov rdx, sha_schedule
    mov ecx, 16
.sha_word:
    mov rax, [rdi]
    bswap rax
    mov [rdx], rax
    add rdi, 8
    add rdx, 8
    dec ecx
    jne .sha_word
    mov ecx, 64
.sha_extend:
    mov rax, [rdx-120]
    mov rbx, rax
    mov rsi, rax
    ror rax, 1
    ror rbx, 8
    shr rsi, 7
    xor rax, rbx
    xor rax, rsi
    add rax, [rdx-128]
    add rax, [rdx-56]
    mov rbx, [rdx-16]
    mov rsi, rbx
    mov rbp, rbx
    ror rbx, 19
    ror rsi, 61
    shr rbp, 6
    xor rbx, rsi
    xor rbx, rbp
    add rax, rbx
    mov [rdx], rax
    add rdx, 8
    dec ecx
    jne .sha_extend
    mov rdx, sha_state
    mov r8, [rdx]
    mov r9, [rdx+8]
    mov r10, [rdx+16]
    mov r11, [rdx+24]
    mov r12, [rdx+32]
    mov r13, [rdx+40]
    mov r14, [rdx+48]
    mov r15, [rdx+56]
    xor ecx, ecx
.sha_round:
    ; h, the sum over e, the choice by e, constant and word
    mov rax, r12
    mov rbx, r12
    mov rsi, r12
    ror rax, 14
    ror rbx, 18
    ror rsi, 41
    xor rax, rbx
    xor rax, rsi
    add rax, r15
    mov rbx, r13
    xor rbx, r14
    and rbx, r12
    xor rbx, r14
    add rax, rbx
    add rax, [rcx*8+sha_constants]
    add rax, [rcx*8+sha_schedule]
    ; the sum over a, the majority
    mov rbx, r8
    mov rsi, r8
    mov rbp, r8
    ror rbx, 28
    ror rsi, 34
    ror rbp, 39
    xor rbx, rsi
    xor rbx, rbp
    mov rsi, r8
    or rsi, r9
    and rsi, r10
    mov rbp, r8
    and rbp, r9
    or rsi, rbp
    add rbx, rsi
    mov r15, r14
    mov r14, r13
    mov r13, r12
    mov r12, r11
    add r12, rax
    mov r11, r10
    mov r10, r9
    mov r9, r8
    mov r8, rax
    add r8, rbx
    inc ecx
    cmp ecx, 80
    jne .sha_round
    mov rdx, sha_state
    add [rdx], r8
    add [rdx+8], r9
    add [rdx+16], r10
    add [rdx+24], r11
    add [rdx+32], r12
    add [rdx+40], r13
    add [rdx+48], r14
    add [rdx+56], r15
    pop rsi
    dec rsi
    jne .sha_block
    mov ecx, 8
.sha_end:
    mov rax, [rdx]
    bswap rax
    mov [rdx], rax
    add rdx, 8
    dec ecx
    jne .sha_end
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

; gcm_key(rdi = key, 32 bytes): round keys, and the key of the tag.
gcm_key:
    movdqu xmm1, [rdi]
    movdqu xmm2, [rdi+16]
    mov rdi, gcm_rounds
    movdqu [rdi], xmm1
    movdqu [rdi+16], xmm2
    mov eax, 1
    movd xmm5, eax
    pshufd xmm5, xmm5, 0
    mov ecx, 7
.key_next:
    add rdi, 32
    aeskeygenassist xmm3, xmm2, 0
    pshufd xmm3, xmm3, 0xff
    pxor xmm3, xmm5
    movdqa xmm4, xmm1
    call .key_mix
    movdqa xmm1, xmm4
    movdqu [rdi], xmm1
    aeskeygenassist xmm3, xmm1, 0
    pshufd xmm3, xmm3, 0xaa
    movdqa xmm4, xmm2
    call .key_mix
    movdqa xmm2, xmm4
    movdqu [rdi+16], xmm2
    pslld xmm5, 1
    dec ecx
    jne .key_next
    pxor xmm0, xmm0
    call aes_block
    movdqu [gcm_tag_key], xmm0
    mov rax, [gcm_tag_key]
    bswap rax
    mov [gcm_tag_key], rax
    mov rax, [gcm_tag_key+8]
    bswap rax
    mov [gcm_tag_key+8], rax
    ret
; .key_mix: xmm4 = each word with those before it, and with xmm3
.key_mix:
    movdqa xmm6, xmm4
    pslldq xmm6, 4
    pxor xmm4, xmm6
    pslldq xmm6, 4
    pxor xmm4, xmm6
    pslldq xmm6, 4
    pxor xmm4, xmm6
    pxor xmm4, xmm3
    ret

; aes_block(xmm0): encrypted by the round keys.
aes_block:
    mov rdx, gcm_rounds
    movdqu xmm7, [rdx]
    pxor xmm0, xmm7
    mov ecx, 13
.aes_round:
    add rdx, 16
    movdqu xmm7, [rdx]
    aesenc xmm0, xmm7
    dec ecx
    jne .aes_round
    movdqu xmm7, [rdx+16]
    aesenclast xmm0, xmm7
    ret

; gcm_crypt(rdi = message): its payload, by the counter; the same again gives back what there was.
gcm_crypt:
    push rbx
    push rbp
    movzx ebp, word [rdi+MSG_SIZE]
    shr ebp, 4
    mov ebx, 2
    add rdi, MSG_PAYLOAD
    mov rsi, [rdi+MSG_SEQUENCE-MSG_PAYLOAD]
.crypt_block:
    mov eax, ebx
    call gcm_counter
    movdqu xmm7, [rdi]
    pxor xmm0, xmm7
    movdqu [rdi], xmm0
    add rdi, 16
    inc ebx
    dec ebp
    jne .crypt_block
    pop rbp
    pop rbx
    ret

; gcm_counter(rsi = sequence number, eax = count): xmm0 = encrypted counter
gcm_counter:
    mov [gcm_block], rsi
    bswap eax
    shl rax, 32
    mov [gcm_block+8], rax
    movdqu xmm0, [gcm_block]
    jmp aes_block

; gcm_tag(rdi = message, encrypted): rax, rdx = the tag of its header and payload
gcm_tag:
    push rbx
    push rbp
    push rdi
    xor r8d, r8d
    xor r9d, r9d
    movzx ebp, word [rdi+MSG_SIZE]
    mov ebx, ebp
    shr ebp, 4
    add ebp, MSG_HEADER_BLOCKS
    add rdi, MSG_AUTHENTICATED
.tag_block:
    mov rax, [rdi]
    mov rdx, [rdi+8]
    bswap rax
    bswap rdx
    call .tag_add
    add rdi, 16
    dec ebp
    jne .tag_block
    mov eax, 0x180
    mov edx, ebx
    shl edx, 3
    call .tag_add
    pop rdi
    mov rsi, [rdi+MSG_SEQUENCE]
    mov eax, 1
    call gcm_counter
    movdqu [gcm_block], xmm0
    bswap r8
    bswap r9
    mov rax, [gcm_block]
    xor rax, r8
    mov rdx, [gcm_block+8]
    xor rdx, r9
    pop rbp
    pop rbx
    ret
; .tag_add(rax, rdx): r8, r9 = their sum with that, times the tag's key
.tag_add:
    xor r8, rax
    xor r9, rdx
    mov r10, [gcm_tag_key]
    mov r11, [gcm_tag_key+8]
    mov rsi, 0xe100000000000000
    xor eax, eax
    xor edx, edx
    mov ecx, 128
.tag_bit:
    add r9, r9
    adc r8, r8
    jae .tag_clear
    xor rax, r10
    xor rdx, r11
.tag_clear:
    shr r10, 1
    rcr r11, 1
    jae .tag_next
    xor r10, rsi
.tag_next:
    dec ecx
    jne .tag_bit
    mov r8, rax
    mov r9, rdx
    ret
