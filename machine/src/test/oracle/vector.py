"""SSE to SSE4.2, AES, PCLMULQDQ, SHA and their VEX forms; MMX, FMA and SSE4A."""
import struct
from case import *

# ------------------------------------------------------------------------------------------------ SSE tables
# (mandatory prefix, map bytes, opcode, type, mem bytes, imm?, nds, feature)
N, P, S3, S2 = None, 0x66, 0xf3, 0xf2
SSE = []
def add(pfx, m, opc, t, mem=16, imm=0, nds=1, feat='sse2', kind='xx', approx=False): SSE.append((pfx, m, opc, t, mem, imm, nds, feat, kind, approx))
for o in (0x58, 0x59, 0x5c, 0x5d, 0x5e, 0x5f): add(N, 1, o, 'ps'); add(P, 1, o, 'pd'); add(S3, 1, o, 'ss', 4); add(S2, 1, o, 'sd', 8)
add(N, 1, 0x51, 'ps', nds=0); add(P, 1, 0x51, 'pd', nds=0); add(S3, 1, 0x51, 'ss', 4); add(S2, 1, 0x51, 'sd', 8)
for o in (0x54, 0x55, 0x56, 0x57, 0x14, 0x15): add(N, 1, o, 'ps'); add(P, 1, o, 'pd')
add(N, 1, 0xc2, 'ps', imm=8); add(P, 1, 0xc2, 'pd', imm=8); add(S3, 1, 0xc2, 'ss', 4, imm=8); add(S2, 1, 0xc2, 'sd', 8, imm=8)
for o in (0x2e, 0x2f): add(N, 1, o, 'ss', 4, nds=0); add(P, 1, o, 'sd', 8, nds=0)
add(N, 1, 0xc6, 'ps', imm=256); add(P, 1, 0xc6, 'pd', imm=256)
add(N, 1, 0x5a, 'ps', 8, nds=0); add(P, 1, 0x5a, 'pd', nds=0); add(S3, 1, 0x5a, 'ss', 4); add(S2, 1, 0x5a, 'sd', 8)
add(N, 1, 0x5b, 'i', nds=0); add(P, 1, 0x5b, 'ps', nds=0); add(S3, 1, 0x5b, 'ps', nds=0)
add(S3, 1, 0xe6, 'i', 8, nds=0); add(S2, 1, 0xe6, 'pd', nds=0); add(P, 1, 0xe6, 'pd', nds=0)
add(N, 1, 0x52, 'ps', nds=0, approx=True); add(S3, 1, 0x52, 'ss', 4, approx=True); add(N, 1, 0x53, 'ps', nds=0, approx=True); add(S3, 1, 0x53, 'ss', 4, approx=True)
for o in (0x28, 0x10): add(N, 1, o, 'ps', nds=0, kind='ld' if o == 0x28 else 'ldu'); add(P, 1, o, 'pd', nds=0, kind='ld' if o == 0x28 else 'ldu')
for o in (0x29, 0x11): add(N, 1, o, 'ps', nds=0, kind='st' if o == 0x29 else 'stu'); add(P, 1, o, 'pd', nds=0, kind='st' if o == 0x29 else 'stu')
add(P, 1, 0x6f, 'i', nds=0, kind='ld'); add(S3, 1, 0x6f, 'i', nds=0, kind='ldu'); add(P, 1, 0x7f, 'i', nds=0, kind='st'); add(S3, 1, 0x7f, 'i', nds=0, kind='stu')
add(S3, 1, 0x10, 'ss', 4, nds=2); add(S2, 1, 0x10, 'sd', 8, nds=2); add(S3, 1, 0x11, 'ss', 4, nds=2, kind='stu'); add(S2, 1, 0x11, 'sd', 8, nds=2, kind='stu')
for o in (0x12, 0x16):
    add(N, 1, o, 'ps', 8); add(P, 1, o, 'pd', 8, kind='xm')
for o in (0x13, 0x17): add(N, 1, o, 'ps', 8, nds=0, kind='mx'); add(P, 1, o, 'pd', 8, nds=0, kind='mx')
add(N, 1, 0x2b, 'ps', nds=0, kind='mxa'); add(P, 1, 0x2b, 'pd', nds=0, kind='mxa'); add(P, 1, 0xe7, 'i', nds=0, kind='mxa')
add(S3, 1, 0x7e, 'i', 8, nds=0); add(P, 1, 0xd6, 'i', 8, nds=0, kind='stu')
for o in list(range(0x60, 0x6e)) + [0x74, 0x75, 0x76] + [0xd1, 0xd2, 0xd3, 0xd4, 0xd5] + list(range(0xd8, 0xe6)) + list(range(0xe8, 0xf0)) + list(range(0xf1, 0xf7)) + list(range(0xf8, 0xff)): add(P, 1, o, 'i')
add(P, 1, 0x70, 'i', imm=256, nds=0); add(S3, 1, 0x70, 'i', imm=256, nds=0); add(S2, 1, 0x70, 'i', imm=256, nds=0)
SSE = [e for e in SSE if not (e[0] == P and e[2] == 0xe6 and e[3] == 'i') and not (e[0] == P and e[2] == 0xe7 and e[8] == 'xx')]
for p, o, e in ((P, 0x71, (2, 4, 6)), (P, 0x72, (2, 4, 6)), (P, 0x73, (2, 3, 6, 7))):
    for x in e: add(p, 1, o, 'i', imm=70, kind='g%d' % x)
add(P, 1, 0xd7, 'i', nds=0, kind='rx'); add(N, 1, 0x50, 'ps', nds=0, kind='rx'); add(P, 1, 0x50, 'pd', nds=0, kind='rx')
add(P, 1, 0xc5, 'i', imm=256, nds=0, kind='rx'); add(P, 1, 0xc4, 'i', 2, imm=256, kind='xr')
for p, t, m in ((S3, 'ss', 4), (S2, 'sd', 8)):
    add(p, 1, 0x2c, t, m, nds=0, kind='rxm'); add(p, 1, 0x2d, t, m, nds=0, kind='rxm'); add(p, 1, 0x2a, t, 8, kind='xrm')
add(P, 1, 0x6e, 'i', 8, nds=0, kind='xrm'); add(P, 1, 0x7e, 'i', 8, nds=0, kind='mrx'); add(P, 1, 0xf7, 'i', nds=0, kind='mask')
f = 'sse3'
add(S2, 1, 0x7c, 'ps', feat=f); add(P, 1, 0x7c, 'pd', feat=f); add(S2, 1, 0x7d, 'ps', feat=f); add(P, 1, 0x7d, 'pd', feat=f); add(S2, 1, 0xd0, 'ps', feat=f); add(P, 1, 0xd0, 'pd', feat=f)
add(S3, 1, 0x12, 'ps', nds=0, feat=f); add(S3, 1, 0x16, 'ps', nds=0, feat=f); add(S2, 1, 0x12, 'pd', 8, nds=0, feat=f); add(S2, 1, 0xf0, 'i', nds=0, feat=f, kind='ldm')
f = 'ssse3'
for o in list(range(0, 0x0c)): add(P, 2, o, 'i', feat=f)
for o in (0x1c, 0x1d, 0x1e): add(P, 2, o, 'i', nds=0, feat=f)
add(P, 3, 0x0f, 'i', imm=40, feat=f)
f = 'sse4_1'
for o in (0x10, 0x14, 0x15): add(P, 2, o, 'ps', feat=f, kind='xmm0')
add(P, 2, 0x17, 'i', nds=0, feat=f)
for o, m in zip((0x20, 0x21, 0x22, 0x23, 0x24, 0x25), (8, 4, 2, 8, 4, 8)): add(P, 2, o, 'i', m, nds=0, feat=f); add(P, 2, o + 0x10, 'i', m, nds=0, feat=f)
for o in (0x28, 0x29, 0x2b, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40): add(P, 2, o, 'i', feat=f)
add(P, 2, 0x2a, 'i', nds=0, feat=f, kind='ldma'); add(P, 2, 0x41, 'i', nds=0, feat=f)
add(P, 3, 0x08, 'ps', imm=16, nds=0, feat=f); add(P, 3, 0x09, 'pd', imm=16, nds=0, feat=f); add(P, 3, 0x0a, 'ss', 4, imm=16, feat=f); add(P, 3, 0x0b, 'sd', 8, imm=16, feat=f)
for o, t in ((0x0c, 'ps'), (0x0d, 'pd'), (0x0e, 'i'), (0x40, 'ps'), (0x41, 'pd'), (0x42, 'i')): add(P, 3, o, t, imm=256, feat=f)
add(P, 3, 0x21, 'ps', 4, imm=256, feat=f)
for o, m in ((0x14, 1), (0x15, 2), (0x16, 8), (0x17, 4)): add(P, 3, o, 'i', m, imm=256, nds=0, feat=f, kind='mrx')
add(P, 3, 0x20, 'i', 1, imm=256, feat=f, kind='xrm'); add(P, 3, 0x22, 'i', 8, imm=256, feat=f, kind='xrm')
f = 'sse4_2'
add(P, 2, 0x37, 'i', feat=f)
for o in (0x60, 0x61, 0x62, 0x63): add(P, 3, o, 'i', imm=128, nds=0, feat=f, kind='pcmp')
for o in (0xdc, 0xdd, 0xde, 0xdf): add(P, 2, o, 'i', feat='aes')
add(P, 2, 0xdb, 'i', nds=0, feat='aes'); add(P, 3, 0xdf, 'i', imm=256, nds=0, feat='aes'); add(P, 3, 0x44, 'i', imm=256, feat='pclmulqdq')
for o in (0xc8, 0xc9, 0xca, 0xcc, 0xcd): add(N, 2, o, 'i', feat='sha_ni', nds=9)
add(N, 2, 0xcb, 'i', feat='sha_ni', nds=9, kind='xmm0'); add(N, 3, 0xcc, 'i', imm=4, feat='sha_ni', nds=9)
PPN = {N: 0, P: 1, S3: 2, S2: 3}
def sse_case(g, e, avx=False):
    pfx, m, opc, t, msz, immr, nds, feat, kind, approx = e
    r = g.r; g.fpinit()
    nx = 16 if g.mode == M64 else 8
    for i in range(nx): g.setx(i, g.vec(t))
    g.feat = [feat]; g.approx = approx
    L = 0
    if avx:
        g.useymm = True; g.ymmh = b''.join(g.vec(t) for _ in range(16)); g.feat = ['avx']
    X = lambda: r.randrange(nx)
    imm = bytes([r.randrange(immr)]) if immr else b''
    W = 0
    data = lambda n: g.vec(t if t != 'i' or True else 'i', max(n, 16))[:n]
    if avx:
        scal = msz in (4, 8, 2, 1) and t in ('ss', 'sd') or kind in ('xr', 'xrm', 'mrx', 'rxm', 'mask', 'pcmp', 'mx', 'xm') or (pfx, m, opc) in ((N, 1, 0x12), (N, 1, 0x16), (S3, 1, 0x7e), (P, 1, 0xd6), (P, 3, 0x21), (P, 3, 0x41), (P, 2, 0x41)) or feat in ('aes', 'pclmulqdq')
        if not scal and r.random() < .5:
            L = 1; msz = {16: 32, 8: 16 if not (pfx == S2 and opc == 0x12) else 32, 4: 8, 2: 4}.get(msz, msz)
            if m == 2 and 0x20 <= opc <= 0x35 : pass
            g.feat = ['avx2'] if t == 'i' and m != 0 and not kind in ('ld', 'ldu', 'st', 'stu', 'mxa', 'ldm') else ['avx']
    al = 1
    if kind in ('ld', 'st', 'mxa', 'ldma') or (not avx and msz == 16 and kind in ('xx', 'xmm0')): al = msz if r.random() < .97 else 1
    def M(n=None, a=None): return g.memop(n or msz, data(n or msz), align=a or al, fault=r.random() < .01)
    def E(reg, rm, vv=0):
        if avx: g.vex(m, PPN[pfx], opc, reg, rm, vv, L, W, imm)
        else: g.ins({1: b'\x0f', 2: b'\x0f\x38', 3: b'\x0f\x3a'}[m] + bytes([opc]), reg, rm, imm, w=W, mand=pfx)
    vv = X() if nds == 1 else 0
    if kind in ('xx', 'xmm0', 'ld', 'ldu', 'st', 'stu'):
        usemem = r.random() < .4
        if nds == 2: vv = 0 if usemem else X()
        if usemem: E(X(), M(), vv)
        else: E(X(), ('r', X()), vv)
    elif kind in ('xm', 'mx', 'mxa', 'ldm', 'ldma'): E(X(), M(), vv)
    elif kind[0] == 'g': d = X(); (E(int(kind[1]), ('r', X()), d) if avx else E(int(kind[1]), ('r', d)))
    elif kind == 'rx': E(g.anyreg(), ('r', X()))
    elif kind == 'rxm': W = r.randrange(2) if g.mode == M64 else 0; E(g.anyreg(), ('r', X()) if r.random() < .6 else M())
    elif kind in ('xr', 'xrm'):
        W = r.randrange(2) if g.mode == M64 and opc in (0x2a, 0x6e, 0x22) else 0
        n = (8 if W else 4) if msz == 8 else msz
        if r.random() < .6: E(X(), ('r', g.anyreg()), vv)
        else: E(X(), g.memop(n, g.val(8 * n).to_bytes(n, 'little')), vv)
    elif kind == 'mrx':
        W = r.randrange(2) if g.mode == M64 and opc in (0x7e, 0x16) else 0
        n = (8 if W else 4) if msz == 8 else msz
        E(X(), ('r', g.anyreg()) if r.random() < .5 else M(n, 1))
    elif kind == 'mask':
        off = r.randrange(0x900, 0x1600); g.poke(off, data(16)); g.setr(RDI, DATA + off); E(X(), ('r', X()))
    elif kind == 'pcmp':
        for i in range(nx): g.setx(i, bytes(r.choice([0, 1, 2, 65, 66, 97, 98, 0x80, 0xff]) for _ in range(16)) if r.random() < .8 else g.vec('i'))
        g.setr(RAX, r.choice([r.randrange(18), (-r.randrange(18)) & 0xffffffff, g.val(32)])); g.setr(RDX, r.choice([r.randrange(18), (-r.randrange(18)) & 0xffffffff, g.val(32)]))
        E(X(), ('r', X()) if r.random() < .7 else M(16, 1))
SSEB = [e for e in SSE if e[7] == 'sse2' and not e[9]]; SSEX = [e for e in SSE if e[7] != 'sse2']; SSEA = [e for e in SSE if e[9]]
def c_sse2(g): sse_case(g, g.r.choice(SSEB))
def c_sse34(g): sse_case(g, g.r.choice(SSEX))
def c_sse_approx(g): sse_case(g, g.r.choice(SSEA))
AVXT = [e for e in SSE if e[7] not in ('sha_ni',) and not e[9] and not e[8] in ('xmm0',) and e[6] != 9]
def c_avx(g): sse_case(g, g.r.choice(AVXT), avx=True)
FMA = [o + b for b in (0x90, 0xa0, 0xb0) for o in (6, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf)]
def c_fma(g):
    r = g.r; o = r.choice(FMA); W = r.randrange(2); t = 'pd' if W else 'ps'; g.fpinit(); g.useymm = True; g.feat = ['fma']
    for i in range(16): g.setx(i, g.vec(t))
    g.ymmh = b''.join(g.vec(t) for _ in range(16))
    sc = (o & 15) in (9, 0xb, 0xd, 0xf); L = 0 if sc else r.randrange(2); n = (8 if W else 4) if sc else 32 if L else 16
    rm = ('r', r.randrange(16)) if r.random() < .6 else g.memop(n, g.vec(t, 32)[:n])
    g.vex(2, 1, o, r.randrange(16), rm, r.randrange(16), L, W)
def c_mmx(g):
    r = g.r; g.fpinit(x87=True)
    fx = g.fx; fx[2] &= 0x7f; fx[2] = 0; fx[3] &= 0x38           # no pending exception
    struct.pack_into('<H', fx, 0, 0x37f)
    ops = [0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x74, 0x75, 0x76, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe]
    k = r.random()
    for i in range(8): fx[32 + 16 * i:40 + 16 * i] = g.vec('i', 8)
    rm = lambda n=8: ('r', r.randrange(8)) if r.random() < .6 else g.memop(n, g.vec('i', 8)[:n])
    X = r.randrange(8); g.feat = ['mmx']
    if k < .6: g.ins(b'\x0f' + bytes([r.choice(ops)]), X, rm())
    elif k < .65: g.ins(b'\x0f\x70', X, rm(), imm=g.imm(8))
    elif k < .72: o, e = r.choice([(0x71, 2), (0x71, 4), (0x71, 6), (0x72, 2), (0x72, 4), (0x72, 6), (0x73, 2), (0x73, 6)]); g.ins(b'\x0f' + bytes([o]), e, ('r', X), imm=bytes([r.randrange(70)]))
    elif k < .8: g.ins(b'\x0f' + bytes([r.choice([0x6f, 0x7f])]), X, rm())
    elif k < .86:
        w = r.randrange(2) if g.mode == M64 else 0
        g.ins(b'\x0f' + bytes([r.choice([0x6e, 0x7e])]), X, ('r', g.anyreg()) if r.random() < .5 else g.memop(8), w=w)
    elif k < .9: g.ins(b'\x0f\x38' + bytes([r.choice(list(range(12)) + [0x1c, 0x1d, 0x1e])]), X, rm()); g.feat = ['ssse3']
    elif k < .92: g.ins(b'\x0f\xd7', g.anyreg(), ('r', X))
    elif k < .94: g.ins(b'\x0f\x77')
    elif k < .96: g.ins(b'\x0f\xc5', g.anyreg(), ('r', X), imm=g.imm(8))
    elif k < .98: g.ins(b'\x0f\xc4', X, ('r', g.anyreg()), imm=g.imm(8))
    else: g.ins(b'\x0f' + bytes([r.choice([0xd6])]), X, ('r', r.randrange(8)), mand=r.choice([0xf2, 0xf3]))
def c_sse4a(g):
    r = g.r; g.fpinit(); g.feat = ['sse4a']
    for i in range(16): g.setx(i, g.vec('i'))
    k = r.randrange(5); X = r.randrange(16)
    if k == 0: g.ins(b'\x0f\x78', 0, ('r', X), imm=bytes([r.randrange(1, 33), r.randrange(32)]), mand=0x66)
    elif k == 1: g.ins(b'\x0f\x79', X, ('r', r.randrange(16)), mand=0x66); 
    elif k == 2: g.ins(b'\x0f\x78', X, ('r', r.randrange(16)), imm=bytes([r.randrange(1, 33), r.randrange(32)]), mand=0xf2)
    elif k == 3: g.ins(b'\x0f\x79', X, ('r', r.randrange(16)), mand=0xf2)
    else: g.ins(b'\x0f\x2b', X, g.memop(8), mand=r.choice([0xf3, 0xf2]))
    if k in (1, 3):
        for i in range(16):
            b = bytearray(g.vec('i')); b[8 if k == 3 else 0] = r.randrange(1, 33); b[9 if k == 3 else 1] = r.randrange(32)
            if k == 1: g.setx(i, bytes(b))
            else: g.setx(i, bytes(b))
