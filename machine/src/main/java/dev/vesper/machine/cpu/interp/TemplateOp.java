package dev.vesper.machine.cpu.interp;

/** An operation whose class is a template. */
abstract class TemplateOp extends MemOp {
  /** Register numbers; 8-bit ones in the code of {@code reg8}. */
  byte dst;

  byte src;

  long imm;

  /** {@return a new operation of the same specialised class} */
  abstract TemplateOp fresh();
}
