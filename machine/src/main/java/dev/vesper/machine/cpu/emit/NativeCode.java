package dev.vesper.machine.cpu.emit;

import dev.vesper.machine.cpu.Block;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.KnownBlock;
import dev.vesper.machine.cpu.NativeBlock;
import dev.vesper.machine.cpu.NativeState;
import dev.vesper.machine.cpu.NativeTier;
import dev.vesper.machine.memory.Page;
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
  private @Nullable CodeStore store;

  /** Code that is taken out of the store. */
  private byte[] kept = new byte[1 << 12];

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
    emitter = new BlockEmitter(host, guest, tries);
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

  /** Uses code that is kept, and adds what is made; no more with null. */
  public void keepIn(@Nullable KeptCode kept) {
    keepIn(kept == null ? null : kept.store());
  }

  /** Uses code of a store, and adds what is made. */
  void keepIn(@Nullable CodeStore to) {
    store = to;
  }

  @Override
  public void cover(boolean on) {
    if (emitter.covers() != on) {
      emitter.cover(on);
      forgetAll();
    }
  }

  /** {@return where code is kept, if what is made now is like that} Kept code counts no edges. */
  private @Nullable CodeStore usable() {
    return emitter.covers() ? null : store;
  }

  @Override
  public @Nullable KnownBlock known(Page page, int start, int mode, int kind) {
    CodeStore s = usable();
    long r = s == null ? 0 : s.find(page, null, start, mode, kind);
    return r == 0 ? null : CodeStore.known(r);
  }

  @Override
  public @Nullable NativeBlock translate(Block block, int kind) {
    CodeStore s = usable();
    long found = 0;
    if (s != null) {
      KnownBlock known = block.known();
      found =
          known != null && known.kind() == kind
              ? known.record()
              : s.find(block.page, block.second, block.start, block.mode, kind);
    }
    // A block that ends where the processor may pause is not what runs without such points have.
    long r = found != 0 && CodeStore.isOf(found, block) ? found : 0;
    CodeStore.Translation t;
    byte[] code;
    int length;
    if (r != 0) {
      t = CodeStore.translation(r);
      length = CodeStore.codeLength(r);
      if (kept.length < length) {
        kept = new byte[2 * length];
      }
      code = kept;
      CodeStore.code(r, code);
    } else {
      emitter.emit(block, kind);
      t = emitter.translation();
      code = emitter.a.bytes();
      length = emitter.a.position();
      if (s != null && found == 0 && block.valid(block.length() - 1)) {
        KnownBlock k =
            new KnownBlock(
                block.length(), block.span(), block.transfers, block.indirect(), kind, 0);
        s.add(block.page, block.second, block.start, block.mode, kind, k, t, code, length);
      }
    }
    if (!memory.hasRoom(length)) {
      forgetAll();
      return null;
    }
    return install(block, kind, t, code, length);
  }

  private NativeBlock install(
      Block block, int kind, CodeStore.Translation t, byte[] code, int length) {
    long at = memory.next();
    long leave = stubsAt + stubs.leave;
    long load = stubsAt + stubs.loadVectors;
    BlockEmitter.place(code, length, count, at, leave, t.loadsVectors() ? load : 0);
    memory.add(code, length);
    long[] jumps = new long[t.jumps().length];
    for (int i = 0; i < jumps.length; i++) {
      jumps[i] = at + t.jumps()[i];
    }
    NativeBlock made =
        new NativeBlock(block, kind, count, at, t.resume(), t.sse(), t.avx(), jumps, t.targets());
    Inspector i = inspector;
    if (i != null) {
      i.emitted(made, code, length, leave, load);
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
