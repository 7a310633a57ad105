package dev.vesper.machine.observe;

/**
 * Is told what guest code compares, and what it reads from pages that it shares with its host:
 * where a program that looks for telling answers learns which those are. {@code Machine.operands}
 * has it told. It looks on, and changes nothing.
 */
public interface OperandListener {
  /**
   * Two numbers are about to be compared: by CMP, TEST, SUB, CMPXCHG, SCAS or CMPS.
   *
   * @param rip of the instruction
   * @param left the first operand, with zeros above its size
   * @param right the second one
   * @param bytes size of both: 1, 2, 4 or 8
   */
  void compares(long rip, long left, long right, int bytes);

  /**
   * Memory is about to be read by a mapping without the C-bit.
   *
   * @param rip of the instruction
   * @param gpa guest physical address
   * @param bytes 1, 2, 4 or 8; a string or a wide operand is told in pieces of at most 8
   * @param value what lies there, as the guest sees it
   */
  void reads(long rip, long gpa, int bytes, long value);
}
