package dev.vesper.x86;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every form of the table, encoded with random operands, decodes to itself. */
final class RoundTripTest {
  @ParameterizedTest
  @ValueSource(ints = {16, 32, 64})
  void everyFormDecodesToItself(int bits) {
    Random r = new Random(7);
    int tried = 0;
    for (Opcode op : OpcodeTable.all()) {
      if (op.alias) {
        continue;
      }
      for (int i = 0; i < 40; i++) {
        Insn in = RandomInsn.of(op, bits, r);
        if (in == null) {
          continue;
        }
        byte[] code;
        try {
          code = Encoder.encode(op, in);
        } catch (Encoder.Unencodable e) {
          continue;
        }
        Insn out = new Insn();
        Decoder.Outcome o = Decoder.decode(code, 0, code.length, bits, out);
        assertThat(o)
            .as("%s in %d-bit code: %s", op, bits, java.util.HexFormat.of().formatHex(code))
            .isEqualTo(Decoder.Outcome.OK);
        assertThat(out.length).as("length of %s", op).isEqualTo(code.length);
        // XCHG with itself is NOP, and a short form may stand for a long one; the mnemonic must
        // agree.
        if (!op.mnemonic.equals("xchg")) {
          assertThat(out.mnemonic()).isEqualTo(op.mnemonic);
        }
        if (op.hasModrm() && op.modrmKind != Opcode.FIXED) {
          assertThat(out.mem).as("memory operand of %s", op).isEqualTo(in.mem);
          assertThat(out.disp).as("displacement of %s", op).isEqualTo(in.mem ? in.disp : 0);
        }
        assertThat(out.imm)
            .as("immediate of %s", op)
            .isEqualTo(
                op.immediates().isEmpty() || op.immediates().contains(Immediate.OFFSET)
                    ? 0
                    : in.imm);
        tried++;
      }
    }
    assertThat(tried).isGreaterThan(15_000);
  }

  @Test
  void decoderSurvivesAnyBytes() {
    Random r = new Random(11);
    byte[] b = new byte[16];
    int valid = 0;
    for (int i = 0; i < 300_000; i++) {
      r.nextBytes(b);
      int bits = new int[] {16, 32, 64}[i % 3];
      Insn in = new Insn();
      Decoder.Outcome o = Decoder.decode(b, 0, 1 + r.nextInt(15), bits, in);
      if (o == Decoder.Outcome.OK) {
        valid++;
        assertThat(in.length).isBetween(1, 15);
        assertThat(new Formatter(Formatter.Syntax.ATT).format(in, 0x1000)).isNotEmpty();
        assertThat(new Formatter(Formatter.Syntax.INTEL).format(in, 0x1000)).isNotEmpty();
      }
    }
    assertThat(valid).isGreaterThan(50_000);
  }
}
