; Zero at the start, with no place in the file.

align 4096
bss:
early_idt:
    skip 0xe8
early_idt_vc32:
    skip 0xe8
early_idt_vc64:
    skip 0xe30
idt:
    skip 0x1000
bootinfo:
    skip 0x1000
scratch:
    skip 0x1000
cpu0:
    skip 128
cpu1:
    skip 128
early_gdt:
    skip 48
tss:
    skip 104
    skip 0x200
align 16
tmpstk:
align 4096
end:
