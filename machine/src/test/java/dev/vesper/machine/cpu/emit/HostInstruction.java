package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.RAX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RSP;

import dev.vesper.machine.cpu.NativeState;
import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Operation;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One instruction of native code that computes something, for {@link EmissionVerifier}: whether it
 * may be there, and what is known after it.
 */
final class HostInstruction {
  /** General instructions without a name among {@link Operation}s that only compute. */
  private static final Set<String> INTEGER =
      Set.of(
          "shld",
          "shrd",
          "bts",
          "btr",
          "btc",
          "tzcnt",
          "lzcnt",
          "popcnt",
          "movbe",
          "crc32",
          "adcx",
          "adox",
          "andn",
          "bextr",
          "blsi",
          "blsr",
          "blsmsk",
          "bzhi",
          "mulx",
          "pdep",
          "pext",
          "rorx",
          "sarx",
          "shlx",
          "shrx",
          "movnti",
          "cbw",
          "cwd",
          "lahf",
          "sahf",
          "clc",
          "stc",
          "cmc",
          "cmpxchg8b",
          "cmpxchg16b");

  /** Vector instructions that access memory which no operand names, or more than the bytes say. */
  private static final Set<String> ELSEWHERE =
      Set.of("maskmovdqu", "vmaskmovdqu", "vmaskmovps", "vmaskmovpd", "vpmaskmovd", "vpmaskmovq");

  /** Without VEX: operands of sixteen bytes that need no alignment (AMD APM volume 2, 8.2.14). */
  private static final Set<String> UNALIGNED = Set.of("movups", "movupd", "movdqu", "lddqu");

  /** With VEX: operands that need it. */
  private static final Set<String> ALIGNED =
      Set.of("vmovaps", "vmovapd", "vmovdqa", "vmovntps", "vmovntpd", "vmovntdq", "vmovntdqa");

  /** What writes none of its operands. */
  private static final Set<String> READS =
      Set.of("cmp", "test", "bt", "mul", "div", "idiv", "jmp", "comiss", "comisd");

  private static final int FIELD_BYTES = 8;
  private static final int SELECTOR_BYTES = 2;
  private static final int SELECTORS = 6;

  /** Fields that code may write besides guest registers. */
  private static final Set<Integer> WRITABLE =
      Set.of(
          NativeState.PAGE,
          NativeState.RIP,
          NativeState.EFLAGS,
          NativeState.STRING_CHECK,
          NativeState.FS_BASE,
          NativeState.GS_BASE,
          NativeState.SHADOW,
          NativeState.KERNEL_GS_BASE,
          NativeState.RESUME,
          NativeState.EDGE_FROM,
          NativeState.TEMPORARY,
          NativeState.TEMPORARY_2,
          NativeState.KEPT_FLAGS,
          NativeState.KEPT_COUNT,
          NativeState.KEPT_RAX);

  private static final int GUEST_REGISTERS_IN_MEMORY = 5;
  private static final int ABOVE = 7;
  private static final int PAGE_SHIFT = 12;

  private final EmissionVerifier verifier;
  private final Knowledge k;
  private final Insn in;
  private final int at;

  HostInstruction(EmissionVerifier verifier, Knowledge k, Insn in, int at) {
    this.verifier = verifier;
    this.k = k;
    this.in = in;
    this.at = at;
  }

  private void demand(boolean good, String otherwise) {
    verifier.demand(good, at, otherwise);
  }

  /** Checks it, and changes what is known as it changes registers. */
  void execute(Knowledge.@Nullable Comparison compared) {
    if (in.mnemonic().equals("pushf")) {
      k.pushed = true;
      return;
    }
    boolean vector = isVector();
    demand(vector || isInteger(), "an instruction that code has no use for");
    if (vector) {
      demand(!in.form().hasVectorIndex(), "an address for each element");
      demand(!ELSEWHERE.contains(in.mnemonic()), "memory that no operand names");
      demand(!in.mnemonic().matches("v?pcmp[ei]str.*"), "a result in a register of another");
      demand(k.facts.contains(new Fact.Loaded(in.vex)), "vector registers may not be loaded");
    }
    Value loaded = in.mem ? access(vector) : null;
    if (in.mnemonic().equals("div") || in.mnemonic().equals("idiv")) {
      divide();
    }
    if (!known(loaded, compared)) {
      forgetWhatIsWritten();
    }
  }

  private boolean isVector() {
    if (in.mnemonic().startsWith("vzero")) {
      return true;
    }
    for (OperandSpec s : in.form().operands) {
      switch (s.kind()) {
        case VECTOR, VECTOR_RM, VECTOR_RM_REGISTER, VECTOR_VVVV -> {
          return true;
        }
        default -> {
          // others decide
        }
      }
    }
    return false;
  }

  private boolean isInteger() {
    for (OperandSpec s : in.form().operands) {
      switch (s.kind()) {
        case RM, RM_REGISTER, REG, OPCODE_REGISTER, VVVV, IMMEDIATE, ONE, FIXED, MEMORY -> {
          // general registers and memory
        }
        default -> {
          return false;
        }
      }
    }
    return switch (in.operation()) {
      case ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, INC, DEC, NOT, NEG -> true;
      case ROL, ROR, RCL, RCR, SHL, SHR, SAR, MOV, MOVZX, MOVSX, XCHG, XADD, CMPXCHG -> true;
      case BSWAP, IMUL, MUL, BT, BSF, BSR, CWDE, CDQE, CDQ, CQO, CMOVCC, SETCC -> true;
      case OTHER ->
          INTEGER.contains(in.mnemonic())
              || in.mnemonic().equals("div")
              || in.mnemonic().equals("idiv");
      default -> false;
    };
  }

  // ---- memory

  private OperandSpec memoryOperand() {
    for (OperandSpec s : in.form().operands) {
      switch (s.kind()) {
        case RM, MEMORY, VECTOR_RM -> {
          return s;
        }
        default -> {
          // a register
        }
      }
    }
    throw verifier.bad(at, "memory that no operand names");
  }

  private boolean writes(OperandSpec s) {
    boolean oneOperandMultiply = in.operation() == Operation.IMUL && in.form().operands.size() == 1;
    return in.form().operands.get(0) == s && !READS.contains(in.mnemonic()) && !oneOperandMultiply;
  }

  /** {@return what is known of what the memory operand holds, which may be accessed} */
  private Value access(boolean vector) {
    OperandSpec s = memoryOperand();
    int bytes = in.form().memBytes != 0 ? in.form().memBytes : s.bytes(in);
    demand(bytes > 0, "an operand of no size");
    boolean bits =
        in.mnemonic().startsWith("bt") && in.form().operands.get(1).kind() == OperandKind.REG;
    demand(!bits || isBitOf(bytes), "a bit of a string that may lie anywhere");
    boolean write = writes(s);
    if (in.segOverride == 5) {
      return stateBlock(bytes, write);
    }
    if (isCounter()) {
      demand(bytes == 1, "more than one counter");
      return new Value.Unknown(at, -1);
    }
    Value of = guestMemory();
    demand(k.hits(write, of, (int) in.disp + bytes), "guest memory that was not looked up");
    boolean aligned =
        in.mnemonic().equals("cmpxchg16b")
            || vector
                && (in.vex
                    ? ALIGNED.contains(in.mnemonic())
                    : bytes == 16 && !UNALIGNED.contains(in.mnemonic()));
    demand(!aligned || in.disp == 0 && k.aligned(of, bytes), "an operand that may not be aligned");
    return new Value.Unknown(at, -1);
  }

  /** {@return whether the operand is a counter of edges, by an index that has sixteen bits} */
  private boolean isCounter() {
    return in.asize == 8
        && in.disp == 0
        && in.scale == 0
        && in.base >= 0
        && in.base < 16
        && in.index != Insn.NO_REG
        && k.register(in.base) instanceof Value.EdgeCounters
        && k.register(in.index) instanceof Value.Low16;
  }

  /** {@return whether the operand is what a counter of edges will be, by what it is} */
  private boolean isNextCount(int bytes, boolean write) {
    return (int) in.disp == NativeState.NEXT_COUNTS
        && in.scale == 0
        && bytes == 1
        && !write
        && k.register(in.index) instanceof Value.Byte;
  }

  /** {@return whether the number of a bit is one of an operand of so many bytes} */
  private boolean isBitOf(int bytes) {
    return in.segOverride != 5
        && reg() instanceof Value.Extracted e
        && e.mask() == Byte.SIZE * bytes - 1;
  }

  /** {@return what a jump through memory goes to} */
  Value load(int bytes) {
    demand(in.segOverride == 5, "a jump through guest memory");
    return stateBlock(bytes, false);
  }

  /** {@return the guest's address of the memory operand} */
  private Value guestMemory() {
    boolean near = in.disp >= 0 && in.disp < Page.SIZE;
    demand(in.asize == 8 && near && in.scale == 0, "an address");
    demand(in.base >= 0 && in.base < 16, "an address");
    Value base = k.register(in.base);
    if (in.index == Insn.NO_REG) {
      if (base instanceof Value.Found f) {
        return f.of();
      }
      throw verifier.bad(at, "memory that nothing was found in");
    }
    Value index = k.register(in.index);
    if (index instanceof Value.Addend d && d.of().equals(base)) {
      return base;
    }
    if (base instanceof Value.Addend d && d.of().equals(index)) {
      return index;
    }
    throw verifier.bad(at, "memory that nothing was found in");
  }

  private Value stateBlock(int bytes, boolean write) {
    demand(in.asize == 8 && in.base == Insn.NO_REG, "an address in the state block");
    int offset = (int) in.disp;
    if (in.index != Insn.NO_REG) {
      if (isNextCount(bytes, write)) {
        return new Value.Unknown(at, -1);
      }
      demand(in.scale == 3 && bytes == FIELD_BYTES && !write, "an access to a table");
      return table(offset, k.register(in.index));
    }
    boolean selector =
        !write
            && bytes == SELECTOR_BYTES
            && offset % SELECTOR_BYTES == 0
            && offset >= NativeState.SELECTORS
            && offset < NativeState.SELECTORS + SELECTORS * SELECTOR_BYTES;
    boolean field =
        selector
            || offset >= 0
                && offset < NativeState.TABLES
                && offset % FIELD_BYTES == 0
                && bytes <= FIELD_BYTES;
    demand(field, "an address in the state block");
    if (write) {
      boolean own = offset < NativeState.R11 + FIELD_BYTES * GUEST_REGISTERS_IN_MEMORY;
      demand(own || WRITABLE.contains(offset), "a field that code must not write");
      k.setField(offset, new Value.Unknown(at, offset));
    }
    if (offset == NativeState.SSE || offset == NativeState.AVX) {
      return new Value.VectorState(offset == NativeState.AVX);
    }
    if (offset == NativeState.EDGE_MAP) {
      return new Value.EdgeCounters();
    }
    Value v = k.field(offset);
    return v == null ? new Value.Unknown(at, -1) : v;
  }

  private Value table(int offset, Value index) {
    int kind = verifier.block().kind();
    if (index instanceof Value.TlbIndex i) {
      if (offset == NativeState.readTags(kind) || offset == NativeState.writeTags(kind)) {
        return new Value.Tag(offset == NativeState.writeTags(kind), i.of());
      }
      if (offset == NativeState.hostTable(kind)) {
        return new Value.Addend(i.of());
      }
    }
    if (index instanceof Value.JumpIndex i) {
      if (offset == NativeState.jumpCache(kind)) {
        return new Value.JumpTag(i.of());
      }
      if (offset == NativeState.jumpCache(kind) + FIELD_BYTES) {
        return new Value.JumpCode(i.of());
      }
    }
    throw verifier.bad(at, "an access to a table");
  }

  // ---- what is known afterwards

  private void divide() {
    int bytes = in.form().operands.get(0).bytes(in);
    demand(!in.mem && bytes >= 4, "a divisor that was not tested");
    Value divisor = k.register(in.rm);
    Value high = k.register(RDX);
    if (in.mnemonic().equals("div")) {
      demand(k.facts.contains(new Fact.Below(high, divisor, bytes)), "a quotient may not fit");
      return;
    }
    Value sign = new Value.Sign(k.register(RAX), bytes);
    demand(k.facts.contains(new Fact.Equal(sign, high, bytes)), "a quotient may not fit");
    demand(k.facts.contains(new Fact.Divides(divisor, bytes)), "a quotient may not exist");
  }

  private Value reg() {
    return k.register(in.reg);
  }

  private Value rm() {
    return k.register(in.rm);
  }

  private void set(int register, @Nullable Value v) {
    verifier.write(k, register, v == null ? new Value.Unknown(at, register) : v, at);
  }

  /** {@return whether the instruction is one whose result is followed} */
  private boolean known(@Nullable Value loaded, Knowledge.@Nullable Comparison compared) {
    return switch (in.operation()) {
      case MOV -> move(loaded);
      case MOVZX -> zeroExtend();
      case CMP -> compare();
      case XOR -> invert();
      case AND -> mask();
      case SHR, SAR -> shift();
      case CMOVCC -> least(compared);
      case OTHER ->
          switch (in.mnemonic()) {
            case "pext" -> extract(loaded);
            case "rorx" -> rotate();
            default -> shiftX();
          };
      default -> false;
    };
  }

  /** RORX of 64 bits by sixteen. */
  private boolean rotate() {
    boolean known = !in.mem && in.osize == 8 && in.imm == 16;
    if (known) {
      set(in.reg, new Value.Rotated(rm()));
    }
    return known;
  }

  /** PEXT by a mask of the state block. */
  private boolean extract(@Nullable Value loaded) {
    if (loaded instanceof Value.Constant c && in.osize == 8) {
      set(in.reg, new Value.Extracted(at, c.value()));
      return true;
    }
    return false;
  }

  private boolean move(@Nullable Value loaded) {
    OperandSpec to = in.form().operands.get(0);
    OperandSpec from = in.form().operands.get(1);
    int bytes = to.bytes(in);
    if (from.kind() == OperandKind.IMMEDIATE) {
      Value v = new Value.Constant(bytes == 8 ? in.imm : in.imm & 0xFFFF_FFFFL);
      if (in.mem) {
        if (in.segOverride == 5 && bytes == 8) {
          k.setField((int) in.disp, v);
        }
      } else if (bytes >= 4) {
        set(in.rm, v);
      } else {
        return false;
      }
      return true;
    }
    boolean load = to.kind() == OperandKind.REG;
    if (in.mem && !load) {
      if (in.segOverride == 5 && bytes == 8) {
        k.setField((int) in.disp, reg());
      }
      return true;
    }
    if (bytes < 8) {
      return false;
    }
    if (load) {
      set(in.reg, in.mem ? loaded : rm());
    } else {
      set(in.rm, reg());
    }
    return true;
  }

  private boolean zeroExtend() {
    if (in.mem && in.osize >= 4 && in.form().operands.get(1).bytes(in) == 1) {
      set(in.reg, new Value.Byte(at));
      return true;
    }
    if (in.mem || in.osize < 4 || in.form().operands.get(1).bytes(in) != 2) {
      return false;
    }
    Value v = rm();
    set(in.reg, v instanceof Value.PageNumber p ? new Value.TlbIndex(p.of()) : new Value.Low16(v));
    return true;
  }

  private boolean compare() {
    OperandSpec one = in.form().operands.get(0);
    OperandSpec other = in.form().operands.get(1);
    int bytes = one.bytes(in);
    if (!in.mem && bytes >= 4) {
      Value a = one.kind() == OperandKind.REG ? reg() : rm();
      Value b =
          other.kind() == OperandKind.IMMEDIATE
              ? new Value.Constant(in.imm)
              : other.kind() == OperandKind.REG ? reg() : rm();
      if (one.kind() != OperandKind.FIXED) {
        k.comparison = new Knowledge.Comparison(a, b, bytes);
      }
    }
    return true;
  }

  private boolean invert() {
    boolean all =
        !in.mem
            && in.osize == 8
            && in.form().operands.get(1).kind() == OperandKind.REG
            && in.form().operands.get(0).bytes(in) == 8
            && rm().equals(new Value.Constant(-1));
    if (all) {
      set(in.rm, new Value.Inverse(reg()));
    }
    return all;
  }

  private boolean mask() {
    boolean low =
        !in.mem
            && in.form().operands.get(0).kind() == OperandKind.RM
            && in.form().operands.get(0).bytes(in) >= 4
            && in.form().operands.get(1).kind() == OperandKind.IMMEDIATE
            && in.imm == Page.SIZE - 1;
    if (low && rm() instanceof Value.Inverse i) {
      set(in.rm, new Value.Behind(i.of()));
      return true;
    }
    return false;
  }

  private boolean shift() {
    int bytes = in.form().operands.get(0).bytes(in);
    if (in.mem || in.form().operands.get(1).kind() != OperandKind.IMMEDIATE || bytes < 4) {
      return false;
    }
    if (in.operation() == Operation.SAR && in.imm == 8 * bytes - 1) {
      set(in.rm, new Value.Sign(rm(), bytes));
      return true;
    }
    if (in.operation() == Operation.SHR && bytes == 8 && rm() instanceof Value.Room r) {
      if (r.shift() == 0 && in.imm < 4) {
        set(in.rm, new Value.Room(r.of(), (int) in.imm));
        return true;
      }
    }
    return false;
  }

  /** {@code CMP a, b; CMOVA a, b}. */
  private boolean least(Knowledge.@Nullable Comparison c) {
    boolean taken =
        c != null
            && !in.mem
            && in.form().condition == ABOVE
            && in.osize == 8
            && c.bytes() == 8
            && c.one().equals(reg())
            && c.other().equals(rm());
    if (taken) {
      Set<Value> all = new HashSet<>(reg().bounds());
      all.addAll(rm().bounds());
      set(in.reg, new Value.Least(Set.copyOf(all)));
    }
    return taken;
  }

  /** SHRX and SHLX by twelve, or by a constant. */
  private boolean shiftX() {
    boolean right = in.mnemonic().equals("shrx");
    if (!right && !in.mnemonic().equals("shlx") || in.mem || in.osize != 8) {
      return false;
    }
    Value v = rm();
    Value count = in.vvvv == RSP ? new Value.Constant(PAGE_SHIFT) : k.register(in.vvvv);
    if (!(count instanceof Value.Constant c)) {
      return false;
    }
    if (c.value() == PAGE_SHIFT) {
      if (right) {
        set(
            in.reg,
            v instanceof Value.TagSum t
                ? new Value.Miss(t.write(), t.of(), t.bytes())
                : new Value.PageNumber(v));
        return true;
      }
      if (v instanceof Value.PageNumber p) {
        set(in.reg, new Value.PageAddress(p.of()));
        return true;
      }
    }
    if (!right && c.value() > 32 && c.value() < 64) {
      set(in.reg, new Value.Misalignment(v, 1L << 64 - c.value()));
      return true;
    }
    return false;
  }

  // ---- what is not

  private void forgetWhatIsWritten() {
    boolean first = true;
    boolean both =
        in.operation() == Operation.XCHG
            || in.operation() == Operation.XADD
            || in.mnemonic().equals("mulx");
    boolean reads =
        READS.contains(in.mnemonic())
            || in.operation() == Operation.IMUL && in.form().operands.size() == 1;
    int n = 0;
    for (OperandSpec s : in.form().operands) {
      if (first && !reads || both && n < 2) {
        forget(s);
      }
      first = false;
      n++;
    }
    switch (in.operation()) {
      case MUL, IMUL -> {
        if (in.form().operands.size() == 1) {
          set(RAX, null);
          set(RDX, null);
        }
      }
      case CWDE, CDQE, CMPXCHG -> set(RAX, null);
      case CDQ, CQO -> set(RDX, null);
      case OTHER -> {
        switch (in.mnemonic()) {
          case "div", "idiv", "cmpxchg8b", "cmpxchg16b" -> {
            set(RAX, null);
            set(RDX, null);
          }
          case "cbw", "lahf" -> set(RAX, null);
          case "cwd" -> set(RDX, null);
          default -> {
            // operands alone
          }
        }
      }
      default -> {
        // operands alone
      }
    }
  }

  private void forget(OperandSpec s) {
    switch (s.kind()) {
      case RM, RM_REGISTER, OPCODE_REGISTER -> {
        if (!in.mem || s.kind() != OperandKind.RM) {
          set(number(in.rm, s), null);
        }
      }
      case REG -> set(number(in.reg, s), null);
      case VVVV -> set(in.vvvv, null);
      case FIXED -> {
        if (!s.reg().name().startsWith("xmm")) {
          set(s.reg().name().startsWith("c") ? RCX : RAX, null);
        }
      }
      default -> {
        // no general register
      }
    }
  }

  /** {@return the register whose high byte a byte register is, or itself} */
  private int number(int register, OperandSpec s) {
    boolean high = s.bytes(in) == 1 && in.rex == 0 && !in.vex && register >= 4 && register < 8;
    return high ? register - 4 : register;
  }
}
