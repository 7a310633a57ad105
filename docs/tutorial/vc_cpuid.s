# CPUID by the MSR protocol: an exchange for each of the four registers.
vc_cpuid:
        mov     rax, [rbp+RIP_]
        cmp     word ptr [rax], 0xa20f          # 0F A2: is it a CPUID that brought us here?
        jne     fail
        xor     ebx, ebx                        # the register's number, in bits 31:30
1:      mov     edx, [rbp+RAX_]                 # the function
        lea     eax, [rbx+4]
        call    msr_exchange
        lea     ecx, [rbx+5]                    # a response, to this request
        cmp     eax, ecx
        jne     fail
        push    rdx
        add     ebx, 1 << 30
        jnc     1b
        pop     qword ptr [rbp+RDX_]
        pop     qword ptr [rbp+RCX_]
        pop     qword ptr [rbp+RBX_]
        pop     qword ptr [rbp+RAX_]
        add     qword ptr [rbp+RIP_], 2
        ret

# What cannot be helped: a general termination request.
fail:   xor     eax, eax
        jmp     terminate
