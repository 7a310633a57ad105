#!/usr/bin/python3
"""Random instruction cases and what this computer's processor makes of them.

  gen.py SEED COUNT OUT.jsonl [SET or CATEGORY,...]
"""
import random, sys
from record import write
from case import *
from integer import *
from vector import *
from x87 import *
from fuzz import *
from wide import *
from state import *
from rules import *

# name, function, modes, weight
BASE = [
    ('alu', c_alu, (M64,), 12), ('shift', c_shift, (M64,), 8), ('muldiv', c_muldiv, (M64,), 6), ('bit', c_bit, (M64,), 9),
    ('bmi', c_bmi, (M64,), 4), ('mov', c_mov, (M64,), 8), ('string', c_string, (M64,), 6), ('branch', c_branch, (M64,), 4),
    ('except', c_except, (M64,), 3), ('sse2', c_sse2, (M64,), 12), ('sse34', c_sse34, (M64,), 6),
    ('sse_approx', c_sse_approx, (M64,), .5), ('mmx', c_mmx, (M64,), 2), ('x87', c_x87, (M64,), 7),
    ('x87_trans', c_x87_trans, (M64,), .5), ('avx', c_avx, (M64,), 4), ('fma', c_fma, (M64,), 1),
    ('alu32', c_alu, (M32,), 2), ('shift32', c_shift, (M32,), 1), ('muldiv32', c_muldiv, (M32,), 1), ('bit32', c_bit, (M32,), 1),
    ('mov32', c_mov, (M32,), 1), ('string32', c_string, (M32,), 1), ('branch32', c_branch, (M32,), 1), ('legacy32', c_legacy32, (M32,), 3),
    ('alu16', c_alu, (M16,), 2), ('mov16', c_mov, (M16,), 1), ('string16', c_string, (M16,), 1), ('bit16', c_bit, (M16,), 1),
    ('shift16', c_shift, (M16,), 1), ('branch16', c_branch, (M16,), 1),
    ('seq', c_seq, (M64,), 4), ('seq32', c_seq, (M32,), 1), ('fuzz', c_fuzz, (M64,), 4), ('fuzz32', c_fuzz, (M32,), 1)]
MORE = [
    ('wide', c_wide, (M64,), 10), ('wide32', c_wide, (M32,), 2), ('gather', c_gather, (M64,), 3), ('maskmov', c_maskmov, (M64,), 3),
    ('fma', c_fma, (M64,), 3), ('sse4a', c_sse4a, (M64,), 2), ('sse32', c_sse_any, (M32,), 3), ('approx', c_rcp, (M64,), 4),
    ('trans', c_transcendental, (M64,), 3), ('x87_32', c_x87, (M32,), 3), ('x87_16', c_x87, (M16,), 2), ('mmx32', c_mmx, (M32,), 1),
    ('pointers', c_pointers, (M64,), 3), ('pointers32', c_pointers, (M32,), 2), ('pointers16', c_pointers, (M16,), 1),
    ('xsave', c_xsave, (M64,), 6), ('xsave32', c_xsave, (M32,), 2), ('mxcsr', c_mxcsr, (M64,), 2),
    ('cross', c_cross, (M64,), 6), ('cross32', c_cross, (M32,), 2), ('cross16', c_cross, (M16,), 2), ('wrap', c_wrap, (M64,), 1), ('wrap32', c_wrap, (M32,), 2),
    ('unmasked', c_unmasked, (M64,), 6), ('unmasked32', c_unmasked, (M32,), 2), ('mix', c_mix, (M64,), 5), ('mix32', c_mix, (M32,), 2),
    ('mix16', c_mix, (M16,), 2), ('lock', c_lock, (M64,), 2), ('lock32', c_lock, (M32,), 1),
    ('step', c_step, (M64,), 3), ('step32', c_step, (M32,), 1), ('segment', c_segment, (M64,), 2), ('segment32', c_segment, (M32,), 2),
    ('far', c_far, (M64,), 2), ('far32', c_far, (M32,), 2), ('flags', c_flags, (M64,), 1), ('flags32', c_flags, (M32,), 1),
    ('flags16', c_flags, (M16,), 1), ('cache', c_cache, (M64,), 1), ('legacy16', c_legacy32, (M16,), 1), ('seq16', c_seq, (M16,), 1),
    ('anything', c_anything, (M64,), 6), ('anything32', c_anything, (M32,), 3), ('anything16', c_anything, (M16,), 2),
    ('vex', c_vex, (M64,), 8), ('vex32', c_vex, (M32,), 2)]
SETS = {'base': BASE, 'more': MORE}

def make(rng, cat):
    name, fn, modes, _ = cat
    for _ in range(200):
        g = G(rng, modes[0]); g.cat = name; g.fuzz = False
        try: fn(g)
        except AssertionError: continue
        if not g.code or len(g.code) > 120: continue
        if g.fuzz and not fuzz_ok(g): continue
        if b'\xcd\x80' in g.code or b'\x0f\x05' in g.code or b'\x0f\x34' in g.code: continue
        return g
    raise SystemExit('cannot make ' + name)

def main():
    seed, count, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    which = sys.argv[4] if len(sys.argv) > 4 else 'base'
    cats = SETS.get(which) or [c for c in BASE + MORE if c[0] in which.split(',')]
    weights = [c[3] for c in cats]
    rng = random.Random('x86oracle/' + seed)
    write(lambda n: [make(rng, rng.choices(cats, weights)[0]) for _ in range(n)], count, path)

if __name__ == '__main__': main()
