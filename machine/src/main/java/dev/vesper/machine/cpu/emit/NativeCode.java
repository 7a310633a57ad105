package dev.vesper.machine.cpu.emit;

import dev.vesper.machine.cpu.Block;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NativeBlock;
import dev.vesper.machine.cpu.NativeState;
import dev.vesper.machine.cpu.NativeTier;
import dev.vesper.machine.memory.RawMemory;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** The native code of a machine, which its processors share. */
public final class NativeCode implements NativeTier {
  /** Code of a machine, in bytes; a boot of Linux needs an eighth of it. */
  private static final int CODE_BYTES = 96 << 20;

  /** Blocks that are translated between two looks. */
  private static final int LOOK = 1 << 14;

  private final CodeMemory memory;
  private final Stubs stubs;
  private final long stubsAt;
  private final int stubsEnd;
  private final BlockEmitter emitter;
  private @Nullable NativeBlock[] blocks = new NativeBlock[1024];
  private int count;

  /** The value of {@link #count} at which to look for blocks that are stale. */
  private int look = LOOK;

  /** The numbers of generations are those of no other machine. */
  private static final AtomicInteger GENERATIONS = new AtomicInteger();

  private int generation = GENERATIONS.incrementAndGet();

  // The registers of the processor that was entered last, as native code is handed them.
  private @Nullable CpuState entered;
  private @Nullable Thread thread;
  private NativeEntry.Pointer pointer = NativeEntry.Pointer.current();
  private MemorySegment registers = MemorySegment.NULL;
  private MemorySegment xmm = MemorySegment.NULL;
  private MemorySegment ymmh = MemorySegment.NULL;

  /** Looks at code before it can be executed. */
  interface Inspector {
    /**
     * A block has been translated.
     *
     * @param code machine code for {@link NativeBlock#entry}; valid during the call only
     * @param leave address of {@link Stubs#leave}
     * @param loadVectors address of {@link Stubs#loadVectors}
     */
    void emitted(NativeBlock made, byte[] code, int length, long leave, long loadVectors);

    /** A jump of one block goes to another from now on. */
    void linked(NativeBlock from, int jump, NativeBlock to);
  }

  /** Set by tests. */
  static volatile @Nullable Inspector inspector;

  private NativeCode(CodeMemory memory, HostFeatures host, CpuFeatures guest, boolean tries) {
    this.memory = memory;
    HostAssembler a = new HostAssembler();
    stubs = new Stubs(a);
    stubsAt = memory.next();
    memory.add(a.bytes(), a.position());
    stubsEnd = memory.used();
    emitter = new BlockEmitter(stubs, host, guest, tries);
  }

  /**
   * {@return native code for a machine, or null where there can be none: on other systems and
   * processors, where the processor lacks BMI2 or AVX, where the system gives no executable memory}
   *
   * @param guest what the guest's processor has
   */
  public static @Nullable NativeCode create(CpuFeatures guest) {
    return create(guest, CODE_BYTES);
  }

  /**
   * {@return the same with a code memory of another size}
   *
   * @param bytes room for the code; when it is full all is forgotten and made again
   */
  public static @Nullable NativeCode create(CpuFeatures guest, int bytes) {
    return create(guest, bytes, true);
  }

  /** {@return code whose undefined flags are the computer's own} */
  static @Nullable NativeCode raw(CpuFeatures guest, int bytes) {
    return create(guest, bytes, false);
  }

  private static @Nullable NativeCode create(CpuFeatures guest, int bytes, boolean tries) {
    NativeEntry entry = NativeEntry.get();
    CodeMemory memory = entry == null ? null : CodeMemory.of(bytes);
    return entry == null || memory == null
        ? null
        : new NativeCode(memory, entry.features(), guest, tries);
  }

  /** {@return why there can be none on this computer, or null if there can} */
  public static @Nullable String lack() {
    return NativeEntry.lack();
  }

  @Override
  public @Nullable NativeBlock translate(Block block, int kind) {
    emitter.emit(block, kind, count);
    HostAssembler a = emitter.a;
    if (!memory.hasRoom(a.position())) {
      forgetAll();
      return null;
    }
    long at = memory.next();
    for (BlockEmitter.StubJump j : emitter.stubJumps()) {
      a.bind32(j.where(), (int) (stubsAt + j.stub() - at));
    }
    memory.add(a.bytes(), a.position());
    long[] jumps = new long[emitter.jumpCount()];
    for (int i = 0; i < jumps.length; i++) {
      jumps[i] = at + emitter.jumps[i];
    }
    NativeBlock made =
        new NativeBlock(
            block,
            kind,
            count,
            at,
            emitter.resume,
            emitter.sse,
            emitter.avx,
            jumps,
            emitter.targets.clone());
    Inspector i = inspector;
    if (i != null) {
      int length = a.position();
      i.emitted(made, a.bytes(), length, stubsAt + stubs.leave, stubsAt + stubs.loadVectors);
    }
    if (count == blocks.length) {
      blocks = Arrays.copyOf(blocks, 2 * count);
    }
    blocks[count++] = made;
    if (count >= look) {
      look = count + LOOK;
      forgetStale();
    }
    return made;
  }

  /**
   * Lets go of blocks whose bytes have changed: nothing leads to their code any more, and they hold
   * decoded instructions, which take more room than the code.
   */
  private void forgetStale() {
    for (int i = 0; i < count; i++) {
      NativeBlock b = blocks[i];
      if (b != null && !b.block().current()) {
        blocks[i] = null;
      }
    }
  }

  private void forgetAll() {
    memory.truncate(stubsEnd);
    Arrays.fill(blocks, 0, count, null);
    count = 0;
    look = LOOK;
    generation = GENERATIONS.incrementAndGet();
  }

  @Override
  public NativeBlock block(int number) {
    NativeBlock b = blocks[number];
    assert b != null : "code without a block";
    return b;
  }

  @Override
  public boolean admits(long state) {
    Thread current = Thread.currentThread();
    if (thread != current) {
      if (current.isVirtual()) {
        return false;
      }
      thread = current;
      pointer = NativeEntry.Pointer.current();
    }
    return pointer.set(state);
  }

  @Override
  public int enter(Cpu cpu, long state, long target, boolean vectors) {
    if (entered != cpu) {
      entered = cpu;
      registers = MemorySegment.ofArray(cpu.r);
      xmm = MemorySegment.ofArray(cpu.xmm);
      ymmh = MemorySegment.ofArray(cpu.ymmh);
    }
    if (!pointer.set(state)) {
      throw new IllegalStateException("arch_prctl(ARCH_SET_GS) is refused where it was not");
    }
    long to = target;
    if (vectors) {
      RawMemory.put64(state + NativeState.TEMPORARY_2, target);
      to = stubsAt + stubs.loadVectorsAndGo;
    }
    return NativeEntry.enter(registers, xmm, ymmh, to);
  }

  @Override
  public void link(NativeBlock from, int jump, NativeBlock to) {
    if (blocks[from.number()] == from) {
      long where = from.jumps()[jump];
      Inspector i = inspector;
      if (i != null) {
        i.linked(from, jump, to);
      }
      memory.patch(where, (int) (to.entry() - where - 4));
    }
  }

  @Override
  public int generation() {
    return generation;
  }
}
