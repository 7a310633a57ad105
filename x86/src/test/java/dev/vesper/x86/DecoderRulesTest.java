package dev.vesper.x86;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Prefix, LOCK, length and #UD rules. */
final class DecoderRulesTest {
  private static Decoder.Outcome outcome(String hex, int bits) {
    byte[] b = HexFormat.of().parseHex(hex);
    return Decoder.decode(b, 0, b.length, bits, new Insn());
  }

  @ParameterizedTest
  @CsvSource({
    "f00100, 64, OK", // lock add [rax], eax
    "f001c0, 64, UNDEFINED", // LOCK with a register destination
    "f08b00, 64, UNDEFINED", // LOCK on a load
    "f03900, 64, UNDEFINED", // LOCK on CMP
    "06, 64, UNDEFINED", // PUSH ES
    "06, 32, OK",
    "0f0b, 64, OK",
    "0fff, 64, OK",
    "66666666666666666666666666666690, 64, TOO_LONG",
    "666666666666666666666666666690, 64, OK",
    "48, 64, TRUNCATED",
    "0f0f, 64, UNDEFINED",
    "c5f877, 64, OK", // VZEROUPPER
    "c5e877, 64, UNDEFINED", // VZEROUPPER names no register in VEX.vvvv
    "66c5f877, 64, UNDEFINED", // nor may 66 come before VEX
    "c4e279900408, 64, OK", // VPGATHERDD needs a SIB byte
    "c4e2799000, 64, UNDEFINED",
    "62f1ff485ec0, 64, OK", // EVEX with L'L = 2; a scalar ignores it
    "62f1ff605ec0, 64, UNDEFINED", // but not 3
    "62f1f5005ec2, 32, UNDEFINED", // outside 64-bit mode V' must be one
    "62f1f5085ec2, 32, OK",
    "62f1b5085ec2, 32, OK", // and the top bit of vvvv is ignored
    "c4c14541d5, 64, OK", // KANDB: B is ignored
    "c54541d5, 64, UNDEFINED", // there is no K10
    "c4e18541fd, 64, UNDEFINED", // nor K15
    "62e1fd48c2c000, 64, UNDEFINED", // nor K16
    "c40000, 32, OK", // LES with a memory operand
    "0fae38, 64, OK", // CLFLUSH
    "f20f2800, 64, UNDEFINED" // no F2 form of MOVAPS
  })
  void rules(String hex, int bits, Decoder.Outcome expected) {
    assertThat(outcome(hex, bits)).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource({
    "0f01d9, vmmcall",
    "f30f01d9, vmgexit",
    "f20f01d9, vmgexit",
    "660f01d9, vmmcall",
    "f30f0166d9, '(bad)'"
  })
  void theRepPrefixTurnsVmmcallIntoVmgexit(String hex, String mnemonic) {
    Insn in = Decoder.decode(HexFormat.of().parseHex(hex), 64);
    if (!mnemonic.equals("(bad)")) {
      assertThat(in.mnemonic()).isEqualTo(mnemonic);
    } else {
      assertThat(in.mnemonic()).isNotEqualTo("vmgexit");
    }
  }

  /** The six of SEV-SNP share their opcodes, RDPRU's among them; PVALIDATE alone is not wide. */
  @ParameterizedTest
  @CsvSource({
    "f20f01ff, pvalidate, true",
    "f30f01ff, psmash, false",
    "f30f01fe, rmpadjust, false",
    "f20f01fe, rmpupdate, false",
    "f30f01fd, rmpquery, false",
    "f20f01fd, rmpread, false",
    "0f01fd, rdpru, true"
  })
  void thePrefixSaysWhichInstructionOfSnp(String hex, String mnemonic, boolean everywhere) {
    byte[] code = HexFormat.of().parseHex(hex);
    assertThat(Decoder.decode(code, 64).mnemonic()).isEqualTo(mnemonic);
    assertThat(Assembler.assemble(64, mnemonic)).isEqualTo(code);
    for (Formatter.Syntax s : Formatter.Syntax.values()) {
      assertThat(new Formatter(s).format(Decoder.decode(code, 64), 0)).isEqualTo(mnemonic);
    }
    assertThat(outcome(hex, 32))
        .isEqualTo(everywhere ? Decoder.Outcome.OK : Decoder.Outcome.UNDEFINED);
    assertThat(outcome("0f01fe", 64)).isEqualTo(Decoder.Outcome.UNDEFINED);
    assertThat(outcome("660f01ff", 64)).isEqualTo(Decoder.Outcome.UNDEFINED);
  }

  @Test
  void everyImmediateOfE4IsItsPort() {
    for (int port = 0; port < 256; port++) {
      Insn in = Decoder.decode(new byte[] {(byte) 0xE4, (byte) port}, 64);
      assertThat(in.mnemonic()).isEqualTo("in");
      assertThat(in.imm & 0xFF).isEqualTo(port);
    }
  }

  @Test
  void assemblerMatchesKnownBytes() {
    assertThat(
            HexFormat.of()
                .formatHex(
                    Assembler.assemble(
                        64, "mov rax, [rbx+rcx*8+0x10]\nlock xadd [rdi], esi\nvmgexit\niretq")))
        .isEqualTo("488b44cb10f00fc137f30f01d948cf");
    assertThat(
            HexFormat.of()
                .formatHex(Assembler.assemble(16, "mov ax, [bx+si]\njmp 0x10:0x20\nint 0x10")))
        .isEqualTo("8b00ea20001000cd10");
  }
}
