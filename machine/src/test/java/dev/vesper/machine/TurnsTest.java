package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.x86.Assembler;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The turns that processors take on the computer's one thread. */
final class TurnsTest {
  private static final int MOST_ROUNDS = 1_000_000;

  /** Waits for the lock at 5000h in real mode, and says so at 5004h. */
  private static final String OTHER =
      """
      xor ax, ax
      mov ds, ax
      again:
      pause
      lock bts word [0x5000], 0
      jc short again
      mov byte [0x5004], 1
      mov byte [0x5000], 0
      stop:
      cli
      hlt
      jmp short stop
      """;

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7})
  void aProcessorThatWaitsForALockGetsItFromOneThatHoldsItMostOfTheTime(int phase)
      throws Exception {
    byte[] other = new Assembler(0x7000, 16).add(OTHER).finish();
    StringBuilder bytes = new StringBuilder("other:\ndb ");
    for (int i = 0; i < other.length; i++) {
      bytes.append(i == 0 ? "" : ", ").append(other[i] & 0xFF);
    }
    KernelGuest g =
        KernelGuest.run(
            """
            mov esi, other
            mov edi, 0x7000
            mov ecx, %d
            rep movsb
            mov edi, RESULTS
            mov dword [0x5000], 1
            mov dword [0x5004], 0
            mov dword [0xfee000f0], 0x1ff
            mov dword [0xfee00300], 0xc4500
            mov dword [0xfee00300], 0xc4607
            %s
            mov ecx, %d
            round:
            mov dword [0x5000], 0
            pause
            take:
            lock bts dword [0x5000], 0
            jc take
            cmp dword [0x5004], 0
            jne got
            dec ecx
            jne round
            got:
            mov [edi], ecx
            jmp end
            """
                    .formatted(other.length, "nop\n".repeat(phase), MOST_ROUNDS)
                + bytes,
            o -> o.toBuilder().processors(2).build());
    assertThat(g.result(0)).as("rounds left").isPositive();
  }
}
