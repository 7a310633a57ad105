package dev.vesper.machine.cpu;

import dev.vesper.x86.Insn;
import org.jspecify.annotations.Nullable;

/**
 * One predecoded instruction that executes itself. Fields are as narrow as what they hold: kernels
 * run through hundreds of thousands of these, and the computer's caches decide how fast. It is
 * bound to a place in a physical page, not to an address: RIP is {@code r[PAGE]} plus an offset.
 */
public abstract class Op implements Cloneable {
  private static final Insn NOTHING = new Insn();

  /** Offset of the instruction in its page. */
  public short offset;

  /** Offset of the byte after it; may lie past the page's end. */
  public short next;

  /** How often translated code gave up here, up to a limit. */
  public short misses;

  /** The bytes are an instruction; others raise #UD, whatever they look like. */
  public boolean valid;

  /** It mostly ends by leaving the guest: {@link #attempt} says so, and throws it seldom. */
  public boolean leaves;

  /** What it was decoded from. */
  public Insn insn = NOTHING;

  /**
   * Executes the instruction. A fault leaves the processor as it was before it, but for progress of
   * repeated string instructions. Instructions that end a block and transfer control set {@link
   * Cpu#rip} themselves.
   */
  public abstract void exec(Cpu c);

  /**
   * Executes the instruction for a caller that looks at how it has ended.
   *
   * @return what ends it, if that need not be thrown, or null
   */
  public @Nullable Signal attempt(Cpu c) {
    exec(c);
    return null;
  }

  /** {@return a copy, which is the youngest object in the computer's memory} */
  final Op copy() {
    try {
      return (Op) clone();
    } catch (CloneNotSupportedException e) {
      throw new AssertionError(e);
    }
  }

  /** Called once when offsets and {@link #insn} are set. */
  public void bound() {}

  /** {@return whether {@link #exec} sets RIP on every path} */
  public boolean setsRip() {
    return false;
  }

  /** {@return whether a non-canonical operand is a stack fault} */
  public final boolean stackOperand() {
    return insn.mem && insn.segment() == CpuState.SS;
  }
}
