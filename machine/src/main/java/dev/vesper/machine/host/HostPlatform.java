package dev.vesper.machine.host;

/** Devices and processors of a host, as it can tamper with them. */
public interface HostPlatform {
  /** Has reads of a port give a value from now on, whatever the device has. */
  void answerPort(int port, long value);

  /** Has a byte of the clock's memory, 0 to 127, read as a value from now on. */
  void answerCmos(int index, int value);

  /**
   * Has virtio devices say other things of the next requests that they have done.
   *
   * @param times of how many
   * @param id of the descriptor chain, 32 bits, or -1 for the device's own
   * @param length that was written, 32 bits, or -1
   */
  void used(long times, long id, long length);

  /**
   * Has virtio devices change the first descriptor of the next requests that they have done, in the
   * table that they share with the driver, before the request is in the used ring.
   *
   * @param times of how many requests; 0 for none any more
   * @param value its low bits, as many as the field has
   */
  void descriptor(long times, DescriptorField field, long value);

  /**
   * Has reads of device memory that begin at an address give a value from now on.
   *
   * @param gpa guest physical
   */
  void answerMmio(long gpa, long value);

  /**
   * Writes to the device that answers at a port.
   *
   * @param bytes 1, 2 or 4
   */
  void writePort(int port, int bytes, int value);

  /**
   * Replaces bytes of a file that fw_cfg has.
   *
   * @return whether there is such a file, which is long enough
   */
  boolean file(String name, int offset, byte[] bytes);

  /**
   * Sends a SIPI.
   *
   * @return whether there is such a vCPU
   */
  boolean startup(int vcpu, int vector);

  /** Passes over the next SIPIs to a vCPU, whoever sends them. */
  void skipStartups(int vcpu, int times);

  /**
   * RMPUPDATE of a page of 4 KiB, behind PSMASH where its entry is of 2 MiB: gives it to the guest,
   * or takes it.
   *
   * @param page system physical address
   * @param gpa that the entry has, or -1 for a page of the hypervisor's
   * @return how it ends, in words
   */
  String assign(long page, long gpa);

  /** {@return the time-stamp counter of a vCPU's guest} */
  long timeStampCounter(int vcpu);
}
