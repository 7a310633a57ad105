package dev.vesper.cli.gdb;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;

/**
 * A condition of a breakpoint, in the bytecode that gdb compiles it to (GDB manual, appendix F). It
 * is a stranger's program: it may only look, and has an end.
 */
final class AgentExpression {
  /** What an expression looks at. */
  interface World {
    /**
     * {@return a register}
     *
     * @throws IndexOutOfBoundsException if there is none of that number
     */
    long register(int number);

    /**
     * {@return bytes of memory, little-endian}
     *
     * @throws IndexOutOfBoundsException if they cannot be read
     */
    long memory(long address, int bytes);
  }

  /** An expression cannot be worked out. */
  static final class Malformed extends Exception {
    private static final long serialVersionUID = 1;

    Malformed(String why) {
      super(why);
    }
  }

  private static final int MOST_STEPS = 100_000;

  /** What the conditions of one stop may take together. */
  static final class Budget {
    private int steps = 2 * MOST_STEPS;

    /** {@return whether nothing is left} */
    boolean isSpent() {
      return steps <= 0;
    }
  }

  private static final int DEEPEST = 1000;

  private final byte[] code;
  private final World world;
  private final List<Long> stack = new ArrayList<>();
  private int at;

  private AgentExpression(byte[] code, World world) {
    this.code = code;
    this.world = world;
  }

  /**
   * {@return what an expression comes to}
   *
   * @param budget what it takes is taken from
   * @throws Malformed if it divides by zero, looks where nothing is, does not end, or is none
   */
  static long value(byte[] code, World world, Budget budget) throws Malformed {
    AgentExpression e = new AgentExpression(code, world);
    try {
      for (int steps = 0; steps < MOST_STEPS && !budget.isSpent(); steps++) {
        budget.steps--;
        int op = e.next(1);
        if (op == 0x27) {
          return e.pop();
        }
        e.step(op);
      }
    } catch (IndexOutOfBoundsException | ArithmeticException x) {
      throw new Malformed(String.valueOf(x.getMessage()));
    }
    throw new Malformed("it does not end");
  }

  private int next(int bytes) {
    return (int) constant(bytes);
  }

  private long constant(int bytes) {
    long v = 0;
    for (int i = 0; i < bytes; i++) {
      v = v << 8 | code[at++] & 0xFF;
    }
    return v;
  }

  private long pop() {
    return stack.remove(stack.size() - 1);
  }

  private void push(long v) {
    if (stack.size() == DEEPEST) {
      throw new IndexOutOfBoundsException("it stacks too much");
    }
    stack.add(v);
  }

  private void push(boolean b) {
    push(b ? 1 : 0);
  }

  private void step(int op) throws Malformed {
    switch (op) {
      case 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B -> arithmetic(op);
      case 0x0F, 0x10, 0x11, 0x13, 0x14, 0x15 -> arithmetic(op);
      case 0x0E -> push(pop() == 0);
      case 0x12 -> push(~pop());
      case 0x16 -> extend(true);
      case 0x2A -> extend(false);
      case 0x17, 0x18, 0x19, 0x1A -> push(world.memory(pop(), 1 << op - 0x17));
      case 0x20 -> {
        int to = next(2);
        at = pop() != 0 ? to : at;
      }
      case 0x21 -> at = next(2);
      case 0x22, 0x23, 0x24, 0x25 -> push(constant(1 << op - 0x22));
      case 0x26 -> push(world.register(next(2)));
      case 0x28 -> push(stack.get(stack.size() - 1));
      case 0x29 -> pop();
      case 0x2B -> Collections.swap(stack, stack.size() - 1, stack.size() - 2);
      case 0x32 -> {
        int deep = next(1);
        push(stack.get(stack.size() - 1 - deep));
      }
      case 0x33 -> rotate();
      default -> throw new Malformed("it has the operation 0x" + Integer.toHexString(op));
    }
  }

  /** The top goes below the next two. */
  private void rotate() {
    Deque<Long> three = new ArrayDeque<>(List.of(pop(), pop(), pop()));
    long top = three.removeFirst();
    stack.add(top);
    stack.add(three.removeLast());
    stack.add(three.removeLast());
  }

  private void extend(boolean signed) {
    int bits = next(1);
    long v = pop();
    int unused = bits >= 64 || bits == 0 ? 0 : 64 - bits;
    push(signed ? v << unused >> unused : v << unused >>> unused);
  }

  private void arithmetic(int op) {
    long b = pop();
    long a = pop();
    switch (op) {
      case 0x02 -> push(a + b);
      case 0x03 -> push(a - b);
      case 0x04 -> push(a * b);
      case 0x05 -> push(a / b);
      case 0x06 -> push(Long.divideUnsigned(a, b));
      case 0x07 -> push(a % b);
      case 0x08 -> push(Long.remainderUnsigned(a, b));
      case 0x09 -> push(b > 63 || b < 0 ? 0 : a << b);
      case 0x0A -> push(a >> Math.min(b & Long.MAX_VALUE, 63));
      case 0x0B -> push(b > 63 || b < 0 ? 0 : a >>> b);
      case 0x0F -> push(a & b);
      case 0x10 -> push(a | b);
      case 0x11 -> push(a ^ b);
      case 0x13 -> push(a == b);
      case 0x14 -> push(a < b);
      default -> push(Long.compareUnsigned(a, b) < 0);
    }
  }
}
