package dev.vesper.machine.flow;

import dev.vesper.x86.Opcode;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** How an instruction moves labels. */
enum FlowClass {
  /** Nothing that is tracked. */
  NONE,
  /** Bytes of the second operand become those of the first; what is wider is zero. */
  MOVE,
  /** The same with a sign. */
  MOVE_SIGNED,
  REVERSE,
  ADDRESS,
  /** Each byte of the result is made of all bytes so far up: sums. */
  SUM,
  /** Each byte of the result is made of the bytes at its place. */
  BITWISE,
  /** INC, DEC, NEG and NOT. */
  UNARY,
  SHIFT,
  /** Flags are made of all operands, which are compared. */
  COMPARE,
  MULTIPLY,
  SIGN_SPREAD,
  EXCHANGE,
  EXCHANGE_ADD,
  COMPARE_EXCHANGE,
  COMPARE_EXCHANGE_WIDE,
  CONDITIONAL_MOVE,
  FLAGS_TO_BYTE,
  BRANCH,
  COUNT_BRANCH,
  JUMP,
  CALL,
  RETURN,
  INTERRUPT_RETURN,
  PUSH,
  POP,
  PUSH_ALL,
  POP_ALL,
  PUSH_FLAGS,
  POP_FLAGS,
  ENTER,
  LEAVE,
  STRING,
  TABLE_BYTE,
  LOAD_FLAGS,
  STORE_FLAGS,
  CONSTANT_FLAGS,
  /** General registers are what nobody has chosen: CPUID and its like. */
  CONSTANT_REGISTERS,
  /** The operand is what nobody has chosen. */
  CONSTANT,
  RANDOM,
  READ_MSR,
  WRITE_MSR,
  SYSTEM_CALL,
  VECTOR_MOVE,
  VECTOR_LOW,
  VECTOR_HALF,
  VECTOR_BITWISE,
  VECTOR_ZERO,
  VECTOR_COMPARE,
  VECTOR_STORE_MASKED,
  /** A position in RCX, or a mask in XMM0. */
  VECTOR_INDEX,
  X87,
  SAVE,
  RESTORE,
  /** The first operand is made of all of the others, and of itself. */
  JOIN,
  /** The first operand is made of all of the others alone. */
  JOIN_PURE,
  /** The same, and so are the flags. */
  JOIN_FLAGS;

  private static final Pattern VECTOR_MOVES =
      Pattern.compile(
          "v?(movap[sd]|movup[sd]|movdq[au](8|16|32|64)?|lddqu"
              + "|movnt(dq|dqa|p[sd]|q|i|s[sd])|mov[dq])");
  private static final Pattern VECTOR_HALVES = Pattern.compile("v?mov([hl]p[sd]|hlps|lhps)");
  private static final Pattern VECTOR_BITS =
      Pattern.compile("v?(p(and|andn|or|xor)[dq]?|(and|andn|or|xor)p[sd])");
  private static final Pattern VECTOR_COMPARES =
      Pattern.compile("v?(u?comis[sd]|ptest|testp[sd])|k(or)?test[bwdq]");
  private static final Pattern PURE =
      Pattern.compile(
          "pshuf[dwhl].*|cvt.*|sqrt.*|rcp.*|rsqrt.*|pabs.|pmov[sz]x..|p?movmsk.*|p?extr.*|extractps"
              + "|movddup|mov.hdup|movsldup|phminposuw|aesimc|aeskeygenassist|round[ps].|movq2dq"
              + "|movdq2q|rorx|sarx|shlx|shrx|pdep|pext|kmov.|knot.|rdpid");
  private static final Pattern ALWAYS_READS =
      Pattern.compile(
          "vf(n?m(add|sub)|maddsub|msubadd).*|vpdp.*|vdpbf16ps|vp(ermt2|ermi2|ternlog).*"
              + "|vpmadd52.*|vpsh[lr]dv.*|vp?(gather|scatter).*");
  private static final Set<String> PURE_FLAGS =
      Set.of(
          "bsf", "bsr", "lzcnt", "tzcnt", "popcnt", "andn", "bextr", "blsi", "blsmsk", "blsr",
          "bzhi");
  private static final Set<String> JOIN_ALL =
      Set.of(
          "adcx", "adox", "shld", "shrd", "bts", "btr", "btc", "crc32", "aaa", "aas", "aad", "aam",
          "daa", "das");

  /** {@return the class of a form} */
  static FlowClass of(Opcode form) {
    FlowClass general = general(form);
    if (general != null) {
      return general;
    }
    String m = form.mnemonic;
    if (VECTOR_MOVES.matcher(m).matches()) {
      return VECTOR_MOVE;
    }
    if (VECTOR_HALVES.matcher(m).matches()) {
      return VECTOR_HALF;
    }
    if (VECTOR_BITS.matcher(m).matches()) {
      return VECTOR_BITWISE;
    }
    if (VECTOR_COMPARES.matcher(m).matches()) {
      return VECTOR_COMPARE;
    }
    if (m.contains("pcmpestr") || m.contains("pcmpistr")) {
      return VECTOR_INDEX;
    }
    if (PURE_FLAGS.contains(m)) {
      return JOIN_FLAGS;
    }
    if (m.charAt(0) == 'f' || m.equals("emms")) {
      return form.mnemonic.equals("fxsave")
          ? SAVE
          : form.mnemonic.equals("fxrstor") ? RESTORE : X87;
    }
    boolean threeOperands = m.charAt(0) == 'v' && !ALWAYS_READS.matcher(m).matches();
    return threeOperands || PURE.matcher(m).matches() ? JOIN_PURE : JOIN;
  }

  private static FlowClass moves(Opcode form) {
    for (OperandSpec o : form.operands) {
      OperandKind k = o.kind();
      if (k == OperandKind.CONTROL || k == OperandKind.DEBUG || k == OperandKind.SEGMENT) {
        return form.operands.get(0) == o ? NONE : CONSTANT;
      }
    }
    return MOVE;
  }

  private static @Nullable FlowClass general(Opcode form) {
    boolean oneOperand = form.operands.size() == 1;
    return switch (form.operation) {
      case ADD, ADC, SBB, SUB -> SUM;
      case OR, AND, XOR -> BITWISE;
      case CMP, TEST, BT -> COMPARE;
      case INC, DEC, NOT, NEG -> UNARY;
      case ROL, ROR, RCL, RCR, SHL, SHR, SAR -> SHIFT;
      case MOV -> moves(form);
      case MOVZX -> MOVE;
      case MOVSX -> MOVE_SIGNED;
      case LEA -> ADDRESS;
      case XCHG -> EXCHANGE;
      case XADD -> EXCHANGE_ADD;
      case CMPXCHG -> COMPARE_EXCHANGE;
      case BSWAP -> REVERSE;
      case IMUL -> oneOperand ? MULTIPLY : form.operands.size() == 2 ? JOIN : JOIN_PURE;
      case MUL -> MULTIPLY;
      case BSF, BSR -> JOIN_FLAGS;
      case CWDE, CDQE, CDQ, CQO -> SIGN_SPREAD;
      case PUSH -> PUSH;
      case POP -> POP;
      case LEAVE -> LEAVE;
      case JMP -> JUMP;
      case CALL -> CALL;
      case RET -> RETURN;
      case JCC -> BRANCH;
      case JCXZ, LOOP, LOOPE, LOOPNE -> COUNT_BRANCH;
      case CMOVCC -> CONDITIONAL_MOVE;
      case SETCC -> FLAGS_TO_BYTE;
      case MOVS, CMPS, SCAS, LODS, STOS -> STRING;
      case HINT -> NONE;
      case OTHER -> other(form.mnemonic, form);
    };
  }

  private static @Nullable FlowClass other(String m, Opcode form) {
    return switch (m) {
      case "movbe" -> REVERSE;
      case "div", "idiv", "mulx" -> MULTIPLY;
      case "cbw", "cwd" -> SIGN_SPREAD;
      case "cmpxchg8b", "cmpxchg16b" -> COMPARE_EXCHANGE_WIDE;
      case "retf" -> RETURN;
      case "iret" -> INTERRUPT_RETURN;
      case "callf" -> CALL;
      case "jmpf" -> JUMP;
      case "pusha" -> PUSH_ALL;
      case "popa" -> POP_ALL;
      case "pushf" -> PUSH_FLAGS;
      case "popf" -> POP_FLAGS;
      case "enter" -> ENTER;
      case "ins" -> STRING;
      case "xlat" -> TABLE_BYTE;
      case "sahf" -> LOAD_FLAGS;
      case "lahf", "salc" -> STORE_FLAGS;
      case "clc", "stc", "cmc", "verr", "verw" -> CONSTANT_FLAGS;
      case "cpuid",
          "rdtsc",
          "rdtscp",
          "rdpmc",
          "rdpru",
          "xgetbv",
          "rdpkru",
          "pvalidate",
          "rmpadjust",
          "rmpquery" ->
          CONSTANT_REGISTERS;
      case "in",
          "sgdt",
          "sidt",
          "sldt",
          "str",
          "smsw",
          "stmxcsr",
          "vstmxcsr",
          "rdfsbase",
          "rdgsbase",
          "lar",
          "lsl",
          "fnstsw",
          "fnstcw",
          "clzero" ->
          m.equals("clzero") ? NONE : CONSTANT;
      case "rdrand", "rdseed" -> RANDOM;
      case "rdmsr" -> READ_MSR;
      case "wrmsr" -> WRITE_MSR;
      case "syscall" -> SYSTEM_CALL;
      case "movss", "movsd", "vmovss", "vmovsd" -> VECTOR_LOW;
      case "vzeroall", "vzeroupper" -> VECTOR_ZERO;
      case "maskmovq", "maskmovdqu", "vmaskmovdqu" -> VECTOR_STORE_MASKED;
      case "xsave", "xsavec", "xsaveopt", "xsaves" -> SAVE;
      case "xrstor", "xrstors" -> RESTORE;
      default -> JOIN_ALL.contains(m) ? JOIN : system(m, form) ? NONE : null;
    };
  }

  /** {@return whether an instruction does nothing to what is tracked} */
  private static boolean system(String m, Opcode form) {
    return form.operands.isEmpty() && m.charAt(0) != 'f' && m.charAt(0) != 'v'
        || Set.of(
                "invlpg",
                "invpcid",
                "clflush",
                "clflushopt",
                "clwb",
                "lgdt",
                "lidt",
                "lldt",
                "ltr",
                "lmsw",
                "ldmxcsr",
                "vldmxcsr",
                "wrfsbase",
                "wrgsbase",
                "int",
                "int1",
                "int3",
                "into",
                "outs",
                "out",
                "bound",
                "arpl",
                "cli",
                "sti",
                "lds",
                "les",
                "lfs",
                "lgs",
                "lss",
                "ud0",
                "ud1",
                "ud2",
                "vmgexit",
                "vmmcall",
                "vmload",
                "vmsave",
                "vmrun",
                "psmash",
                "rmpupdate",
                "rmpread")
            .contains(m);
  }
}
