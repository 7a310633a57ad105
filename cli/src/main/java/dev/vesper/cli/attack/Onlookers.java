package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.host.HostMemory;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A host looks at ciphertext and changes nothing. The same plaintext at the same address is the
 * same ciphertext, so that it sees when sixteen bytes have again a value that they had.
 */
final class Onlookers {
  private static final int PAGE = 4096;
  private static final int BLOCK = 16;

  /** How often the host looks, and how many instructions apart. */
  private static final int LOOKS = 100;

  private static final long APART = 50;

  private Onlookers() {}

  static List<Attack> all() {
    return List.of(
        Attack.lawful(
            "ciphertext-channel",
            "the ciphertext of the kernel's stack is read again and again, and equal blocks"
                + " counted",
            "CipherLeaks, CVE-2020-12966; CVE-2021-46744",
            "an ordinary function of the kernel runs and uses its stack",
            "each block whose ciphertext came back has its old plaintext again",
            Onlookers::carryOut));
  }

  private static Verdict carryOut(AttackRun run) {
    BrokenMachines.Stack s = BrokenMachines.stack(run);
    if (s.instructions() < 0) {
      return Verdict.notApplicable("nothing is known of the kernel's places in this guest");
    }
    try (Trial t = run.trialAt(s.instructions())) {
      Machine m = t.machine();
      long page = s.gpa() & -PAGE;
      HostMemory bus = m.hostView();
      // By block: what its plaintext was with each ciphertext that it had.
      List<Map<ByteBuffer, byte[]>> seen = new ArrayList<>();
      for (int i = 0; i < PAGE / BLOCK; i++) {
        seen.add(new HashMap<>());
      }
      int back = 0;
      int changes = 0;
      byte[] last = bus.bytes(page, PAGE);
      for (int look = 0; look < LOOKS; look++) {
        m.run(Until.instructions(s.instructions() + look * APART));
        byte[] now = bus.bytes(page, PAGE);
        for (int i = 0; i < PAGE / BLOCK; i++) {
          byte[] block = Arrays.copyOfRange(now, i * BLOCK, (i + 1) * BLOCK);
          byte[] plain = m.observer().readPrivate(page + (long) i * BLOCK, BLOCK);
          byte[] before = seen.get(i).put(ByteBuffer.wrap(block), plain);
          if (look > 0 && !Arrays.equals(last, i * BLOCK, (i + 1) * BLOCK, block, 0, BLOCK)) {
            changes++;
            if (before != null && !Arrays.equals(before, plain)) {
              return Verdict.defended("equal ciphertext is not equal plaintext");
            }
            back += before != null ? 1 : 0;
          }
        }
        last = now;
      }
      String proof = back + " of " + changes + " changes of a block brought an old value back";
      return back > 0
          ? Verdict.limit(
              "shows its host when bytes have again the value that they had",
              "a processor that hides ciphertext closes it",
              proof)
          : Verdict.defended("no block has an old value again", proof);
    }
  }
}
