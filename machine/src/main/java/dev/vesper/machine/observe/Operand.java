package dev.vesper.machine.observe;

/**
 * A memory operand of an instruction, as the guest's page tables have it.
 *
 * @param linear address of its first byte
 * @param mapped whether there is a translation; without one the rest says nothing
 * @param gpa guest physical address, 0 without a translation
 * @param isPrivate C-bit
 * @param user whether user code may access it
 */
public record Operand(long linear, boolean mapped, long gpa, boolean isPrivate, boolean user) {
  /** {@return an operand without a translation} */
  public static Operand unmapped(long linear) {
    return new Operand(linear, false, 0, false, false);
  }
}
