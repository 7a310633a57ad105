package dev.vesper.machine.cpu.interp;

import dev.vesper.machine.cpu.Cpu;

/** AES rounds (FIPS 197), carry-less multiplication, SHA-1 and SHA-256 rounds (FIPS 180-4). */
final class CryptoOps {
  private static final int[] SBOX = new int[256];
  private static final int[] INVERSE = new int[256];
  private static final int[] SHA1_K = {0x5A82_7999, 0x6ED9_EBA1, 0x8F1B_BCDC, 0xCA62_C1D6};

  static {
    // Walk the multiplicative group by its generator 3 and by its inverse.
    int p = 1;
    int q = 1;
    do {
      p = (p ^ p << 1 ^ ((p & 0x80) != 0 ? 0x11B : 0)) & 0xFF;
      q ^= q << 1;
      q ^= q << 2;
      q ^= q << 4;
      q &= 0xFF;
      q ^= (q & 0x80) != 0 ? 0x09 : 0;
      int x = q ^ rotate8(q, 1) ^ rotate8(q, 2) ^ rotate8(q, 3) ^ rotate8(q, 4) ^ 0x63;
      SBOX[p] = x;
      INVERSE[x] = p;
    } while (p != 1);
    SBOX[0] = 0x63;
    INVERSE[0x63] = 0;
  }

  private CryptoOps() {}

  private static int rotate8(int v, int n) {
    return (v << n | v >> 8 - n) & 0xFF;
  }

  static void register(Families f) {
    PackedShuffles.vector(f, "aesenc", (a, b, z) -> round(a, b, z, true));
    PackedShuffles.vector(f, "aesenclast", (a, b, z) -> round(a, b, z, false));
    PackedShuffles.vector(f, "aesdec", (a, b, z) -> inverseRound(a, b, z, true));
    PackedShuffles.vector(f, "aesdeclast", (a, b, z) -> inverseRound(a, b, z, false));
    PackedShuffles.vector(f, "aesimc", (a, b, z) -> mix(b, z, 14, 11, 13, 9));
    f.both("aeskeygenassist", CryptoOps::keyAssist);
    f.both("pclmulqdq", CryptoOps::carrylessMultiply);
    words(f, "sha1nexte", CryptoOps::sha1NextE);
    words(f, "sha1msg1", CryptoOps::sha1Message1);
    words(f, "sha1msg2", CryptoOps::sha1Message2);
    f.add("sha1rnds4", CryptoOps::sha1Rounds);
    f.add("sha256rnds2", CryptoOps::sha256Rounds);
    words(f, "sha256msg1", CryptoOps::sha256Message1);
    words(f, "sha256msg2", CryptoOps::sha256Message2);
  }

  // ---- AES: byte i of the state is row i % 4 of column i / 4

  private static int at(long[] v, int i) {
    return (int) (v[i >> 3] >>> 8 * (i & 7)) & 0xFF;
  }

  static int times(int x, int y) {
    int z = 0;
    for (int a = x, b = y; b != 0; b >>= 1) {
      z ^= (b & 1) != 0 ? a : 0;
      a = (a << 1 ^ ((a & 0x80) != 0 ? 0x11B : 0)) & 0xFF;
    }
    return z;
  }

  /** Multiplies each column by the circulant matrix of four coefficients. */
  private static void mix(long[] v, long[] z, int c0, int c1, int c2, int c3) {
    int[] m = {c0, c1, c2, c3};
    long[] out = new long[2];
    for (int i = 0; i < 16; i++) {
      int x = 0;
      for (int k = 0; k < 4; k++) {
        x ^= times(at(v, i & ~3 | i + k & 3), m[k]);
      }
      PackedShuffles.set(out, i, 8, x);
    }
    z[0] = out[0];
    z[1] = out[1];
  }

  private static void round(long[] a, long[] key, long[] z, boolean mixColumns) {
    long[] s = new long[2];
    for (int i = 0; i < 16; i++) {
      PackedShuffles.set(s, i, 8, SBOX[at(a, i + 4 * (i & 3) & 15)]);
    }
    if (mixColumns) {
      mix(s, s, 2, 3, 1, 1);
    }
    z[0] = s[0] ^ key[0];
    z[1] = s[1] ^ key[1];
  }

  private static void inverseRound(long[] a, long[] key, long[] z, boolean mixColumns) {
    long[] s = new long[2];
    for (int i = 0; i < 16; i++) {
      PackedShuffles.set(s, i, 8, INVERSE[at(a, i - 4 * (i & 3) & 15)]);
    }
    if (mixColumns) {
      mix(s, s, 14, 11, 13, 9);
    }
    z[0] = s[0] ^ key[0];
    z[1] = s[1] ^ key[1];
  }

  private static int substitute(int w) {
    return SBOX[w & 0xFF]
        | SBOX[w >>> 8 & 0xFF] << 8
        | SBOX[w >>> 16 & 0xFF] << 16
        | SBOX[w >>> 24] << 24;
  }

  private static void keyAssist(MemOp o, Cpu c) {
    int constant = (int) o.insn.imm & 0xFF;
    PackedShuffles.binary(
        o,
        c,
        (a, b, z) -> {
          for (int i = 0; i < 2; i++) {
            int w = substitute((int) (b[i] >>> 32));
            z[i] = w & 0xFFFF_FFFFL | (long) (Integer.rotateRight(w, 8) ^ constant) << 32;
          }
        });
  }

  private static void carrylessMultiply(MemOp o, Cpu c) {
    int imm = (int) o.insn.imm;
    PackedShuffles.binary(
        o,
        c,
        (a, b, z) -> {
          long x = a[imm & 1];
          long y = b[imm >> 4 & 1];
          for (int i = 0; i < 64; i++) {
            if ((y >>> i & 1) != 0) {
              z[0] ^= x << i;
              z[1] ^= i == 0 ? 0 : x >>> 64 - i;
            }
          }
        });
  }

  // ---- SHA: element 3 is the first word

  private interface Words {
    void run(int[] a, int[] b, int[] z);
  }

  private static void words(Families f, String name, Words w) {
    f.add(name, (o, c) -> words(o, c, w));
  }

  /** The recorded processor takes a memory operand of these at any address. */
  private static void words(MemOp o, Cpu c, Words w) {
    Vectors.enter(o, c);
    PackedShuffles.byLane(
        o,
        c,
        Vectors.source(o, c, 16, true),
        (a, b, z) -> {
          int[] r = new int[4];
          w.run(split(a), split(b), r);
          z[0] = r[0] & 0xFFFF_FFFFL | (long) r[1] << 32;
          z[1] = r[2] & 0xFFFF_FFFFL | (long) r[3] << 32;
        });
  }

  private static int[] split(long[] v) {
    return new int[] {(int) v[0], (int) (v[0] >>> 32), (int) v[1], (int) (v[1] >>> 32)};
  }

  private static void sha1NextE(int[] a, int[] b, int[] z) {
    System.arraycopy(b, 0, z, 0, 3);
    z[3] = b[3] + Integer.rotateLeft(a[3], 30);
  }

  private static void sha1Message1(int[] a, int[] b, int[] z) {
    z[3] = a[1] ^ a[3];
    z[2] = a[0] ^ a[2];
    z[1] = b[3] ^ a[1];
    z[0] = b[2] ^ a[0];
  }

  private static void sha1Message2(int[] a, int[] b, int[] z) {
    z[3] = Integer.rotateLeft(a[3] ^ b[2], 1);
    z[2] = Integer.rotateLeft(a[2] ^ b[1], 1);
    z[1] = Integer.rotateLeft(a[1] ^ b[0], 1);
    z[0] = Integer.rotateLeft(a[0] ^ z[3], 1);
  }

  private static int sha1Function(int kind, int b, int c, int d) {
    return switch (kind) {
      case 0 -> b & c ^ ~b & d;
      case 2 -> b & c ^ b & d ^ c & d;
      default -> b ^ c ^ d;
    };
  }

  private static void sha1Rounds(MemOp o, Cpu cpu) {
    int kind = (int) o.insn.imm & 3;
    words(
        o,
        cpu,
        (x, w, z) -> {
          int a = x[3];
          int b = x[2];
          int c = x[1];
          int d = x[0];
          int e = 0;
          for (int i = 3; i >= 0; i--) {
            int next =
                sha1Function(kind, b, c, d) + Integer.rotateLeft(a, 5) + w[i] + e + SHA1_K[kind];
            e = d;
            d = c;
            c = Integer.rotateLeft(b, 30);
            b = a;
            a = next;
          }
          z[3] = a;
          z[2] = b;
          z[1] = c;
          z[0] = d;
        });
  }

  private static void sha256Rounds(MemOp o, Cpu cpu) {
    int[] wk = {(int) cpu.xmm[0], (int) (cpu.xmm[0] >>> 32)};
    words(
        o,
        cpu,
        (x, y, z) -> {
          int a = y[3];
          int b = y[2];
          int c = x[3];
          int d = x[2];
          int e = y[1];
          int f = y[0];
          int g = x[1];
          int h = x[0];
          for (int i = 0; i < 2; i++) {
            int t = (e & f ^ ~e & g) + sigma(e, 6, 11, 25) + wk[i] + h;
            int next = t + (a & b ^ a & c ^ b & c) + sigma(a, 2, 13, 22);
            h = g;
            g = f;
            f = e;
            e = t + d;
            d = c;
            c = b;
            b = a;
            a = next;
          }
          z[3] = a;
          z[2] = b;
          z[1] = e;
          z[0] = f;
        });
  }

  private static int sigma(int v, int r1, int r2, int r3) {
    return Integer.rotateRight(v, r1) ^ Integer.rotateRight(v, r2) ^ Integer.rotateRight(v, r3);
  }

  private static int small(int v, int r1, int r2, int shift) {
    return Integer.rotateRight(v, r1) ^ Integer.rotateRight(v, r2) ^ v >>> shift;
  }

  private static void sha256Message1(int[] a, int[] b, int[] z) {
    for (int i = 0; i < 4; i++) {
      z[i] = a[i] + small(i < 3 ? a[i + 1] : b[0], 7, 18, 3);
    }
  }

  private static void sha256Message2(int[] a, int[] b, int[] z) {
    z[0] = a[0] + small(b[2], 17, 19, 10);
    z[1] = a[1] + small(b[3], 17, 19, 10);
    z[2] = a[2] + small(z[0], 17, 19, 10);
    z[3] = a[3] + small(z[1], 17, 19, 10);
  }
}
