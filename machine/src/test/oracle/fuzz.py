"""Random bytes as instructions."""
from case import *
from record import DISASSEMBLERS

def c_fuzz(g):
    r = g.r
    p = b''.join(bytes([r.choice([0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x3e, 0x26, 0x36])]) for _ in range(r.choice([0, 0, 0, 1, 1, 2, 3])))
    if r.random() < .5 and g.mode == M64: p += bytes([0x40 | r.getrandbits(4)])
    o = bytes([r.getrandbits(8)]) if r.random() < .55 else b'\x0f' + bytes([r.getrandbits(8)])
    g.code = p + o + bytes([r.choice([0xc0 | r.getrandbits(6), r.getrandbits(8)])]) + bytes(r.getrandbits(8) for _ in range(10))
    g.fpinit(x87=r.random() < .5)
    for i in range(16 if g.mode == M64 else 8): g.setx(i, g.vec(r.choice(['i', 'ps', 'pd'])))
    for k in range(16 if g.mode == M64 else 8):
        if k != RSP and r.random() < .5: g.gpr[k] = DATA + r.randrange(0x200, 0x1e00)
    g.poke(0, bytes(r.getrandbits(8) for _ in range(DSZ)) if r.random() < .0 else b'')
    g.fuzz = True
BADM = {'syscall', 'sysenter', 'sysexit', 'sysret', 'rdtsc', 'rdtscp', 'rdpmc', 'cpuid', 'rdrand', 'rdseed', 'xgetbv', 'lar', 'lsl', 'verr', 'verw', 'sgdt', 'sidt', 'sldt', 'str', 'smsw', 'rdpid', 'iretd', 'iretq', 'iret', 'fnstenv', 'fnsave', 'fxsave', 'fxsave64', 'fldenv', 'frstor', 'fxrstor', 'fxrstor64', 'xsave', 'xsave64', 'xrstor', 'xrstor64', 'xsaveopt', 'xsavec', 'wrfsbase', 'wrgsbase', 'xbegin', 'xabort', 'retf', 'retfq', 'lcall', 'ljmp', 'les', 'lds', 'lss', 'lfs', 'lgs', 'rsqrtps', 'rsqrtss', 'rcpps', 'rcpss', 'fsin', 'fcos', 'fsincos', 'fptan', 'fpatan', 'fyl2x', 'fyl2xp1', 'f2xm1', 'monitor', 'mwait', 'clflushopt', 'vmmcall', 'vmcall', 'int1', 'icebp', 'popfd', 'popf', 'popfq'}
def fuzz_ok(g):
    c = g.code; i = 0
    while i < len(c) and c[i] in (0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x3e, 0x26, 0x36, 0x64, 0x65, 0xf0): i += 1
    if g.mode == M64 and c[i] & 0xf0 == 0x40: i += 1
    o = c[i]
    if o in (0xc4, 0xc5, 0x62, 0x8f, 0xcf, 0x8c, 0x8e, 0x9d, 0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0xcd, 0x9a, 0xea, 0xca, 0xcb, 0xd6, 0xf1): return False
    if o == 0x0f and c[i + 1] in (0x00, 0x01, 0x02, 0x03, 0x05, 0x07, 0x0d, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x31, 0x33, 0x34, 0x35, 0x37, 0x38, 0x3a, 0xa0, 0xa1, 0xa2, 0xa8, 0xa9, 0xae, 0xb2, 0xb4, 0xb5, 0xb8, 0xb9, 0xbc, 0xbd, 0xc7, 0xf0, 0xff, 0x0e, 0x0f, 0x78, 0x79, 0x7c, 0x7d, 0xd0, 0x12, 0x16, 0x2b, 0x52, 0x53, 0xa6, 0xa7, 0x24, 0x26): return False
    if o == 0xff and (c[i + 1] >> 3 & 7) in (3, 5): return False
    d = next(DISASSEMBLERS[g.mode].disasm(c[i - i:15], 0), None)
    if d is None: g.code = c[:15]; return True
    m = d.mnemonic.split()[-1]
    if m in BADM or d.mnemonic in BADM: return False
    if m == 'bswap' and '66' in c[:i].hex(): return False          # 16-bit BSWAP is undefined
    und = {'shl': ARITH, 'shr': ARITH, 'sar': ARITH, 'rol': OF, 'ror': OF, 'rcl': OF, 'rcr': OF, 'sal': ARITH, 'shld': ARITH, 'shrd': ARITH, 'mul': ARITH & ~(CF | OF), 'imul': ARITH & ~(CF | OF), 'div': ARITH, 'idiv': ARITH, 'and': AF, 'or': AF, 'xor': AF, 'test': AF, 'bt': ARITH & ~CF, 'bts': ARITH & ~CF, 'btr': ARITH & ~CF, 'btc': ARITH & ~CF, 'daa': OF, 'das': OF, 'aaa': ARITH & ~(AF | CF), 'aas': ARITH & ~(AF | CF), 'aam': OF | AF | CF, 'aad': OF | AF | CF}.get(m, 0)
    g.fm &= ~und
    if m in ('shld', 'shrd') and '66' in c[:i].hex(): return False
    if m.startswith('f'): g.fswm &= ~0x4700
    if m.startswith('fcomi') or m.startswith('fucomi') or m.startswith('fcomp'): g.fm &= ~(OF | SF | AF)
    g.code = c[:d.size]
    return True
