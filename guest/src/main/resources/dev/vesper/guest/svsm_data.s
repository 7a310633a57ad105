align 16
svsm_gdt:
    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0
svsm_gdtr:
    dw 0x1f
    dq svsm_gdt
svsm_idtr:
    dw 0x1ff
    dq svsm_idt
align 8
svsm_base:
    dq 0
svsm_features:
    dq 0
svsm_lock:
    db 0
align 16
svsm_idt:
    skip 0x200
