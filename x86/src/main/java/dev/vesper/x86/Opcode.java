package dev.vesper.x86;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.StringTokenizer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** One line of the opcode table: an instruction form. Immutable after loading. */
public final class Opcode {
  /** Any prefix: 66 selects the operand size, F2 and F3 are ignored or mean REP. */
  static final int ANY = -1;

  /** The bytes hold no ModRM. */
  static final int NO_MODRM = 0;

  /** ModRM with both fields free. */
  static final int MODRM = 1;

  /** ModRM whose reg field is part of the opcode. */
  static final int DIGIT = 2;

  /** One ModRM byte, or eight consecutive ones, are part of the opcode. */
  static final int FIXED = 3;

  /** Position in the table; stable within one build. */
  public final int id;

  /** Mnemonic in lower case, in Intel's spelling without a size suffix. */
  public final String mnemonic;

  /** What the form does, if that has a name of its own. */
  public final Operation operation;

  /** The condition of Jcc, CMOVcc and SETcc, as encodings number it; otherwise -1. */
  public final int condition;

  /** Operands in Intel order, destination first. */
  public final List<OperandSpec> operands;

  /** A bit for each kind among the operands: asked for at every execution. */
  private final long kinds;

  private final boolean suppressesFaults;

  /** Operands as the table writes them, or {@code -}. */
  public final String operandText;

  /** Bytes of the encoding as the table writes them, without attributes. */
  public final String encoding;

  /** CPUID feature that the form needs, or null. */
  public final @Nullable String feature;

  /** What the bytes mean to a CPU without {@link #feature}, or null for #UD. */
  public final @Nullable String otherwise;

  final int map; // 0 one byte, 1 0F, 2 0F38, 3 0F3A; +8 for VEX, +16 for EVEX
  final int opcode;
  final int prefix; // ANY, or 0 none, 1 66, 2 F3, 3 F2
  final int modrmKind;
  final int digit; // reg field of DIGIT, first ModRM byte of FIXED
  final boolean plusI; // FIXED: eight ModRM bytes from digit on
  final boolean plusR; // register in the opcode's low bits
  final boolean memOnly;
  final boolean regOnly;
  private final List<Immediate> immediates;
  final boolean lock;
  final boolean lockRegister;
  final boolean not64;
  final boolean only64;
  final boolean default64;
  final int onlyOsize; // 0 any
  final int onlyAsize;
  final int onlyW; // -1 any
  final int vexL; // -1 neither VEX nor EVEX, 0 128, 1 256, 2 any, 3 512
  final boolean rep;
  final boolean repz;
  final boolean modIgnored;
  final boolean alias;
  final boolean noRexB;
  final boolean noRep;

  /** EVEX: bytes of an element, by which masks count and memory is broadcast; 0 for none. */
  public final int elementBytes;

  /** EVEX: bytes of what is broadcast from memory. */
  public final int broadcastBytes;

  /** EVEX: an 8-bit displacement counts in elements, although a whole vector may be moved. */
  final boolean elementwise;

  /** EVEX: what an 8-bit displacement counts in. */
  final Tuple tuple;

  /** EVEX.b with registers chooses a rounding; without this, if allowed, it only suppresses. */
  final boolean embeddedRounding;

  /** EVEX.b with registers suppresses exceptions. */
  final boolean suppressible;

  /** EVEX.aaa must name a mask. */
  final boolean maskRequired;

  /** EVEX.aaa must be zero. */
  final boolean unmasked;

  /** Sizes of memory operands of EVEX forms, as the manuals name them. */
  enum Tuple {
    /** A vector, or one element that is broadcast. */
    FULL,
    /** Half a vector, or one element that is broadcast. */
    HALF,
    /** What the table gives as the operand's size. */
    OPERAND
  }

  /** What indexes the memory operand instead of a general register. */
  final Vsib vsib;

  /** Index registers of VSIB addressing. */
  enum Vsib {
    NONE,
    /** An XMM register, whatever the vector length. */
    XMM,
    /** A register of the vector length. */
    FULL,
    /** A register of half the vector length, at least an XMM register. */
    HALF
  }

  /** Bytes of the memory form where they differ from the register form; 0 where they do not. */
  public final int memBytes;

  /** The instruction ends a translation block. */
  public final boolean endsBlock;

  /**
   * The instruction reads the time: it begins a translation block, whose start has exact counts.
   */
  public final boolean readsTime;

  private static final Set<OperandSize> OF_VECTOR_LENGTH =
      EnumSet.of(OperandSize.VECTOR, OperandSize.HALF_VECTOR, OperandSize.QUARTER_VECTOR);

  /** Operands of EVEX forms that may lie in memory. */
  private static final Set<OperandKind> MEMORY =
      EnumSet.of(OperandKind.VECTOR_RM, OperandKind.MEMORY, OperandKind.RM, OperandKind.MASK_RM);

  private static final Set<OperandKind> VECTORS =
      EnumSet.of(
          OperandKind.VECTOR,
          OperandKind.VECTOR_RM_REGISTER,
          OperandKind.VECTOR_VVVV,
          OperandKind.VECTOR_RM);

  private Opcode(int id, String line) {
    this.id = id;
    int colon = line.indexOf(':');
    String[] head = words(line.substring(0, colon)).toArray(new String[0]);
    mnemonic = head[0];
    operation = Operation.of(mnemonic);
    condition = operation.condition(mnemonic);
    List<OperandSpec> specs = new ArrayList<>();
    if (!head[1].equals("-")) {
      for (String s : head[1].split(",")) {
        specs.add(OperandSpec.parse(s));
      }
    }
    operands = List.copyOf(specs);
    long letters = 0;
    for (OperandSpec s : operands) {
      letters |= 1L << s.kind().ordinal();
    }
    kinds = letters;
    operandText = head[1];
    List<String> tokens = words(line.substring(colon + 1));
    encoding = tokens.stream().filter(Opcode::isEncoding).collect(Collectors.joining(" "));
    int aMap = 0;
    int aOpcode = -1;
    int aPrefix = ANY;
    int kind = NO_MODRM;
    int aDigit = 0;
    boolean aPlusI = false;
    boolean aPlusR = false;
    List<Immediate> imms = new ArrayList<>();
    String feat = null;
    String other = null;
    int osz = 0;
    int asz = 0;
    int w = -1;
    int vex = -1;
    List<String> attrs = new ArrayList<>();
    boolean first = true;
    for (String t : tokens) {
      int mandatory = first ? MANDATORY.indexOf(t) : -1;
      first = false;
      if (mandatory >= 0) {
        aPrefix = mandatory;
        continue;
      }
      switch (t) {
        case "/r" -> kind = MODRM;
        case "os16", "os32", "os64" -> osz = Integer.parseInt(t.substring(2)) / 8;
        case "as16", "as32", "as64" -> asz = Integer.parseInt(t.substring(2)) / 8;
        case "w0" -> w = 0;
        case "w1" -> w = 1;
        case "0F38" -> aMap = 2;
        case "0F3A" -> aMap = 3;
        default -> {
          Immediate immediate = Immediate.of(t);
          if (immediate != null) {
            imms.add(immediate);
          } else if (t.startsWith("feat=")) {
            feat = t.substring(5);
          } else if (t.startsWith("else=")) {
            other = t.substring(5);
          } else if (t.startsWith("VEX.") || t.startsWith("EVEX.")) {
            String[] v = t.split("\\.");
            vex = List.of("128", "256", "LIG", "512").indexOf(v[1]);
            aPrefix = MANDATORY.indexOf(v[2]);
            aMap = (t.charAt(0) == 'E' ? 16 : 8) + List.of("", "0F", "0F38", "0F3A").indexOf(v[3]);
            w = v[4].equals("W0") ? 0 : v[4].equals("W1") ? 1 : -1;
          } else if (t.startsWith("/")) {
            kind = DIGIT;
            aDigit = t.charAt(1) - '0';
          } else if (isByte(t)) {
            int b = Integer.parseInt(t.substring(0, 2), 16);
            if (t.equals("0F") && aMap == 0 && aOpcode < 0) {
              aMap = 1;
            } else if (aOpcode < 0) {
              aOpcode = b;
              aPlusR = t.endsWith("+r");
            } else {
              kind = FIXED;
              aDigit = b;
              aPlusI = t.endsWith("+i");
            }
          } else {
            attrs.add(t);
          }
        }
      }
    }
    if (specs.stream().anyMatch(s -> s.kind() == OperandKind.FAR_POINTER)) {
      imms.add(Immediate.FAR_POINTER);
    }
    map = aMap;
    suppressesFaults = isEvex() && !READ_WHOLE.matcher(mnemonic).matches();
    opcode = aOpcode;
    prefix = aPrefix;
    modrmKind = kind;
    digit = aDigit;
    plusI = aPlusI;
    plusR = aPlusR;
    immediates = List.copyOf(imms);
    feature = feat;
    otherwise = other;
    onlyOsize = osz;
    onlyAsize = asz;
    onlyW = w;
    vexL = vex;
    lock = take(attrs, "lock");
    lockRegister = take(attrs, "lockreg");
    not64 = take(attrs, "i64");
    only64 = take(attrs, "o64");
    default64 = take(attrs, "d64") | take(attrs, "f64");
    rep = take(attrs, "rep");
    repz = take(attrs, "repz");
    modIgnored = take(attrs, "norm");
    alias = take(attrs, "alias");
    noRexB = take(attrs, "nob");
    noRep = take(attrs, "norep");
    tuple = take(attrs, "full") ? Tuple.FULL : take(attrs, "half") ? Tuple.HALF : Tuple.OPERAND;
    embeddedRounding = take(attrs, "er");
    suppressible = take(attrs, "sae") || embeddedRounding;
    maskRequired = take(attrs, "km");
    unmasked = take(attrs, "nk");
    elementBytes =
        take(attrs, "e8")
            ? 1
            : take(attrs, "e16") ? 2 : take(attrs, "e32") ? 4 : take(attrs, "e64") ? 8 : 0;
    broadcastBytes = take(attrs, "bcst32") ? 4 : take(attrs, "bcst64") ? 8 : elementBytes;
    elementwise = take(attrs, "el");
    vsib =
        take(attrs, "vsx")
            ? Vsib.FULL
            : take(attrs, "vsq") ? Vsib.XMM : take(attrs, "vsh") ? Vsib.HALF : Vsib.NONE;
    memBytes = take(attrs, "m16") ? 2 : take(attrs, "m8") ? 1 : 0;
    endsBlock = take(attrs, "end");
    readsTime = take(attrs, "time");
    memOnly = take(attrs, "mem") || kind != NO_MODRM && kind != FIXED && has(OperandKind.MEMORY);
    regOnly =
        take(attrs, "reg")
            || has(OperandKind.MMX_RM_REGISTER)
            || has(OperandKind.VECTOR_RM_REGISTER)
            || has(OperandKind.RM_REGISTER) && !modIgnored;
    int place = aMap * 256 + aOpcode | (aPlusR ? PLACE_PLUS_R : 0);
    if (!attrs.isEmpty() || aOpcode < 0 || place != place(line)) {
      throw new AssertionError("opcode table: cannot read " + line + " " + attrs);
    }
  }

  private static final List<String> MANDATORY = List.of("NP", "66", "F3", "F2");

  /** The slot's bits of {@link #place}. */
  static final int PLACE_SLOT = 0xFFFF;

  private static final int PLACE_PLUS_R = 0x10000;

  /**
   * {@return where a line belongs: map * 256 + opcode byte, and one bit more if the low bits of the
   * opcode are a register} It looks at no more than that, because every start asks of every line.
   */
  static int place(String line) {
    int at = skipSpaces(line, line.indexOf(':') + 1);
    int map = 0;
    if (line.startsWith("EVEX.", at) || line.startsWith("VEX.", at)) {
      int name = line.indexOf("0F", at);
      map = (line.charAt(at) == 'E' ? 16 : 8) + mapNumber(line, name);
      at = skipSpaces(line, line.indexOf(' ', name));
    } else {
      for (String prefix : MANDATORY) {
        if (line.startsWith(prefix, at)) {
          at = skipSpaces(line, at + 2);
          break;
        }
      }
      if (line.startsWith("0F", at)) {
        map = mapNumber(line, at);
        at = skipSpaces(line, at + (map == 1 ? 2 : 4));
      }
    }
    int slot = map * 256 + Integer.parseInt(line, at, at + 2, 16);
    return line.startsWith("+r", at + 2) ? slot | PLACE_PLUS_R : slot;
  }

  private static int mapNumber(String line, int at) {
    return line.startsWith("0F38", at) ? 2 : line.startsWith("0F3A", at) ? 3 : 1;
  }

  private static int skipSpaces(String line, int at) {
    int i = at;
    while (line.charAt(i) == ' ') {
      i++;
    }
    return i;
  }

  // The table is read at every start: no regular expressions.

  private static boolean take(List<String> attributes, String name) {
    return !attributes.isEmpty() && attributes.remove(name);
  }

  private static List<String> words(String text) {
    List<String> words = new ArrayList<>();
    StringTokenizer t = new StringTokenizer(text);
    while (t.hasMoreTokens()) {
      words.add(t.nextToken());
    }
    return words;
  }

  /** {@return whether a token belongs to the encoding: the others are attributes} */
  private static boolean isEncoding(String t) {
    return t.equals("/r") || Immediate.of(t) != null || consistsOf(withoutPlus(t), true);
  }

  /** {@return whether a token is an opcode byte} */
  private static boolean isByte(String t) {
    String b = withoutPlus(t);
    return b.length() == 2 && consistsOf(b, false);
  }

  private static String withoutPlus(String t) {
    return t.endsWith("+r") || t.endsWith("+i") ? t.substring(0, t.length() - 2) : t;
  }

  private static boolean consistsOf(String t, boolean names) {
    for (int i = 0; i < t.length(); i++) {
      char c = t.charAt(i);
      boolean digit = c >= '0' && c <= '9' || c >= 'A' && c <= 'F';
      if (!digit && !(names && (c >= 'A' && c <= 'Z' || c == '.' || c == '/'))) {
        return false;
      }
    }
    return true;
  }

  /** {@return whether VEX.vvvv names an operand; if none, it must be all ones} */
  public boolean usesVvvv() {
    return has(OperandKind.VVVV) || has(OperandKind.VECTOR_VVVV) || has(OperandKind.MASK_VVVV);
  }

  /** {@return the kinds of immediate that end the bytes, in their order} */
  public List<Immediate> immediates() {
    return immediates;
  }

  /** {@return whether ModRM.reg names a vector register, of which EVEX has 32} */
  boolean regIsVector() {
    return has(OperandKind.VECTOR);
  }

  /** {@return whether ModRM.rm can name a vector register} */
  boolean rmIsVector() {
    return has(OperandKind.VECTOR_RM) || has(OperandKind.VECTOR_RM_REGISTER);
  }

  /** {@return whether the length is ignored: the vector operands have a fixed one} */
  boolean vectorScalar() {
    return vexL == 2 && operands.stream().noneMatch(o -> OF_VECTOR_LENGTH.contains(o.size()));
  }

  /** {@return whether ModRM.reg names an opmask register: there are eight} */
  boolean namesMaskInReg() {
    return has(OperandKind.MASK);
  }

  /** {@return whether VEX.vvvv names an opmask register} */
  boolean namesMaskInVvvv() {
    return has(OperandKind.MASK_VVVV);
  }

  /** {@return whether an operand is an opmask register} */
  public boolean namesOpmask() {
    return has(OperandKind.MASK) || has(OperandKind.MASK_RM) || has(OperandKind.MASK_VVVV);
  }

  /**
   * {@return whether masked elements of memory are not touched} Where each result depends on more
   * than its own element, the whole operand is read.
   */
  public boolean suppressesFaults() {
    return suppressesFaults;
  }

  private static final Pattern READ_WHOLE =
      Pattern.compile(
          "v(unpck|shuf|perm|pshuf|punpck|pack|palign|align|psadbw|dbpsadbw|pmultishift|"
              + "movddup|movs[lh]dup|pmadd(ubs|wd)|cvtne2|pconflict|aes|pclmul|gf2p8).*");

  /** {@return whether the encoding is EVEX} */
  public boolean isEvex() {
    return map >= 16;
  }

  /** {@return whether EVEX.b lets one element of memory stand for all} */
  public boolean broadcasts() {
    return tuple != Tuple.OPERAND;
  }

  /** {@return whether exceptions of register forms can be suppressed, and roundings chosen} */
  public boolean roundsEmbedded() {
    return embeddedRounding;
  }

  /** {@return the factor of an 8-bit displacement} */
  int displacementUnit(Insn in) {
    if (elementwise) {
      return elementBytes;
    }
    return switch (tuple) {
      case FULL -> in.broadcast ? broadcastBytes : in.vlen;
      case HALF -> in.broadcast ? broadcastBytes : in.vlen / 2;
      case OPERAND -> {
        for (OperandSpec o : operands) {
          if (MEMORY.contains(o.kind())) {
            yield Math.max(1, memBytes != 0 ? memBytes : o.bytes(in));
          }
        }
        yield 1;
      }
    };
  }

  /** {@return whether a vector register indexes the memory operand} */
  public boolean hasVectorIndex() {
    return vsib != Vsib.NONE;
  }

  /**
   * {@return the size of the widest vector operand in bytes: 16, 32, 64, or 0 if the form has none}
   *
   * @param insn supplies the vector length
   */
  public int vectorBytes(Insn insn) {
    int widest = 0;
    for (OperandSpec o : operands) {
      if (VECTORS.contains(o.kind()) || o.kind() == OperandKind.MEMORY && isEvex()) {
        widest = Math.max(widest, Math.max(16, o.bytes(insn)));
      }
    }
    return widest;
  }

  private boolean has(OperandKind kind) {
    return (kinds >>> kind.ordinal() & 1) != 0;
  }

  static Opcode parse(int id, String line) {
    return new Opcode(id, line);
  }

  boolean hasModrm() {
    return modrmKind != NO_MODRM;
  }

  boolean acceptsModrm(int modrm) {
    boolean reg = modrm >= 0xC0;
    if (!modIgnored && (memOnly && reg || regOnly && !reg)) {
      return false;
    }
    return switch (modrmKind) {
      case DIGIT -> (modrm >> 3 & 7) == digit;
      case FIXED -> plusI ? (modrm & 0xF8) == digit : modrm == digit;
      default -> true;
    };
  }

  /** {@return whether the form belongs to 64-bit mode} */
  public boolean validIn64() {
    return !not64;
  }

  /** {@return whether the form exists outside 64-bit mode} */
  public boolean validOutside64() {
    return !only64;
  }

  /** {@return whether LOCK is legal with a memory destination} */
  public boolean lockable() {
    return lock;
  }

  /** {@return whether F3 (and, with {@link #conditionalRep}, F2) repeats the instruction} */
  public boolean repeatable() {
    return rep || repz;
  }

  /** {@return whether REPE and REPNE differ} */
  public boolean conditionalRep() {
    return repz;
  }

  @Override
  public String toString() {
    return mnemonic + operands;
  }
}
