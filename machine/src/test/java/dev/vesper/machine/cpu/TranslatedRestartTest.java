package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.x86.Assembler;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Translated code can be interrupted at each access as interpreted code can. */
@ParameterizedClass
@ValueSource(ints = {1, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class TranslatedRestartTest {
  private static final int[] DISTANCES = {-8, -6, -2, -1, 2, 4, 8};
  private static final String[] ON_MEMORY = {
    "add %s [B], A",
    "adc A, %s [B]",
    "sub %s [B], 3",
    "cmp %s [B], A",
    "mov %s [B], A",
    "mov A, %s [B]",
    "inc %s [B]",
    "neg %s [B]",
    "not %s [B]",
    "shl %s [B], 3",
    "rcr %s [B], 1",
    "sar %s [B], cl",
    "xchg %s [B], A",
    "xadd %s [B], A",
    "cmpxchg %s [B], A",
    "imul A, %s [B]",
    "mul %s [B]",
    "test %s [B], A",
    "bts %s [B], 3",
    "push %s [B]",
    "pop %s [B]",
    "cmovc A, %s [B]"
  };
  private static final String[] OTHERS = {
    "push A",
    "pop A",
    "push 5",
    "pop S",
    "push S",
    "leave",
    "pushf",
    "popf",
    "lodsb",
    "movsb",
    "stosb",
    "call N\nN:",
    "movzx eax, byte [B]",
    "movsx eax, word [B]",
    "setc byte [B]",
    "ret",
    "xchg [B], S",
    "call [B]",
    "jmp [B]",
    "ret 8"
  };

  private final RestartGuest g;
  private final boolean natively;
  private int translated;

  TranslatedRestartTest(int execution) {
    g = new RestartGuest(execution);
    natively = execution == Execution.NATIVE;
  }

  @ParameterizedTest
  @ValueSource(ints = {32, 64})
  void translatedCodeHasChangedNothingWhereItIsInterrupted(int bits) {
    g.length = 64;
    g.fill(bits);
    String[] sizes = bits == 64 ? new String[] {"qword", "dword"} : new String[] {"dword", "word"};
    for (String size : sizes) {
      for (String s : ON_MEMORY) {
        boolean stack = s.startsWith("pu") || s.startsWith("po");
        if (!stack || !size.equals("dword") || bits == 32) {
          interrupt(bits, s.formatted(size), size);
        }
      }
    }
    for (String s : OTHERS) {
      interrupt(bits, s, bits == 64 ? "qword" : "dword");
    }
    assertThat(g.wrong).isEmpty();
    assertThat(g.troubles).isGreaterThan(1000);
    assertThat(translated).isGreaterThan(30);
  }

  private void interrupt(int bits, String line, String size) {
    String wide = bits == 64 ? "r" : "e";
    String a = size.equals("qword") ? "rax" : size.equals("dword") ? "eax" : "ax";
    String source =
        line.replace("[B]", "[" + wide + "bx]").replace("S", wide + "sp").replace("A", a) + "\nhlt";
    for (int d : DISTANCES) {
      g.code(Assembler.assemble(bits, source));
      g.prepare(bits, d);
      g.keep();
      for (int i = 0; i < 12; i++) {
        g.restore();
        g.cpu.run(g.cpu.icount + g.length);
      }
      Block b = g.cpu.blockAt(RestartGuest.CODE);
      translated += b != null && (natively || b.region != null) ? 1 : 0;
      g.restore();
      g.disturb(source + " in " + bits + " bits", false);
    }
  }
}
