package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.x86.OperandKind;

/** AVX and AVX2 moves with no SSE form: clears, broadcasts, masked moves, lanes, sign tests. */
final class AvxMoves {
  private AvxMoves() {}

  static void register(Families f) {
    f.add("vzeroupper", (o, c) -> clear(o, c, false));
    f.add("vzeroall", (o, c) -> clear(o, c, true));
    f.add("vbroadcastss", (o, c) -> broadcast(o, c, 4));
    f.add("vbroadcastsd", (o, c) -> broadcast(o, c, 8));
    f.add("vpbroadcastb", (o, c) -> broadcast(o, c, 1));
    f.add("vpbroadcastw", (o, c) -> broadcast(o, c, 2));
    f.add("vpbroadcastd", (o, c) -> broadcast(o, c, 4));
    f.add("vpbroadcastq", (o, c) -> broadcast(o, c, 8));
    for (String t : new String[] {"f", "i"}) {
      f.add("vbroadcast" + t + "32x2", AvxMoves::broadcastLane);
      for (String x : new String[] {"128", "32x4", "64x2", "32x8", "64x4"}) {
        f.add("vbroadcast" + t + x, AvxMoves::broadcastLane);
        f.add("vinsert" + t + x, AvxMoves::insertLane);
        f.add("vextract" + t + x, AvxMoves::extractLane);
      }
    }
    f.add("vmaskmovps", (o, c) -> maskedMove(o, c, 4));
    f.add("vmaskmovpd", (o, c) -> maskedMove(o, c, 8));
    f.add("vpmaskmovd", (o, c) -> maskedMove(o, c, 4));
    f.add("vpmaskmovq", (o, c) -> maskedMove(o, c, 8));
    f.add("vtestps", (o, c) -> signTest(o, c, 0x8000_0000_8000_0000L));
    f.add("vtestpd", (o, c) -> signTest(o, c, 1L << 63));
  }

  /** Outside 64-bit mode only registers 0 to 7 are touched; 16 to 31 never are. */
  private static void clear(MemOp o, Cpu c, boolean all) {
    Vectors.enter(o, c);
    int n = c.mode64() ? 16 : 8;
    java.util.Arrays.fill(c.ymmh, 0, 2 * n, 0);
    java.util.Arrays.fill(c.zmmh, 0, 4 * n, 0);
    if (all) {
      java.util.Arrays.fill(c.xmm, 0, 2 * n, 0);
    }
  }

  private static void broadcast(MemOp o, Cpu c, int bytes) {
    Vectors.enter(o, c);
    long e;
    if (o.insn.form().operands.get(1).kind() == OperandKind.RM_REGISTER) {
      e = c.r[o.rm];
    } else if (o.mem && o.insn.mask != 0 && Vectors.active(o, c) == 0) {
      e = 0;
    } else {
      e = Vectors.source(o, c, bytes)[0];
    }
    e &= -1L >>> 64 - 8 * bytes;
    for (int w = 8 * bytes; w < 64; w *= 2) {
      e |= e << w;
    }
    long[] z = new long[o.quads];
    java.util.Arrays.fill(z, e);
    Vectors.put(o, c, z);
  }

  /** {@return quadwords of the part that is moved: the width of the last vector operand} */
  private static int part(MemOp o, int operand) {
    return o.insn.form().operands.get(operand).bytes(o.insn) / 8;
  }

  /** Repeats a part of 64, 128 or 256 bits. */
  private static void broadcastLane(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    int n = part(o, 1);
    boolean off = o.mem && o.insn.mask != 0 && Vectors.active(o, c) == 0;
    long[] v = off ? new long[Math.max(n, 2)] : Vectors.source(o, c, 8 * n);
    long[] z = new long[o.quads];
    for (int i = 0; i < z.length; i++) {
      z[i] = v[i % n];
    }
    Vectors.put(o, c, z);
  }

  private static void insertLane(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    int n = part(o, 2);
    long[] v = Vectors.source(o, c, 8 * n);
    long[] z = Vectors.first(o, c);
    int at = ((int) o.insn.imm & z.length / n - 1) * n;
    System.arraycopy(v, 0, z, at, n);
    Vectors.put(o, c, z);
  }

  private static void extractLane(MemOp o, Cpu c) {
    Vectors.enter(o, c);
    int n = part(o, 0);
    long[] v = Vectors.register(c, o.reg, o.quads);
    int at = ((int) o.insn.imm & v.length / n - 1) * n;
    long[] z = java.util.Arrays.copyOfRange(v, at, at + n);
    if (o.mem) {
      // The whole part must be writable, whatever the mask says.
      c.probeWrite(o.la(c, 8 * n, true), 8 * n);
    }
    Vectors.putRm(o, c, z, 8 * n);
  }

  /**
   * The top bit of each element of VEX.vvvv says whether it is moved. Only those elements touch
   * memory, in their order; a store that faults has stored nothing.
   */
  private static void maskedMove(MemOp o, Cpu c, int bytes) {
    Vectors.enter(o, c);
    long[] mask = Vectors.first(o, c);
    boolean store = o.insn.form().operands.get(0).kind() == OperandKind.MEMORY;
    long[] v = store ? Vectors.register(c, o.reg, o.quads) : new long[o.quads];
    long la = o.la(c, 8 * o.quads, store);
    int n = 8 * o.quads / bytes;
    for (int pass = store ? 0 : 1; pass < 2; pass++) {
      for (int i = 0; i < n; i++) {
        if (PackedShuffles.element(mask, i, 8 * bytes) >>> 8 * bytes - 1 == 0) {
          continue;
        }
        long at = la + (long) i * bytes;
        if (pass == 0) {
          c.probeWrite(at, bytes);
        } else if (store) {
          c.wr(at, bytes, PackedShuffles.element(v, i, 8 * bytes));
        } else {
          PackedShuffles.set(v, i, 8 * bytes, c.rd(at, bytes));
        }
      }
    }
    if (!store) {
      Vectors.put(o, c, v);
    }
  }

  private static void signTest(MemOp o, Cpu c, long signs) {
    Vectors.enter(o, c);
    long[] b = Vectors.second(o, c);
    Sse41.testBits(c, Vectors.register(c, o.reg, o.quads), b, signs);
  }
}
