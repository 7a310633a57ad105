package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;

/**
 * SSE4a: bit fields of the low quadword and scalar non-temporal stores (AMD APM volume 4). A field
 * of length 0 is 64 bits wide; where index and length go past bit 63 the result is undefined, and
 * the bits that exist are used.
 */
final class Sse4a {
  private Sse4a() {}

  static void register(Families f) {
    f.add("extrq", Sse4a::extract);
    f.add("insertq", Sse4a::insert);
    f.add("movntss", (o, c) -> store(o, c, 4));
    f.add("movntsd", (o, c) -> store(o, c, 8));
  }

  private static long mask(int length) {
    return length == 0 ? -1L : -1L >>> 64 - length;
  }

  private static void extract(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    boolean immediate = !o.insn.form().immediates().isEmpty();
    int d = 2 * (immediate ? o.rm : o.reg);
    int length = (int) (immediate ? o.insn.imm : c.xmm[2 * o.rm]) & 63;
    int index = (int) (immediate ? o.insn.imm2 : c.xmm[2 * o.rm] >> 8) & 63;
    c.xmm[d] = c.xmm[d] >>> index & mask(length);
    c.xmm[d + 1] = 0;
  }

  private static void insert(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    boolean immediate = !o.insn.form().immediates().isEmpty();
    long control = c.xmm[2 * o.rm + 1];
    int length = (int) (immediate ? o.insn.imm : control) & 63;
    int index = (int) (immediate ? o.insn.imm2 : control >> 8) & 63;
    long m = mask(length) << index;
    c.xmm[2 * o.reg] = c.xmm[2 * o.reg] & ~m | c.xmm[2 * o.rm] << index & m;
    c.xmm[2 * o.reg + 1] = 0;
  }

  private static void store(MemOp o, Cpu c, int bytes) {
    Vectors.enter(o, c);
    c.wr(o.la(c, bytes, true), bytes, c.xmm[2 * o.reg]);
  }
}
