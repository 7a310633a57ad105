"""x87."""
import struct
from case import *

def c_x87(g):
    r = g.r; g.fpinit(x87=True); g.feat = ['x87']
    k = r.randrange(24); C = 0x4700
    i = r.randrange(8)
    M = lambda n, d=None: g.memop(n, d if d is not None else g.vec('i', max(n, 8))[:n])
    f32m = lambda: M(4, struct.pack('<I', g.f32())); f64m = lambda: M(8, struct.pack('<Q', g.f64())); f80m = lambda: M(10, g.f80())
    i16 = lambda: M(2, g.imm(16)); i32 = lambda: M(4, g.imm(32)); i64 = lambda: M(8, g.imm(64))
    if k < 6:                                              # arithmetic
        op = r.choice([0, 1, 4, 5, 6, 7]); g.fswm &= ~C
        j = r.randrange(7)
        if j < 2: g.ins(b'\xd8', op, ('r', i))
        elif j == 2: g.ins(b'\xdc', op, ('r', i))
        elif j == 3: g.ins(b'\xde', op, ('r', i))
        elif j == 4: g.ins(b'\xd8', op, f32m())
        elif j == 5: g.ins(b'\xdc', op, f64m())
        else: g.ins(*r.choice([(b'\xda', op, i32()), (b'\xde', op, i16())]))
    elif k < 9:                                            # loads
        g.fswm &= ~C; j = r.randrange(8)
        if j == 0: g.ins(b'\xd9', 0, f32m())
        elif j == 1: g.ins(b'\xdd', 0, f64m())
        elif j == 2: g.ins(b'\xdb', 5, f80m())
        elif j == 3: g.ins(b'\xdf', 0, i16())
        elif j == 4: g.ins(b'\xdb', 0, i32())
        elif j == 5: g.ins(b'\xdf', 5, i64())
        elif j == 6: g.ins(b'\xd9', 0, ('r', i))
        else: g.ins(bytes([0xd9, 0xe8 + r.randrange(7)]))
    elif k < 13:                                           # stores
        g.fswm &= ~C; j = r.randrange(10)
        o = [(b'\xd9', 2, 4), (b'\xd9', 3, 4), (b'\xdd', 2, 8), (b'\xdd', 3, 8), (b'\xdb', 7, 10), (b'\xdf', 2, 2), (b'\xdf', 3, 2), (b'\xdb', 2, 4), (b'\xdb', 3, 4), (b'\xdf', 7, 8)]
        if r.random() < .2: o = [(b'\xdf', 1, 2), (b'\xdb', 1, 4), (b'\xdd', 1, 8)]; g.feat = ['sse3']
        if r.random() < .15: g.ins(b'\xdd', r.choice([2, 3]), ('r', i))
        else: a, e, n = r.choice(o); g.ins(a, e, M(n))
    elif k < 16:                                           # compares
        j = r.randrange(10); g.fswm &= ~0x200
        if j == 0: g.ins(b'\xd8', r.choice([2, 3]), ('r', i))
        elif j == 1: g.ins(b'\xdd', r.choice([4, 5]), ('r', i))
        elif j == 2: g.ins(b'\xde\xd9')
        elif j == 3: g.ins(b'\xda\xe9')
        elif j < 6: g.ins(bytes([r.choice([0xdb, 0xdf])]), r.choice([5, 6]), ('r', i)); g.fm &= ~(OF | SF | AF); g.fswm &= ~C
        elif j == 6: g.ins(b'\xd9\xe4')
        elif j == 7: g.ins(b'\xd9\xe5'); g.fswm |= 0x200
        elif j == 8: g.ins(*r.choice([(b'\xd8', 2, f32m()), (b'\xdc', 3, f64m())]))
        else: g.ins(*r.choice([(b'\xda', 2, i32()), (b'\xde', 3, i16())]))
    elif k == 16: g.ins(bytes([r.choice([0xda, 0xdb])]), r.randrange(4), ('r', i)); g.fswm &= ~C
    elif k == 17: g.ins(bytes([0xd9, r.choice([0xe0, 0xe1, 0xfa, 0xfc])])); g.fswm &= ~C
    elif k == 18: g.ins(bytes([0xd9, r.choice([0xf4, 0xfd])])); g.fswm &= ~C
    elif k == 19: g.ins(bytes([0xd9, r.choice([0xf8, 0xf5])]))
    elif k == 20: g.ins(b'\xd9', 1, ('r', i)); g.fswm &= ~C
    elif k == 21:
        if r.random() < .5: g.ins(b'\xdf', 6, M(10)); g.fswm &= ~C
        else: g.ins(b'\xdf', 4, M(10, bytes(r.randrange(10) | r.randrange(10) << 4 for _ in range(9)) + bytes([r.choice([0, 0x80])]))); g.fswm &= ~C
    elif k == 22:
        j = r.randrange(8); g.fswm &= ~C
        if j == 0: g.ins(bytes([0xd9, r.choice([0xf6, 0xf7])]))
        elif j == 1: g.ins(b'\xdd', 0, ('r', i))
        elif j == 2: g.ins(b'\xdf\xe0'); g.fswm = 0xffff
        elif j == 3: g.ins(b'\xdb\xe2')
        elif j == 4: g.ins(b'\xdb\xe3'); g.fswm = 0xffff
        elif j == 5: g.ins(b'\xd9', 5, M(2, struct.pack('<H', 0x37f & ~(r.getrandbits(6) if r.random() < .2 else 0) & ~0xf00 | r.choice([0, 2, 3]) << 8 | r.randrange(4) << 10)))
        elif j == 6: g.ins(b'\xd9', 7, M(2))
        else: g.ins(b'\xdd', 7, M(2)); g.fswm = 0xffff
    else: g.ins(b'\x9b'); g.fswm = 0xffff
    if r.random() < .15: g.code += b'\x9b'
def c_x87_trans(g):
    r = g.r; g.fpinit(x87=True); g.feat = ['x87']; g.approx = True; g.fswm &= ~0x4700
    g.ins(bytes([0xd9, r.choice([0xf0, 0xf1, 0xf2, 0xf3, 0xf9, 0xfb, 0xfe, 0xff])]))
