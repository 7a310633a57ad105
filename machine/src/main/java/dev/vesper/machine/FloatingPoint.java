package dev.vesper.machine;

import java.util.List;

/**
 * The x87 state of a vCPU (AMD APM volume 1, 6.2).
 *
 * @param control FCW
 * @param status FSW, with TOP
 * @param tags FTW: two bits a physical register, 0 valid, 1 zero, 2 special, 3 empty
 * @param opcode of the last instruction, 11 bits
 * @param instruction address of it
 * @param data address of its operand
 * @param codeSegment selector of the instruction's address
 * @param dataSegment selector of the operand's address
 * @param significands of ST(0) to ST(7)
 * @param exponents of ST(0) to ST(7): sign in bit 15, biased exponent in 14:0
 */
public record FloatingPoint(
    int control,
    int status,
    int tags,
    int opcode,
    long instruction,
    long data,
    int codeSegment,
    int dataSegment,
    List<Long> significands,
    List<Integer> exponents) {
  /** How many registers the stack has. */
  public static final int REGISTERS = 8;

  /** Takes copies of the lists. */
  public FloatingPoint {
    significands = List.copyOf(significands);
    exponents = List.copyOf(exponents);
  }
}
