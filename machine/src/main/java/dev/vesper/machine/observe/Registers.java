package dev.vesper.machine.observe;

/** The sixteen general registers, in the order of their numbers. */
public record Registers(
    long rax,
    long rcx,
    long rdx,
    long rbx,
    long rsp,
    long rbp,
    long rsi,
    long rdi,
    long r8,
    long r9,
    long r10,
    long r11,
    long r12,
    long r13,
    long r14,
    long r15) {

  /** How many there are. */
  public static final int COUNT = 16;

  /**
   * {@return a record of register values}
   *
   * @param r at least sixteen, by their numbers
   */
  public static Registers of(long[] r) {
    return new Registers(
        r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13],
        r[14], r[15]);
  }

  /**
   * {@return a register}
   *
   * @param number 0 (RAX) to 15 (R15)
   */
  public long get(int number) {
    return switch (number) {
      case 0 -> rax;
      case 1 -> rcx;
      case 2 -> rdx;
      case 3 -> rbx;
      case 4 -> rsp;
      case 5 -> rbp;
      case 6 -> rsi;
      case 7 -> rdi;
      case 8 -> r8;
      case 9 -> r9;
      case 10 -> r10;
      case 11 -> r11;
      case 12 -> r12;
      case 13 -> r13;
      case 14 -> r14;
      case 15 -> r15;
      default -> throw new IndexOutOfBoundsException("there is no general register " + number);
    };
  }

  /** {@return the values by their numbers} */
  public long[] toArray() {
    return new long[] {
      rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    };
  }
}
