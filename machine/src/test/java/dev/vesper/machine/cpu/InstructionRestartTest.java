package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Formatter;
import dev.vesper.x86.Insn;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every form of every instruction is interrupted at each page that it touches: by #PF, by an exit
 * to the host, by code in the page. Nothing has changed then, and when the access is possible the
 * instruction does what it does undisturbed.
 */
@ParameterizedClass
@ValueSource(ints = {0, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class InstructionRestartTest {
  /** Where pointers lie beside the boundary of a page: each split of each operand. */
  private static final int[] ALL = {
    -576, -512, -256, -128, -64, -40, -32, -24, -20, -16, -12, -10, -8, -6, -4, -2, -1, 0, 2, 4, 6,
    8, 10, 12, 16, 20, 24, 32, 40
  };

  private static final int[] SOME = {-64, -6, 8};

  private static final String[] PREFIXES = {"", "66", "f3", "f2"};

  private int[] distances = SOME;
  private final RestartGuest g;
  private final boolean natively;
  private final Set<Object> seen = new HashSet<>();

  private record Kind(Object form, int osize, boolean mem, boolean rep, int length, int mask) {}

  InstructionRestartTest(int execution) {
    g = new RestartGuest(execution);
    natively = execution == Execution.NATIVE;
  }

  @ParameterizedTest
  @ValueSource(ints = {16, 32, 64})
  void anInterruptedInstructionHasChangedNothing(int bits) {
    distances = SOME;
    everyForm(bits);
  }

  @Tag("slow")
  @ParameterizedTest
  @ValueSource(ints = {16, 32, 64})
  void norDoesItAtAnyDistanceFromABoundary(int bits) {
    distances = ALL;
    everyForm(bits);
  }

  private void everyForm(int bits) {
    g.fill(bits);
    for (int op = 0; op < 1024; op++) {
      for (String p : PREFIXES) {
        for (int modrm = 0; modrm < 16; modrm++) {
          String rex = bits == 64 && (modrm & 1) != 0 ? "48" : "";
          String map = op < 256 ? "" : op < 512 ? "0f" : op < 768 ? "0f38" : "0f3a";
          for (int mod : new int[] {0, 0xC0}) {
            int rm = mod == 0 && bits == 16 ? 7 : 3;
            String b = p + rex + map + hex(op & 255) + hex(mod | (modrm >> 1) << 3 | rm);
            interrupt(bits, HexFormat.of().parseHex(b + "04".repeat(10)));
          }
        }
      }
    }
    for (int map = 1; map < 4; map++) {
      for (int third = 0; third < 16; third++) {
        for (int op = 0; op < 256; op++) {
          int w = (third & 8) << 4;
          for (int reg = 0; reg < 64; reg += 8) {
            int[] vex = {0xC4, 0xE0 | map, w | 0x78 | third & 7, op, 3 | reg, 4, 4, 4, 4, 4};
            interrupt(bits, bytes(vex));
            vex[2] = w | 0x70 | third & 7;
            interrupt(bits, bytes(vex));
            int[] evex = {0x62, 0xF0 | map, w | 0x7C | third & 3, 0x48, op, 3 | reg, 4, 4, 4, 4};
            interrupt(bits, bytes(evex));
            evex[3] = 0x49;
            interrupt(bits, bytes(evex));
          }
        }
      }
    }
    assertThat(g.wrong).isEmpty();
    assertThat(g.troubles).isGreaterThan(5_000);
  }

  private static String hex(int b) {
    return HexFormat.of().toHexDigits((byte) b);
  }

  private static byte[] bytes(int[] v) {
    byte[] b = new byte[v.length];
    for (int i = 0; i < v.length; i++) {
      b[i] = (byte) v[i];
    }
    return b;
  }

  private static byte[] followedByHlt(Insn in) {
    byte[] b = Arrays.copyOf(in.bytes, in.length + 1);
    b[in.length] = (byte) 0xF4;
    return b;
  }

  private void interrupt(int bits, byte[] code) {
    Insn in = new Insn();
    if (Decoder.decode(code, 0, code.length, bits, in) != Decoder.Outcome.OK) {
      return;
    }
    int length = in.vex ? in.form().vectorBytes(in) : 0;
    Object kind =
        new Kind(in.form(), in.osize, in.mem, in.rep || in.repne, length, Math.min(in.mask, 1));
    // MASKMOVQ marks the registers valid even if its store faults, and ENTER has stored what it has
    // pushed by then, as AMD processors do (recorded results).
    if (!seen.add(kind) || in.mnemonic().equals("maskmovq") || in.mnemonic().equals("enter")) {
      return;
    }
    boolean repeated = in.rep || in.repne || in.form().hasVectorIndex();
    String name = new Formatter(Formatter.Syntax.INTEL).format(in, 0) + " in " + bits + " bits";
    // Native code wants time for its whole block, to which the HLT belongs.
    g.length = natively && !in.form().endsBlock ? 2 : 1;
    for (int d : distances) {
      g.code(followedByHlt(in));
      g.prepare(bits, d);
      if (!g.disturb(name, repeated)) {
        return;
      }
    }
  }
}
