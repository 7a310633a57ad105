package dev.vesper.machine.guests;

import dev.vesper.machine.spec.ConsoleInput;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;

/** Somebody at a guest's console who waits for texts and answers them. */
final class Dialogue implements ConsoleInput {
  private record Step(String expected, String answer) {}

  private final StringBuilder all = new StringBuilder();
  private final Deque<Step> steps = new ArrayDeque<>();
  private final Deque<Integer> typed = new ArrayDeque<>();
  private int from;

  /** Adds an answer to a text that comes after the ones before. */
  Dialogue when(String expected, String answer) {
    steps.add(new Step(expected, answer));
    return this;
  }

  /** Takes what the guest writes. */
  void write(int b) {
    all.append((char) b);
  }

  /** {@return everything that the guest has written} */
  String text() {
    return all.toString();
  }

  @Override
  public int poll() {
    Step next = steps.peek();
    if (typed.isEmpty() && next != null) {
      int at = all.indexOf(next.expected, from);
      if (at >= 0) {
        from = at + next.expected.length();
        for (byte c : next.answer.getBytes(StandardCharsets.US_ASCII)) {
          typed.add((int) c);
        }
        steps.remove();
      }
    }
    Integer b = typed.poll();
    return b == null ? -1 : b;
  }

  @Override
  public boolean closed() {
    // Nobody is waited for in real time.
    return true;
  }

  @Override
  public void await(long nanos) {}
}
