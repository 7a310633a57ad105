package dev.vesper.machine.cpu.jit;

import java.lang.classfile.CodeBuilder;
import java.lang.classfile.Label;
import java.lang.constant.MethodTypeDesc;

/** Emission of what reads and sets flags. */
final class FlagCode {
  private static final MethodTypeDesc FIVE =
      MethodTypeDesc.of(
          Emitter.LONG, Emitter.INT, Emitter.LONG, Emitter.LONG, Emitter.LONG, Emitter.LONG);
  private static final MethodTypeDesc CONDITION =
      MethodTypeDesc.of(
          Emitter.BOOLEAN,
          Emitter.INT,
          Emitter.INT,
          Emitter.LONG,
          Emitter.LONG,
          Emitter.LONG,
          Emitter.LONG);

  private final CodeBuilder code;
  private final Emitter e;
  private final FlagState flags;

  FlagCode(Emitter e) {
    this.e = e;
    code = e.code;
    flags = e.flags;
  }

  private void five() {
    if (flags.known) {
      code.loadConstant(flags.kind);
    } else {
      code.iload(Emitter.KIND);
    }
    code.lload(Emitter.FR).lload(Emitter.FA).lload(Emitter.FB).lload(Emitter.FX);
  }

  /** Pushes CF in bit 63 and CF^OF in bit 62. */
  void cv() {
    if (flags.is(LazyFlags.RAW)) {
      code.lload(Emitter.FA);
    } else if (flags.is(LazyFlags.LOGIC)) {
      code.lconst_0();
    } else {
      five();
      code.invokestatic(Emitter.FLAGS, "cv", FIVE);
    }
  }

  /** Pushes AF with the deltas of PF and SF. */
  void ax() {
    if (flags.is(LazyFlags.RAW) || flags.is(LazyFlags.MUL)) {
      code.lload(Emitter.FX);
    } else if (flags.is(LazyFlags.LOGIC)) {
      code.lconst_0();
    } else {
      five();
      code.invokestatic(Emitter.FLAGS, "ax", FIVE);
    }
  }

  /** Pushes CF as a long, 0 or 1. */
  void carry() {
    if (flags.is(LazyFlags.SUB)) {
      code.lload(Emitter.FA).lload(Emitter.FB);
      unsignedLess();
    } else if (flags.is(LazyFlags.ADD)) {
      code.lload(Emitter.FR).lload(Emitter.FA);
      unsignedLess();
    } else {
      cv();
      code.bipush(63).lushr();
    }
  }

  private void unsignedLess() {
    compareUnsigned();
    code.bipush(31).iushr().i2l();
  }

  private void compareUnsigned() {
    code.invokestatic(
        java.lang.constant.ConstantDescs.CD_Long,
        "compareUnsigned",
        MethodTypeDesc.of(Emitter.INT, Emitter.LONG, Emitter.LONG));
  }

  /** Jumps if a condition holds. */
  void jumpIf(int cc, Label to) {
    boolean direct = flags.plain && flags.known;
    switch (cc) {
      case 4 -> {
        zero();
        code.ifeq(to);
      }
      case 5 -> {
        zero();
        code.ifne(to);
      }
      default -> {
        if (direct && flags.is(LazyFlags.SUB) && comparison(cc, to)
            || direct && flags.is(LazyFlags.LOGIC) && logic(cc, to)
            || cc == 8 && flags.plain && sign(to, true)
            || cc == 9 && flags.plain && sign(to, false)
            || cc >> 1 == 1 && carryJump(cc, to)) {
          return;
        }
        code.loadConstant(cc);
        five();
        code.invokestatic(Emitter.FLAGS, "condition", CONDITION).ifne(to);
      }
    }
  }

  private void zero() {
    code.lload(Emitter.FR).lconst_0().lcmp();
  }

  private boolean sign(Label to, boolean set) {
    zero();
    if (set) {
      code.iflt(to);
    } else {
      code.ifge(to);
    }
    return true;
  }

  private boolean carryJump(int cc, Label to) {
    if (flags.is(LazyFlags.ADD)) {
      code.lload(Emitter.FR).lload(Emitter.FA);
      compareUnsigned();
    } else if (flags.is(LazyFlags.RAW)) {
      code.lload(Emitter.FA).lconst_0().lcmp();
    } else {
      return false;
    }
    if (cc == 2) {
      code.iflt(to);
    } else {
      code.ifge(to);
    }
    return true;
  }

  private boolean comparison(int cc, Label to) {
    if (cc < 2 || cc == 8 || cc == 9 || cc == 10 || cc == 11) {
      return false;
    }
    code.lload(Emitter.FA).lload(Emitter.FB);
    if (cc < 8) {
      compareUnsigned();
    } else {
      code.lcmp();
    }
    switch (cc) {
      case 2, 12 -> code.iflt(to);
      case 3, 13 -> code.ifge(to);
      case 6, 14 -> code.ifle(to);
      default -> code.ifgt(to);
    }
    return true;
  }

  private boolean logic(int cc, Label to) {
    switch (cc) {
      case 0, 2 -> {
        // never
      }
      case 1, 3 -> {
        code.goto_(to);
        // What follows is never reached, but the verifier looks at it.
        e.bind(code.newLabel());
      }
      case 6 -> {
        zero();
        code.ifeq(to);
      }
      case 7 -> {
        zero();
        code.ifne(to);
      }
      case 12 -> {
        zero();
        code.iflt(to);
      }
      case 13 -> {
        zero();
        code.ifge(to);
      }
      case 14 -> {
        zero();
        code.ifle(to);
      }
      case 15 -> {
        zero();
        code.ifgt(to);
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  /** Records the kind of an operation whose values are in the variables. */
  void set(int operation, int bytes) {
    flags.set(LazyFlags.kind(operation, bytes), true);
  }

  /** Records an INC or DEC. */
  void setLater(int which, int bytes) {
    if (flags.known) {
      flags.set(LazyFlags.later(flags.kind, which, bytes), true);
    } else {
      code.iload(Emitter.KIND).loadConstant(0xCF).iand();
      code.loadConstant(LazyFlags.later(0, which, bytes)).ior().istore(Emitter.KIND);
      flags.plain = true;
    }
  }

  /** Records values of {@code fCv} and {@code fAx} in FA and FX; the result is the old one. */
  void setRawKeepingResult() {
    flags.set(LazyFlags.RAW, flags.plain);
  }
}
