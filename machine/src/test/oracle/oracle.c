/* Native x86-64 oracle: runs byte sequences on the real CPU at CPL 3 and reports the state at the
 * first exception (normally the #BP of the 0xCC filler that surrounds the code).
 *
 * stdin: struct req records; stdout: one struct res per req.   (see oracle.h)
 *
 * Entry to and exit from a test are both done with signal frames: a raised signal's handler replaces the
 * interrupted context by the requested one and returns; the exception's signal handler reads the final
 * context and then puts the driver's context back.  Nothing in the test's state is reserved for the driver.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <immintrin.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>
#include "oracle.h"

static struct req rq;
static struct res rs;
static uint8_t *code_rw;
static uint8_t *data = (uint8_t *)DATA_BASE;
static uint64_t drv_fs, drv_gs;
static greg_t drv_gregs[NGREG];
static volatile int running;
static uint8_t altstack[256 * 1024] __attribute__((aligned(64)));
static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

static inline uint64_t rdfs(void) { uint64_t v; __asm__ volatile("rdfsbase %0" : "=r"(v)); return v; }
static inline uint64_t rdgs(void) { uint64_t v; __asm__ volatile("rdgsbase %0" : "=r"(v)); return v; }
static inline void wrfs(uint64_t v) { __asm__ volatile("wrfsbase %0" :: "r"(v)); }
static inline void wrgs(uint64_t v) { __asm__ volatile("wrgsbase %0" :: "r"(v)); }
static inline void set_dses(uint16_t s) { __asm__ volatile("mov %0,%%ds; mov %0,%%es" :: "r"((uint32_t)s)); }
static inline void copy(void *d, const void *s, unsigned long n)
{ __asm__ volatile("cld; rep movsb" : "+D"(d), "+S"(s), "+c"(n) :: "memory"); }

static void enter_handler(int sig, siginfo_t *si, void *ucv)
{
    ucontext_t *uc = ucv;
    uint8_t *fp = (uint8_t *)uc->uc_mcontext.fpregs;
    copy(drv_gregs, uc->uc_mcontext.gregs, sizeof drv_gregs);
    for (int i = 0; i < 16; i++) uc->uc_mcontext.gregs[order[i]] = rq.gpr[i];
    uc->uc_mcontext.gregs[REG_EFL] = rq.rflags;
    uint64_t cs = 0x33, ss = 0x2b, rip = CODE_BASE + rq.code_off; uint16_t ds = 0x2b;
    if (rq.mode == MODE_32) cs = 0x23;
    if (rq.mode == MODE_16) { cs = 0x07; ss = 0x17; ds = 0x0f; rip = rq.code_off; }
    uc->uc_mcontext.gregs[REG_RIP] = rip;
    uc->uc_mcontext.gregs[REG_CSGSFS] = cs | (ss << 48);
    copy(fp, rq.fx, 416);
    *(uint64_t *)(fp + 512) = rq.xstate_bv;    /* what is not in it is set to its initial state */
    copy(fp + 576, rq.ymmh, 256);
    set_dses(ds);
    wrfs(FS_BASE); wrgs(GS_BASE);
    running = 1;
}

static void fault_handler(int sig, siginfo_t *si, void *ucv)
{
    __asm__ volatile("pushfq; andq $~0x40000,(%%rsp); popfq" ::: "memory", "cc");   /* AC outlives the case */
    if (running && sig == SIGTRAP && ((ucontext_t *)ucv)->uc_mcontext.gregs[REG_TRAPNO] == 1 && rs.steps < rq.steps) {
        struct step *s = &rs.step[rs.steps++];  /* a single step: note where, and go on */
        s->rip = ((ucontext_t *)ucv)->uc_mcontext.gregs[REG_RIP];
        s->rflags = ((ucontext_t *)ucv)->uc_mcontext.gregs[REG_EFL];
        return;
    }
    uint16_t ds, es, fs, gs;
    __asm__ volatile("mov %%ds,%0; mov %%es,%1; mov %%fs,%2; mov %%gs,%3" : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
    uint64_t fsb = rdfs(), gsb = rdgs();
    set_dses(0);
    __asm__ volatile("mov %0,%%fs; mov %0,%%gs" :: "r"(0));
    wrfs(drv_fs); wrgs(drv_gs);
    if (!running) { static const char m[] = "oracle: signal outside a test\n"; write(2, m, sizeof m - 1); _exit(3); }
    running = 0;
    ucontext_t *uc = ucv;
    uint8_t *fp = (uint8_t *)uc->uc_mcontext.fpregs;
    uint64_t bv = *(uint64_t *)(fp + 512);
    rs.id = rq.id; rs.status = sig == SIGALRM ? 1 : sig == SIGSYS ? 3 : 0;
    rs.signo = sig; rs.trapno = uc->uc_mcontext.gregs[REG_TRAPNO]; rs.err = uc->uc_mcontext.gregs[REG_ERR];
    rs.cr2 = uc->uc_mcontext.gregs[REG_CR2]; rs.rip = uc->uc_mcontext.gregs[REG_RIP];
    rs.rflags = uc->uc_mcontext.gregs[REG_EFL]; rs.cs = uc->uc_mcontext.gregs[REG_CSGSFS] & 0xffff;
    for (int i = 0; i < 16; i++) rs.gpr[i] = uc->uc_mcontext.gregs[order[i]];
    copy(rs.fx, fp, 416);
    if (!(bv & 1)) { for (int i = 0; i < 160; i++) if (i < 24 || i >= 32) rs.fx[i] = 0; rs.fx[0] = 0x7f; rs.fx[1] = 3; }
    if (!(bv & 2)) for (int i = 160; i < 416; i++) rs.fx[i] = 0;
    rs.seg[0] = es; rs.seg[1] = rs.cs; rs.seg[2] = (uint64_t)uc->uc_mcontext.gregs[REG_CSGSFS] >> 48;
    rs.seg[3] = ds; rs.seg[4] = fs; rs.seg[5] = gs; rs.fs_base = fsb; rs.gs_base = gsb;
    if (bv & 4) copy(rs.ymmh, fp + 576, 256); else for (int i = 0; i < 256; i++) rs.ymmh[i] = 0;
    copy(rs.mem, data, DATA_SIZE);
    *(uint64_t *)(fp + 512) = 0; fp[24] = 0x80; fp[25] = 0x1f; fp[26] = fp[27] = 0;
    copy(uc->uc_mcontext.gregs, drv_gregs, sizeof drv_gregs);
}

static void die(const char *m) { perror(m); exit(2); }
static void ldt(int n, uint64_t base, unsigned limit, int contents, int big)
{
    struct user_desc d = { .entry_number = n, .base_addr = base, .limit = limit, .seg_32bit = big,
                           .contents = contents, .useable = 1 };
    if (syscall(SYS_modify_ldt, 1, &d, sizeof d)) die("modify_ldt");
}
static int rd(void *p, size_t n) { uint8_t *b = p; while (n) { ssize_t r = read(0, b, n); if (r <= 0) return 0; b += r; n -= r; } return 1; }
static void wr(const void *p, size_t n) { const uint8_t *b = p; while (n) { ssize_t r = write(1, b, n); if (r <= 0) _exit(4); b += r; n -= r; } }

int main(void)
{
    int fd = memfd_create("code", 0);
    if (fd < 0 || ftruncate(fd, CODE_SIZE)) die("memfd");
    if (mmap((void *)CODE_BASE, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) != (void *)CODE_BASE) die("code");
    code_rw = mmap(0, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (code_rw == MAP_FAILED) die("code_rw");
    if (mmap((void *)DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)DATA_BASE) die("data");
    ldt(0, CODE_BASE, 0xffff, 2, 0);           /* 0x07: 16-bit code  */
    ldt(1, DATA_BASE, DATA_SIZE - 1, 0, 0);    /* 0x0f: data         */
    ldt(2, DATA_BASE, DATA_SIZE - 1, 0, 1);    /* 0x17: stack, B = 1 */
    stack_t st = { .ss_sp = altstack, .ss_size = sizeof altstack };
    if (sigaltstack(&st, 0)) die("sigaltstack");
    struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigfillset(&sa.sa_mask);
    sa.sa_sigaction = enter_handler; sigaction(SIGUSR1, &sa, 0);
    sa.sa_sigaction = fault_handler;
    const int sigs[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM, SIGSYS };
    for (unsigned i = 0; i < sizeof sigs / sizeof *sigs; i++) sigaction(sigs[i], &sa, 0);
    drv_fs = rdfs(); drv_gs = rdgs();
    /* system calls are allowed only from this program's own text (above 4 GiB), never from a test */
    struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog fp = { sizeof f / sizeof *f, f };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fp)) die("seccomp");
    if ((uintptr_t)&main < (1ull << 32)) { fprintf(stderr, "build as PIE\n"); return 2; }
    pid_t pid = getpid(), tid = syscall(SYS_gettid);
    struct itimerval on = { { 0, 0 }, { 0, 100000 } }, off = { { 0, 0 }, { 0, 0 } };
    while (rd(&rq, sizeof rq)) {
        memset(code_rw, 0xcc, CODE_SIZE);
        memcpy(code_rw + rq.code_off, rq.code, rq.codelen);
        memcpy(data, rq.mem, DATA_SIZE);
        memset(&rs, 0, sizeof rs);
        /* signal frames restore neither ID nor NT: do not let one test's leak into the next */
        __asm__ volatile("pushfq; andq $~0x204000,(%%rsp); popfq" ::: "memory", "cc");
        setitimer(ITIMER_REAL, &on, 0);
        syscall(SYS_tgkill, pid, tid, SIGUSR1);
        setitimer(ITIMER_REAL, &off, 0);
        wr(&rs, sizeof rs);
    }
    return 0;
}
