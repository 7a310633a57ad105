"""One case under construction: its state, its operands and its encoding."""
import struct

CODE, DATA, DSZ = 0x10000000, 0x20000000, 0x2000
FSB, GSB = DATA + 0x400, DATA + 0x800
CF, PF, AF, ZF, SF, TF, DF, OF = 1, 4, 0x10, 0x40, 0x80, 0x100, 0x400, 0x800
ARITH = CF | PF | AF | ZF | SF | OF
FULL = 0x00247fd5                  # every flag that is compared by default (not RF, VM, VIF, VIP)
RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(8)
M64, M32, M16 = 0, 1, 2

def sx(v, n):
    v &= (1 << n) - 1
    return v - (1 << n) if v >> (n - 1) else v

class G:
    """One case under construction."""
    def __init__(s, rng, mode=M64):
        s.r = rng; s.mode = mode
        s.gpr = [s.val(64) for _ in range(16)]
        if mode != M64: s.gpr = [g & 0xffffffff for g in s.gpr[:8]] + [0] * 8
        s.fixed = set()
        s.gpr[RSP] = (DATA if mode != M16 else 0) + 0x1800 + rng.randrange(0, 0x20) * 8
        s.fixed.add(RSP)
        s.flags = 0x202 | rng.choice([0, rng.getrandbits(12) & ARITH, rng.getrandbits(12) & ARITH, ARITH])
        s.fx = None; s.ymmh = bytes(256); s.useymm = False
        s.mem = bytearray(DSZ); s.touched = set()
        s.code = b''; s.off = 0x800
        s.fm = FULL; s.fswm = 0xffff; s.cat = '?'; s.feat = []; s.approx = False
        s.steps = 0                      # single steps to go through
        s.xbv = 7                        # XSTATE_BV that the state is loaded with
        s.pointers = False               # compare FOP, FIP and FDP
        s.segments = False               # compare segment registers
        s.cross = False                  # put operands across pages
        s.wrap = False                   # put operands at the end of 4 GiB
        s.unmask = False                 # unmask floating-point exceptions
        s.mix = False                    # add prefixes
    def val(s, n):
        r = s.r; k = r.random()
        if k < 0.35: return r.getrandbits(n)
        if k < 0.60: return r.choice([0, 1, 2, 3, (1 << n) - 1, (1 << n) - 2, 1 << (n - 1), (1 << (n - 1)) - 1, (1 << (n - 1)) + 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000]) & ((1 << n) - 1)
        if k < 0.75: return 1 << r.randrange(n)
        if k < 0.85: return ((1 << r.randrange(1, n + 1)) - 1) & ((1 << n) - 1)
        return r.getrandbits(r.randrange(1, n + 1))
    def amask(s): return {M64: (1 << 64) - 1, M32: 0xffffffff, M16: 0xffff}[s.mode]
    def poke(s, off, b):
        for i, x in enumerate(b):
            if 0 <= off + i < DSZ: s.mem[off + i] = x; s.touched.add(off + i)
    def pick(s, avoid=(), n=None):
        n = n or (16 if s.mode == M64 else 8)
        while True:
            k = s.r.randrange(n)
            if k not in avoid and k != RSP: return k
    def reg(s, avoid=()): return s.pick(avoid)
    def setr(s, k, v): s.gpr[k] = v & ((1 << 64) - 1 if s.mode == M64 else 0xffffffff); s.fixed.add(k)

    # ---- operands -------------------------------------------------------------------------------------------
    def memop(s, size, data=None, align=1, avoid=(), fault=None, window=None):
        """a memory operand of `size` bytes in the data region; returns rm tuple"""
        r = s.r
        avoid = set(avoid) | s.fixed
        k = r.random()
        if fault is None: fault = k < 0.01
        lo = window or 0
        if s.wrap:
            b = s.pick(avoid)
            s.setr(b, 0x100000000 - r.randrange(1, size + 2))
            s.lastoff = 0
            return ('m', b, None, 1, r.choice([0, 0, 1, -1]), 'b', None)
        if s.cross:
            off = r.choice([0x1000 - r.randrange(0, size + 1), 0x1000 - r.randrange(1, max(2, size)), DSZ - r.randrange(1, size + 1), -r.randrange(1, size + 1)])
            off -= off % align if r.random() < .5 else 0
            fault = True
        elif fault: off = r.choice([-size, -1, DSZ - size + 1, DSZ, DSZ + 0x100]) if size > 1 else r.choice([-1, DSZ])
        elif k < 0.15 and align == 1: off = 0x1000 - r.randrange(0, size + 1)
        else: off = r.randrange(0x900 + lo, 0x1700 - size - lo)
        off -= off % align if not fault else 0
        s.poke(off - lo, data if data is not None else bytes(r.getrandbits(8) for _ in range(size + 2 * lo)))
        return s.rmfor(off, avoid, size)
    def rmfor(s, off, avoid=(), size=0):
        r = s.r; avoid = set(avoid) | s.fixed
        ea = DATA + off
        s.lastoff = off
        if s.mode == M16: return s.rm16(off & 0xffff, avoid)
        if getattr(s, 'seq', False): return ('m', None, None, 1, ea, 'rip', None) if s.mode == M64 and r.random() < .6 else ('m', None, None, 1, ea & 0xffffffff, 'abs', None)
        form = r.choice(['b', 'b8', 'b8', 'b32', 'bi', 'bi8', 'bi32', 'abs', 'rip', 'i32'] + (['fs', 'gs'] if s.mode == M64 else []))
        seg = None
        if form in ('fs', 'gs') and off >= 0x1000 : form = 'b32'
        if form in ('fs', 'gs'):
            seg = {'fs': 0x64, 'gs': 0x65}[form]; ea -= {'fs': FSB, 'gs': GSB}[form]
            if ea < 0: form, seg, ea = 'b', None, DATA + off
            else: form = 'b8'
        if form == 'rip' and s.mode != M64: form = 'abs'
        if form == 'abs': return ('m', None, None, 1, ea & 0xffffffff, 'abs', seg)
        if form == 'rip': return ('m', None, None, 1, ea, 'rip', seg)
        nreg = 16 if s.mode == M64 else 8
        b = i = None; sc = 1; d = 0
        if form != 'i32':
            c = [x for x in range(nreg) if x not in avoid]
            if not c: return ('m', None, None, 1, ea & 0xffffffff, 'abs', seg)
            b = r.choice(c)
        if form in ('bi', 'bi8', 'bi32', 'i32'):
            c = [x for x in range(nreg) if x not in avoid and x != 4 and x != b]
            if c: i = r.choice(c); sc = r.choice([1, 2, 4, 8])
        if form in ('b8', 'bi8'): d = r.randrange(-128, 128)
        if form in ('b32', 'bi32', 'i32'): d = r.randrange(-0x1000000, 0x1000000)
        m = s.amask()
        if b is None and i is None: return ('m', None, None, 1, ea & 0xffffffff, 'abs', seg)
        if b is None:
            d = (ea - d) % 8 + d if False else d
            q = (ea - d); d += q % sc; q = (ea - d) // sc
            s.setr(i, q & m)
            return ('m', None, i, sc, d, 'sib', seg)
        iv = 0
        if i is not None:
            iv = r.choice([r.randrange(0, 0x1000), (-r.randrange(0, 0x1000)) & m]); s.setr(i, iv)
        s.setr(b, (ea - d - sx(iv, 64 if s.mode == M64 else 32) * sc) & m)
        return ('m', b, i, sc, d, 'sib' if i is not None else 'b', seg)
    def rm16(s, off, avoid):
        r = s.r
        forms = [(0, RBX, RSI), (1, RBX, RDI), (2, RBP, RSI), (3, RBP, RDI), (4, RSI, None), (5, RDI, None), (6, None, None), (6, RBP, None), (7, RBX, None)]
        forms = [f for f in forms if f[1] not in avoid and f[2] not in avoid]
        f = r.choice(forms)
        if f[1] is None: return ('m16', 6, 0, struct.pack('<H', off))
        d = r.choice([0, r.randrange(-128, 128), r.randrange(-0x8000, 0x8000)])
        mod = 0 if d == 0 and not (f[0] == 6) else 1 if -128 <= d < 128 else 2
        iv = 0
        if f[2] is not None: iv = r.getrandbits(16); s.setr(f[2], (s.val(32) & 0xffff0000) | iv)
        s.setr(f[1], (s.val(32) & 0xffff0000) | ((off - d - iv) & 0xffff))
        return ('m16', f[0], mod, b'' if mod == 0 else struct.pack('<b', d) if mod == 1 else struct.pack('<h', d))

    # ---- encoding -------------------------------------------------------------------------------------------
    def modrm(s, reg, rm, immlen, before):
        """returns (rexbits, bytes); before = bytes emitted before modrm (for RIP-relative)"""
        R = reg >> 3 & 1
        if rm[0] == 'r': return (R << 2 | rm[1] >> 3 & 1), bytes([0xc0 | (reg & 7) << 3 | rm[1] & 7])
        if rm[0] == 'm16': return R << 2, bytes([rm[2] << 6 | (reg & 7) << 3 | rm[1]]) + rm[3]
        _, b, i, sc, d, kind, seg = rm
        if kind == 'abs':
            if s.mode == M32: return R << 2, bytes([(reg & 7) << 3 | 5]) + struct.pack('<I', d)
            return R << 2, bytes([(reg & 7) << 3 | 4, 0x25]) + struct.pack('<I', d)
        if kind == 'rip':
            return R << 2, ('rip', (reg & 7) << 3 | 5, d, immlen)
        if i is None and (b & 7) != 4:
            if d == 0 and (b & 7) != 5 and s.r.random() < .8: mod, db = 0, b''
            elif -128 <= d < 128 and s.r.random() < .9: mod, db = 1, struct.pack('<b', d)
            else: mod, db = 2, struct.pack('<i', d)
            return (R << 2 | b >> 3), bytes([mod << 6 | (reg & 7) << 3 | b & 7]) + db
        ss = {1: 0, 2: 1, 4: 2, 8: 3}[sc]
        ii = 4 if i is None else i
        if b is None: mod, db, bb = 0, struct.pack('<i', d), 5
        else:
            bb = b
            if d == 0 and (b & 7) != 5 and s.r.random() < .8: mod, db = 0, b''
            elif -128 <= d < 128 and s.r.random() < .9: mod, db = 1, struct.pack('<b', d)
            else: mod, db = 2, struct.pack('<i', d)
        return (R << 2 | (ii >> 3) << 1 | (bb >> 3 if b is not None else 0)), bytes([mod << 6 | (reg & 7) << 3 | 4, ss << 6 | (ii & 7) << 3 | bb & 7]) + db
    def ins(s, opc, reg=None, rm=None, imm=b'', w=0, o16=False, mand=None, lock=False, rex=False, rep=None, pfx=b''):
        """legacy encoding; appends to s.code"""
        rb, mb = (0, b'')
        if rm is not None: rb, mb = s.modrm(reg, rm, len(imm), 0)
        elif reg is not None: rb = reg >> 3 & 1           # opcode+r form
        p = b''
        if rm is not None and rm[0] == 'm' and rm[6]: p += bytes([rm[6]])
        if lock: p += b'\xf0'
        if rep: p += bytes([rep])
        if o16: p += b'\x66'
        p = pfx + p
        if len(p) > 1 and s.r.random() < .3: p = bytes(s.r.sample(list(p), len(p)))
        if s.mix:
            for _ in range(s.r.choice([1, 1, 2, 3])):
                x = s.r.choice([0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf0, 0x40 | s.r.getrandbits(4) if s.mode == M64 else 0x66])
                at = s.r.randrange(len(p) + 1)
                p = p[:at] + bytes([x]) + p[at:]
        if mand: p += bytes([mand])
        if s.mode == M64 and (w or rb or rex): p += bytes([0x40 | w << 3 | rb])
        assert s.mode == M64 or rb == 0, (rb, rm, reg)
        p += opc
        s.emit(p, mb, imm)
    def vex(s, mapn, pp, opc, reg, rm, vvvv=0, L=0, W=0, imm=b''):
        rb, mb = s.modrm(reg, rm, len(imm), 0)
        R, X, B = rb >> 2 & 1, rb >> 1 & 1, rb & 1
        p = bytes([rm[6]]) if rm[0] == 'm' and rm[6] else b''
        if mapn == 1 and not X and not B and not W and s.r.random() < .7:
            p += bytes([0xc5, (R ^ 1) << 7 | (vvvv ^ 15) << 3 | L << 2 | pp])
        else: p += bytes([0xc4, (R ^ 1) << 7 | (X ^ 1) << 6 | (B ^ 1) << 5 | mapn, W << 7 | (vvvv ^ 15) << 3 | L << 2 | pp])
        s.emit(p + bytes([opc]), mb, imm)
    def emit(s, p, mb, imm):
        if isinstance(mb, tuple):
            _, m, tgt, il = mb
            nxt = CODE + s.off + len(s.code) + len(p) + 5 + len(imm)
            mb = bytes([m]) + struct.pack('<i', sx(tgt - nxt, 32))
        s.code += p + mb + imm

    # ---- sizes ----------------------------------------------------------------------------------------------
    def osz(s, small=True):
        if s.mode == M64: return s.r.choice(([8] if small else []) + [16, 32, 32, 64, 64])
        return s.r.choice(([8] if small else []) + [16, 32, 32])
    def pre(s, n):
        """prefix arguments for an operand size"""
        if n == 64: return dict(w=1)
        if n == 8: return dict(rex=s.r.random() < .4)
        o = n == 16
        if s.mode == M16: o = n == 32
        return dict(o16=o)
    def rmop(s, n, pm=.5, avoid=(), **k):
        if s.r.random() < pm: return s.memop(n // 8, s.val(n).to_bytes(n // 8, 'little'), avoid=avoid, **k)
        return ('r', s.r.randrange(16 if s.mode == M64 else 8))
    def anyreg(s): return s.r.randrange(16 if s.mode == M64 else 8)
    def imm(s, n): return s.val(n).to_bytes(n // 8, 'little')

    # ---- FP state ---------------------------------------------------------------------------------------------
    def fpinit(s, mxcsr=None, x87=False):
        r = s.r; fx = bytearray(416)
        if x87:
            fcw = 0x0040 | (r.choice([0, 0, 0, 2, 3, 3, 3]) << 8) | (r.randrange(4) << 10) | 0x3f
            if r.random() < .1: fcw &= ~r.getrandbits(6)
            if r.random() < .6: fcw = 0x37f
            if s.unmask: fcw = fcw & ~0x3f | r.choice([0, r.getrandbits(6), 0x3f & ~(1 << r.randrange(6))])
            top = r.randrange(8)
            fsw = top << 11 | (r.getrandbits(1) << 8 | r.getrandbits(1) << 9 | r.getrandbits(1) << 10 | r.getrandbits(1) << 14)
            if fcw & 0x3f == 0x3f and r.random() < .2: fsw |= r.getrandbits(7) & 0x7f
            depth = r.choice([8, 8, 8, 7, 6, 4, 2, 1, 0, 3, 5])
            ftw = 0
            for i in range(depth): ftw |= 1 << ((top + i) & 7)
            struct.pack_into('<HHBx', fx, 0, fcw, fsw, ftw)
            for i in range(8): fx[32 + 16 * i:32 + 16 * i + 10] = s.f80()
        else: struct.pack_into('<HHBx', fx, 0, 0x37f, 0, 0)
        if mxcsr is None:
            mxcsr = 0x1f80
            k = r.random()
            if k < .25: mxcsr |= r.randrange(4) << 13
            if k < .12: mxcsr |= r.choice([0x8000, 0x40, 0x8040])
            if k < .05: mxcsr &= ~(r.getrandbits(6) << 7)
            elif k > .9: mxcsr |= r.getrandbits(6)
            if s.unmask: mxcsr = mxcsr & ~0x1f80 | r.choice([0, r.getrandbits(6), 0x3f & ~(1 << r.randrange(6))]) << 7
        struct.pack_into('<II', fx, 24, mxcsr, 0xffff)
        s.fx = fx
    def setx(s, n, b): s.fx[160 + 16 * n:176 + 16 * n] = b
    def f32(s):
        r = s.r; k = r.random()
        if k < .3: return r.choice([0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffa12345, 0x7fc12345, 1, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x3f000000, 0x3fc00000, 0x40200000, 0xbf000000, 0x4effffff, 0x4b800000])
        if k < .4: return r.getrandbits(32)
        if k < .5: return struct.unpack('<I', struct.pack('<f', float(r.randrange(-1000, 1000)) / r.choice([1, 2, 3, 4, 10])))[0]
        return r.getrandbits(1) << 31 | (127 + r.randrange(-30, 34)) << 23 | r.choice([r.getrandbits(23), r.getrandbits(4) << 19, 0, 0x7fffff])
    def f64(s):
        r = s.r; k = r.random()
        if k < .3: return r.choice([0, 1 << 63, 0x3ff << 52, 0xbff << 52, 0x7ff << 52, 0xfff << 52, 0x7ff8 << 48, 0xfff8 << 48, 0x7ff0000000000001, 0xfff4123456789abc, 0x7ff8123456789abc, 1, 1 << 63 | 1, (1 << 52) - 1, 1 << 52, 0x7fefffffffffffff, 0xffefffffffffffff, 0x41e0 << 48, 0xc1e0 << 48, 0x43e0 << 48, 0xc3e0 << 48, 0x3fe0 << 48, 0x3ff8 << 48, 0x4004 << 48, 0x41dfffffffc00000, 0x41efffffffe00000, 0x4330 << 48, 0x36a0 << 48, 0x47efffffe0000000, 0x380fffffc0000000])
        if k < .4: return r.getrandbits(64)
        if k < .5: return struct.unpack('<Q', struct.pack('<d', float(r.randrange(-1000, 1000)) / r.choice([1, 2, 3, 4, 10])))[0]
        return r.getrandbits(1) << 63 | (1023 + r.randrange(-70, 70)) << 52 | r.choice([r.getrandbits(52), r.getrandbits(4) << 48, 0, (1 << 52) - 1, r.getrandbits(24) << 28])
    def f80(s):
        r = s.r; k = r.random()
        if k < .3:
            m, e = r.choice([(0, 0), (1 << 63, 0x3fff), (1 << 63, 0x7fff), (0xc0 << 56, 0x7fff), (0xa0 << 56 | 1, 0x7fff), (1, 0), (0x7fffffffffffffff, 0), (1 << 63, 0), (1 << 63, 1), ((1 << 64) - 1, 0x7ffe), (0x40 << 56, 0x3fff), (0, 0x7fff), (1 << 62, 0x7fff), (0, 0x4000), (1 << 63, 0x4000), (0xc0 << 56, 0x3ffe), (0xc90fdaa22168c235, 0x4000), (0x80 << 56, 0x403e), (0xffffffff00000000, 0x401d)])
        elif k < .4: m, e = r.getrandbits(64), r.getrandbits(15)
        elif k < .5: m, e = r.getrandbits(64) | 1 << 63, r.choice([1, 2, 0x7ffe, 0x7ffd, 0x3fff - 1022, 0x3fff - 1023, 0x3fff + 1023, 0x3fff + 1024, 0x3fff - 126, 0x3fff + 127, 0x3fff + 128])
        else: m, e = r.choice([r.getrandbits(64), r.getrandbits(11) << 53, r.getrandbits(24) << 40, r.getrandbits(53) << 11]) | 1 << 63, 0x3fff + r.randrange(-20, 66)
        return struct.pack('<QH', m, e | r.getrandbits(1) << 15)
    def vec(s, t, n=16):
        r = s.r
        if t in ('ps', 'ss'): return b''.join(struct.pack('<I', s.f32()) for _ in range(n // 4))
        if t in ('pd', 'sd'): return b''.join(struct.pack('<Q', s.f64()) for _ in range(n // 8))
        w = r.choice([8, 16, 32, 64])
        b = b''.join(s.val(w).to_bytes(w // 8, 'little') for _ in range(max(1, n * 8 // w)))
        return b[:n]

