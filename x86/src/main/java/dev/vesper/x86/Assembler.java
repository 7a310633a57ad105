package dev.vesper.x86;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A one-section assembler for Intel syntax, driven by the opcode table.
 *
 * <p>Source is text, one statement a line: {@code label:}, an instruction, or a directive ({@code
 * bits 16|32|64}, {@code align N}, {@code db|dw|dd|dq VALUE[,...]}, {@code ascii "..."}, {@code
 * skip N}, {@code equ NAME VALUE}). Numbers are decimal or {@code 0x}; values are sums of numbers
 * and labels. {@code ;} starts a comment. A label's value is its linear address: origin plus
 * offset. {@code [rel L]} is RIP-relative. {@code short} before a branch target asks for 8 bits;
 * other branches take 16 or 32.
 */
public final class Assembler {
  /** Sizes that a register has by its name. */
  private static final Set<OperandSize> REGISTER_SIZES =
      EnumSet.of(OperandSize.OPERAND, OperandSize.OPERAND_AT_MOST_32, OperandSize.REX_W);

  private static final Pattern SPACE = Pattern.compile("\\s+");
  private static final Pattern NAME = Pattern.compile("[.A-Za-z_][.\\w]*");
  private static final Pattern HEX = Pattern.compile("0[xX][0-9a-fA-F_]+");
  private static final Pattern DECIMAL = Pattern.compile("[0-9]+");
  private static final Pattern CHARACTER = Pattern.compile("'.'");
  private static final Pattern SIZED =
      Pattern.compile("(iret|pushf|popf|ret|retf|pusha|popa|leave|sysret|sysexit)[wdq]");

  private static final Set<String> PREFIXES =
      Set.of("lock", "rep", "repe", "repz", "repne", "repnz");
  private static final Map<String, Integer> SIZES =
      Map.of(
          "byte", 1, "word", 2, "dword", 4, "qword", 8, "tword", 10, "xmmword", 16, "oword", 16,
          "ymmword", 32, "fword", 6);
  private static final Map<String, String> ALIASES =
      Map.ofEntries(
          Map.entry("jz", "je"),
          Map.entry("jnz", "jne"),
          Map.entry("jc", "jb"),
          Map.entry("jnc", "jae"),
          Map.entry("jnae", "jb"),
          Map.entry("jnb", "jae"),
          Map.entry("jna", "jbe"),
          Map.entry("jnbe", "ja"),
          Map.entry("jnl", "jge"),
          Map.entry("jnge", "jl"),
          Map.entry("jng", "jle"),
          Map.entry("jnle", "jg"),
          Map.entry("jpe", "jp"),
          Map.entry("jpo", "jnp"),
          Map.entry("setz", "sete"),
          Map.entry("setnz", "setne"),
          Map.entry("setc", "setb"),
          Map.entry("setnc", "setae"),
          Map.entry("cmovz", "cmove"),
          Map.entry("cmovnz", "cmovne"),
          Map.entry("cmovc", "cmovb"),
          Map.entry("sal", "shl"),
          Map.entry("icebp", "int1"),
          Map.entry("wait", "fwait"),
          Map.entry("loopz", "loope"),
          Map.entry("loopnz", "loopne"),
          Map.entry("xlatb", "xlat"));

  /** What an operand is as it is written. */
  private enum Form {
    REGISTER,
    MEMORY,
    IMMEDIATE,
    FAR_POINTER
  }

  private record Operand(
      Form form,
      Reg reg,
      int size,
      Reg base,
      Reg index,
      int scale,
      int seg,
      long value,
      @Nullable String label,
      boolean relative,
      boolean isShort,
      int selector) {}

  private record Fixup(
      int at, int bytes, String label, long addend, boolean relative, int end, int line) {}

  private final long origin;
  private int bits;
  private byte[] out = new byte[256];
  private int size;
  private int line;
  private final Map<String, Long> labels = new LinkedHashMap<>();
  private final Map<String, Long> constants = new LinkedHashMap<>();
  private final List<Fixup> fixups = new ArrayList<>();

  /**
   * @param origin linear address of the first byte
   * @param bits code width to start with: 16, 32 or 64
   */
  public Assembler(long origin, int bits) {
    this.origin = origin;
    this.bits = bits;
  }

  /** {@return the bytes of one source text} Branches and labels are relative to address 0. */
  public static byte[] assemble(int bits, String source) {
    return new Assembler(0, bits).add(source).finish();
  }

  /**
   * Appends source text.
   *
   * @throws IllegalArgumentException with line number and reason if a statement cannot be assembled
   */
  public Assembler add(String source) {
    for (String raw : source.split("\n", -1)) {
      line++;
      String s = raw;
      int c = s.indexOf(';');
      if (c >= 0 && s.indexOf('"') < 0) {
        s = s.substring(0, c);
      }
      s = s.trim();
      int colon = s.indexOf(':');
      if (colon > 0 && NAME.matcher(s.substring(0, colon)).matches() && !isSegment(s, colon)) {
        label(s.substring(0, colon));
        s = s.substring(colon + 1).trim();
      }
      if (!s.isEmpty()) {
        try {
          statement(s);
        } catch (IllegalArgumentException e) {
          throw new IllegalArgumentException(
              "line " + line + ": " + raw.trim() + ": " + e.getMessage(), e);
        }
      }
    }
    return this;
  }

  private static boolean isSegment(String s, int colon) {
    return Reg.named(s.substring(0, colon)).kind() == Reg.Kind.SEG;
  }

  /** Defines a label here. */
  public Assembler label(String name) {
    if (labels.put(name, here()) != null) {
      throw new IllegalArgumentException("label " + name + " is defined twice");
    }
    return this;
  }

  /** Defines a constant for later statements. */
  public Assembler constant(String name, long value) {
    constants.put(name, value);
    return this;
  }

  /** {@return the address of the next byte} */
  public long here() {
    return origin + size;
  }

  /** {@return labels and addresses in order of definition} */
  public Map<String, Long> labels() {
    return labels;
  }

  /** Resolves labels and returns the bytes. */
  public byte[] finish() {
    for (Fixup f : fixups) {
      Long target = value(f.label);
      if (target == null) {
        throw new IllegalArgumentException("line " + f.line + ": no label " + f.label);
      }
      long v = target + f.addend - (f.relative ? origin + f.end : 0);
      if (f.bytes == 1 && v != (byte) v || f.bytes == 4 && f.relative && v != (int) v) {
        throw new IllegalArgumentException("line " + f.line + ": " + f.label + " is out of reach");
      }
      for (int i = 0; i < f.bytes; i++) {
        out[f.at + i] = (byte) (v >> 8 * i);
      }
    }
    return Arrays.copyOf(out, size);
  }

  private @Nullable Long value(String name) {
    Long c = constants.get(name);
    return c != null ? c : labels.get(name);
  }

  /** Appends raw bytes. */
  public Assembler bytes(byte... b) {
    if (size + b.length > out.length) {
      out = Arrays.copyOf(out, Math.max(out.length * 2, size + b.length));
    }
    System.arraycopy(b, 0, out, size, b.length);
    size += b.length;
    return this;
  }

  private void statement(String s) {
    String[] w = SPACE.split(s, 2);
    String rest = w.length > 1 ? w[1].trim() : "";
    switch (w[0].toLowerCase(Locale.ROOT)) {
      case "bits" -> bits = Integer.parseInt(rest);
      case "align" -> {
        int n = Integer.decode(rest);
        bytes(new byte[(int) (-here() & n - 1)]);
      }
      case "skip" -> bytes(new byte[(int) constantOf(rest)]);
      case "equ" -> {
        String[] nv = SPACE.split(rest, 2);
        constants.put(nv[0], constantOf(nv[1]));
      }
      case "ascii" ->
          bytes(
              rest.substring(1, rest.lastIndexOf('"'))
                  .replace("\\n", "\n")
                  .replace("\\r", "\r")
                  .getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
      case "db" -> data(rest, 1);
      case "dw" -> data(rest, 2);
      case "dd" -> data(rest, 4);
      case "dq" -> data(rest, 8);
      default -> instruction(s);
    }
  }

  private void data(String rest, int bytes) {
    for (String item : rest.split(",")) {
      Operand o = expression(item.trim());
      emitValue(o.value, o.label, bytes, false, 0);
    }
  }

  private long constantOf(String text) {
    Operand o = expression(text);
    if (o.label != null) {
      throw new IllegalArgumentException("not a constant: " + text);
    }
    return o.value;
  }

  private void emitValue(long v, @Nullable String label, int bytes, boolean relative, int end) {
    byte[] b = new byte[bytes];
    for (int i = 0; i < bytes; i++) {
      b[i] = (byte) (v >> 8 * i);
    }
    if (label != null) {
      fixups.add(new Fixup(size, bytes, label, v, relative, end, line));
    }
    bytes(b);
  }

  private void instruction(String s) {
    Insn proto = new Insn();
    proto.bits = bits;
    String rest = s;
    String m;
    for (; ; ) {
      String[] w = SPACE.split(rest, 2);
      m = w[0].toLowerCase(Locale.ROOT);
      rest = w.length > 1 ? w[1].trim() : "";
      if (!PREFIXES.contains(m)) {
        break;
      }
      switch (m) {
        case "lock" -> proto.lock = true;
        case "repne", "repnz" -> proto.repne = true;
        default -> proto.rep = true;
      }
    }
    List<Operand> ops = new ArrayList<>();
    for (String t : splitOperands(rest)) {
      ops.add(operand(t));
    }
    m = ALIASES.getOrDefault(m, m);
    if ((m.equals("call") || m.equals("jmp"))
        && !ops.isEmpty()
        && (ops.get(0).form == Form.FAR_POINTER
            || ops.get(0).isShort && ops.get(0).form == Form.MEMORY)) {
      m += "f";
    }
    int osize = 0;
    List<Opcode> forms = OpcodeTable.of(m);
    boolean byName = false;
    if (ops.isEmpty() || forms.isEmpty()) {
      // movsb, stosq, iretq, pushfw and their like: the size is part of the name.
      int suffix = m.isEmpty() ? -1 : "bwdq".indexOf(m.charAt(m.length() - 1));
      List<Opcode> base = suffix < 0 ? List.of() : OpcodeTable.of(m.substring(0, m.length() - 1));
      boolean string = base.stream().anyMatch(Assembler::isString);
      if (!base.isEmpty() && (string || SIZED.matcher(m).matches()) && ops.isEmpty()) {
        forms = string ? base.stream().filter(o -> isByte(o) == (suffix == 0)).toList() : base;
        osize = suffix == 0 ? 0 : 1 << suffix;
        byName = string;
      }
    }
    if (forms.isEmpty()) {
      throw new IllegalArgumentException("no instruction " + m);
    }
    byte[] best = null;
    Fixup[] bestFix = {};
    for (Opcode op : forms) {
      if (op.alias) {
        continue;
      }
      Insn in = copy(proto);
      List<Fixup> fix = new ArrayList<>();
      byte[] b = tryForm(op, in, byName ? List.of() : ops, osize, byName, fix);
      if (b != null && (best == null || b.length < best.length)) {
        best = b;
        bestFix = fix.toArray(new Fixup[0]);
      }
    }
    if (best == null) {
      throw new IllegalArgumentException(
          "no form of " + m + " takes these operands in " + bits + "-bit code");
    }
    for (Fixup f : bestFix) {
      fixups.add(
          new Fixup(size + f.at, f.bytes, f.label, f.addend, f.relative, size + best.length, line));
    }
    bytes(best);
  }

  private static boolean isString(Opcode o) {
    return o.operands.stream()
        .anyMatch(x -> x.kind() == OperandKind.SOURCE || x.kind() == OperandKind.DESTINATION);
  }

  private static boolean isByte(Opcode o) {
    return o.operands.stream()
        .anyMatch(
            x ->
                (x.kind() == OperandKind.SOURCE || x.kind() == OperandKind.DESTINATION)
                    && x.size() == OperandSize.BYTE);
  }

  private static Insn copy(Insn p) {
    Insn i = new Insn();
    i.bits = p.bits;
    i.lock = p.lock;
    i.rep = p.rep;
    i.repne = p.repne;
    return i;
  }

  private byte @Nullable [] tryForm(
      Opcode op, Insn in, List<Operand> ops, int wanted, boolean byName, List<Fixup> fix) {
    if (!byName && op.operands.size() != ops.size()) {
      return null;
    }
    int osize = wanted != 0 ? wanted : op.onlyOsize;
    int asize = op.onlyAsize;
    // The operand size is that of the first sized register or memory operand.
    for (int i = 0; i < ops.size(); i++) {
      OperandSpec spec = op.operands.get(i);
      Operand o = ops.get(i);
      boolean follows =
          REGISTER_SIZES.contains(spec.size())
              && spec.kind() != OperandKind.IMMEDIATE
              && spec.kind() != OperandKind.RELATIVE;
      if (follows && !(op.memBytes != 0 && o.form == Form.MEMORY)) {
        int s = o.form == Form.REGISTER ? o.reg.kind().bytes : o.size;
        if (s != 0) {
          if (osize != 0
              && osize != s
              && !(spec.size() == OperandSize.OPERAND_AT_MOST_32 && osize == 8 && s == 4)) {
            return null;
          }
          osize = s;
        }
      }
      if (spec.size() == OperandSize.FAR_POINTER && o.size > 2) {
        osize = o.size - 2;
      }
      if (o.form == Form.MEMORY) {
        int a = Math.max(o.base.kind().bytes, o.index.isGpr() ? o.index.kind().bytes : 0);
        asize = a != 0 && o.base.kind() != Reg.Kind.RIP ? a : asize;
      }
    }
    if (osize == 0) {
      osize = bits == 64 ? (op.default64 ? 8 : 4) : bits / 8;
    }
    if (osize == 1 || osize > 8) {
      return null;
    }
    in.osize = osize;
    in.vlen = 16;
    for (Operand o : ops) {
      int bytes = o.form == Form.REGISTER ? o.reg.kind().bytes : 0;
      in.vlen = Math.max(in.vlen, bytes >= 32 ? bytes : 16);
    }
    in.asize = asize != 0 ? asize : bits / 8;
    Operand label = null;
    boolean labelRelative = false;
    int labelBytes = 0;
    boolean labelInDisp = false;
    int immediates = 0;
    for (int i = 0; i < ops.size(); i++) {
      OperandSpec spec = op.operands.get(i);
      Operand o = ops.get(i);
      int bytes = spec.bytes(in);
      switch (spec.kind()) {
        case FIXED -> {
          Reg want =
              spec.size() == OperandSize.OPERAND || spec.size() == OperandSize.OPERAND_AT_MOST_32
                  ? Reg.gpr(bytes, spec.reg().index(), true)
                  : spec.reg();
          if (o.form != Form.REGISTER || !o.reg.is(want)) {
            return null;
          }
        }
        case ONE -> {
          if (o.form != Form.IMMEDIATE || o.value != 1 || o.label != null) {
            return null;
          }
        }
        case ST, STI -> {
          if (o.form != Form.REGISTER
              || o.reg.kind() != Reg.Kind.ST
              || spec.kind() == OperandKind.ST && o.reg.index() != 0) {
            return null;
          }
          if (spec.kind() == OperandKind.STI) {
            in.rm = o.reg.index();
          }
        }
        case REG, OPCODE_REGISTER, RM_REGISTER, VVVV -> {
          if (o.form != Form.REGISTER
              || !o.reg.isGpr()
              || o.reg.kind().bytes != bytes
              || !gpr(in, o.reg)) {
            return null;
          }
          switch (spec.kind()) {
            case REG -> in.reg = o.reg.index();
            case VVVV -> in.vvvv = o.reg.index();
            default -> in.rm = o.reg.index();
          }
        }
        case SEGMENT, CONTROL, DEBUG, MMX, VECTOR, VECTOR_VVVV, MASK, MASK_VVVV -> {
          if (o.form != Form.REGISTER || o.reg.kind() != fileOf(spec.kind(), bytes)) {
            return null;
          }
          if (spec.kind() == OperandKind.VECTOR_VVVV || spec.kind() == OperandKind.MASK_VVVV) {
            in.vvvv = o.reg.index();
          } else {
            in.reg = o.reg.index();
          }
        }
        case RM, VECTOR_RM, MMX_RM, MEMORY, MMX_RM_REGISTER, VECTOR_RM_REGISTER, MASK_RM -> {
          if (o.form == Form.REGISTER) {
            Reg.Kind file =
                spec.kind() == OperandKind.RM ? o.reg.kind() : fileOf(spec.kind(), bytes);
            boolean fits =
                spec.kind() == OperandKind.RM
                    ? o.reg.isGpr() && o.reg.kind().bytes == bytes && gpr(in, o.reg)
                    : o.reg.kind() == file && spec.kind() != OperandKind.MEMORY;
            if (!fits) {
              return null;
            }
            in.rm = o.reg.index();
          } else if (o.form == Form.MEMORY) {
            int want = op.memBytes != 0 ? op.memBytes : bytes;
            if (o.size != 0 && want != 0 && spec.size() != OperandSize.TABLE && o.size != want
                || o.label != null && label != null
                || o.size == 0 && op.operands.size() == 1 && want != 0 && isAmbiguous(op)) {
              return null;
            }
            if (!indexFits(op, in, o.index)) {
              return null;
            }
            memory(in, o);
            if (o.label != null) {
              label = o;
              labelInDisp = true;
              labelRelative = o.base.kind() == Reg.Kind.RIP;
              labelBytes = in.asize == 2 ? 2 : 4;
              // A displacement that a label fills takes its full width.
              in.disp = in.asize == 2 ? 0x7FFF : 0x7FFF_FFF0;
            }
          } else {
            return null;
          }
        }
        case OFFSET -> {
          if (o.form != Form.MEMORY
              || o.base != Reg.NONE
              || o.index != Reg.NONE
              || o.label != null
              || bits == 64 && o.value == (int) o.value) {
            return null;
          }
          memory(in, o);
        }
        case IMMEDIATE -> {
          if (o.form != Form.IMMEDIATE) {
            return null;
          }
          int width = spec.signedByte() ? 1 : bytes;
          if (o.label != null) {
            if (width < Math.min(4, in.osize) || label != null) {
              return null;
            }
            label = o;
            labelBytes = width;
          } else if (!fits(
              o.value,
              width,
              spec.signedByte() || spec.size() == OperandSize.OPERAND_AT_MOST_32 && osize == 8,
              osize)) {
            return null;
          }
          if (immediates++ > 0) {
            in.imm2 = (int) o.value;
          } else {
            in.imm = o.value;
          }
        }
        case VECTOR_IMMEDIATE -> {
          if (o.form != Form.REGISTER || o.reg.kind() != fileOf(spec.kind(), bytes)) {
            return null;
          }
          in.imm = (byte) (o.reg.index() << 4);
        }
        case RELATIVE -> {
          if (o.form != Form.IMMEDIATE
              || o.label == null
              || (spec.size() == OperandSize.BYTE)
                  != (o.isShort || op.immediates().contains(Immediate.NEAR_BYTE) && !hasLong(op))) {
            return null;
          }
          label = o;
          labelRelative = true;
          labelBytes = spec.size() == OperandSize.BYTE ? 1 : osize == 2 ? 2 : 4;
        }
        case FAR_POINTER -> {
          if (o.form != Form.FAR_POINTER) {
            return null;
          }
          in.imm = o.value;
          in.imm2 = o.selector;
          if (o.label != null) {
            label = o;
            labelBytes = osize;
          }
        }
        default -> {
          return null;
        }
      }
    }
    byte[] b;
    try {
      b = Encoder.encode(op, in);
    } catch (Encoder.Unencodable e) {
      return null;
    }
    if (label != null && label.label != null) {
      int at = b.length - labelBytes;
      if (op.immediates().contains(Immediate.FAR_POINTER)) {
        at -= 2;
      } else if (labelInDisp) {
        at = b.length - immediateBytes(op, in) - labelBytes;
      }
      fix.add(new Fixup(at, labelBytes, label.label, label.value, labelRelative, 0, line));
    }
    return b;
  }

  /** {@return whether an index register is of the file that the form addresses with} */
  private static boolean indexFits(Opcode op, Insn in, Reg index) {
    return switch (op.vsib) {
      case NONE -> index == Reg.NONE || index.isGpr();
      case XMM -> index.kind() == Reg.Kind.XMM;
      case FULL -> index.kind() == Formatter.file(in.vlen);
      case HALF -> index.kind() == Formatter.file(in.vlen / 2);
    };
  }

  private static boolean hasLong(Opcode op) {
    return OpcodeTable.of(op.mnemonic).stream()
        .anyMatch(o -> o.immediates().contains(Immediate.NEAR));
  }

  private static boolean isAmbiguous(Opcode op) {
    OperandSize s = op.operands.get(0).size();
    return (s == OperandSize.BYTE || s == OperandSize.OPERAND)
        && OpcodeTable.of(op.mnemonic).stream()
            .anyMatch(
                o ->
                    o.operands.size() == 1
                        && o.operands.get(0).kind() == OperandKind.RM
                        && o.operands.get(0).size() != s);
  }

  private static int immediateBytes(Opcode op, Insn in) {
    int n = 0;
    for (Immediate k : op.immediates()) {
      n += k == Immediate.BYTE ? 1 : k == Immediate.WORD ? 2 : in.osize == 2 ? 2 : 4;
    }
    return n;
  }

  private static boolean gpr(Insn in, Reg r) {
    if (r.kind() == Reg.Kind.GPR8 && r.index() >= 4) {
      in.rex = 0x40;
    }
    return r.kind() != Reg.Kind.GPR8H || in.rex == 0;
  }

  private static boolean fits(long v, int width, boolean signed, int osize) {
    if (width >= 8) {
      return true;
    }
    int s = 64 - 8 * width;
    if (v << s >> s == v) {
      return true;
    }
    if (signed) {
      // 0xFFF0 is a signed byte to a 16-bit instruction.
      int t = 64 - 8 * osize;
      return osize < 8 && v >>> 8 * osize == 0 && (v << t >> t) << s >> s == v << t >> t;
    }
    return v >>> 8 * width == 0;
  }

  private static Reg.Kind fileOf(OperandKind kind, int bytes) {
    return switch (kind) {
      case SEGMENT -> Reg.Kind.SEG;
      case CONTROL -> Reg.Kind.CR;
      case DEBUG -> Reg.Kind.DR;
      case MMX, MMX_RM, MMX_RM_REGISTER -> Reg.Kind.MMX;
      case MASK, MASK_RM, MASK_VVVV -> Reg.Kind.MASK;
      default -> Formatter.file(bytes);
    };
  }

  private static void memory(Insn in, Operand o) {
    in.mem = true;
    in.base =
        o.base.kind() == Reg.Kind.RIP
            ? Insn.RIP
            : o.base == Reg.NONE ? Insn.NO_REG : o.base.index();
    in.index = o.index == Reg.NONE ? Insn.NO_REG : o.index.index();
    in.scale = Integer.numberOfTrailingZeros(o.scale);
    in.disp = o.value;
    in.segOverride = o.seg;
  }

  private static List<String> splitOperands(String s) {
    List<String> r = new ArrayList<>();
    int depth = 0;
    int from = 0;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      depth += c == '[' ? 1 : c == ']' ? -1 : 0;
      if (c == ',' && depth == 0) {
        r.add(s.substring(from, i).trim());
        from = i + 1;
      }
    }
    String last = s.substring(from).trim();
    if (!last.isEmpty()) {
      r.add(last);
    }
    return r;
  }

  private Operand operand(String text) {
    String s = text;
    boolean isShort = false;
    boolean far = false;
    int size = 0;
    for (; ; ) {
      String[] w = SPACE.split(s, 2);
      String k = w[0].toLowerCase(Locale.ROOT);
      if (w.length < 2) {
        break;
      }
      if (SIZES.containsKey(k)) {
        size = SIZES.get(k);
      } else if (k.equals("short")) {
        isShort = true;
      } else if (k.equals("far")) {
        far = true;
      } else if (!k.equals("ptr")) {
        break;
      }
      s = w[1].trim();
    }
    Reg r = Reg.named(s);
    if (r != Reg.NONE) {
      return new Operand(Form.REGISTER, r, 0, Reg.NONE, Reg.NONE, 1, -1, 0, null, false, false, 0);
    }
    int seg = -1;
    int colon = s.indexOf(':');
    if (colon > 0) {
      Reg sr = Reg.named(s.substring(0, colon).trim());
      if (sr.kind() == Reg.Kind.SEG) {
        seg = sr.index();
        s = s.substring(colon + 1).trim();
      } else if (!s.startsWith("[")) {
        Operand o = expression(s.substring(colon + 1));
        long sel = constantOf(s.substring(0, colon));
        return new Operand(
            Form.FAR_POINTER,
            Reg.NONE,
            0,
            Reg.NONE,
            Reg.NONE,
            1,
            -1,
            o.value,
            o.label,
            false,
            false,
            (int) sel);
      }
    }
    if (!s.startsWith("[")) {
      Operand o = expression(s);
      return new Operand(
          Form.IMMEDIATE,
          Reg.NONE,
          size,
          Reg.NONE,
          Reg.NONE,
          1,
          -1,
          o.value,
          o.label,
          false,
          isShort,
          0);
    }
    return memoryOperand(s.substring(1, s.length() - 1).trim(), size, seg, far);
  }

  private Operand memoryOperand(String body, int size, int segment, boolean far) {
    String s = body;
    int seg = segment;
    int colon = s.indexOf(':');
    if (colon > 0) {
      seg = Reg.named(s.substring(0, colon).trim()).index();
      s = s.substring(colon + 1);
    }
    boolean rel = false;
    if (s.startsWith("rel ")) {
      rel = true;
      s = s.substring(4);
    }
    Reg base = Reg.NONE;
    Reg index = Reg.NONE;
    int scale = 1;
    long value = 0;
    String label = null;
    for (String t : s.replace("-", "+-").split("\\+")) {
      String term = t.trim();
      if (term.isEmpty()) {
        continue;
      }
      String[] f = term.split("\\*");
      Reg r = Reg.named(f[0].trim());
      if (f.length == 2 && r == Reg.NONE) {
        value += constantOf(f[0]) * constantOf(f[1]);
      } else if (f.length == 2) {
        index = r;
        scale = Integer.parseInt(f[1].trim());
      } else if (r != Reg.NONE && base == Reg.NONE) {
        base = r;
      } else if (r != Reg.NONE) {
        index = r;
      } else {
        Operand o = expression(term);
        value += o.value;
        label = o.label != null ? o.label : label;
      }
    }
    boolean vectorBase = base.kind().bytes >= 16 && base.kind() != Reg.Kind.ST;
    if (vectorBase || index.isGpr() && index.index() == 4 && scale == 1) {
      Reg swap = base;
      base = index;
      index = swap;
    }
    if (rel) {
      base = new Reg(Reg.Kind.RIP, 0);
    }
    return new Operand(
        Form.MEMORY, Reg.NONE, size, base, index, scale, seg, value, label, rel, far, 0);
  }

  private Operand expression(String text) {
    long v = 0;
    String label = null;
    for (String t : text.replace("-", "+-").split("\\+")) {
      String term = t.trim();
      if (term.isEmpty()) {
        continue;
      }
      boolean neg = term.startsWith("-");
      String a = (neg ? term.substring(1) : term).trim();
      Long c = constants.get(a);
      long n;
      if (c != null) {
        n = c;
      } else if (HEX.matcher(a).matches()) {
        n = Long.parseUnsignedLong(a.substring(2).replace("_", ""), 16);
      } else if (DECIMAL.matcher(a).matches()) {
        n = Long.parseUnsignedLong(a);
      } else if (CHARACTER.matcher(a).matches()) {
        n = a.charAt(1);
      } else if (NAME.matcher(a).matches() && !neg && label == null) {
        label = a;
        n = 0;
      } else {
        throw new IllegalArgumentException("cannot read '" + a + "'");
      }
      v += neg ? -n : n;
    }
    return new Operand(
        Form.IMMEDIATE, Reg.NONE, 0, Reg.NONE, Reg.NONE, 1, -1, v, label, false, false, 0);
  }
}
