; ghcb_msr(rax = request): rax = response.  Nobody else may use the MSR meanwhile.
ghcb_msr:
    pushfq
    cli
    mov rdx, rax
    shr rdx, 32
    mov ecx, MSR_SEV_GHCB
    wrmsr
    rep vmmcall
    rdmsr
    shl rdx, 32
    or rax, rdx
    popfq
    ret
