"""VEX instructions without an SSE form, gathers and masked moves, VAES; approximations and x87 functions."""
import struct
from case import *
from vector import SSE, SSEA, PPN, sse_case

# map, pp, opcode, W (-1 either), lengths, memory bytes by length, element type, immediate, vvvv, feature, form
# form: x register or memory, m memory only, s store, k is4
WIDE = [
    (2, 1, 0x36, 0, '1', 32, 'i', 0, 1, 'avx2', 'x'), (2, 1, 0x16, 0, '1', 32, 'ps', 0, 1, 'avx2', 'x'),
    (3, 1, 0x00, 1, '1', 32, 'i', 1, 0, 'avx2', 'x'), (3, 1, 0x01, 1, '1', 32, 'pd', 1, 0, 'avx2', 'x'),
    (3, 1, 0x06, 0, '1', 32, 'ps', 1, 1, 'avx', 'x'), (3, 1, 0x46, 0, '1', 32, 'i', 1, 1, 'avx2', 'x'),
    (2, 1, 0x0c, 0, '01', 32, 'ps', 0, 1, 'avx', 'x'), (2, 1, 0x0d, 0, '01', 32, 'pd', 0, 1, 'avx', 'x'),
    (3, 1, 0x04, 0, '01', 32, 'ps', 1, 0, 'avx', 'x'), (3, 1, 0x05, 0, '01', 32, 'pd', 1, 0, 'avx', 'x'),
    (2, 1, 0x18, 0, '01', 4, 'ps', 0, 0, 'avx2', 'x'), (2, 1, 0x19, 0, '1', 8, 'pd', 0, 0, 'avx2', 'x'),
    (2, 1, 0x1a, 0, '1', 16, 'ps', 0, 0, 'avx', 'm'), (2, 1, 0x5a, 0, '1', 16, 'i', 0, 0, 'avx2', 'm'),
    (2, 1, 0x78, 0, '01', 1, 'i', 0, 0, 'avx2', 'x'), (2, 1, 0x79, 0, '01', 2, 'i', 0, 0, 'avx2', 'x'),
    (2, 1, 0x58, 0, '01', 4, 'i', 0, 0, 'avx2', 'x'), (2, 1, 0x59, 0, '01', 8, 'i', 0, 0, 'avx2', 'x'),
    (3, 1, 0x18, 0, '1', 16, 'ps', 1, 1, 'avx', 'x'), (3, 1, 0x38, 0, '1', 16, 'i', 1, 1, 'avx2', 'x'),
    (3, 1, 0x19, 0, '1', 16, 'ps', 1, 0, 'avx', 's'), (3, 1, 0x39, 0, '1', 16, 'i', 1, 0, 'avx2', 's'),
    (3, 1, 0x02, 0, '01', 32, 'i', 1, 1, 'avx2', 'x'), (2, 1, 0x47, -1, '01', 32, 'i', 0, 1, 'avx2', 'x'),
    (2, 1, 0x45, -1, '01', 32, 'i', 0, 1, 'avx2', 'x'), (2, 1, 0x46, 0, '01', 32, 'i', 0, 1, 'avx2', 'x'),
    (3, 1, 0x4a, 0, '01', 32, 'ps', 0, 1, 'avx', 'k'), (3, 1, 0x4b, 0, '01', 32, 'pd', 0, 1, 'avx', 'k'),
    (3, 1, 0x4c, 0, '01', 32, 'i', 0, 1, 'avx2', 'k'), (2, 1, 0x0e, 0, '01', 32, 'ps', 0, 0, 'avx', 'x'),
    (2, 1, 0x0f, 0, '01', 32, 'pd', 0, 0, 'avx', 'x'), (1, 0, 0x77, 0, '01', 0, 'i', 0, 0, 'avx', 'z'),
    (2, 1, 0x13, 0, '01', 16, 'h', 0, 0, 'f16c', 'x'), (3, 1, 0x1d, 0, '01', 16, 'ps', 1, 0, 'f16c', 's'),
    (2, 1, 0xdc, -1, '01', 32, 'i', 0, 1, 'vaes', 'x'), (2, 1, 0xdd, -1, '01', 32, 'i', 0, 1, 'vaes', 'x'),
    (2, 1, 0xde, -1, '01', 32, 'i', 0, 1, 'vaes', 'x'), (2, 1, 0xdf, -1, '01', 32, 'i', 0, 1, 'vaes', 'x'),
    (3, 1, 0x44, -1, '01', 32, 'i', 1, 1, 'vpclmulqdq', 'x'),
    (1, 2, 0x2a, -1, '0', 8, 'i', 0, 1, 'avx', 'g'), (1, 3, 0x2a, -1, '0', 8, 'i', 0, 1, 'avx', 'g'),
    (2, 1, 0x2a, -1, '01', 32, 'i', 0, 0, 'avx2', 'a'), (1, 1, 0xe7, -1, '01', 32, 'i', 0, 0, 'avx', 'b'),
    (1, 0, 0xae, -1, '0', 4, 'i', 0, 0, 'avx', 'c')]

def registers(g, t):
    n = 16 if g.mode == M64 else 8
    for i in range(n): g.setx(i, g.vec(t if t != 'h' else 'i'))
    g.useymm = True
    g.ymmh = b''.join(g.vec(t if t != 'h' else 'i') for _ in range(16))
    if t == 'h':
        halves = lambda k: b''.join(struct.pack('<H', g.r.choice([0, 0x8000, 1, 0x3ff, 0x400, 0x7bff, 0x7c00, 0xfc00, 0x7c01, 0x7e00, 0xfe12, 0x3c00, g.r.getrandbits(16), g.r.getrandbits(16)])) for _ in range(k))
        for i in range(n): g.setx(i, halves(8))
    return n

def c_wide(g):
    r = g.r; g.unmask = r.random() < .2; g.fpinit()
    mp, pp, op, w, ls, msz, t, immr, nds, feat, form = r.choice(WIDE)
    g.feat = [feat]
    n = registers(g, t)
    L = int(r.choice(ls)); W = r.randrange(2) if w < 0 else w
    if len(ls) > 1 and msz in (16, 32) and not L: msz //= 2
    if r.random() < .03: W ^= 1
    if r.random() < .03: L ^= 1
    X = lambda: r.randrange(n)
    vv = X() if nds or r.random() < .03 else 0
    imm = bytes([r.getrandbits(8)]) if immr or form == 'k' else b''
    data = lambda: (struct.pack('<16H', *[r.choice([0x7c01, 1, 0x3c00, r.getrandbits(16)]) for _ in range(16)]) if t == 'h' else g.vec(t, 32))[:max(msz, 1)]
    if form == 'z': g.vex(mp, pp, op, 0, ('r', 0), vv, L, 0); g.code = g.code[:-1]; return
    if form == 'c':
        g.vex(mp, pp, op, r.choice([2, 3]), g.memop(4, struct.pack('<I', 0x1f80 ^ (r.getrandbits(16) if r.random() < .7 else r.getrandbits(32)))), 0, 0, W); return
    mem = form in 'mab' or r.random() < .45
    if form == 'g': rm = g.memop(8 if W and g.mode == M64 else 4) if mem else ('r', r.randrange(n))
    else: rm = g.memop(max(msz, 1), data(), align=32 if form in 'ab' and r.random() < .9 else 1) if mem else ('r', X())
    g.vex(mp, pp, op, X(), rm, vv, L, W, imm)

def c_gather(g):
    r = g.r; g.fpinit(); g.feat = ['avx2']
    n = registers(g, 'i')
    op = r.choice([0x90, 0x91, 0x92, 0x93]); W = r.randrange(2); L = r.randrange(2)
    dst, idx, msk = r.sample(range(n), 3)
    if r.random() < .03: msk = r.choice([dst, idx])
    if r.random() < .03: dst = idx
    wide = op & 1; size = 8 if W else 4
    sc = r.choice([1, 2, 4, 8])
    iw = 8 if wide else 4
    def index(): return (r.randrange(-0x600, 0x600) // sc if r.random() < .985 else r.choice([0x3000, -0x3000, 0x7fffffff, -0x80000000]))
    iv = b''.join(struct.pack('<q' if wide else '<i', index()) for _ in range(32 // iw))
    mv = b''.join(g.val(size * 8).to_bytes(size, 'little') for _ in range(32 // size))
    g.setx(idx, iv[:16]); g.setx(msk, mv[:16])
    y = bytearray(g.ymmh); y[16 * idx:16 * idx + 16] = iv[16:]; y[16 * msk:16 * msk + 16] = mv[16:]; g.ymmh = bytes(y)
    g.poke(0x800, bytes(r.getrandbits(8) for _ in range(0x1000)))
    b = g.pick(); d = r.randrange(-128, 128)
    g.setr(b, DATA + 0x1000 - d)
    R, X, B = dst >> 3, idx >> 3, b >> 3
    g.code = bytes([0xc4, (R ^ 1) << 7 | (X ^ 1) << 6 | (B ^ 1) << 5 | 2, W << 7 | (msk ^ 15) << 3 | L << 2 | 1, op, 0x44 | (dst & 7) << 3, {1: 0, 2: 1, 4: 2, 8: 3}[sc] << 6 | (idx & 7) << 3 | b & 7, d & 255])

def c_maskmov(g):
    r = g.r; g.fpinit()
    n = registers(g, 'i')
    op, W, feat = r.choice([(0x2c, 0, 'avx'), (0x2d, 0, 'avx'), (0x2e, 0, 'avx'), (0x2f, 0, 'avx'), (0x8c, 0, 'avx2'), (0x8c, 1, 'avx2'), (0x8e, 0, 'avx2'), (0x8e, 1, 'avx2')])
    L = r.randrange(2); g.cross = r.random() < .4; g.feat = [feat]
    g.vex(2, 1, op, r.randrange(n), g.memop(32 if L else 16), r.randrange(n), L, W)

def c_sse_any(g): sse_case(g, g.r.choice(SSE))

def c_rcp(g):
    """RCP and RSQRT, bit for bit"""
    r = g.r
    sse_case(g, r.choice(SSEA), avx=r.random() < .4)
    g.approx = False
    n = 16 if g.mode == M64 else 8
    for i in range(n):
        if r.random() < .6: g.setx(i, b''.join(struct.pack('<I', r.getrandbits(1) << 31 | r.choice([0, 1, 2, 0x7f, 0xfd, 0xfe, 0xff, r.getrandbits(8)]) << 23 | r.getrandbits(23)) for _ in range(4)))

def c_transcendental(g):
    r = g.r; g.unmask = r.random() < .2; g.fpinit(x87=True); g.feat = ['x87']; g.approx = True; g.fswm &= ~0x4700
    g.fx[4] |= 0xff if r.random() < .6 else 0
    op = r.choice([0xf0, 0xf1, 0xf2, 0xf3, 0xf9, 0xfb, 0xfe, 0xff])
    if r.random() < .6:
        if op in (0xf2, 0xfb): g.fx[4] &= ~(1 << ((g.fx[3] >> 3 & 7) - 1 & 7))
        lo, hi = {0xf0: (-70, 1), 0xf9: (-70, 0)}.get(op, (-70, 62))
        for i in range(2):
            m = r.choice([r.getrandbits(64), r.getrandbits(11) << 53, r.getrandbits(53) << 11, 0]) | 1 << 63
            struct.pack_into('<QH', g.fx, 32 + 16 * i, m, 0x3fff + r.randrange(lo, hi) | (r.getrandbits(1) if op != 0xf1 or i else 0) << 15)
    g.ins(bytes([0xd9, op]))
