; Protocol 1: who the module is.  A report of the secure processor's for level 0 has the guest's nonce in it, with
; the manifest of all services; there are none, so that the table is empty.

; The operation: where the report goes, the nonce is, the manifest and the certificates go.
equ OP_REPORT 0
equ OP_REPORT_SIZE 8
equ OP_NONCE 16
equ OP_NONCE_SIZE 24
equ OP_MANIFEST 32
equ OP_MANIFEST_SIZE 40
equ OP_CERTIFICATES 48
equ OP_CERTIFICATES_SIZE 56
equ OP_SIZE 64
equ OP_VERSION 80
equ OP_SINGLE_SIZE 88

; A message to the secure processor.
equ MSG_TAG 0
equ MSG_SEQUENCE 0x20
equ MSG_AUTHENTICATED 0x30
equ MSG_HEADER_BLOCKS 3
equ MSG_SIZE 0x36
equ MSG_PAYLOAD 0x60

; Algorithm, version and size of the header, type, version of the message.
equ MSG_REPORT_REQ 0x010500600101
equ MSG_REPORT_RSP 0x010600600101
equ REPORT_REQ_SIZE 0x60
equ REPORT_RSP_SIZE 0x4c0
equ REPORT_AT 0x20
equ REPORT_SIZE 0x4a0
equ NONCE_SIZE 64
equ MANIFEST_SIZE 24
equ CERTIFICATES_SIZE 0x4000
equ CERTIFICATES_PAGES 4
equ VMM_TOO_SHORT 1
equ VMM_BUSY 2

; svsm_attest(ecx = call, rdi = operation)
svsm_attest:
    push rbp
    push r13
    push r14
    mov r13d, OP_SIZE
    test ecx, ecx
    je .attest_read
    mov eax, SVSM_ERR_CALL
    cmp ecx, 1
    jne .attest_return
    mov r13d, OP_SINGLE_SIZE
.attest_read:
    mov eax, SVSM_ERR_PARAMETER
    test dil, 7
    jne .attest_return
    mov esi, r13d
    call guest_piece
    mov eax, SVSM_ERR_PARAMETER
    jne .attest_return
    ; What the guest changes from here on is not seen.
    mov rsi, rdi
    mov rdi, attest_op
    mov ecx, r13d
    rep movsb
    mov rbp, attest_op
    mov edx, [rbp+OP_REPORT_SIZE+4]
    or edx, [rbp+OP_NONCE_SIZE+4]
    or dx, [rbp+OP_NONCE_SIZE+2]
    or edx, [rbp+OP_MANIFEST_SIZE+4]
    or edx, [rbp+OP_CERTIFICATES_SIZE+4]
    jne .attest_return
    cmp r13d, OP_SIZE
    je .attest_nonce
    mov rdx, [rbp+OP_VERSION]
    test rdx, rdx
    jne .attest_return
    ; Whatever it is called, there is no such service.
    mov eax, SVSM_ERR_PROTOCOL
    jmp .attest_return
.attest_nonce:
    cmp word [rbp+OP_NONCE_SIZE], NONCE_SIZE
    jne .attest_return
    mov edx, [rbp+OP_REPORT]
    or edx, [rbp+OP_MANIFEST]
    test edx, NBPG-1
    jne .attest_return
    mov edx, [rbp+OP_CERTIFICATES_SIZE]
    test edx, edx
    je .attest_hash
    cmp edx, CERTIFICATES_SIZE
    ja .attest_return
    test dword [rbp+OP_CERTIFICATES], NBPG-1
    jne .attest_return
.attest_hash:
    mov rdi, [rbp+OP_NONCE]
    mov esi, NONCE_SIZE
    call guest_piece
    mov eax, SVSM_ERR_PARAMETER
    jne .attest_return
    mov rsi, rdi
    mov rdi, attest_hashed
    mov ecx, NONCE_SIZE
    rep movsb
    mov rdi, attest_hashed
    mov esi, 1
    call sha512
    xor r14d, r14d
    call attest_report
    test eax, eax
    jne .attest_no_report
    mov rdx, [SVSM_SHARED+SVSM_CERTIFICATES]
    or rdx, [SVSM_SHARED+SVSM_CERTIFICATES+8]
    or rdx, [SVSM_SHARED+SVSM_CERTIFICATES+16]
    je .attest_sizes
    mov r14d, CERTIFICATES_SIZE
.attest_sizes:
    call .attest_tell
    mov qword [rbx+VMSA_R8], REPORT_SIZE
    cmp dword [rbp+OP_MANIFEST_SIZE], MANIFEST_SIZE
    jb .attest_small
    cmp dword [rbp+OP_REPORT_SIZE], REPORT_SIZE
    jb .attest_small
    cmp [rbp+OP_CERTIFICATES_SIZE], r14d
    jb .attest_small
    mov rdi, [rbp+OP_REPORT]
    mov r8, SVSM+SVSM_MESSAGE+MSG_PAYLOAD+REPORT_AT
    mov esi, REPORT_SIZE
    call .attest_give
    jne .attest_address
    mov rdi, [rbp+OP_MANIFEST]
    mov r8, attest_manifest
    mov esi, MANIFEST_SIZE
    call .attest_give
    jne .attest_address
    mov rdi, [rbp+OP_CERTIFICATES]
    mov r8, SVSM_SHARED+SVSM_CERTIFICATES
    mov esi, r14d
    test esi, esi
    je .attest_done
    call .attest_give
    jne .attest_address
.attest_done:
    xor eax, eax
.attest_return:
    pop r14
    pop r13
    pop rbp
    ret
.attest_small:
    mov eax, SVSM_ERR_PARAMETER
    jmp short .attest_return
.attest_address:
    mov eax, SVSM_ERR_ADDRESS
    jmp short .attest_return
; The host has more certificates than there is room for.
.attest_no_report:
    cmp eax, SVSM_ERR_PARAMETER
    jne .attest_return
    call .attest_tell
    jmp short .attest_return
.attest_tell:
    mov qword [rbx+VMSA_RCX], MANIFEST_SIZE
    mov [rbx+VMSA_RDX], r14
    ret
; .attest_give(rdi = where, r8 = what, rsi = bytes): ZF if it is the guest's memory
.attest_give:
    call guest_memory
    jne .attest_given
    mov ecx, esi
    mov rsi, r8
    rep movsb
    cmp eax, eax
.attest_given:
    ret

; attest_report: asks for a report on sha_state; it is in the payload of SVSM_MESSAGE if eax = 0.  If there are too
; many certificates r14 = the bytes that they take.
attest_report:
    push rbx
    push r12
    push r13
    mov rbx, SVSM+SVSM_MESSAGE
    mov rdi, SVSM+SVSM_SECRETS+SECRETS_VMPCK
    mov rax, [rdi]
    or rax, [rdi+8]
    or rax, [rdi+16]
    or rax, [rdi+24]
    mov eax, SVSM_ERR_REQUEST
    je .report_return
    call gcm_key
    mov rdi, rbx
    xor eax, eax
    mov ecx, 512
    rep stosq
    mov rax, [attest_count]
    inc rax
    mov [rbx+MSG_SEQUENCE], rax
    mov rax, MSG_REPORT_REQ
    mov [rbx+MSG_AUTHENTICATED], rax
    mov word [rbx+MSG_SIZE], REPORT_REQ_SIZE
    mov rsi, sha_state
    lea rdi, [rbx+MSG_PAYLOAD]
    mov ecx, 8
    rep movsq
    mov rdi, rbx
    call gcm_crypt
    mov rdi, rbx
    call gcm_tag
    mov [rbx+MSG_TAG], rax
    mov [rbx+MSG_TAG+8], rdx
    mov rsi, rbx
    mov rdi, SVSM_SHARED+SVSM_REQUEST
    mov ecx, 512
    rep movsq
    mov rdi, SVSM_SHARED+SVSM_CERTIFICATES
    xor eax, eax
    mov ecx, 0x800
    rep stosq
    mov r12d, SVM_VMGEXIT_GUEST_REQUEST
    cmp dword [attest_op+OP_CERTIFICATES_SIZE], 0
    je .report_ask
    mov r12d, SVM_VMGEXIT_EXTENDED_GUEST_REQUEST
.report_ask:
    ; The same message until there is an answer: another one would have the same sequence number.
    mov rdi, SVSM+SVSM_CERTIFICATES
    call svsm_physical
    mov r13, rax
    mov rdi, SVSM+SVSM_RESPONSE
    call svsm_physical
    mov rdx, rax
    lea rsi, [rax+SVSM_REQUEST-SVSM_RESPONSE]
    mov rax, r13
    mov edi, r12d
    mov r8d, CERTIFICATES_PAGES
    mov r9d, EVENT_NONE
    cmp edi, SVM_VMGEXIT_GUEST_REQUEST
    je .report_send
    mov r9d, EVENT_RAX_RBX
.report_send:
    call svsm_event
    test eax, eax
    jne .report_lost
    test rdx, rdx
    je .report_answered
    test edx, edx
    jne .report_lost
    shr rdx, 32
    cmp edx, VMM_BUSY
    je .report_ask
    cmp edx, VMM_TOO_SHORT
    jne .report_lost
    cmp r12d, SVM_VMGEXIT_EXTENDED_GUEST_REQUEST
    jne .report_lost
    mov r14d, ecx
    shl r14, 12
    mov r12d, SVM_VMGEXIT_GUEST_REQUEST
    jmp .report_ask
.report_answered:
    mov rsi, SVSM_SHARED+SVSM_RESPONSE
    mov rdi, rbx
    mov ecx, 512
    rep movsq
    mov rax, [attest_count]
    add rax, 2
    cmp [rbx+MSG_SEQUENCE], rax
    jne .report_lost
    mov rcx, MSG_REPORT_RSP
    mov rdx, [rbx+MSG_AUTHENTICATED]
    mov r8, REPORT_RSP_SIZE
    shl r8, 48
    or rcx, r8
    cmp rdx, rcx
    jne .report_lost
    mov [attest_count], rax
    mov rdi, rbx
    call gcm_tag
    cmp rax, [rbx+MSG_TAG]
    jne .report_lost
    cmp rdx, [rbx+MSG_TAG+8]
    jne .report_lost
    mov rdi, rbx
    call gcm_crypt
    mov eax, SVSM_ERR_PARAMETER
    test r14, r14
    jne .report_return
    mov eax, SVSM_ERR_REQUEST
    cmp dword [rbx+MSG_PAYLOAD], 0
    jne .report_return
    cmp dword [rbx+MSG_PAYLOAD+4], REPORT_SIZE
    jne .report_return
    xor eax, eax
.report_return:
    pop r13
    pop r12
    pop rbx
    ret
; Nobody knows what the host has done with the message: the key is not used again.
.report_lost:
    mov rdi, SVSM+SVSM_SECRETS+SECRETS_VMPCK
    xor eax, eax
    mov ecx, 4
    rep stosq
    mov eax, SVSM_ERR_REQUEST
    jmp .report_return
