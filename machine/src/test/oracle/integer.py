"""Integer instructions, branches, exceptions and sequences."""
import struct
from case import *

ALU = [(0, 'add', 0), (1, 'or', AF), (2, 'adc', 0), (3, 'sbb', 0), (4, 'and', AF), (5, 'sub', 0), (6, 'xor', AF), (7, 'cmp', 0)]
def lockable(g, rm, k): return rm[0] != 'r' and g.r.random() < .15
def c_alu(g):
    r = g.r; n = g.osz(); op, nm, und = r.choice(ALU)
    k = r.randrange(8)
    if k < 2:
        rm = g.rmop(n, .6); g.ins(bytes([op * 8 + (n != 8)]), g.anyreg(), rm, lock=op != 7 and lockable(g, rm, k), **g.pre(n))
    elif k < 4:
        rm = g.rmop(n, .6); g.ins(bytes([op * 8 + 2 + (n != 8)]), g.anyreg(), rm, **g.pre(n))
    elif k == 4:
        g.ins(bytes([op * 8 + 4 + (n != 8)]), imm=g.imm(min(n, 32)), **g.pre(n))
    elif k < 6:
        rm = g.rmop(n, .5); g.ins(b'\x80' if n == 8 else b'\x81', op, rm, imm=g.imm(min(n, 32)), lock=op != 7 and lockable(g, rm, k), **g.pre(n))
    elif k == 6 and n != 8:
        rm = g.rmop(n, .5); g.ins(b'\x83', op, rm, imm=g.imm(8), lock=op != 7 and lockable(g, rm, k), **g.pre(n))
    else:
        j = r.randrange(8)
        if j == 0: und = AF; g.ins(bytes([0x84 + (n != 8)]), g.anyreg(), g.rmop(n), **g.pre(n))
        elif j == 1: und = AF; g.ins(bytes([0xa8 + (n != 8)]), imm=g.imm(min(n, 32)), **g.pre(n))
        elif j == 2: und = AF; g.ins(bytes([0xf6 + (n != 8)]), 0, g.rmop(n), imm=g.imm(min(n, 32)), **g.pre(n))
        elif j < 5: und = 0; rm = g.rmop(n); g.ins(bytes([0xfe + (n != 8)]), r.randrange(2), rm, lock=lockable(g, rm, 0), **g.pre(n))
        else: und = 0; rm = g.rmop(n); g.ins(bytes([0xf6 + (n != 8)]), r.choice([2, 3]), rm, lock=lockable(g, rm, 0), **g.pre(n))
    g.fm &= ~und
def c_shift(g):
    r = g.r; n = g.osz()
    if r.random() < .25:
        n = g.osz(False); left = r.randrange(2)
        cnt = r.choice([0, 1, r.randrange(n), r.randrange(64)])
        m = 63 if n == 64 else 31
        if n == 16 and cnt & m > 16: cnt = r.randrange(17)
        if r.random() < .5:
            rm = g.rmop(n); g.ins(b'\x0f' + bytes([0xa4 if left else 0xac]), g.anyreg(), rm, imm=bytes([cnt]), **g.pre(n))
        else:
            g.setr(RCX, (g.gpr[RCX] & ~0xff) | cnt)
            rm = g.rmop(n, avoid=(RCX,))
            g.ins(b'\x0f' + bytes([0xa5 if left else 0xad]), g.anyreg(), rm, **g.pre(n))
        c = cnt & m
        if c: g.fm &= ~(AF | (OF if c != 1 else 0))
        return
    op = r.randrange(8); k = r.randrange(3)
    cnt = 1
    if k == 0: g.ins(bytes([0xd0 + (n != 8)]), op, g.rmop(n), **g.pre(n))
    else:
        cnt = r.choice([0, 1, 1, r.randrange(n), r.randrange(n + 2), r.randrange(32), r.getrandbits(8)])
        if k == 1: g.ins(bytes([0xc0 + (n != 8)]), op, g.rmop(n), imm=bytes([cnt]), **g.pre(n))
        else:
            g.setr(RCX, (g.gpr[RCX] & ~0xff) | cnt); g.ins(bytes([0xd2 + (n != 8)]), op, g.rmop(n, avoid=(RCX,)), **g.pre(n))
    c = cnt & (63 if n == 64 else 31)
    if c:
        if op >= 4: g.fm &= ~AF
        if c != 1: g.fm &= ~OF
        if op in (4, 5, 6) and c >= n: g.fm &= ~CF
def c_muldiv(g):
    r = g.r; n = g.osz(); k = r.randrange(8)
    if k < 2: g.ins(bytes([0xf6 + (n != 8)]), 4 + r.randrange(2), g.rmop(n, avoid=(RAX, RDX)), **g.pre(n)); g.fm &= ~(SF | ZF | AF | PF)
    elif k == 2: n = g.osz(False); g.ins(b'\x0f\xaf', g.anyreg(), g.rmop(n), **g.pre(n)); g.fm &= ~(SF | ZF | AF | PF)
    elif k == 3:
        n = g.osz(False); b8 = r.random() < .5
        g.ins(b'\x6b' if b8 else b'\x69', g.anyreg(), g.rmop(n), imm=g.imm(8 if b8 else min(n, 32)), **g.pre(n)); g.fm &= ~(SF | ZF | AF | PF)
    else:
        signed = r.randrange(2); mask = (1 << n) - 1
        d = g.val(n) or 1
        if r.random() < .04: d = 0
        if r.random() < .75 and d:
            q = g.val(n)
            if signed:
                q, dd = sx(q, n), sx(d, n); rem = r.randrange(abs(dd)); num = q * dd; num += rem if num >= 0 else -rem
            else: num = q * d + r.randrange(d)
        else: num = r.getrandbits(2 * n)
        num &= (1 << 2 * n) - 1
        if n == 8: g.setr(RAX, (g.gpr[RAX] & ~0xffff) | num)
        else:
            keep = ~mask if n == 16 else 0
            g.setr(RAX, (g.gpr[RAX] & keep) | num & mask); g.setr(RDX, (g.gpr[RDX] & keep) | num >> n)
        if r.random() < .4: rm = g.memop(n // 8, d.to_bytes(n // 8, 'little'), fault=r.random() < .01)
        else:
            k = g.pick(avoid=(RAX, RDX)) if n != 8 else r.choice([RCX, RBX] + ([9, 10, 13] if g.mode == M64 else []))
            g.setr(k, (g.gpr[k] & ~mask) | d); rm = ('r', k)
        g.ins(bytes([0xf6 + (n != 8)]), 6 + signed, rm, **g.pre(n)); g.fm &= ~ARITH
def c_bit(g):
    r = g.r; k = r.randrange(16); n = g.osz(False)
    if k < 3:
        op = r.randrange(4); UND = ARITH & ~CF; g.fm &= ~UND
        form = r.randrange(3)
        if form == 0: rm = g.rmop(n); g.ins(b'\x0f\xba', 4 + op, rm, imm=g.imm(8), lock=op and lockable(g, rm, 0), **g.pre(n))
        elif form == 1: g.ins(b'\x0f' + bytes([0xa3 + op * 8]), g.anyreg(), ('r', g.anyreg()), **g.pre(n))
        else:                                             # bit string in memory
            src = g.pick(); bo = r.choice([r.randrange(-2000, 2000), r.randrange(n), g.val(10)])
            g.setr(src, (bo if n != 16 else (g.gpr[src] & ~0xffff) | bo & 0xffff))
            rm = g.memop(n // 8, window=256, fault=r.random() < .02)
            g.ins(b'\x0f' + bytes([0xa3 + op * 8]), src, rm, lock=op and lockable(g, rm, 0), **g.pre(n))
    elif k < 5: g.ins(b'\x0f' + bytes([0xbc + r.randrange(2)]), g.anyreg(), g.rmop(n), **g.pre(n)); g.fm &= ~(ARITH & ~ZF)
    elif k < 7: g.ins(b'\x0f' + bytes([0xbc + r.randrange(2)]), g.anyreg(), g.rmop(n), mand=0xf3, **g.pre(n)); g.fm &= ~(ARITH & ~(ZF | CF)); g.feat = ['bmi1', 'lzcnt']
    elif k == 7: g.ins(b'\x0f\xb8', g.anyreg(), g.rmop(n), mand=0xf3, **g.pre(n)); g.feat = ['popcnt']
    elif k == 8: n = r.choice([32, 64] if g.mode == M64 else [32]); b = g.anyreg(); g.ins(b'\x0f' + bytes([0xc8 + (b & 7)]), b, None, **g.pre(n))
    elif k == 9: g.ins(b'\x0f' + bytes([0x90 + r.randrange(16)]), r.randrange(8), g.rmop(8), rex=r.random() < .3)
    elif k == 10: g.ins(b'\x0f' + bytes([0x40 + r.randrange(16)]), g.anyreg(), g.rmop(n), **g.pre(n))
    elif k == 11: n = g.osz(); rm = g.rmop(n, .6); g.ins(b'\x0f' + bytes([0xc0 + (n != 8)]), g.anyreg(), rm, lock=lockable(g, rm, 0), **g.pre(n))
    elif k == 12:
        n = g.osz(); m = (1 << n) - 1
        if r.random() < .5:
            v = g.gpr[RAX] & m; g.fixed.add(RAX); rm = g.memop(n // 8, v.to_bytes(n // 8, 'little'))
        else: rm = g.rmop(n, .6, avoid=(RAX,))
        g.ins(b'\x0f' + bytes([0xb0 + (n != 8)]), g.anyreg(), rm, lock=lockable(g, rm, 0), **g.pre(n))
    elif k == 13:
        w = g.mode == M64 and r.random() < .5; sz = 16 if w else 8; h = sz * 4
        g.fixed |= {RAX, RDX, RCX, RBX}
        v = (g.gpr[RAX] & (1 << h) - 1) | (g.gpr[RDX] & (1 << h) - 1) << h
        if r.random() < .5: v = r.getrandbits(sz * 8)
        rm = g.memop(sz, v.to_bytes(sz, 'little'), align=sz if r.random() < .9 else 1)
        g.ins(b'\x0f\xc7', 1, rm, w=int(w), lock=lockable(g, rm, 0)); g.feat = ['cx16'] if w else []
    elif k == 14:
        n = g.osz(); rm = g.rmop(n, .6)
        if r.random() < .3:
            n = g.osz(False); b = g.anyreg(); g.ins(bytes([0x90 + (b & 7)]), b, None, **g.pre(n))
        else: g.ins(bytes([0x86 + (n != 8)]), g.anyreg(), rm, lock=lockable(g, rm, 0), **g.pre(n))
    else:
        j = r.randrange(3)
        if j == 0: g.ins(b'\x0f\x38' + bytes([0xf0 + r.randrange(2)]), g.anyreg(), g.memop(n // 8), **g.pre(n)); g.feat = ['movbe']
        elif j == 1:
            b8 = r.random() < .3; nn = 8 if b8 else n
            g.ins(b'\x0f\x38' + bytes([0xf1 - b8]), g.anyreg(), g.rmop(nn), mand=0xf2, **(dict(w=int(n == 64)) if b8 else g.pre(n))); g.feat = ['sse4_2']
        else: n = r.choice([32, 64] if g.mode == M64 else [32]); g.ins(b'\x0f\x38\xf6', g.anyreg(), g.rmop(n), mand=r.choice([0x66, 0xf3]), w=int(n == 64)); g.feat = ['adx']
def c_bmi(g):
    r = g.r; n = r.choice([32, 64]) if g.mode == M64 else 32; W = int(n == 64); k = r.randrange(12); a = g.anyreg
    if k == 0: g.vex(2, 0, 0xf2, a(), g.rmop(n), a(), 0, W); g.fm &= ~(AF | PF); g.feat = ['bmi1']
    elif k == 1: v = a(); g.gpr[v] = r.randrange(80) | r.randrange(80) << 8 if v not in g.fixed else g.gpr[v]; g.vex(2, 0, 0xf7, a(), g.rmop(n, avoid=(v,)), v, 0, W); g.fm &= ~(AF | PF | SF); g.feat = ['bmi1']
    elif k < 5: g.vex(2, 0, 0xf3, [3, 2, 1][k - 2], g.rmop(n), a(), 0, W); g.fm &= ~(AF | PF); g.feat = ['bmi1']
    elif k == 5: v = a(); g.gpr[v] = r.randrange(80) if v not in g.fixed else g.gpr[v]; g.vex(2, 0, 0xf5, a(), g.rmop(n, avoid=(v,)), v, 0, W); g.fm &= ~(AF | PF); g.feat = ['bmi2']
    elif k == 6: g.vex(2, 3, 0xf6, a(), g.rmop(n, avoid=(RDX,)), a(), 0, W); g.feat = ['bmi2']
    elif k == 7: g.vex(2, 3, 0xf5, a(), g.rmop(n), a(), 0, W); g.feat = ['bmi2']
    elif k == 8: g.vex(2, 2, 0xf5, a(), g.rmop(n), a(), 0, W); g.feat = ['bmi2']
    elif k == 9: g.vex(3, 3, 0xf0, a(), g.rmop(n), 0, 0, W, imm=g.imm(8)); g.feat = ['bmi2']
    else: g.vex(2, r.choice([1, 2, 3]), 0xf7, a(), g.rmop(n), a(), 0, W); g.feat = ['bmi2']
def c_mov(g):
    r = g.r; k = r.randrange(20); n = g.osz(); a = g.anyreg
    if k == 0: g.ins(bytes([0x88 + (n != 8)]), a(), g.rmop(n, .7), **g.pre(n))
    elif k == 1: g.ins(bytes([0x8a + (n != 8)]), a(), g.rmop(n, .7), **g.pre(n))
    elif k == 2: g.ins(bytes([0xc6 + (n != 8)]), 0, g.rmop(n, .7), imm=g.imm(min(n, 32)), **g.pre(n))
    elif k == 3: b = a(); g.ins(bytes([(0xb0 if n == 8 else 0xb8) + (b & 7)]), b, None, imm=g.imm(n), **g.pre(n))
    elif k in (4, 5): n = g.osz(False); g.ins(b'\x0f' + bytes([r.choice([0xb6, 0xb7, 0xbe, 0xbf])]), a(), g.rmop(16), **{**g.pre(n), 'rex': r.random() < .3})
    elif k == 6 and g.mode == M64: g.ins(b'\x63', a(), g.rmop(32), w=r.choice([1, 1, 1, 0]))
    elif k in (7, 8):
        n = g.osz(False)
        rm = g.rmfor(r.randrange(-0x100000, 0x1000000)); 
        g.ins(b'\x8d', a(), rm, pfx=b'\x67' if rm[0] == 'm' and r.random() < .3 and g.mode == M64 else b'', **g.pre(n))
    elif k == 9: g.ins(bytes([r.choice([0x98, 0x99])]), **g.pre(g.osz(False)))
    elif k == 10: g.ins(bytes([r.choice([0x9e, 0x9f])]))
    elif k == 11:
        off = r.randrange(0x900, 0x1600); g.poke(off, bytes(r.getrandbits(8) for _ in range(256)))
        g.setr(RBX, (DATA if g.mode != M16 else 0) + off); g.ins(b'\xd7')
    elif k == 12 and g.mode == M64:
        off = r.randrange(0x900, 0x1600); g.poke(off, bytes(r.getrandbits(8) for _ in range(8)))
        if r.random() < .5: g.ins(bytes([r.choice([0xa0, 0xa2]) + (n != 8)]), imm=struct.pack('<Q', DATA + off), **g.pre(n))
        else: g.ins(bytes([r.choice([0xa0, 0xa2]) + (n != 8)]), imm=struct.pack('<I', DATA + off), pfx=b'\x67', **g.pre(n))
    elif k in (13, 14):
        sz = 16 if r.random() < .3 else (64 if g.mode == M64 else 32)
        so = (g.gpr[RSP] - DATA) & 0xffff if g.mode != M16 else g.gpr[RSP] & 0xffff
        g.poke(so, bytes(r.getrandbits(8) for _ in range(16)))
        p = dict(o16=(sz == 16) != (g.mode == M16))
        j = r.randrange(6)
        if j == 0: b = a(); g.ins(bytes([0x50 + (b & 7)]), b, None, **p)
        elif j == 1: b = a(); g.ins(bytes([0x58 + (b & 7)]), b, None, **p)
        elif j == 2: g.ins(b'\x6a', imm=g.imm(8), **p)
        elif j == 3: g.ins(b'\x68', imm=g.imm(min(sz, 32)), **p)
        elif j == 4: g.ins(b'\xff', 6, g.rmop(sz), **p)
        else: g.ins(b'\x8f', 0, g.rmop(sz), **p)
    elif k == 15:
        if r.random() < .4: g.ins(b'\x9c', o16=r.random() < .2)
        else:
            v = 0x202 | r.getrandbits(12) & (ARITH | DF) | r.choice([0, 0, 0x4000, 0x200000, 0x40000 if r.random() < .2 else 0, 0x3000])
            so = (g.gpr[RSP] - DATA) & 0xffff if g.mode != M16 else g.gpr[RSP] & 0xffff
            g.poke(so, struct.pack('<Q', v)); g.ins(b'\x9d', o16=r.random() < .2)
    elif k == 16:
        so = (g.gpr[RSP] - DATA) & 0xffff if g.mode != M16 else g.gpr[RSP] & 0xffff
        if r.random() < .5:
            o = r.randrange(0x1200, 0x1700); g.poke(o, bytes(r.getrandbits(8) for _ in range(8))); g.setr(RBP, (DATA if g.mode != M16 else 0) + o); g.ins(b'\xc9')
        else:
            lvl = r.choice([0, 0, 1, 2, 5, 31, 32, 33, 255])
            o = r.randrange(0x1300, 0x1700); g.poke(o - 256, bytes(r.getrandbits(8) for _ in range(256))); g.setr(RBP, (DATA if g.mode != M16 else 0) + o)
            g.ins(b'\xc8', imm=struct.pack('<HB', r.randrange(0, 0x200), lvl))
    elif k == 17: g.ins(bytes([r.choice([0xf5, 0xf8, 0xf9, 0xfc, 0xfd])]))
    elif k == 18:
        if r.random() < .5: g.ins(b'\x0f\x1f', r.randrange(8), g.rmop(16), o16=r.random() < .5)
        else: g.ins(b'\x90', rep=r.choice([None, 0xf3]), o16=r.random() < .3)
    else:
        if g.mode == M64: g.ins(b'\x0f\xc3', a(), g.memop(8), w=r.randrange(2))
        else: g.ins(bytes([0x8a + (n != 8)]), a(), g.rmop(n, .7), **g.pre(n))
def c_string(g):
    r = g.r; n = g.osz(); sz = n // 8
    base = DATA if g.mode != M16 else 0
    op = r.choice([0xa4, 0xa6, 0xaa, 0xac, 0xae])
    rep = r.choice([None, 0xf3, 0xf3, 0xf2])
    if op in (0xa4, 0xaa, 0xac) and rep == 0xf2: rep = 0xf3
    cnt = r.choice([0, 1, 2, 3, r.randrange(20), r.randrange(100)])
    df = r.random() < .35
    a32 = g.mode == M64 and r.random() < .15
    g.setr(RCX, cnt | (0 if not a32 else r.getrandbits(32) << 32))
    span = cnt * sz
    def place():
        k = r.random()
        if k < .12: return r.choice([DSZ - r.randrange(1, 40) * sz, r.randrange(0, 40) * sz]) if rep else 0x1000 - r.randrange(0, 2 * sz)
        return r.randrange(0x900, 0x1700)
    s, d = place(), place()
    if r.random() < .15: d = s + r.randrange(-2 * sz, 2 * sz + 1)
    al = bytes(g.gpr[RAX] >> (8 * i) & 255 for i in range(sz))
    src = bytes(r.getrandbits(8) for _ in range(sz)); 
    for o in {s, d}:
        lo = max(0, min(o, o - span if df else o)); hi = min(DSZ, max(o + sz, o + span + sz if not df else o + sz))
        if op == 0xae: fill = (al if rep == 0xf3 else src) * (1 + (hi - lo) // sz)
        elif op == 0xa6 and rep == 0xf3: fill = src * (1 + (hi - lo) // sz)
        else: fill = bytes(r.getrandbits(8) for _ in range(hi - lo + 8))
        g.poke(lo, fill[:hi - lo])
    if op in (0xa6, 0xae) and rep and r.random() < .7:
        st = r.randrange(0, max(1, cnt)); o = d + (-st * sz if df else st * sz)
        g.poke(o, al if rep == 0xf2 and op == 0xae else bytes(r.getrandbits(8) for _ in range(sz)))
    hi = (r.getrandbits(32) << 32) if a32 else 0
    g.setr(RSI, base + s | hi); g.setr(RDI, base + d | hi)
    if df: g.flags |= DF
    g.ins(bytes([op + (n != 8)]), rep=rep, pfx=b'\x67' if a32 else b'', **g.pre(n))
def c_branch(g):
    r = g.r; k = r.randrange(12); p = r.randrange(-100, 100)
    d8 = lambda: struct.pack('<b', r.randrange(-128, 128))
    d32 = lambda: struct.pack('<i', r.randrange(-0x700, 0x600)) if g.mode != M16 else struct.pack('<h', r.randrange(-0x700, 0x600))
    g.poke((g.gpr[RSP] & 0xffff if g.mode == M16 else g.gpr[RSP] - DATA) , bytes(16))
    w = 64 if g.mode == M64 else 32 if g.mode == M32 else 16
    tgt = (CODE if g.mode != M16 else 0) + r.randrange(0x100, 0xf00)
    tb = tgt.to_bytes(w // 8, 'little')
    if k < 3: g.ins(bytes([0x70 + r.randrange(16)]), imm=d8())
    elif k < 5: g.ins(b'\x0f' + bytes([0x80 + r.randrange(16)]), imm=d32())
    elif k == 5: g.ins(b'\xeb', imm=d8()) if r.random() < .5 else g.ins(b'\xe9', imm=d32())
    elif k == 6: g.ins(b'\xe8', imm=d32())
    elif k == 7:
        if r.random() < .5: b = g.pick(); g.setr(b, tgt); rm = ('r', b)
        else: rm = g.memop(w // 8, tb)
        g.ins(b'\xff', r.choice([2, 4]), rm)
    elif k == 8:
        so = (g.gpr[RSP] & 0xffff if g.mode == M16 else g.gpr[RSP] - DATA)
        g.poke(so, tb + bytes(8))
        if r.random() < .5: g.ins(b'\xc3')
        else: g.ins(b'\xc2', imm=struct.pack('<H', r.choice([0, 8, 16, 0x100, 0x3f0])))
    elif k < 11:
        a = r.random() < .2; g.setr(RCX, r.choice([0, 1, 2, 1 << 32, 1 << 16, (1 << 32) + 1, g.val(64)]))
        g.ins(bytes([0xe0 + r.randrange(4)]), imm=d8(), pfx=b'\x67' if a else b'')
    else:
        j = r.randrange(5)
        if j == 0: g.ins(b'\xcc')
        elif j == 1: g.ins(b'\xcd', imm=bytes([r.choice([x for x in range(256) if x not in (3, 4, 0x80)])]))
        elif j == 2: g.ins(b'\x0f\x0b')
        elif j == 3: g.ins(b'\x0f\x05'[:1] + b'\xff', r.randrange(8), ('r', g.anyreg()))          # UD0
        else: g.ins(b'\x0f\x0b')
def c_except(g):
    r = g.r; k = r.randrange(9)
    if k == 0:                                             # non-canonical
        b = g.pick(); v = (r.getrandbits(64) & 0x7fffffffffffffff) | 1 << 62; g.setr(b, v)
        n = g.osz(); g.ins(bytes([r.choice([0x88, 0x8a, 0, 2]) + (n != 8)]), g.anyreg(), ('m', b, None, 1, 0, 'b', None), **g.pre(n))
    elif k == 1:                                           # non-canonical stack
        b = r.choice([RSP, RBP]); g.gpr[b] = 0x4000000000000000 | r.getrandbits(61); g.fixed.add(b)
        if b == RSP: g.ins(bytes([r.choice([0x50, 0x53, 0x58 + 3])]))
        else: g.ins(b'\x8b', g.pick(), ('m', RBP, None, 1, 8, 'b', None), w=1)
    elif k == 2: g.ins(bytes([r.choice([0xf4, 0xfa, 0xfb, 0xec, 0xed, 0xee, 0xef, 0x6c, 0x6e, 0xe4, 0xe6])]), imm=b'') if r.random() < .7 else g.ins(r.choice([b'\x0f\x06', b'\x0f\x08', b'\x0f\x09', b'\x0f\x20\xc0', b'\x0f\x22\xc0', b'\x0f\x21\xc0', b'\x0f\x23\xf8', b'\x0f\x30', b'\x0f\x32', b'\x0f\x01\x10', b'\x0f\x01\x18', b'\x0f\x01\xf0', b'\x0f\x01\x38', b'\x0f\x00\xd0', b'\x0f\x00\xd8', b'\x0f\x01\xf8']))
    elif k == 3:                                           # LOCK misuse
        g.ins(bytes([r.choice([0x00, 0x01, 0x29, 0x31, 0x39, 0x84, 0x88, 0x8b, 0x03])]), g.anyreg(), r.choice([('r', g.anyreg()), g.memop(8)]), lock=True)
    elif k == 4:                                           # unmapped / not writable / not executable
        tgt = r.choice([0x40000000, 0x1ffffff8, 0x20002000, 0, 0x10, 0x7fff0000 * 2, CODE + 0x10])
        b = g.pick(); g.setr(b, tgt); n = g.osz(); g.ins(bytes([r.choice([0x88, 0x8a, 0, 2]) + (n != 8)]), g.anyreg(), ('m', b, None, 1, 0, 'b', None), **g.pre(n))
    elif k == 5:
        b = g.pick(); g.setr(b, r.choice([DATA + 0x100, 0x40000000, 0x4000000000000000, CODE + 0x1000, DATA + 0x1fff])); g.ins(b'\xff', r.choice([2, 4]), ('r', b))
    elif k == 6:                                           # alignment check
        g.flags |= 0x40000; n = g.osz(False); g.ins(bytes([r.choice([0x89, 0x8b, 0x01, 0x87])]), g.anyreg(), g.memop(n // 8), **g.pre(n))
    elif k == 7:                                           # too long
        n = r.choice([13, 14, 15]); g.code = b'\x66' * n + b'\x90' if r.random() < .5 else b'\x2e' * n + b'\x01\xc0'
    else:
        g.ins(r.choice([b'\x06', b'\x0e', b'\x16', b'\x1e', b'\x27', b'\x2f', b'\x37', b'\x3f', b'\x60', b'\x61', b'\x82\xc0\x01', b'\x9a', b'\xce', b'\xd4\x0a', b'\xd5\x0a', b'\xd6', b'\xea', b'\x0f\x04', b'\x0f\x0a', b'\x0f\xff', b'\x0f\xb9', b'\x0f\x0c', b'\x0f\x24', b'\x0f\x26', b'\x0f\x36', b'\x0f\x39', b'\x0f\x3b', b'\x0f\xa6', b'\x0f\xa7', b'\xfe\xd0', b'\xff\xf8', b'\x8d\xc0', b'\xc6\xc8\x00', b'\x0f\xc7\xc8', b'\x0f\xae\xc8', b'\x0f\xba\xc0\x01']))
def c_legacy32(g):
    r = g.r; k = r.randrange(14); a = g.anyreg
    so = g.gpr[RSP] - DATA
    if k == 0: g.ins(bytes([r.choice([0x27, 0x2f])])); g.fm &= ~OF
    elif k == 1: g.ins(bytes([r.choice([0x37, 0x3f])])); g.fm &= ~(OF | SF | ZF | PF)
    elif k == 2: g.ins(b'\xd4', imm=bytes([r.choice([10, 10, 0, r.getrandbits(8)])])); g.fm &= ~(OF | AF | CF)
    elif k == 3: g.ins(b'\xd5', imm=bytes([r.choice([10, 10, r.getrandbits(8)])])); g.fm &= ~(OF | AF | CF)
    elif k == 4: g.ins(b'\x60', o16=r.random() < .3)
    elif k == 5: g.poke(so, bytes(r.getrandbits(8) for _ in range(32))); g.ins(b'\x61', o16=r.random() < .3)
    elif k in (6, 7): b = a(); g.ins(bytes([(0x40 if k == 6 else 0x48) + b]), o16=r.random() < .3)
    elif k == 8:
        n = r.choice([16, 32]); lo, hi = sorted((sx(g.val(n), n), sx(g.val(n), n)))
        idx = r.choice([lo, hi, r.randint(lo, hi), sx(g.val(n), n)])
        b = g.pick(); g.setr(b, (g.gpr[b] & (0xffff0000 if n == 16 else 0)) | idx & ((1 << n) - 1))
        m = (1 << n) - 1; d = ((lo & m) | (hi & m) << n).to_bytes(n // 4, 'little')
        g.ins(b'\x62', b, g.memop(n // 4, d), o16=n == 16)
    elif k == 9: g.ins(b'\xce')
    elif k == 10: g.ins(b'\xd6')
    elif k == 11: g.ins(b'\x82', r.randrange(8), g.rmop(8), imm=g.imm(8)); g.fm &= ~AF
    elif k == 12: rm = g.rmop(16); g.ins(b'\x63', a(), rm)
    else:
        off = r.randrange(0x900, 0x1600); g.poke(off, bytes(r.getrandbits(8) for _ in range(4))); n = g.osz(); g.ins(bytes([r.choice([0xa0, 0xa2]) + (n != 8)]), imm=struct.pack('<I', DATA + off), **g.pre(n))
def c_seq(g):
    """several instructions; only ones that leave no flag undefined, memory only by RIP-relative/absolute or the stack"""
    r = g.r; g.seq = True
    for _ in range(r.randrange(3, 9)):
        for _try in range(30):
            save = (len(g.code), list(g.gpr), set(g.fixed), bytearray(g.mem), set(g.touched), g.fm, list(g.feat))
            r.choice([c_alu, c_alu, c_alu, c_bit, c_mov, c_mov, c_shift])(g)
            if g.fm == FULL and len(g.code) < 100 and (len(g.code) == save[0] or g.code[save[0]] not in (0x9d, 0xc8, 0xc9)) and b'\x9d' not in g.code[save[0]:save[0] + 2]: break
            g.code = g.code[:save[0]]; g.gpr, g.fixed, g.mem, g.touched, g.fm, g.feat = save[1], save[2], save[3], save[4], save[5], save[6]
        g.feats = getattr(g, 'feats', set()) | set(g.feat); g.feat = []
    g.feat = sorted(g.feats)
