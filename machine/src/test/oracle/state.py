"""State images: FXSAVE and XSAVE areas, x87 environments and pointers, MXCSR."""
import struct
from case import *
from x87 import c_x87

def some_fp(g, n):
    """instructions that give the pointers and the components something to hold"""
    r = g.r
    for _ in range(n):
        k = r.randrange(7)
        if k == 0: g.ins(b'\xd9', 0, g.memop(4, struct.pack('<I', g.f32()), fault=False))
        elif k == 1: g.ins(b'\xdc', r.randrange(8), g.memop(8, struct.pack('<Q', g.f64()), fault=False))
        elif k == 2: g.ins(bytes([0xd9, r.choice([0xe8, 0xee, 0xe0, 0xf6, 0xd0])]))
        elif k == 3: g.ins(b'\xdb\xe3')
        # all ones: processors differ in whether a register that was written with zero is in use
        elif k == 4: x = r.randrange(8); g.ins(b'\x0f\x76', x, ('r', x), mand=0x66)
        elif k == 5 and g.mode == M64: x = r.randrange(16); g.vex(1, 1, 0x76, r.randrange(16), ('r', x), x, 1)
        elif k == 6: g.code += b'\xc5\xf8\x77' if r.random() < .5 and g.mode == M64 else b'\x0f\x77'

def vectors(g):
    for i in range(16 if g.mode == M64 else 8): g.setx(i, g.vec('i') if g.r.random() < .7 else bytes(16))
    if g.mode == M64 or g.r.random() < .5: g.useymm = True; g.ymmh = b''.join(g.vec('i') if g.r.random() < .5 else bytes(16) for _ in range(16))

def pointers(g):
    g.pointers = True
    r = g.r
    g.fx[6:8] = struct.pack('<H', r.choice([0, r.getrandbits(11), r.getrandbits(16)]))
    g.fx[8:24] = struct.pack('<QQ', r.choice([0, r.getrandbits(32), r.getrandbits(47)]), r.choice([0, r.getrandbits(32), r.getrandbits(47)]))

def c_pointers(g):
    """FOP, FIP and FDP after x87 instructions, and the images that show them"""
    r = g.r; g.unmask = r.random() < .4; g.fpinit(x87=True); g.feat = ['x87']
    pointers(g); vectors(g)
    if r.random() < .4: c_x87_keeping(g)
    else:
        if r.random() < .3: g.fx[0:4] = struct.pack('<HH', 0x37f, g.fx[3] << 8 & 0x3800)
        some_fp(g, r.randrange(0, 4))
    k = r.randrange(10)
    o16 = r.random() < .4
    if k == 0: g.ins(b'\xd9', 6, g.memop(28, fault=r.random() < .05), o16=o16)
    elif k == 1: g.ins(b'\xdd', 6, g.memop(108, fault=r.random() < .05), o16=o16)
    elif k == 2: g.ins(b'\xd9', 4, g.memop(28, environment(g, o16), fault=r.random() < .05), o16=o16)
    elif k == 3: g.ins(b'\xdd', 4, g.memop(108, environment(g, o16) + b''.join(g.f80() for _ in range(8)), fault=r.random() < .05), o16=o16)
    elif k < 6: g.ins(b'\x0f\xae', 0, g.memop(512, align=16 if r.random() < .95 else 1, fault=r.random() < .05), w=int(g.mode == M64 and r.random() < .5))
    elif k < 8: g.ins(b'\x0f\xae', 1, g.memop(512, image(g)[:512], align=16 if r.random() < .95 else 1, fault=r.random() < .05), w=int(g.mode == M64 and r.random() < .5))
    g.fswm = 0xffff

def c_x87_keeping(g):
    keep = g.fx
    c_x87(g)
    g.fx[6:24] = keep[6:24]

def environment(g, o16):
    r = g.r
    cw = r.choice([0x37f, 0x37f, r.getrandbits(16)]); sw = r.getrandbits(16); tw = r.getrandbits(16)
    if o16 != (g.mode == M16): return (struct.pack('<HHH', cw, sw, tw) + bytes(r.getrandbits(8) for _ in range(8)) + bytes(14))[:28 - (14 if False else 0)][:14] + bytes(14)
    return struct.pack('<IIIIIII', cw | r.getrandbits(16) << 16, sw, tw, r.getrandbits(32), r.getrandbits(32), r.getrandbits(32), r.getrandbits(32))

def image(g, form='standard'):
    """an XSAVE area of 832 bytes for XRSTOR, mostly a good one"""
    r = g.r
    b = bytearray(832)
    struct.pack_into('<HHBxHQQ', b, 0, r.choice([0x37f, 0x37f, r.getrandbits(16)]), r.getrandbits(16) & (0xff00 if r.random() < .6 else 0xffff), r.getrandbits(8), r.getrandbits(16), r.getrandbits(r.choice([32, 47, 64])), r.getrandbits(r.choice([32, 47, 64])))
    struct.pack_into('<II', b, 24, 0x1f80 ^ (r.getrandbits(16) if r.random() < .5 else 0) ^ (1 << r.randrange(16, 32) if r.random() < .05 else 0), r.choice([0xffff, 0x2ffff, 0, r.getrandbits(32)]))
    for i in range(8): b[32 + 16 * i:42 + 16 * i] = g.f80()
    for i in range(16): b[160 + 16 * i:176 + 16 * i] = g.vec('i')
    b[416:512] = bytes(r.getrandbits(8) for _ in range(96))
    bv = r.randrange(8)
    comp = 0
    if form == 'compacted':
        comp = 1 << 63 | bv | r.randrange(8)
        if r.random() < .1: comp ^= r.choice([1, 2, 4, 8, 1 << 9, 1 << 62])
    elif r.random() < .04: comp = r.getrandbits(3)
    if r.random() < .04: bv |= r.choice([8, 1 << 9, 1 << 63])
    struct.pack_into('<QQ', b, 512, bv, comp)
    if r.random() < .04: b[528 + r.randrange(48)] = 1
    b[576:832] = b''.join(g.vec('i') for _ in range(16))
    return bytes(b)

def c_xsave(g):
    r = g.r; g.fpinit(x87=r.random() < .6); vectors(g); pointers(g); g.useymm = True
    if r.random() < .5: g.xbv = r.randrange(8)
    if g.xbv & 2: g.setx(3, b'\x5a' * 16)
    if g.xbv & 4: g.ymmh = b'\xa5' + g.ymmh[1:]
    g.feat = ['avx']
    mask = r.choice([7, 7, 7, r.randrange(8), 0xffffffff, r.getrandbits(32)])
    g.setr(RAX, mask); g.setr(RDX, r.choice([0, 0xffffffff, 0x40000000]))
    some_fp(g, r.choice([0, 0, 1, 2]))
    at = lambda: r.randrange(0x4, 0x4c) * 64
    if r.random() < .04: g.cross = True
    base = at()
    def operand(data=None, same=None):
        off = base if same is None else same
        g.poke(off, data if data is not None else bytes(r.getrandbits(8) for _ in range(832)))
        if data is None and r.random() < .7: g.poke(off + 512, struct.pack('<QQ', r.randrange(8), r.choice([0, 1 << 63 | 7])) + bytes(48))
        if r.random() < .03: off += r.choice([1, 8, 16, 32])
        if r.random() < .03: off = r.choice([DSZ - 512, DSZ - 576, DSZ - 64, -64, DSZ - 832 + 64])
        return g.rmfor(off, ())
    w = int(g.mode == M64 and r.random() < .5)
    k = r.randrange(11)
    if k < 2: g.ins(b'\x0f\xae', 4, operand(), w=w)
    elif k < 4: g.ins(b'\x0f\xae', 6, operand(), w=w); g.feat = ['xsaveopt']
    elif k < 6: g.ins(b'\x0f\xc7', 4, operand(), w=w); g.feat = ['xsavec']
    elif k < 8: g.ins(b'\x0f\xae', 5, operand(image(g)), w=w)
    elif k < 10: g.ins(b'\x0f\xae', 5, operand(image(g, 'compacted')), w=w); g.feat = ['xsavec']
    else:
        g.setr(RCX, r.choice([0, 1, 1, 1, 2])); g.ins(b'\x0f\x01\xd0'); g.feat = ['xgetbv1']

def c_mxcsr(g):
    """LDMXCSR and STMXCSR, then arithmetic under what they set"""
    r = g.r; g.fpinit(); g.feat = ['sse']
    t = r.choice(['ps', 'pd'])
    for i in range(16): g.setx(i, g.vec(t))
    v = r.choice([0x1f80 | r.getrandbits(16) & 0xe07f, r.getrandbits(16), 1 << r.randrange(32), 0x1f80 ^ 1 << r.randrange(32)])
    g.ins(b'\x0f\xae', 2, g.memop(4, struct.pack('<I', v)))
    for _ in range(r.randrange(3)): g.ins(b'\x0f' + bytes([r.choice([0x51, 0x58, 0x59, 0x5c, 0x5e, 0x5d, 0x5f, 0x5a])]), r.randrange(16), ('r', r.randrange(16)), mand=None if t == 'ps' else 0x66)
    if r.random() < .5: g.ins(b'\x0f\xae', 3, g.memop(4))
