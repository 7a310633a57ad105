package dev.vesper.machine.cpu.emit;

import dev.vesper.x86.Opcode;
import dev.vesper.x86.OperandKind;
import dev.vesper.x86.OperandSpec;
import dev.vesper.x86.Operation;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What emission asks of a form, found out once: a boot emits three hundred thousand instructions of
 * some hundred forms.
 *
 * @param known whether it is written again with other registers, as most are
 * @param firstWritten whether it writes its first operand
 * @param firstSet whether that is set whatever was in it
 * @param alignedWithVex whether memory must be aligned where the form has VEX
 * @param unaligned whether memory need not be aligned where it has not
 * @param emptiesVectors VZEROUPPER or VZEROALL
 * @param usesOffset whether an operand's address is in the instruction, without ModRM
 * @param prefix F2 or F3 where the form demands it, else 0
 * @param digit whether ModRM.reg is a part of the opcode, if there is ModRM
 * @param countsByCl whether CL counts
 * @param shifts whether it shifts by a count
 */
record Traits(
    boolean known,
    boolean firstWritten,
    boolean firstSet,
    boolean alignedWithVex,
    boolean unaligned,
    boolean emptiesVectors,
    boolean usesOffset,
    int prefix,
    boolean digit,
    boolean countsByCl,
    boolean shifts) {
  /**
   * General-purpose instructions without a name among {@link Operation}s that are written again.
   */
  private static final Set<String> INTEGER =
      Set.of(
          "shld", "shrd", "bts", "btr", "btc", "tzcnt", "lzcnt", "popcnt", "movbe", "crc32", "adcx",
          "adox", "andn", "bextr", "blsi", "blsr", "blsmsk", "bzhi", "mulx", "pdep", "pext", "rorx",
          "sarx", "shlx", "shrx", "movnti");

  /**
   * Vector instructions that are left to the interpreter: approximations, whose tables differ from
   * processor to processor; what touches memory by a mask or through RDI.
   */
  private static final Set<String> NOT_VECTOR =
      Set.of(
          "rsqrtss",
          "rsqrtps",
          "rcpss",
          "rcpps",
          "vrsqrtss",
          "vrsqrtps",
          "vrcpss",
          "vrcpps",
          "maskmovdqu",
          "vmaskmovdqu",
          "vmaskmovps",
          "vmaskmovpd",
          "vpmaskmovd",
          "vpmaskmovq");

  /** Without VEX: operands of sixteen bytes that need no alignment. */
  private static final Set<String> UNALIGNED = Set.of("movups", "movupd", "movdqu", "lddqu");

  /** With VEX: operands that need it. */
  private static final Set<String> ALIGNED =
      Set.of("vmovaps", "vmovapd", "vmovdqa", "vmovntps", "vmovntpd", "vmovntdq", "vmovntdqa");

  /** What reads its first operand and does not write it. */
  private static final Set<String> FIRST_READ = Set.of("cmp", "test", "bt", "mul");

  /** What sets its first operand whatever was in it. */
  private static final Set<String> FIRST_SET =
      Set.of(
          "mov", "movzx", "movsx", "movsxd", "popcnt", "tzcnt", "lzcnt", "movbe", "andn", "bextr",
          "blsi", "blsr", "blsmsk", "bzhi", "mulx", "pdep", "pext", "rorx", "sarx", "shlx", "shrx");

  /** Of no form. */
  static final Traits NONE =
      new Traits(false, false, false, false, false, false, false, 0, false, false, false);

  /** Forms are objects that there is one of each. */
  private static final Map<Opcode, Traits> ALL = new ConcurrentHashMap<>();

  static Traits of(Opcode form) {
    Traits t = ALL.get(form);
    return t != null ? t : ALL.computeIfAbsent(form, Traits::find);
  }

  private static Traits find(Opcode form) {
    String m = form.mnemonic;
    boolean offset = false;
    boolean register = false;
    boolean cl = false;
    for (OperandSpec o : form.operands) {
      offset |= o.kind() == OperandKind.OFFSET;
      register |= o.kind() == OperandKind.REG;
      cl |= o.kind() == OperandKind.FIXED && o.reg().index() == 1;
    }
    boolean oneOperandMultiply = form.operation == Operation.IMUL && form.operands.size() == 1;
    return new Traits(
        isKnown(form),
        !FIRST_READ.contains(m) && !oneOperandMultiply,
        FIRST_SET.contains(m),
        ALIGNED.contains(m),
        UNALIGNED.contains(m),
        m.equals("vzeroupper") || m.equals("vzeroall"),
        offset,
        form.encoding.startsWith("F2 ") ? 0xF2 : form.encoding.startsWith("F3 ") ? 0xF3 : 0,
        !register,
        cl,
        switch (form.operation) {
          case ROL, ROR, RCL, RCR, SHL, SHR, SAR -> true;
          default -> m.equals("shld") || m.equals("shrd");
        });
  }

  private static boolean isKnown(Opcode form) {
    return switch (form.operation) {
      case ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST -> true;
      case INC, DEC, NOT, NEG, ROL, ROR, RCL, RCR, SHL, SHR, SAR -> true;
      case MOV, MOVZX, MOVSX, XADD, CMPXCHG, IMUL, MUL, BT, BSF, BSR, CMOVCC, SETCC -> true;
      case OTHER -> INTEGER.contains(form.mnemonic) || isVector(form);
      default -> false;
    };
  }

  /** {@return whether a form compares strings: such ones have results in RCX} */
  private static boolean comparesStrings(Opcode form) {
    String m = form.mnemonic;
    int v = m.startsWith("v") ? 1 : 0;
    return m.startsWith("pcmpestr", v) || m.startsWith("pcmpistr", v);
  }

  private static boolean isVector(Opcode form) {
    if (NOT_VECTOR.contains(form.mnemonic) || comparesStrings(form) || form.hasVectorIndex()) {
      return false;
    }
    if (form.mnemonic.equals("vzeroupper") || form.mnemonic.equals("vzeroall")) {
      return true;
    }
    for (OperandSpec s : form.operands) {
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
}
