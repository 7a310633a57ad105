package dev.vesper.machine.cpu.jit;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Op;
import dev.vesper.machine.cpu.Region;
import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Insn;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.lang.classfile.attribute.StackMapFrameInfo;
import java.lang.classfile.attribute.StackMapFrameInfo.ObjectVerificationTypeInfo;
import java.lang.classfile.attribute.StackMapFrameInfo.SimpleVerificationTypeInfo;
import java.lang.classfile.attribute.StackMapFrameInfo.VerificationTypeInfo;
import java.lang.classfile.attribute.StackMapTableAttribute;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.util.ArrayList;
import java.util.List;

/**
 * What all emission shares: local variables, registers, operands, exits.
 *
 * <p>Guest registers that the region uses and the description of the flags live in locals, loaded
 * at the entry and stored at the one exit. The operand stack is empty at every label.
 */
final class Emitter {
  private static final ClassDesc CPU = Cpu.class.describeConstable().orElseThrow();
  private static final ClassDesc REGION = Region.class.describeConstable().orElseThrow();
  private static final ClassDesc OP = Op.class.describeConstable().orElseThrow();
  private static final ClassDesc ACCESS = ClassDesc.of(Access.class.getName());
  static final ClassDesc FLAGS = ClassDesc.of(LazyFlags.class.getName());
  static final ClassDesc LONG = ConstantDescs.CD_long;
  static final ClassDesc INT = ConstantDescs.CD_int;
  static final ClassDesc BOOLEAN = ConstantDescs.CD_boolean;
  private static final ClassDesc VOID = ConstantDescs.CD_void;
  private static final ClassDesc LONGS = LONG.arrayType();

  private static final VerificationTypeInfo INTEGER = SimpleVerificationTypeInfo.INTEGER;
  private static final VerificationTypeInfo SELF =
      ObjectVerificationTypeInfo.of(RegionTranslator.NAME);
  private static final VerificationTypeInfo CPU_TYPE = ObjectVerificationTypeInfo.of(CPU);

  // Local variables. 0 is the region, 1 the processor, 2 what is left of the budget. What only
  // exits need is not kept in one but read again there: HotSpot has 15 registers to give.
  private static final int CPU_VAR = 1;
  private static final int LEFT = 2;
  private static final int TARGET = 3;
  private static final int RESULT = 4;
  static final int KIND = 5;
  private static final int REGS = 6;
  private static final int EPOCH = 7;
  private static final int READ_TAGS = 9;
  private static final int WRITE_TAGS = 11;
  private static final int HOST = 13;
  private static final int ENTRY = 15;
  static final int FR = 17;
  static final int FA = 19;
  static final int FB = 21;
  static final int FX = 23;

  /** Linear address of the memory operand. */
  static final int ADDRESS = 25;

  /** Work space of one instruction. */
  static final int T1 = 27;

  static final int T2 = 29;
  static final int COUNT = 31;
  private static final int GPR = 32;

  static final int RAX = 0;
  static final int RCX = 1;
  static final int RDX = 2;
  static final int RSP = 4;
  static final int RBP = 5;
  static final long LOW32 = 0xFFFF_FFFFL;

  final CodeBuilder code;
  final boolean wide;

  /** Width of code in bytes: of branches, and of the stack but in 16-bit code. */
  final int width;

  final FlagState flags = new FlagState();
  private final boolean[] used = new boolean[16];
  private final boolean[] written = new boolean[16];
  private final List<Runnable> deferred = new ArrayList<>();
  private final List<Label> bound = new ArrayList<>();
  private final List<StackMapFrameInfo> frames = new ArrayList<>();
  private final Label prologue;
  private final Label tail;
  private final Label tailWithRip;

  // Where code is being emitted.
  private int block;
  private int blockLength;
  private int pageBase;
  private int index;
  private Op op;
  Insn in = new Insn();

  /** Where the instruction being emitted is given back to the interpreter; made when needed. */
  private @org.jspecify.annotations.Nullable Label giveUp;

  /** The region moves a 32-bit stack pointer. */
  boolean stack32;

  Emitter(CodeBuilder code, int codeMode, Op first) {
    this.code = code;
    wide = codeMode >> 1 == 2;
    width = wide ? 8 : (codeMode & 2) != 0 ? 4 : 2;
    prologue = code.newLabel();
    tail = code.newLabel();
    tailWithRip = code.newLabel();
    op = first;
  }

  // ---- the frame of the method

  void begin(int need) {
    code.iload(LEFT).loadConstant(need).if_icmpge(prologue);
    code.iconst_m1().ireturn();
    frames.add(StackMapFrameInfo.of(prologue, List.of(SELF, CPU_TYPE, INTEGER), List.of()));
  }

  /** Emits what was put off, the exit and the entry. */
  void end(Label first) {
    // What is put off may put off more.
    for (int i = 0; i < deferred.size(); i++) {
      deferred.get(i).run();
    }
    bind(tail);
    code.aload(CPU_VAR).aload(CPU_VAR).getfield(CPU, "r", LONGS).bipush(CpuState.PAGE).laload();
    code.iload(TARGET).i2l().ladd();
    if (!wide) {
      code.loadConstant(LOW32).land();
    }
    code.putfield(CPU, "rip", LONG);
    bind(tailWithRip);
    storeRegisters();
    storeFlags();
    code.aload(CPU_VAR).aload(CPU_VAR).getfield(CPU, "regionEnd", LONG);
    code.iload(LEFT).i2l().lsub().putfield(CPU, "icount", LONG);
    code.iload(RESULT).ireturn();
    code.labelBinding(prologue);
    code.iconst_0().istore(TARGET);
    code.iconst_m1().istore(RESULT);
    table("readTags", READ_TAGS);
    table("writeTags", WRITE_TAGS);
    table("hostTable", HOST);
    code.aload(CPU_VAR).getfield(CPU, "codeEpoch", INT).istore(EPOCH);
    code.aload(CPU_VAR).aload(CPU_VAR).getfield(CPU, "icount", LONG);
    code.iload(LEFT).i2l().ladd().putfield(CPU, "regionEnd", LONG);
    code.aload(CPU_VAR).getfield(CPU, "r", LONGS).bipush(CpuState.PAGE).laload().lstore(ENTRY);
    // Every label sees the same variables, which is what the verifier is told.
    for (int v : new int[] {FB, ADDRESS, T1, T2}) {
      code.lconst_0().lstore(v);
    }
    code.iconst_0().istore(COUNT);
    loadRegisters();
    loadFlags();
    code.goto_(first);
    List<VerificationTypeInfo> variables = variables();
    for (Label l : bound) {
      frames.add(StackMapFrameInfo.of(l, variables, List.of()));
    }
    code.with(StackMapTableAttribute.of(frames));
  }

  /**
   * Begins what is jumped to; the operand stack is empty there. Each label has a place of its own,
   * because the verifier is told of each.
   */
  void bind(Label l) {
    code.labelBinding(l).nop();
    bound.add(l);
  }

  /** {@return the types of the local variables between prologue and exit} */
  private List<VerificationTypeInfo> variables() {
    List<VerificationTypeInfo> v = new ArrayList<>(List.of(SELF, CPU_TYPE));
    for (int slot = LEFT; slot < REGS; slot++) {
      v.add(INTEGER);
    }
    v.add(ObjectVerificationTypeInfo.of(LONGS));
    v.addAll(List.of(INTEGER, SimpleVerificationTypeInfo.TOP));
    for (int slot = READ_TAGS; slot < COUNT; slot += 2) {
      v.add(SimpleVerificationTypeInfo.LONG);
    }
    v.add(INTEGER);
    int unused = 0;
    for (boolean u : used) {
      if (!u) {
        unused += 2;
        continue;
      }
      for (; unused > 0; unused--) {
        v.add(SimpleVerificationTypeInfo.TOP);
      }
      v.add(SimpleVerificationTypeInfo.LONG);
    }
    return v;
  }

  private void table(String method, int variable) {
    code.aload(CPU_VAR).invokevirtual(CPU, method, MethodTypeDesc.of(LONG)).lstore(variable);
  }

  private void loadRegisters() {
    code.aload(CPU_VAR).getfield(CPU, "r", LONGS).astore(REGS);
    for (int i = 0; i < 16; i++) {
      if (used[i]) {
        code.aload(REGS).loadConstant(i).laload().lstore(GPR + 2 * i);
      }
    }
  }

  private void storeRegisters() {
    code.aload(CPU_VAR).getfield(CPU, "r", LONGS).astore(REGS);
    for (int i = 0; i < 16; i++) {
      if (written[i]) {
        code.aload(REGS).loadConstant(i).lload(GPR + 2 * i).lastore();
      }
    }
  }

  private void loadFlags() {
    code.aload(CPU_VAR).getfield(CPU, "fRes", LONG).lstore(FR);
    code.aload(CPU_VAR).getfield(CPU, "fCv", LONG).lstore(FA);
    code.aload(CPU_VAR).getfield(CPU, "fAx", LONG).lstore(FX);
    code.iconst_0().istore(KIND);
  }

  private void storeFlags() {
    code.aload(CPU_VAR).iload(KIND).lload(FR).lload(FA).lload(FB).lload(FX);
    code.invokestatic(FLAGS, "store", MethodTypeDesc.of(VOID, CPU, INT, LONG, LONG, LONG, LONG));
  }

  // ---- where we are

  void startBlock(int number, int length, int base) {
    block = number;
    blockLength = length;
    pageBase = base;
    code.iinc(LEFT, -length);
  }

  void startOp(int i, Op o) {
    index = i;
    op = o;
    in = o.insn;
    giveUp = null;
  }

  // ---- exits

  /** {@return where the interpreter takes over before this instruction} */
  Label giveUp() {
    Label l = giveUp;
    if (l == null) {
      l = code.newLabel();
      giveUp = l;
      resumeAt(l, index);
    }
    return l;
  }

  private void resumeAt(Label l, int from) {
    FlagState s = new FlagState();
    s.copy(flags);
    int number = block;
    int length = blockLength;
    deferred.add(
        () -> {
          bind(l);
          sync(s);
          code.iinc(LEFT, length);
          code.loadConstant(number << 6 | from).istore(RESULT);
          code.goto_(tail);
        });
  }

  /**
   * Leaves the region for an address of the code; the flags' kind must be in its variable.
   *
   * @param offset from the start of the page that is executed
   */
  void leaveFor(int offset) {
    code.loadConstant(offset).istore(TARGET).goto_(tail);
  }

  /** Leaves the region for the address in a variable. */
  void leaveForVariable(int variable) {
    code.aload(CPU_VAR).lload(variable).putfield(CPU, "rip", LONG).goto_(tailWithRip);
  }

  /** Leaves the region for {@link CpuState#rip}. */
  void leaveForRip() {
    code.goto_(tailWithRip);
  }

  /** Counts the edge to a place. */
  void coverPlace(int place) {
    code.aload(CPU_VAR);
    ripOfPlace(place);
    covers();
  }

  /** Counts the edge to the RIP in a variable. */
  void coverVariable(int variable) {
    code.aload(CPU_VAR).lload(variable);
    covers();
  }

  /** Counts the edge to the processor's RIP. */
  void coverRip() {
    code.aload(CPU_VAR).aload(CPU_VAR).getfield(CPU, "rip", LONG);
    covers();
  }

  private void covers() {
    code.invokevirtual(CPU, "wentTo", MethodTypeDesc.of(VOID, LONG));
  }

  /** Puts code behind the region's blocks. */
  void later(Runnable r) {
    deferred.add(r);
  }

  /** Goes to a stub if fewer instructions are left than a pass may take. */
  void checkBudget(int need, Label stub) {
    code.iload(LEFT).loadConstant(need).if_icmplt(stub);
  }

  /** Makes another page the current one, or goes to a stub. */
  void enterPage(int number, Label stub) {
    code.aload(0).aload(CPU_VAR).loadConstant(number).lload(ENTRY);
    code.invokevirtual(REGION, "enter", MethodTypeDesc.of(BOOLEAN, CPU, INT, LONG)).ifeq(stub);
  }

  /** Sets the result of a page that could not be entered. */
  void resultOfPage(int number) {
    code.aload(0).loadConstant(number);
    code.invokevirtual(REGION, "refusal", MethodTypeDesc.of(INT, INT)).istore(RESULT);
  }

  /**
   * Puts the kind of the flags into its variable if it is known only here. Values that the kind
   * does not use are cleared, so that nothing has to be kept or computed for them.
   */
  void sync(FlagState s) {
    if (s.known) {
      code.loadConstant(s.kind).istore(KIND);
      int unused = LazyFlags.unused(s.kind);
      for (int i = 0; i < 3; i++) {
        if ((unused >> i & 1) != 0) {
          code.lconst_0().lstore(FA + 2 * i);
        }
      }
    }
  }

  void sync() {
    sync(flags);
  }

  // ---- operations executed by their own method

  /** Executes the instruction by its operation; everything in locals is stored and loaded again. */
  void call() {
    Label there = code.newLabel();
    Label back = code.newLabel();
    sync();
    code.goto_(there);
    int number = block;
    int length = blockLength;
    int at = index;
    Label dropped = at == length - 1 ? null : code.newLabel();
    deferred.add(
        () -> {
          bind(there);
          storeRegisters();
          storeFlags();
          code.aload(0).aload(CPU_VAR).loadConstant(number).loadConstant(at);
          code.aload(CPU_VAR).getfield(CPU, "regionEnd", LONG);
          code.iload(LEFT).loadConstant(length).iadd().i2l().lsub();
          code.invokevirtual(REGION, "calling", MethodTypeDesc.of(VOID, CPU, INT, INT, LONG));
          code.aload(0).getfield(REGION, "ops", OP.arrayType(2)).loadConstant(number).aaload();
          code.loadConstant(at).aaload().aload(CPU_VAR);
          code.invokevirtual(OP, "exec", MethodTypeDesc.of(VOID, CPU));
          loadRegisters();
          loadFlags();
          if (dropped != null) {
            checkEpoch(dropped);
          }
          code.goto_(back);
        });
    flags.set(LazyFlags.RAW, false);
    if (dropped != null) {
      resumeAt(dropped, at + 1);
    }
    bind(back);
  }

  /** Goes to a stub if code was dropped since the region was entered. */
  void checkEpoch(Label stub) {
    code.aload(CPU_VAR).getfield(CPU, "codeEpoch", INT).iload(EPOCH).if_icmpne(stub);
  }

  // ---- registers

  private int variable(int register) {
    used[register] = true;
    return GPR + 2 * register;
  }

  /** Pushes a whole register. */
  void get(int register) {
    code.lload(variable(register));
  }

  /** Pops a whole register. */
  void set(int register) {
    code.lstore(variable(register));
    written[register] = true;
  }

  /** Pushes a register, sign-extended; of 8 bits in the code of {@link CpuState#reg8}. */
  void getSigned(int register, int bytes) {
    if (bytes == 1 && register >= 32) {
      get(register - 32);
      code.bipush(8).lushr();
    } else {
      get(register);
    }
    narrow(bytes);
  }

  /** Pushes a register, zero-extended. */
  void getUnsigned(int register, int bytes) {
    if (bytes == 1 && register >= 32) {
      get(register - 32);
      code.bipush(8).lushr();
    } else {
      get(register);
    }
    zeroExtend(bytes);
  }

  /** Pops a register of a width: 32 bits clear the upper half, less is merged. */
  void set(int register, int bytes) {
    switch (bytes) {
      case 8 -> set(register);
      case 4 -> {
        code.loadConstant(LOW32).land();
        set(register);
      }
      case 2 -> merge(register, 0xFFFF, 0);
      default -> {
        if (register >= 32) {
          merge(register - 32, 0xFF, 8);
        } else {
          merge(register, 0xFF, 0);
        }
      }
    }
  }

  private void merge(int register, long mask, int shift) {
    code.loadConstant(mask).land();
    if (shift != 0) {
      code.bipush(shift).lshl();
    }
    get(register);
    code.loadConstant(~(mask << shift)).land().lor();
    set(register);
  }

  /** Makes the long on the stack the sign extension of its low bytes. */
  void narrow(int bytes) {
    switch (bytes) {
      case 1 -> code.l2i().i2b().i2l();
      case 2 -> code.l2i().i2s().i2l();
      case 4 -> code.l2i().i2l();
      default -> {
        // all of it counts
      }
    }
  }

  /** Makes the long on the stack the zero extension of its low bytes. */
  void zeroExtend(int bytes) {
    if (bytes < 8) {
      code.loadConstant((1L << 8 * bytes) - 1).land();
    }
  }

  /** {@return the ModRM.reg or .rm register in the code of {@link CpuState#reg8} for bytes} */
  int numbered(int register, int bytes) {
    return bytes == 1 && in.rex == 0 && register >= 4 && register < 8 ? 28 + register : register;
  }

  // ---- memory

  /** {@return whether the memory operand needs no check of a segment} */
  boolean plainMemory() {
    if (in.form().hasVectorIndex()) {
      return false;
    }
    int seg = in.segment();
    return wide || flat && seg <= CpuState.DS && seg != CpuState.CS;
  }

  /** DS, ES and SS cover all of memory. */
  boolean flat;

  /** Pushes the offset of the memory operand. */
  void effectiveAddress() {
    long disp = in.disp;
    boolean any = false;
    if (in.base == Insn.RIP) {
      code.lload(ENTRY);
      disp += pageBase + op.next;
      any = true;
    } else if (in.base != Insn.NO_REG) {
      get(in.base);
      any = true;
    }
    if (in.index != Insn.NO_REG) {
      get(in.index);
      if (in.scale != 0) {
        code.loadConstant(in.scale).lshl();
      }
      if (any) {
        code.ladd();
      }
      any = true;
    }
    if (!any) {
      code.loadConstant(disp & in.addressMask());
      return;
    }
    if (disp != 0) {
      code.loadConstant(disp).ladd();
    }
    if (in.asize != 8) {
      code.loadConstant(in.addressMask()).land();
    }
  }

  /** Pushes the linear address of the memory operand. */
  private void linearAddress() {
    effectiveAddress();
    int seg = in.segment();
    if (wide && seg >= CpuState.FS) {
      code.aload(CPU_VAR).getfield(CPU, "segBase", LONGS).loadConstant(seg).laload().ladd();
    }
  }

  /** Computes the address of the memory operand and makes sure that it can be read or written. */
  void operand(int bytes, boolean write) {
    linearAddress();
    code.lstore(ADDRESS);
    probe(ADDRESS, bytes, write);
  }

  /** Gives up unless the bytes at an address can be reached. */
  void probe(int variable, int bytes, boolean write) {
    code.lload(write ? WRITE_TAGS : READ_TAGS).lload(variable);
    code.invokestatic(ACCESS, "hit" + bytes, MethodTypeDesc.of(BOOLEAN, LONG, LONG));
    code.ifeq(giveUp());
  }

  /** Pushes what is at an address that was probed, sign-extended. */
  void load(int variable, int bytes) {
    code.lload(HOST).lload(variable);
    code.invokestatic(ACCESS, "get" + bytes, MethodTypeDesc.of(LONG, LONG, LONG));
  }

  /** Stores a variable at an address that was probed. */
  void store(int variable, int bytes, int value) {
    code.lload(HOST).lload(variable).lload(value);
    code.invokestatic(ACCESS, "put" + bytes, MethodTypeDesc.of(VOID, LONG, LONG, LONG));
  }

  /** Puts a variable into the operand: memory that was probed for writing, or a register. */
  void result(boolean memory, int register, int bytes, int variable) {
    if (memory) {
      store(ADDRESS, bytes, variable);
    } else {
      code.lload(variable);
      set(register, bytes);
    }
  }

  // ---- the stack of near transfers and PUSH and POP

  /** {@return whether the stack can be moved without looking at SS} */
  boolean plainStack() {
    if (wide) {
      return in.osize == 8;
    }
    if (width == 4 && in.osize == 4 && flat) {
      stack32 = true;
      return true;
    }
    return false;
  }

  /** Computes RSP minus one slot into {@link #ADDRESS} and makes sure that it can be written. */
  void slotBelow() {
    get(RSP);
    code.loadConstant((long) -width).ladd();
    stackPointer();
    code.lstore(ADDRESS);
    probe(ADDRESS, width, true);
  }

  /** Keeps the stack pointer on the operand stack inside its width. */
  void stackPointer() {
    if (!wide) {
      code.loadConstant(LOW32).land();
    }
  }

  /** Computes RSP into {@link #ADDRESS} and makes sure that a slot can be read. */
  void slotAtTop() {
    get(RSP);
    stackPointer();
    code.lstore(ADDRESS);
    probe(ADDRESS, width, false);
  }

  /** Sets RSP to {@link #ADDRESS} plus a distance. */
  void moveStack(long distance) {
    code.lload(ADDRESS);
    if (distance != 0) {
      code.loadConstant(distance).ladd();
      stackPointer();
    }
    set(RSP);
  }

  // ---- code addresses

  /** Pushes the RIP that belongs to an offset in the current page. */
  void rip(int offset) {
    ripOfPlace(pageBase + offset);
  }

  void ripOfPlace(int place) {
    code.lload(ENTRY).loadConstant((long) place).ladd();
    if (!wide) {
      code.loadConstant(LOW32).land();
    }
  }

  /** Pushes the RIP behind this instruction. */
  void nextRip() {
    rip(op.next);
  }

  /** Gives up unless the code address in a variable may be jumped to. */
  void checkTarget(int variable) {
    checkTarget(variable, giveUp());
  }

  /** Gets {@link CpuState#rip} into a variable. */
  void ripTo(int variable) {
    code.aload(CPU_VAR).getfield(CPU, "rip", LONG).lstore(variable);
  }

  void checkTarget(int variable, Label otherwise) {
    code.aload(CPU_VAR).lload(variable);
    code.invokevirtual(CPU, "reachable", MethodTypeDesc.of(BOOLEAN, LONG)).ifeq(otherwise);
  }

  /** {@return the size of a page: places of one page share what is above} */
  static int pageOf(int place) {
    return place & -Page.SIZE;
  }
}
