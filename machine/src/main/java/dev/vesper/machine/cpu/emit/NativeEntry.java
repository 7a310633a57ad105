package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.R8;
import static dev.vesper.machine.cpu.emit.HostAssembler.RAX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RBX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDI;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RSI;

import dev.vesper.machine.memory.LazyMemory;
import dev.vesper.machine.memory.NativeFunction;
import dev.vesper.machine.memory.RawMemory;
import dev.vesper.machine.memory.SystemCall;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The way from Java into native code, one for the whole process, and what the computer's processor
 * says of itself.
 */
final class NativeEntry {
  private static final int BYTES = 4096;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  /** The number of arch_prctl(2), and its command that sets the base of GS. */
  private static final long ARCH_PRCTL = 158;

  private static final long ARCH_SET_GS = 0x1001;

  /** Kept because the code stays mapped as long as somebody has it. */
  @SuppressWarnings("UnusedVariable")
  private final CodeMemory memory;

  private final MethodHandle enter;
  private final HostFeatures features;

  /** What the way in needs of the processor, by the names of the opcode table. */
  private static final List<String> NEEDED = List.of("bmi2", "avx", "lahf_lm");

  /** What was found: the way in, or why there is none. */
  private record Attempt(@Nullable NativeEntry entry, String lack) {}

  private static final Attempt ATTEMPT = make();

  private static final @Nullable NativeEntry THE = ATTEMPT.entry;

  /** What {@link #enter} calls: constant, so that HotSpot puts the call in line. */
  private static final @Nullable MethodHandle ENTER = THE == null ? null : THE.enter;

  private NativeEntry(CodeMemory memory, MethodHandle enter, HostFeatures features) {
    this.memory = memory;
    this.enter = enter;
    this.features = features;
  }

  /** {@return the way in, or null where there can be no native code} */
  static @Nullable NativeEntry get() {
    return THE;
  }

  HostFeatures features() {
    return features;
  }

  /** {@return why there can be no native code, or null if there can} */
  static @Nullable String lack() {
    return THE == null ? ATTEMPT.lack : null;
  }

  private static Attempt make() {
    if (!CodeMemory.supported()) {
      return new Attempt(null, "only Linux on x86-64 has it");
    }
    CodeMemory m = CodeMemory.of(BYTES);
    if (m == null) {
      return new Attempt(null, "the system gives no executable memory");
    }
    if (!Pointer.mayBeSet()) {
      return new Attempt(null, "the system lets no program set the base of GS");
    }
    HostAssembler a = new HostAssembler();
    Stubs stubs = new Stubs(a);
    int cpuid = a.position();
    cpuid(a);
    int xgetbv = a.position();
    xgetbv(a);
    long base = m.next();
    m.add(a.bytes(), a.position());
    Linker linker = Linker.nativeLinker();
    HostFeatures features = HostFeatures.read(new Identification(base + cpuid, base + xgetbv));
    for (String f : NEEDED) {
      if (!features.has(f)) {
        return new Attempt(null, "the processor lacks " + f);
      }
    }
    ValueLayout pointer = ValueLayout.ADDRESS;
    MethodHandle enter =
        linker.downcallHandle(
            MemorySegment.ofAddress(base + stubs.enter),
            FunctionDescriptor.of(ValueLayout.JAVA_INT, pointer, pointer, pointer, LONG),
            Linker.Option.critical(true));
    return new Attempt(new NativeEntry(m, enter, features), "");
  }

  /** What GS points to in a thread, which nothing but native code uses. */
  static final class Pointer {
    private static final ThreadLocal<Pointer> OF_THREAD = ThreadLocal.withInitial(Pointer::new);

    private long state;

    /** {@return whether the system lets it be set: to what it is in a thread that never did} */
    static boolean mayBeSet() {
      return SystemCall.call(ARCH_PRCTL, ARCH_SET_GS, 0, 0, 0, 0, 0) != SystemCall.FAILED;
    }

    /** {@return that of the current thread} */
    static Pointer current() {
      return OF_THREAD.get();
    }

    /**
     * Lets GS of the current thread, whose pointer this must be, point to a state block.
     *
     * @return false if the system refuses
     */
    boolean set(long to) {
      if (state != to) {
        if (SystemCall.call(ARCH_PRCTL, ARCH_SET_GS, to, 0, 0, 0, 0) == SystemCall.FAILED) {
          return false;
        }
        state = to;
      }
      return true;
    }
  }

  /** RDI: leaf, RSI: subleaf, RDX: where EAX, EBX, ECX and EDX go. */
  private static void cpuid(HostAssembler a) {
    a.b(0x53);
    a.move(RAX, RDI);
    a.move(RCX, RSI);
    a.move(R8, RDX);
    a.b(0x0F);
    a.b(0xA2);
    int at = 0;
    for (int r : new int[] {RAX, RBX, RCX, RDX}) {
      a.memory(R8, at).store32(r);
      at += 4;
    }
    a.b(0x5B);
    a.b(0xC3);
  }

  /** RDX: where the low half of XCR0 goes. */
  private static void xgetbv(HostAssembler a) {
    a.move(R8, RDX);
    a.constant(RCX, 0);
    a.b(0x0F);
    a.b(0x01);
    a.b(0xD0);
    a.memory(R8, 0).store32(RAX);
    a.b(0xC3);
  }

  /** CPUID and XGETBV of the computer. */
  private static final class Identification implements HostFeatures.Source {
    private final NativeFunction cpuid;
    private final NativeFunction xgetbv;
    private final MemorySegment out = LazyMemory.map(BYTES);

    Identification(long cpuidAt, long xgetbvAt) {
      cpuid = NativeFunction.at(MemorySegment.ofAddress(cpuidAt));
      xgetbv = NativeFunction.at(MemorySegment.ofAddress(xgetbvAt));
    }

    /** {@return a register of those that a function has written} */
    private int ask(NativeFunction function, long leaf, long subleaf, int register) {
      function.call(leaf, subleaf, out.address());
      return RawMemory.get32(out.address() + 4L * register);
    }

    @Override
    public int cpuid(int leaf, int subleaf, int register) {
      return ask(cpuid, leaf, subleaf, register);
    }

    @Override
    public int xcr0() {
      return ask(xgetbv, 0, 0, 0);
    }
  }

  /** Enters native code: see {@link Stubs}. GS must point to the state block. */
  static int enter(MemorySegment r, MemorySegment xmm, MemorySegment ymmh, long target) {
    MethodHandle handle = ENTER;
    if (handle == null) {
      throw new AssertionError("no native code here");
    }
    try {
      return (int) handle.invokeExact(r, xmm, ymmh, target);
    } catch (Error | RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
