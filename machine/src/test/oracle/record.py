"""Runs cases on this computer's processor and writes them as JSON Lines."""
import json, os, struct, subprocess
from collections import Counter
import capstone
from case import *

HERE = os.path.dirname(os.path.abspath(__file__))
REQ = struct.Struct('<IBBBBII16QQ416s256s128s8192s')
RES = struct.Struct('<IBBBBIIQQQ16Q416s256s8192s6HQQ80Q')
NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split()
SEGMENTS = 'es cs ss ds fs gs'.split()
HASERR = {8, 10, 11, 12, 13, 14, 17}
DISASSEMBLERS = {
    M64: capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    M32: capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32),
    M16: capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_16)}
_d = bytearray(416)
struct.pack_into('<HHBx', _d, 0, 0x37f, 0, 0)
struct.pack_into('<II', _d, 24, 0x1f80, 0xffff)
INITIAL_FX = bytes(_d)

def request(i, g):
    fx = bytes(g.fx) if g.fx is not None else INITIAL_FX
    return REQ.pack(i, g.mode, len(g.code), g.steps, 0, g.off, g.xbv, *[x & (1 << 64) - 1 for x in g.gpr], g.flags, fx, g.ymmh, g.code, bytes(g.mem))

def run(gs):
    p = subprocess.run([HERE + '/oracle'], input=b''.join(request(i, g) for i, g in enumerate(gs)), stdout=subprocess.PIPE)
    if p.returncode:
        raise SystemExit('oracle failed %d after %d' % (p.returncode, len(p.stdout) // RES.size))
    return [p.stdout[i:i + RES.size] for i in range(0, len(p.stdout), RES.size)]

def chunks(old, new):
    """[offset, hex] of what differs"""
    out = []
    i = 0
    while i < len(new):
        j = i
        while j < len(new) and old[j] != new[j]: j += 1
        if j > i: out.append([i, bytes(new[i:j]).hex()])
        i = j + 1
    return out

def input_memory(g):
    t = sorted(g.touched)
    out = []
    i = 0
    while i < len(t):
        j = i
        while j + 1 < len(t) and t[j + 1] == t[j] + 1: j += 1
        out.append([t[i], bytes(g.mem[t[i]:t[j] + 1]).hex()])
        i = j + 1
    return out

def elsewhere(cr2):
    """page faults that tell of this process or of Linux rather than of the case"""
    return cr2 >= 0x800000000000 or 0x1000 <= cr2 < DATA - 0x10000 and not CODE - 0x1000 <= cr2 < CODE + 0x2000

def record(i, g, rb):
    v = RES.unpack(rb)
    _, status, _, trap, steps, err, cs, cr2, rip, rfl = v[:10]
    gp = v[10:26]
    fx, yh, mem = v[26:29]
    seg, fsb, gsb, step = v[29:35], v[35], v[36], v[37:]
    if status or trap == 14 and elsewhere(cr2): return None
    asm = '; '.join(('%s %s' % (d.mnemonic, d.op_str)).strip() for d in DISASSEMBLERS[g.mode].disasm(g.code, (CODE if g.mode != M16 else 0) + g.off))
    o = dict(id=i, cat=g.cat, mode=[64, 32, 16][g.mode], asm=asm, code=g.code.hex(), off=g.off)
    if g.feat: o['feat'] = g.feat
    if g.approx: o['approx'] = True
    m = (1 << 64) - 1 if g.mode == M64 else 0xffffffff
    n = 16 if g.mode == M64 else 8
    ini = dict(gpr=['%x' % (x & m) for x in g.gpr[:n]], rflags='%x' % g.flags, mem=input_memory(g))
    out = dict(vec=trap, rip='%x' % rip, gpr={NAMES[k]: '%x' % (gp[k] & m) for k in range(n) if gp[k] & m != g.gpr[k] & m}, rflags='%x' % (rfl & ~0x10000), mem=chunks(g.mem, mem))
    if trap in HASERR: out['err'] = err
    if trap == 14: out['cr2'] = '%x' % cr2
    if g.fx is not None:
        fx = bytearray(fx); fx[28:32] = g.fx[28:32]                    # MXCSR_MASK
        if not g.pointers: fx[6:24] = bytes(18)
        ini['fx'] = bytes(g.fx).hex(); out['fx'] = chunks(g.fx, fx); o['fswm'] = '%x' % g.fswm
        if g.pointers: o['ptr'] = True
    if g.useymm: ini['ymmh'] = g.ymmh.hex(); out['ymmh'] = chunks(g.ymmh, yh)
    if g.xbv != 7: ini['xbv'] = g.xbv
    if g.steps:
        ini['steps'] = g.steps
        out['steps'] = ['%x' % x for x in step[:2 * steps]]
    if g.segments:
        out['seg'] = {k: '%x' % x for k, x in zip(SEGMENTS, seg)}
        out['base'] = ['%x' % fsb, '%x' % gsb]
    o['fm'] = '%x' % g.fm; o['in'] = ini; o['out'] = out
    return o

def write(make, count, path):
    """make(n): n cases"""
    n = dropped = 0
    cc, vv = Counter(), Counter()
    with open(path, 'w') as f:
        while n < count:
            gs = make(min(500, count - n + 20))
            a, b = run(gs), run(gs)
            for g, x, y in zip(gs, a, b):
                if n >= count: break
                o = record(n, g, x) if x == y else None
                if o is None:
                    dropped += 1
                    continue
                f.write(json.dumps(o, separators=(',', ':')) + '\n')
                n += 1; cc[g.cat] += 1; vv[o['out']['vec']] += 1
    print('cases', n, 'dropped', dropped); print(dict(cc)); print('vectors', dict(vv))
