package dev.vesper.machine.cpu.jit;

import dev.vesper.machine.cpu.Block;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Op;
import dev.vesper.machine.memory.Page;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The blocks of a region: what was executed often enough near its head, in the order in which it is
 * laid out. A block's place is its distance in bytes from the head's page.
 */
final class Shape {
  private static final int MAX_PLACES = 48;

  private final Cpu cpu;
  private final int limit;
  private final long entry;
  final List<Block> blocks = new ArrayList<>();
  private final List<Integer> places = new ArrayList<>();
  private final Map<Integer, Integer> numbers = new HashMap<>();
  private final boolean onePage;
  private int instructions;

  /**
   * Chooses.
   *
   * @param limit instructions at most
   * @param onePage whether to stay in the head's page, because code of others keeps changing
   */
  Shape(Cpu cpu, Block head, int limit, boolean onePage) {
    this.onePage = onePage;
    this.cpu = cpu;
    this.limit = limit;
    entry = cpu.r[CpuState.PAGE];
    add(head, head.start);
    for (int i = 0; i < blocks.size() && blocks.size() < MAX_PLACES; i++) {
      grow(i, head);
    }
  }

  private Shape(Shape whole, int limit) {
    cpu = whole.cpu;
    entry = whole.entry;
    onePage = whole.onePage;
    this.limit = limit;
    for (int i = 0; i < whole.blocks.size(); i++) {
      Block b = whole.blocks.get(i);
      if (i > 0 && instructions + b.length() > limit) {
        return;
      }
      add(b, whole.place(i));
    }
  }

  /** {@return its first blocks, which have some instructions at most} */
  Shape upTo(int instructions) {
    return new Shape(this, instructions);
  }

  private void add(Block b, int place) {
    numbers.put(place, blocks.size());
    blocks.add(b);
    places.add(place);
    instructions += b.length();
  }

  private void grow(int i, Block head) {
    Block b = blocks.get(i);
    Op last = b.ops()[b.length() - 1];
    int base = places.get(i) & -Page.SIZE;
    int next = base + last.next;
    if (!b.transfers) {
      if (last.valid && !last.insn.form().endsBlock) {
        offer(next, head);
      }
      return;
    }
    switch (Kinds.transfer(last.insn)) {
      case CONDITIONAL -> {
        // The side that is taken more often is laid out first.
        int target = target(base, last);
        Block x = find(next);
        Block y = find(target);
        boolean jumps = x == null || y != null && y.count > x.count;
        offer(jumps ? target : next, head);
        offer(jumps ? next : target, head);
      }
      case JUMP -> offer(target(base, last), head);
      case CALL -> {
        offer(target(base, last), head);
        offer(next, head);
      }
      case JUMP_INDIRECT -> offerTargets(b, base, head);
      case CALL_INDIRECT -> {
        offerTargets(b, base, head);
        offer(next, head);
      }
      case STRING -> offer(next, head);
      default -> {
        // where it goes is not known
      }
    }
  }

  private void offerTargets(Block b, int base, Block head) {
    for (int t : b.targets()) {
      offer(base + t, head);
    }
  }

  /** {@return where a direct branch goes} */
  static int target(int base, Op branch) {
    return base + branch.next + (int) branch.insn.imm;
  }

  private @Nullable Block find(int place) {
    if ((!cpu.mode64() || onePage) && (place & -Page.SIZE) != 0) {
      return null;
    }
    Block b = cpu.blockAt(entry + place);
    return b == null || b.start != (place & 0xFFF) ? null : b;
  }

  private void offer(int place, Block head) {
    if (numbers.containsKey(place)) {
      return;
    }
    Block b = find(place);
    if (b == null || b.isHead() || b.count < head.count >> 5 || instructions + b.length() > limit) {
      return;
    }
    add(b, place);
  }

  /** {@return the number of the block at a place, or -1} */
  int number(int place) {
    return numbers.getOrDefault(place, -1);
  }

  /** {@return the place of a block} */
  int place(int number) {
    return places.get(number);
  }
}
