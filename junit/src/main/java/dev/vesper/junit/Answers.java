package dev.vesper.junit;

import dev.vesper.machine.spec.ConsoleInput;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.IntConsumer;

/** Somebody at a guest's console who waits for texts and answers them. */
final class Answers implements ConsoleInput, IntConsumer {
  private final Deque<SevGuest.Answer> waiting;
  private final StringBuilder said = new StringBuilder();
  private final Deque<Integer> typed = new ArrayDeque<>();

  Answers(List<SevGuest.Answer> all) {
    waiting = new ArrayDeque<>(all);
  }

  private static String latin(String s) {
    return new String(s.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
  }

  /** Takes what the guest writes. */
  @Override
  public void accept(int b) {
    SevGuest.Answer next = waiting.peek();
    if (next == null) {
      return;
    }
    String to = latin(next.to());
    said.append((char) (b & 0xFF));
    if (said.length() > to.length()) {
      said.deleteCharAt(0);
    }
    if (to.contentEquals(said)) {
      latin(next.with()).chars().forEach(typed::add);
      waiting.remove();
      said.setLength(0);
    }
  }

  @Override
  public int poll() {
    Integer b = typed.poll();
    return b == null ? -1 : b;
  }

  /** Nobody is waited for in real time: what can come comes when the guest has said something. */
  @Override
  public boolean closed() {
    return true;
  }

  @Override
  public void await(long nanos) {}
}
