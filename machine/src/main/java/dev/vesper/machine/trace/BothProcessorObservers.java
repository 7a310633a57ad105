package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Block;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuObserver;
import dev.vesper.machine.cpu.RmpOperand;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.observe.RmpAccess;
import dev.vesper.machine.observe.RmpCheck;
import dev.vesper.x86.Insn;

/** Two observers of a processor, the first of which is told first. */
public record BothProcessorObservers(CpuObserver first, CpuObserver second) implements CpuObserver {
  @Override
  public void onVc(Cpu cpu, int code) {
    first.onVc(cpu, code);
    second.onVc(cpu, code);
  }

  @Override
  public void onDelivery(Cpu cpu, int vector, long error, int type, long from) {
    first.onDelivery(cpu, vector, error, type, from);
    second.onDelivery(cpu, vector, error, type, from);
  }

  @Override
  public void onException(Cpu cpu, int before, int vector) {
    first.onException(cpu, before, vector);
    second.onException(cpu, before, vector);
  }

  @Override
  public void onReturn(Cpu cpu) {
    first.onReturn(cpu);
    second.onReturn(cpu);
  }

  @Override
  public void onGhcbMsr(Cpu cpu, boolean write, long value) {
    first.onGhcbMsr(cpu, write, value);
    second.onGhcbMsr(cpu, write, value);
  }

  @Override
  public void onWatched(
      Cpu cpu, Page page, long la, int offset, int bytes, boolean write, long value) {
    first.onWatched(cpu, page, la, offset, bytes, write, value);
    second.onWatched(cpu, page, la, offset, bytes, write, value);
  }

  @Override
  public void onExecuteOnly(Cpu cpu, long la) {
    first.onExecuteOnly(cpu, la);
    second.onExecuteOnly(cpu, la);
  }

  @Override
  public void onBlock(Cpu cpu, long address, int bytes) {
    first.onBlock(cpu, address, bytes);
    second.onBlock(cpu, address, bytes);
  }

  @Override
  public void onExecute(Cpu cpu, Block block) {
    first.onExecute(cpu, block);
    second.onExecute(cpu, block);
  }

  @Override
  public void onInstruction(Cpu cpu, Insn insn) {
    first.onInstruction(cpu, insn);
    second.onInstruction(cpu, insn);
  }

  @Override
  public void onExecuted(Cpu cpu, Insn insn) {
    first.onExecuted(cpu, insn);
    second.onExecuted(cpu, insn);
  }

  @Override
  public void onPvalidate(
      Cpu cpu, RmpOperand operand, boolean validate, int eax, boolean carry, RmpCheck why) {
    first.onPvalidate(cpu, operand, validate, eax, carry, why);
    second.onPvalidate(cpu, operand, validate, eax, carry, why);
  }

  @Override
  public void onRmpadjust(Cpu cpu, RmpOperand operand, long rdx, int eax, RmpCheck why) {
    first.onRmpadjust(cpu, operand, rdx, eax, why);
    second.onRmpadjust(cpu, operand, rdx, eax, why);
  }

  @Override
  public void onRmpquery(Cpu cpu, RmpOperand operand, int level, int eax, RmpCheck why) {
    first.onRmpquery(cpu, operand, level, eax, why);
    second.onRmpquery(cpu, operand, level, eax, why);
  }

  @Override
  public void onRmpViolation(
      Cpu cpu,
      RmpAccess access,
      long la,
      long gpa,
      boolean encrypted,
      long info1,
      RmpEntry entry,
      RmpCheck why) {
    first.onRmpViolation(cpu, access, la, gpa, encrypted, info1, entry, why);
    second.onRmpViolation(cpu, access, la, gpa, encrypted, info1, entry, why);
  }
}
