"""Rules around instructions: page ends, prefixes, LOCK, single steps, segments, far transfers, unmasked exceptions."""
import struct
from case import *
from integer import *
from vector import *
from x87 import *

VECTOR = [c_sse2, c_sse34, c_avx, c_fma, c_sse2, c_sse34]
INTEGER = [c_alu, c_shift, c_muldiv, c_bit, c_mov, c_string]

def choose(g, *functions):
    f = g.r.choice(functions)
    f(g)
    if f in (c_x87, c_mmx): g.fswm = 0xffff if f is c_mmx else g.fswm

def c_cross(g):
    g.cross = True
    c = INTEGER + ([c_x87, c_mmx] if g.r.random() < .4 else []) + (VECTOR + [c_bmi] if g.mode == M64 else [c_sse2, c_sse34] if g.mode == M32 else [])
    choose(g, *c)

def c_wrap(g):
    """operands at the end of 32-bit addresses"""
    g.wrap = True
    choose(g, *INTEGER, c_x87, c_mmx, c_sse2, c_sse34)
    if g.mode == M64: g.code = b'\x67' + g.code

def c_unmasked(g):
    g.unmask = True
    choose(g, c_x87, c_x87, *(VECTOR if g.mode == M64 else [c_sse2]))

def c_mix(g):
    g.mix = True
    choose(g, *INTEGER, c_branch, c_x87, c_mmx, c_sse2, c_sse34)
    g.fuzz = False

def c_lock(g):
    """LOCK before anything"""
    r = g.r
    rm = ('r', g.anyreg()) if r.random() < .25 else g.memop(8)
    op = bytes([r.choice([0x00, 0x01, 0x02, 0x03, 0x08, 0x11, 0x19, 0x21, 0x29, 0x31, 0x38, 0x39, 0x84, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8d, 0x90, 0x98, 0x50, 0xa4, 0xfe, 0xff, 0xf6, 0xf7, 0x80, 0x81, 0x83, 0xd0, 0xd3, 0x8f, 0xc6])])
    if r.random() < .4: op = b'\x0f' + bytes([r.choice([0xa3, 0xab, 0xb3, 0xbb, 0xba, 0xb0, 0xb1, 0xc0, 0xc1, 0xc7, 0x0d, 0x1f, 0x40, 0x90, 0xa4, 0xaf, 0xb6, 0xbc, 0xc8, 0x10, 0x58, 0xae, 0xc3])])
    g.ins(op, r.randrange(8), rm, imm=g.imm(32).replace(b'\xf1', b'\xf0'), lock=True, o16=r.random() < .2, w=int(g.mode == M64 and r.random() < .3))
    g.fm &= ~(ARITH & ~CF) if op in (b'\x0f\xba',) else FULL

def c_step(g):
    """single steps through a sequence"""
    r = g.r
    g.flags |= TF; g.steps = 40
    k = r.randrange(10)
    if k < 4: c_seq(g)
    elif k == 4: c_string(g)
    elif k == 5: g.code = b'\x66\x8c\xd0\x8e\xd0' + r.choice([b'\x90', b'\x40\x90' if g.mode == M64 else b'\x90', b'\x9c', b'\x8e\xd0']) + b'\x90'; g.gpr[RAX] = 0x2b
    elif k == 6: g.code = r.choice([b'\x9c', b'\x0f\x0b', b'\xcc', b'\xcd\x21', b'\xf4', b'\xf1'[:0] + b'\x9b', b'\xcd\x03']) + b'\x90\x90'
    elif k == 7: c_branch(g)
    elif k == 8:                                          # POPF that clears or sets TF
        so = (g.gpr[RSP] - DATA) & 0xffff; g.poke(so, struct.pack('<Q', 0x202 | r.choice([0, TF, 0x40000, DF]))); g.code = r.choice([b'\x90', b'']) + b'\x9d\x90\x90'
        if r.random() < .5: g.flags &= ~TF
    else: c_mov(g)

SELECTORS = [0, 1, 2, 3, 0x23, 0x2b, 0x33, 0x20, 0x28, 0x30, 0x08, 0x10, 0x18, 0x40, 0x50, 0x60, 0x63, 0x07, 0x0f, 0x17, 0x04, 0x1f, 0x83, 0x103, 0xfff8, 0xffff, 0x2a, 0x29]
def c_segment(g):
    """selectors of this system's tables: loads, LAR, LSL, VERR, VERW"""
    r = g.r; g.segments = True
    sel = r.choice(SELECTORS)
    n = g.osz(False)
    def src(): 
        if r.random() < .5: k = g.pick(); g.setr(k, g.gpr[k] & ~0xffff | sel); return ('r', k)
        return g.memop(2, struct.pack('<H', sel))
    k = r.randrange(9)
    if k < 2: g.ins(b'\x0f' + bytes([r.choice([2, 3])]), g.anyreg(), src(), **g.pre(n))
    elif k < 4: g.ins(b'\x0f\x00', r.choice([4, 5]), src())
    elif k < 6: g.ins(b'\x8e', r.choice([0, 2, 3, 4, 5, 1, 6]), src())
    elif k == 6: g.ins(b'\x8c', r.randrange(8), g.rmop(16), **g.pre(n))
    elif k == 7:
        so = (g.gpr[RSP] - DATA) & 0xffff; g.poke(so, struct.pack('<Q', sel | r.getrandbits(16) << 16))
        g.ins(r.choice([b'\x0f\xa1', b'\x0f\xa9', b'\x0f\xa0', b'\x0f\xa8'] + ([b'\x07', b'\x1f', b'\x17', b'\x06', b'\x1e', b'\x16', b'\x0e'] if g.mode != M64 else [])), o16=r.random() < .3)
    else:
        ops = [b'\x0f\xb4', b'\x0f\xb5', b'\x0f\xb2'] + ([b'\xc4', b'\xc5'] if g.mode != M64 else [])
        g.ins(r.choice(ops), g.anyreg(), g.memop(10, g.val(n).to_bytes(n // 8, 'little') + struct.pack('<H', sel) + bytes(8 - n // 8)), **g.pre(n))
    if r.random() < .3: g.code += b'\x0f\xa0\x0f\xa8'

def c_far(g):
    """far jumps, calls and returns between 64-bit and compatibility mode"""
    r = g.r; g.segments = True; g.off = 0x800
    sel = r.choice([0x23, 0x33, 0x23, 0x33, 0x23, 0x33] + SELECTORS)
    tgt = CODE + r.choice([0x900, 0x400, 0x7ff, 0xfff, 0x1000])
    n = r.choice([16, 32, 32, 32] + ([64] if g.mode == M64 else []))
    so = g.gpr[RSP] - DATA
    off = (tgt & (1 << n) - 1).to_bytes(n // 8, 'little')
    k = r.randrange(5)
    p = dict(w=1) if n == 64 else dict(o16=n == 16)
    if k < 2: g.ins(b'\xff', r.choice([3, 5]), g.memop(n // 8 + 2, off + struct.pack('<H', sel)), **p)
    elif k == 2:
        if g.mode == M64: return
        g.ins(r.choice([b'\xea', b'\x9a']), imm=off + struct.pack('<H', sel), o16=n == 16)
    elif k == 3:
        g.poke(so, off + sel.to_bytes(n // 8, 'little') + bytes(16))
        if r.random() < .5: g.ins(b'\xcb', **p)
        else: g.ins(b'\xca', imm=struct.pack('<H', r.choice([0, 4, 8, 0x30])), **p)
    else:
        fl = 0x202 | r.getrandbits(12) & ARITH | r.choice([0, 0, 0x3000, 0x4000, 0x200000, DF])
        ss = r.choice([0x2b, 0x2b, 0x2b, 0x17, 0, 3] + SELECTORS)
        g.poke(so, off + sel.to_bytes(n // 8, 'little') + fl.to_bytes(4, 'little')[:n // 8].ljust(n // 8, b'\0') + (g.gpr[RSP] + 8).to_bytes(8, 'little')[:n // 8] + ss.to_bytes(n // 8, 'little'))
        g.ins(b'\xcf', **p)

def c_flags(g):
    """PUSHF, POPF, LAHF, SAHF, STI, CLI, IRET flags at CPL 3"""
    r = g.r
    so = (g.gpr[RSP] - DATA) & 0xffff if g.mode != M16 else g.gpr[RSP] & 0xffff
    v = r.getrandbits(22) & ~TF
    g.poke(so, struct.pack('<Q', v) + bytes(8))
    g.code = r.choice([b'', b'\x66']) + b'\x9d' + r.choice([b'', b'\x9f', b'\x9e', b'\x9c', b'\x66\x9c', b'\xfa', b'\xfb', b'\x90'])
    if not v & 0x40000 and r.random() < .5: g.code += b'\x9c'

def c_cache(g):
    """CLFLUSH and its kin, CLZERO, hints and fences; RDPKRU and what else a Milan does not have"""
    r = g.r
    k = r.randrange(9)
    g.poke(0x1000 - 64, bytes(r.getrandbits(8) for _ in range(128)))
    if k < 3: g.ins(b'\x0f\xae', r.choice([7, 7, 6]), g.memop(1, fault=r.random() < .2), mand=r.choice([None, 0x66]))
    elif k == 3: g.setr(RAX, DATA + r.choice([0x1000, 0xff0, 0x1007, DSZ - 3, DSZ, -1])); g.ins(b'\x0f\x01\xfc', pfx=r.choice([b'', b'', b'\x67'])); g.feat = ['clzero']
    elif k == 4: g.ins(b'\x0f\x0d', r.randrange(8), g.memop(1, fault=r.random() < .3))
    elif k == 5: g.ins(b'\x0f\xae' + bytes([0xc0 | r.getrandbits(6)]), mand=r.choice([None, 0x66, 0xf2]))
    elif k == 6: g.code = r.choice([b'\x0f\x01\xee', b'\x0f\x01\xef', b'\x0f\x0f\xc1\x9e', b'\x0f\x0e', b'\x0f\x01\xc8', b'\x0f\x01\xc9', b'\x0f\x01\xd4', b'\x0f\x01\xd5', b'\x0f\x01\xd6', b'\x0f\x01\xd1', b'\x0f\x37', b'\x0f\x01\xf8', b'\x0f\x01\xca', b'\x0f\x01\xcb', b'\x0f\x01\xd0'])
    elif k == 7: g.ins(b'\x0f' + bytes([r.choice([0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f])]), r.randrange(8), g.memop(1, fault=r.random() < .3) if r.random() < .7 else ('r', g.anyreg()), mand=r.choice([None, 0x66, 0xf3, 0xf2]))
    else: g.ins(b'\x0f\xae', r.randrange(4), ('r', g.anyreg()), mand=0xf3, w=r.randrange(2)); g.feat = ['fsgsbase']; g.segments = True

# not instructions that Linux or a hypervisor emulates, that say something about the computer, or that leave the case
def allowed(g):
    c = g.code; i = 0
    while i < len(c) and c[i] in (0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x3e, 0x26, 0x36, 0x64, 0x65, 0xf0): i += 1
    while g.mode == M64 and i < len(c) and c[i] & 0xf0 == 0x40: i += 1
    if c[i] in (0xf1,) or c[i] == 0xcd and c[i + 1] in (0x80, 0x01): return False
    if c[i] != 0x0f: return True
    o = c[i + 1]
    if o in (0x05, 0x34, 0x35, 0xa2, 0x31, 0x33): return False
    if o in (0, 1):
        reg = c[i + 2] >> 3 & 7
        if o == 0 and reg < 2: return False
        if o == 1 and (reg in (0, 1, 4) and c[i + 2] not in range(0xc0, 0xe0) or c[i + 2] in (0xf9, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf)): return False
    if o == 0xc7 and c[i + 2] >= 0xf0: return False
    return True
def c_anything(g):
    """random bytes, nearly all of them"""
    r = g.r
    pf = [0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x3e, 0x26, 0x36, 0xf0] + ([0x64, 0x65] if g.mode == M64 else [])
    for _ in range(50):
        p = bytes(r.choice(pf) for _ in range(r.choice([0, 0, 0, 1, 1, 2, 3])))
        if g.mode == M64 and r.random() < .5: p += bytes([0x40 | r.getrandbits(4)])
        o = r.choice([bytes([r.getrandbits(8)]), b'\x0f' + bytes([r.getrandbits(8)]), b'\x0f' + bytes([r.getrandbits(8)]), b'\x0f\x38' + bytes([r.getrandbits(8)]), b'\x0f\x3a' + bytes([r.getrandbits(8)]), bytes([0xd8 | r.getrandbits(3)])])
        g.code = p + o + bytes([r.choice([0xc0 | r.getrandbits(6), r.getrandbits(8)])]) + bytes(r.getrandbits(8) for _ in range(10))
        if allowed(g): break
    else: assert False
    g.code = g.code[:15].replace(b'\xf1', b'\xf0').replace(b'\x0f\x35', b'\x0f\x3f').replace(b'\x0f\xa2', b'\x0f\xa3')
    machine(g)
def machine(g):
    r = g.r; n = 16 if g.mode == M64 else 8
    g.fpinit(x87=r.random() < .5)
    for i in range(n): g.setx(i, g.vec(r.choice(['i', 'ps', 'pd'])))
    for k in range(n):
        if k != RSP and r.random() < .7: g.gpr[k] = (DATA if g.mode != M16 else 0) + r.randrange(0x200, 0x1e00) & (~15 if r.random() < .5 else -1)
    for _ in range(40): g.poke(r.randrange(0x200, 0x1e00) & ~7, bytes(r.getrandbits(8) for _ in range(16)))
    g.segments = True
def c_vex(g):
    """random VEX instructions"""
    r = g.r; machine(g); g.useymm = True
    g.ymmh = b''.join(g.vec(r.choice(['i', 'ps', 'pd'])) for _ in range(16))
    mp = r.choice([1, 1, 2, 2, 3, 3, r.getrandbits(5)])
    hi = 0xe0 if r.random() < .6 or g.mode == M32 else r.getrandbits(3) << 5
    modrm = bytes([r.choice([0xc0 | r.getrandbits(6), r.getrandbits(8)])])
    b2 = r.choice([0, 0, 0x80]) | r.choice([0x78, r.getrandbits(4) << 3]) | r.getrandbits(1) << 2 | r.choice([1, r.getrandbits(2)])
    pf = bytes(r.choice([0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x41 if g.mode == M64 else 0x66]) for _ in range(r.choice([0] * 12 + [1])))
    op = bytes([0xc4, hi | mp, b2]) if r.random() < .8 else bytes([0xc5, b2 | 0x80])
    g.code = (pf + op + bytes([r.getrandbits(8)]) + modrm + bytes(r.getrandbits(8) for _ in range(8)))[:15].replace(b'\xf1', b'\xf0')
