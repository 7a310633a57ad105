package dev.vesper.machine.hostile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.host.NestedPaging;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Texts of scripts: what they mean, and what is said of those that mean nothing. */
final class ScriptParserTest {
  @Test
  void everythingThatThereIsIsRead() throws Exception {
    Script s = ScriptParser.parse(ScriptSamples.ALL);
    assertThat(s.rules()).hasSize(14);
    assertThat(s.expectations()).hasSize(6);
    assertThat(s.hasSilicon()).isTrue();
    Rule first = s.rules().getFirst();
    assertThat(first.line()).isEqualTo(2);
    assertThat(first.times()).isEqualTo(3);
    assertThat(first.label()).isEqualTo("rule 1 (line 2)");
    assertThat(first.actions()).containsExactly(LawfulAction.Inject.vc(0x81));
    assertThat(s.rules().get(2).optional()).isTrue();
    assertThat(s.rules().get(2).state()).isEqualTo("later");
    assertThat(s.rules().get(2).actions())
        .contains(
            new LawfulAction.Permit(
                Place.linear(0xFFFF_FFFF_8100_0000L), NestedPaging.Mapping.MMIO));
    assertThat(s.rules().get(6).trigger()).isEqualTo(new Trigger.Vmgexit(ExitCode.CPUID, 2));
    assertThat(s.rules().get(6).actions().get(1))
        .isEqualTo(
            new LawfulAction.AnswerField(
                GhcbField.RCX, new HostValue.Answered(GhcbField.RCX), false));
    assertThat(s.rules().get(9).actions().getFirst().toString()).contains("51");
    assertThat(s.rules().get(13).actions()).contains(new SiliconAction.MoveRsp(-8, 1));
  }

  @Test
  void operatorsAreTakenFromTheLeft() throws Exception {
    Script s = ScriptParser.parse("when entry 1\n let x = 1 + 2 << 4 - 1\n");
    HostValue v = ((LawfulAction.Let) s.rules().getFirst().actions().getFirst()).value();
    assertThat(new HostKnowledge().value(v, new Moment(new NoExit(), null, null))).isEqualTo(47);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "whenever | 1, column 1: 'when', 'silicon', 'maybe' or 'expect', or blanks before an"
            + " action, is wanted here, not 'whenever'",
        "when dinner | 1, column 6: there is no trigger 'dinner': there are fetch, fetch-seq,",
        "when insn -1 | 1, column 11: a count of instructions is wanted here, not '-'",
        "when insn 5 times 2 | 1, column 13: 'insn 5' comes once: leave 'times' out",
        "when insn 5 5 | 1, column 13: nothing more is wanted here, not '5'",
        "when insn 0x1ffffffffffffffff | 1, column 11: a number has 64 bits",
        "when fetch | 1, column 11: an address, 'linear ADDRESS' or 'symbol NAME' is wanted here,"
            + " not the end of the line",
        "when vmgexit CPUIDD | 1, column 14: there is no exit 'CPUIDD'",
        "when msr CPUID | 1, column 10: there is no request 'CPUID': there are AP_RESET_HOLD_REQ,",
        "when entry 0 | 1, column 12: a number is 1 to 2147483647, not 0",
        "when console \"x | 1, column 14: a text in quotes ends in its line",
        "when console \"\" | 1, column 14: every line contains the empty text",
        "when time 9999999999s | 1, column 11: a time is at most",
        "when entry 1 if msr.request == 1 | 1, column 1: there is no request at 'entry'",
        "when entry 1\u00e9 | 1, column 13: no word begins with U+00E9",
      })
  void linesThatAreNoRulesAreRefused(String text, String said) {
    assertThatThrownBy(() -> ScriptParser.parse(text))
        .isInstanceOf(ScriptException.class)
        .hasMessageStartingWith("line " + said);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "dance | there is no action 'dance'",
        "inject 256 interrupt | a vector is 0 to 255, not 256",
        "inject 3 | interrupt, nmi, exception or software is wanted here",
        "answer rax = 1 | a request is answered where it is made: 'when vmgexit', not 'insn 7'",
        "msr-answer 1 | the MSR protocol is answered where it asks: 'when msr', not 'insn 7'",
        "move-rsp 8 | this is no host's to do: a rule that breaks silicon begins with 'silicon'",
        "let request.rax = 1 | names are letters, digits, _ and -, at most 64, not 'request.rax'",
        "let x = request.rax | there is no request at 'insn 7'",
        "let x = request.rflags | the GHCB has no field 'rflags': there are cpl, xss,",
        "note x = reg rpi | there is no register 'rpi': there are rax, rcx,",
        "write-ct 0 = \"9\" | bytes are pairs of hexadecimal digits",
        "capture x from 0 length 0 | a length is 1 to 1048576, not 0",
        "out 0x70 u64 = 1 | ports have u8, u16 and u32",
        "let x = vmcb[0x79] | offsets in a VMCB are 0 to 0xff8 and multiples of 4, not 0x79",
      })
  void actionsThatAreNoneAreRefused(String action, String said) {
    assertThatThrownBy(() -> ScriptParser.parse("when insn 7\n\n   " + action))
        .isInstanceOf(ScriptException.class)
        .hasMessageStartingWith("line 3, column ")
        .hasMessageContaining(said)
        .satisfies(e -> assertThat(((ScriptException) e).line()).isEqualTo(3));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "let x = y + 1 | rule 1 (line 1): no rule gives 'y' a value: 'let'",
        "replay old to 0 | rule 1 (line 1): no rule captures 'old'",
        "goto b\\nwhen insn 8 in c | rule 2 (line 3): no rule goes to the state 'c'",
      })
  void namesThatNothingSetsAreRefused(String action, String said) {
    assertThatThrownBy(() -> ScriptParser.parse("when insn 7\n " + action.replace("\\n", "\n")))
        .isInstanceOf(ScriptException.class)
        .hasMessage(said);
  }

  /** One line, which no terminal is harmed by, and a status: whatever a stranger has written. */
  @Test
  void mutatedScriptsAreRefusedInOneLineOrTaken() {
    Random r = new Random(Long.getLong("hostile.seed", 11));
    int taken = 0;
    for (int i = 0; i < 10_000; i++) {
      String b = ScriptSamples.mutated(r);
      try {
        ScriptParser.parse(b);
        taken++;
      } catch (ScriptException e) {
        String line = String.valueOf(e.getMessage());
        assertThat(line).as(b).doesNotContain("\n").matches("[\\x20-\\x7e]+");
        assertThat(line.length()).isLessThan(500);
      }
    }
    assertThat(taken).isBetween(100, 9_000);
  }

  @Test
  void whatIsTooMuchIsRefused() {
    assertThatThrownBy(() -> ScriptParser.parse("#".repeat(ScriptParser.LONGEST + 1)))
        .hasMessage("a script has at most 1048576 characters");
    assertThatThrownBy(() -> ScriptParser.parse("when entry 1\n".repeat(Script.MOST + 1)))
        .hasMessageContaining("at most 10000 rules");
    assertThatThrownBy(() -> ScriptParser.parse("when entry 1\n let x = " + "(".repeat(60_000)))
        .hasMessageContaining("deeper than 50 levels");
    assertThatThrownBy(() -> ScriptParser.parse("when entry 1\n let x = 1" + "+1".repeat(30_000)))
        .hasMessageContaining("at most 200 parts");
  }
}
