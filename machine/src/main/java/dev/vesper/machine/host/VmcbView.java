package dev.vesper.machine.host;

/**
 * The VMCB of a vCPU. Offsets are those of AMD APM volume 2, appendix B: the control area from 000,
 * the state save area from 400, which is the guest's only where its state is not encrypted.
 */
public interface VmcbView {
  /**
   * {@return a field of 64 bits}
   *
   * @param offset 000 to FF8
   * @throws IndexOutOfBoundsException outside the page
   */
  long get(int offset);

  /**
   * Writes a field of 64 bits. What the processor has cached of intercepts and permission maps it
   * reads anew.
   *
   * @param offset 000 to FF8
   * @throws IndexOutOfBoundsException outside the page
   */
  void set(int offset, long value);
}
