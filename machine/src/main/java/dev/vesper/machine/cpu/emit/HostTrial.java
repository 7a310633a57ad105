package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.RBX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RSI;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Insn;
import dev.vesper.x86.Opcode;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * Instructions that leave flags undefined (AMD APM volume 3), on which processors differ: each form
 * is tried once in a process, when code first needs it, on a processor that interprets and on one
 * that runs native code, with the same operands. Where the flags differ a rule is looked for that
 * makes the computer's flags the interpreter's.
 */
final class HostTrial {
  /** System property: {@code all} has rules applied where none is needed, for tests. */
  static final String PROPERTY = "vesper.flag-rules";

  private static final int SF = 0x8000;
  private static final int ZF = 0x4000;
  private static final int AF = 0x1000;
  private static final int PF = 0x400;
  private static final int CF = 0x100;
  private static final int OF = 1;

  /** All flags. */
  static final int ALL = SF | ZF | AF | PF | CF | OF;

  /** What each instruction leaves undefined. */
  private static final Map<String, Integer> UNDEFINED = new HashMap<>();

  static {
    undefined(ALL, "div", "idiv");
    undefined(CF | OF | SF | AF | PF, "bsf", "bsr");
    undefined(AF | OF, "shl", "shr", "sar", "shld", "shrd");
    undefined(OF, "rol", "ror", "rcl", "rcr");
    undefined(SF | ZF | AF | PF, "mul", "imul");
    undefined(OF | SF | AF | PF, "bt", "bts", "btr", "btc", "tzcnt", "lzcnt");
    undefined(AF | SF | PF, "bextr");
    undefined(AF | PF, "andn", "blsi", "blsr", "blsmsk", "bzhi");
    undefined(AF, "and", "or", "xor", "test");
  }

  private static void undefined(int flags, String... mnemonics) {
    for (String m : mnemonics) {
      UNDEFINED.put(m, flags);
    }
  }

  private static final int CODE = 0x4000;
  private static final int CODE_BYTES = 1 << 16;
  private static final int HLT = 0xF4;
  private static final int EXIT_HLT = 0x78;
  private static final int FRAMES = 8;
  private static final int TRIALS = 40;
  private static final long SEED = 1;

  /** Numbers on which results turn. */
  private static final long[] EDGES = {0, 1, -1, 0x80, 0x8000, 0x8000_0000L, 1L << 63, 0x7F};

  private static final Map<Long, @Nullable FlagRule> RULES = new HashMap<>();
  private static @Nullable HostTrial one;

  private final Cpu interpreting = cpu();
  private final Cpu running = cpu();
  private final HostAssembler a = new HostAssembler();

  private HostTrial(NativeCode raw) {
    running.runNatively(raw);
  }

  private static Cpu cpu() {
    CpuFeatures f = CpuFeatures.ALL;
    PhysicalMemory memory = new PhysicalMemory(FRAMES << 12, 0);
    NestedMap map = frame -> frame >= 0 && frame < FRAMES ? NestedMap.RAM : NestedMap.ABSENT;
    memory.page(1, 0).put64(0, 0x2003L);
    memory.page(2, 0).put64(0, 0x3003L);
    memory.page(3, 0).put64(0, 0x83L);
    Cpu c = new Cpu(memory, map, f, new Interpreter(f), SEED);
    for (int s = 0; s < 6; s++) {
      c.selector[s] = s == CpuState.CS ? 8 : 16;
      c.segBase[s] = 0;
      c.segLimit[s] = 0xFFFF_FFFFL;
      c.segAttr[s] = s == CpuState.CS ? 0xA9B : 0xC93;
    }
    c.cr0 = 0x8000_0033L;
    c.cr4 = CpuState.CR4_OSFXSR | CpuState.CR4_OSXSAVE | CpuState.CR4_PAE;
    c.efer = 0xD01;
    c.xcr0 = 7;
    c.cr3 = 0x1000;
    c.intercepts.exceptions = -1;
    c.intercepts.vector3 = 1 << 24 | 1 << 31;
    c.flushTlb(true);
    c.modeChanged();
    return c;
  }

  /** {@return whether an instruction leaves flags undefined} */
  static boolean concerns(Opcode form) {
    return UNDEFINED.containsKey(form.mnemonic);
  }

  /**
   * {@return the rule for an instruction, or null if none makes the flags the interpreter's}
   *
   * @param encoding the instruction, as it is written for the computer
   * @param mnemonic what that is
   * @param forced whether rules are applied where none is needed
   */
  static synchronized @Nullable FlagRule rule(
      Insn in, Encoding encoding, String mnemonic, boolean forced) {
    int undefined = UNDEFINED.getOrDefault(mnemonic, 0);
    long key = key(in, encoding, forced);
    FlagRule r = RULES.get(key);
    if (r == null && !RULES.containsKey(key)) {
      HostTrial t = one;
      if (t == null) {
        NativeCode raw = NativeCode.raw(CpuFeatures.ALL, CODE_BYTES);
        if (raw == null) {
          return null;
        }
        t = new HostTrial(raw);
        one = t;
      }
      r = t.find(in, encoding, undefined, forced);
      RULES.put(key, r);
    }
    return r;
  }

  /** {@return whether {@link #PROPERTY} has rules applied where none is needed} */
  static boolean isForced() {
    return System.getProperty(PROPERTY, "").equals("all");
  }

  /** {@return what results depend on besides operands: immediates if they count shifts} */
  private static long key(Insn in, Encoding e, boolean forced) {
    int flags =
        (e.vex ? 1 : 0)
            | (e.p66 ? 2 : 0)
            | (e.w ? 4 : 0)
            | (e.l ? 8 : 0)
            | (forced ? 16 : 0)
            | e.pp << 5
            | e.map << 7;
    int digit = hasDigit(in) ? 8 | in.modrm >> 3 & 7 : 0;
    long count = countsByImmediate(in) ? in.imm & 0xFF : 0;
    return flags | e.prefix << 12 | e.opcode << 20 | (long) digit << 28 | count << 32;
  }

  private static boolean countsByImmediate(Insn in) {
    return Traits.of(in.form()).shifts();
  }

  private static boolean hasDigit(Insn in) {
    return in.modrm >= 0 && Traits.of(in.form()).digit();
  }

  /** Writes the instruction with RBX, RDX and RSI as its operands. */
  private void write(Insn in, Encoding e) {
    a.reset();
    if (in.modrm < 0) {
      if (e.p66) {
        a.b(0x66);
      }
      if (e.w) {
        a.b(0x48);
      }
      a.b(e.opcode);
    } else {
      int reg = hasDigit(in) ? in.modrm >> 3 & 7 : RDX;
      a.register(RBX);
      if (e.vex) {
        a.vex(e.pp, e.map, e.w, e.l, e.opcode, reg, RSI);
      } else {
        a.legacy(e.prefix, e.p66, e.w, e.map, e.opcode, reg, false);
      }
    }
    for (int i = e.tail; i < in.bytes.length; i++) {
      a.b(in.bytes[i]);
    }
    a.b(HLT);
  }

  private @Nullable FlagRule find(Insn in, Encoding e, int undefined, boolean forced) {
    write(in, e);
    for (Cpu c : new Cpu[] {interpreting, running}) {
      Page p = c.memory.page(CODE >> 12, 0);
      p.dropCode();
      p.copyFrom(0, a.bytes(), 0, a.position());
    }
    boolean divides = in.mnemonic().endsWith("div");
    Random random = new Random(SEED);
    int differs = 0;
    int kept = ALL;
    int set = ALL;
    int cleared = ALL;
    long[] r = new long[16];
    for (int i = 0; i < TRIALS; i++) {
      for (int g = 0; g < 16; g++) {
        r[g] = random.nextInt(4) == 0 ? EDGES[random.nextInt(EDGES.length)] : random.nextLong();
      }
      if (random.nextBoolean()) {
        r[1] = random.nextInt(70);
      }
      if (divides) {
        r[RDX] = random.nextInt(2);
        r[0] >>>= 40;
      }
      int before = i == 0 ? 0 : i == 1 ? -1 : random.nextInt();
      if (!execute(interpreting, r, before)) {
        continue;
      }
      if (!execute(running, r, before)) {
        return null;
      }
      for (int g = 0; g < 16; g++) {
        if (interpreting.r[g] != running.r[g]) {
          return null;
        }
      }
      if (countIsZero(in, e, (int) r[1])) {
        // Flags stay, whatever the rule is.
        if (flags(interpreting) != flags(running)) {
          return null;
        }
        continue;
      }
      int then = flags(interpreting);
      differs |= then ^ flags(running);
      kept &= ~(then ^ packed(before));
      set &= then;
      cleared &= ~then;
    }
    if ((differs & ~undefined) != 0) {
      return null;
    }
    int wanted = forced ? undefined : differs;
    int cannot = wanted & ~(kept | set | cleared);
    if ((cannot & differs) != 0) {
      return null;
    }
    wanted &= ~cannot;
    int k = wanted & kept;
    int s = wanted & set & ~k;
    return new FlagRule(k, s, wanted & ~k & ~s);
  }

  /** {@return whether an instruction shifts by CL, and by nothing} */
  private static boolean countIsZero(Insn in, Encoding e, int cl) {
    int mask = e.w ? 63 : 31;
    return countsByCl(in) && (cl & mask) == 0;
  }

  /** {@return whether CL counts} */
  static boolean countsByCl(Insn in) {
    return Traits.of(in.form()).countsByCl();
  }

  private static boolean execute(Cpu c, long[] r, int flags) {
    System.arraycopy(r, 0, c.r, 0, 16);
    c.setFlags(flags & CpuState.ARITH | 2);
    c.rip = CODE;
    c.exitCode = 0;
    c.run(c.icount + 100);
    return c.exitCode == EXIT_HLT;
  }

  private static int flags(Cpu c) {
    return packed(c.flags());
  }

  private static int packed(int f) {
    return (f << 8 | f >> 11 & 1) & ALL;
  }
}
