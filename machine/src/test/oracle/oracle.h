/* Record formats shared by oracle.c (native runner) and gen.py. All little endian, packed. */
#ifndef ORACLE_H
#define ORACLE_H
#include <stdint.h>
#define CODE_BASE 0x10000000ull   /* one page, RX for the test                         */
#define CODE_SIZE 0x1000
#define DATA_BASE 0x20000000ull   /* two pages, RW, not executable; neighbours unmapped */
#define DATA_SIZE 0x2000
#define FS_BASE   (DATA_BASE + 0x0400)
#define GS_BASE   (DATA_BASE + 0x0800)
enum { MODE_64 = 0, MODE_32 = 1, MODE_16 = 2 };
/* GPR order everywhere: rax rcx rdx rbx rsp rbp rsi rdi r8..r15 */
enum { MAX_STEPS = 40 };
struct step { uint64_t rip, rflags; } __attribute__((packed));
struct req {
    uint32_t id;
    uint8_t  mode, codelen, steps, pad;   /* steps: single steps to go through, at most MAX_STEPS */
    uint32_t code_off;            /* first byte of the code, relative to CODE_BASE */
    uint32_t xstate_bv;           /* components that are not initial before the case */
    uint64_t gpr[16];
    uint64_t rflags;
    uint8_t  fx[416];             /* FXSAVE64 image up to and including XMM15 */
    uint8_t  ymmh[256];           /* upper halves of YMM0..15 */
    uint8_t  code[128];
    uint8_t  mem[DATA_SIZE];
} __attribute__((packed));
struct res {
    uint32_t id;
    uint8_t  status;              /* 0 stopped by an exception, 1 timeout, 3 tried a system call */
    uint8_t  signo, trapno, steps;
    uint32_t err, cs;
    uint64_t cr2, rip, rflags;
    uint64_t gpr[16];
    uint8_t  fx[416];
    uint8_t  ymmh[256];
    uint8_t  mem[DATA_SIZE];
    uint16_t seg[6];              /* ES CS SS DS FS GS */
    uint64_t fs_base, gs_base;
    struct step step[MAX_STEPS];
} __attribute__((packed));
#endif
