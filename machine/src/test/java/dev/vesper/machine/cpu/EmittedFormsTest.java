package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.cpu.emit.NativeCode;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Formatter;
import dev.vesper.x86.Insn;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every form of every instruction with each prefix, with registers of all kinds and with memory:
 * its native code is verified, and does what the interpreter does.
 */
@ExtendWith(VerifiedEmission.class)
final class EmittedFormsTest {
  private static final int CODE_BYTES = 1 << 20;
  private static final int HLT = 0xF4;
  private static final String[] PREFIXES = {"", "66", "f3", "f2", "67", "65"};
  private static final String[] REXES = {"", "40", "45", "4d"};

  /** As immediates bits that mean something, as a displacement one that is in memory. */
  private static final String REST = "10400000" + "05".repeat(8);

  /** Pages that instructions can change. */
  private static final int[] DATA = {8, 9, 10, 11};

  private record Kind(
      Object form, int osize, int asize, int modrm, boolean rep, int rex, int segment, int vlen) {}

  private final Set<Kind> seen = new HashSet<>();
  private final Set<String> wrong = new TreeSet<>();
  private final Random random = new Random(3);

  @ParameterizedTest
  @ValueSource(ints = {32, 64})
  void nativeCodeDoesWhatTheInterpreterDoes(int bits) {
    assumeTrue(NativeCode.lack() == null, () -> "no native code: " + NativeCode.lack());
    NativeWorld plain = new NativeWorld(bits, null);
    NativeWorld translated = new NativeWorld(bits, NativeCode.create(CpuFeatures.ALL, CODE_BYTES));
    int done = 0;
    for (int op = 0; op < 1024; op++) {
      String map = op < 256 ? "" : op < 512 ? "0f" : op < 768 ? "0f38" : "0f3a";
      String opcode = HexFormat.of().toHexDigits((byte) op);
      for (String prefix : PREFIXES) {
        for (String rex : bits == 64 ? REXES : new String[] {""}) {
          for (int reg = 0; reg < 8; reg++) {
            for (int rm : new int[] {3, 5, 0xC1, 0xC7}) {
              String modrm = HexFormat.of().toHexDigits((byte) (rm | reg << 3));
              done += compare(plain, translated, bits, prefix + rex + map + opcode + modrm + REST);
            }
          }
        }
      }
    }
    for (int second = 0; second < 12; second++) {
      int map = 1 + second % 3;
      int high = bits == 32 ? 0xE0 : new int[] {0xE0, 0x40, 0xC0, 0x60}[second / 3];
      for (int third = 0; third < 32; third++) {
        int wlpp = (third & 8) << 4 | third & 7 | ((third & 16) != 0 ? 0x78 : 0x60);
        for (int op = 0; op < 256; op++) {
          for (int reg : new int[] {1, 3, 4}) {
            for (int rm : new int[] {3, 5, 0xC1}) {
              byte[] b = {
                (byte) 0xC4, (byte) (high | map), (byte) wlpp, (byte) op, (byte) (rm | reg << 3)
              };
              done += compare(plain, translated, bits, HexFormat.of().formatHex(b) + REST);
            }
          }
        }
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(done).isGreaterThan(bits == 64 ? 10_000 : 4_000);
  }

  /** {@return how many instructions were compared: one, or none if such a one was before} */
  private int compare(NativeWorld plain, NativeWorld translated, int bits, String hex) {
    byte[] code = HexFormat.of().parseHex(hex);
    Insn in = new Insn();
    if (Decoder.decode(code, 0, code.length, bits, in) != Decoder.Outcome.OK || in.evex) {
      return 0;
    }
    if (!in.mem && (in.prefix67 || in.segOverride >= 0)) {
      return 0;
    }
    // A register of the lower four, or of the others, whose numbers may mean high bytes.
    int modrm = in.modrm < 0 ? -1 : in.vex ? in.modrm >> 6 : in.modrm & 0xE7;
    Kind kind =
        new Kind(
            in.form(),
            in.osize,
            in.asize,
            modrm,
            in.rep || in.repne,
            in.rex,
            in.segOverride,
            in.vlen << 8 | (in.vex ? in.vvvv : 0));
    if (!seen.add(kind)) {
      return 0;
    }
    byte[] all = Arrays.copyOf(in.bytes, in.length + 1);
    all[in.length] = (byte) HLT;
    long seed = random.nextLong();
    prepare(plain, all, bits, new Random(seed));
    prepare(translated, all, bits, new Random(seed));
    plain.cpu.run(plain.cpu.icount + 2);
    translated.cpu.run(translated.cpu.icount + 2);
    String difference = difference(plain, translated);
    if (!difference.isEmpty()) {
      String text = new Formatter(Formatter.Syntax.INTEL).format(in, NativeWorld.START);
      wrong.add(in.hex() + ": " + text + " in " + bits + " bits:" + difference);
    }
    return 1;
  }

  private static void prepare(NativeWorld w, byte[] code, int bits, Random random) {
    w.reset();
    w.code(NativeWorld.START, code);
    for (int p : DATA) {
      Page page = w.memory.page(p, 0);
      page.dropCode();
      for (int i = 0; i < Page.SIZE; i += 64) {
        page.put64(i + 8 * random.nextInt(8), random.nextLong());
      }
    }
    Cpu c = w.cpu;
    for (int i = 0; i < 16; i++) {
      c.r[i] = random.nextInt(3) == 0 ? random.nextInt(64) : random.nextLong();
      if (bits == 32) {
        c.r[i] &= 0xFFFF_FFFFL;
      }
      c.xmm[2 * i] = random.nextLong();
      c.xmm[2 * i + 1] = Double.doubleToRawLongBits(random.nextInt(100) - 50);
      c.ymmh[2 * i] = random.nextLong();
      c.ymmh[2 * i + 1] = random.nextLong();
    }
    c.r[1] = 3;
    c.r[3] = 0x8100;
    c.r[4] = 0xB800;
    c.r[5] = 0x8F80;
    c.r[6] = 0x9000;
    c.r[7] = 0xA000;
    c.r[11] = 0x8FC0;
    c.r[13] = 0x9100;
    c.setFlags(random.nextInt() & CpuState.ARITH | 2);
  }

  private static String difference(NativeWorld a, NativeWorld b) {
    StringBuilder s = new StringBuilder();
    for (int i = 0; i < 16; i++) {
      if (a.cpu.r[i] != b.cpu.r[i]) {
        s.append(" r").append(i).append(' ').append(Long.toHexString(a.cpu.r[i]));
        s.append(" not ").append(Long.toHexString(b.cpu.r[i]));
      }
    }
    note(s, "rip", a.cpu.rip, b.cpu.rip);
    note(s, "flags", a.cpu.flags(), b.cpu.flags());
    note(s, "count", a.cpu.icount, b.cpu.icount);
    note(s, "exit", a.cpu.exitCode, b.cpu.exitCode);
    note(s, "information", a.cpu.exitInfo1 ^ a.cpu.exitInfo2, b.cpu.exitInfo1 ^ b.cpu.exitInfo2);
    note(s, "cr2", a.cpu.cr2, b.cpu.cr2);
    note(s, "mxcsr", a.cpu.mxcsr, b.cpu.mxcsr);
    if (!Arrays.equals(a.cpu.xmm, b.cpu.xmm) || !Arrays.equals(a.cpu.ymmh, b.cpu.ymmh)) {
      s.append(" vectors");
    }
    if (!Arrays.equals(a.cpu.fpMant, b.cpu.fpMant) || a.cpu.fsw != b.cpu.fsw) {
      s.append(" x87");
    }
    for (int p : DATA) {
      if (!Arrays.equals(a.memory.page(p, 0).bytes(), b.memory.page(p, 0).bytes())) {
        s.append(" page ").append(p);
      }
    }
    return s.toString();
  }

  private static void note(StringBuilder s, String name, long a, long b) {
    if (a != b) {
      s.append(' ').append(name).append(' ').append(Long.toHexString(a));
      s.append(" not ").append(Long.toHexString(b));
    }
  }
}
