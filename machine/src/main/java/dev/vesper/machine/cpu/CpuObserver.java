package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.observe.RmpAccess;
import dev.vesper.machine.observe.RmpCheck;
import dev.vesper.x86.Insn;

/** Watches the processor. Observers are not part of the modelled world and change nothing. */
public interface CpuObserver {
  /**
   * #VC is about to be delivered; RIP is that of the intercepted instruction.
   *
   * @param code the error code
   */
  void onVc(Cpu cpu, int code);

  /**
   * An event is about to be delivered through the IDT; RIP is the one to be saved. What was begun
   * and could not be completed, because the stack lay in code or behind an exit, is begun again.
   *
   * @param error error code, or -1
   * @param type as EVENTINJ numbers them
   * @param from RIP of the instruction that was interrupted or has raised it
   */
  default void onDelivery(Cpu cpu, int vector, long error, int type, long from) {}

  /**
   * An exception is raised.
   *
   * @param before the vector of the one that was being delivered, or -1
   */
  default void onException(Cpu cpu, int before, int vector) {}

  /** IRET has been executed: RIP, RSP and CPL are those returned to. */
  default void onReturn(Cpu cpu) {}

  /** The instruction at {@link Cpu#instructionRip} accesses the GHCB MSR. */
  default void onGhcbMsr(Cpu cpu, boolean write, long value) {}

  /**
   * The instruction at {@link Cpu#instructionRip} reads or writes bytes of a watched page.
   *
   * @param la linear address
   * @param value the bytes read or to be written, little-endian, at most 8
   */
  default void onWatched(
      Cpu cpu, Page page, long la, int offset, int bytes, boolean write, long value) {}

  /** The instruction at {@link Cpu#instructionRip} reads text that only fetches may read. */
  default void onExecuteOnly(Cpu cpu, long la) {}

  /** Code is decoded because it is about to be executed for the first time. */
  default void onBlock(Cpu cpu, long address, int bytes) {}

  /** A block at RIP is about to be executed, while {@link Cpu#followBlocks} is set. */
  default void onExecute(Cpu cpu, Block block) {}

  /** An instruction is about to be executed, while {@link Cpu#following} is set. */
  default void onInstruction(Cpu cpu, Insn insn) {}

  /**
   * The instruction of the last {@link #onInstruction} has been executed to its end, or a repeated
   * one a part of the way; RIP is where execution goes on. Only behind {@link Cpu#followAll}.
   */
  default void onExecuted(Cpu cpu, Insn insn) {}

  /**
   * PVALIDATE has been executed, or is about to fault.
   *
   * @param operand with the table's entry as it was before
   * @param eax the result, or -1 if it faults
   * @param carry CF
   * @param why which check has refused it, or that nothing has changed
   */
  default void onPvalidate(
      Cpu cpu, RmpOperand operand, boolean validate, int eax, boolean carry, RmpCheck why) {}

  /**
   * RMPADJUST has been executed, or is about to fault.
   *
   * @param operand with the table's entry as it was before
   * @param rdx what was asked for
   * @param eax the result, or -1 if it faults
   * @param why which check has refused it
   */
  default void onRmpadjust(Cpu cpu, RmpOperand operand, long rdx, int eax, RmpCheck why) {}

  /**
   * RMPQUERY has been executed, or is about to fault.
   *
   * @param level the target
   * @param eax the result, or -1 if it faults
   * @param why which check has refused it
   */
  default void onRmpquery(Cpu cpu, RmpOperand operand, int level, int eax, RmpCheck why) {}

  /**
   * The reverse map table refuses an access, which is about to fault.
   *
   * @param encrypted the access is one with the C-bit
   * @param info1 EXITINFO1 of #NPF, or 0 for #VC
   * @param entry the table's, of the page
   * @param why which check has failed
   */
  default void onRmpViolation(
      Cpu cpu,
      RmpAccess access,
      long la,
      long gpa,
      boolean encrypted,
      long info1,
      RmpEntry entry,
      RmpCheck why) {}
}
