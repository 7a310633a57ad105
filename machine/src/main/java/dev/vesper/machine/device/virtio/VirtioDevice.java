package dev.vesper.machine.device.virtio;

/** A virtio device without its transport (virtio 1.2, chapter 5). */
public interface VirtioDevice {
  /** What {@link #process} gives for a request that it keeps for later. */
  int KEPT = -1;

  /** What it gives for one of which it has done a part: it goes on with the same one. */
  int UNFINISHED = -2;

  /** Asks a transport to look at a queue again: what a device kept or waited for can go on. */
  interface Poll {
    /** Looks at a queue. */
    void queue(int number);
  }

  /** {@return the device ID: 1 network, 2 block, 3 console, 4 entropy, 9 file system} */
  int type();

  /** {@return the PCI class word} */
  int classCode();

  /**
   * {@return PCI device and vendor ID behind the legacy transport} Transitional IDs: 1000h network,
   * 1001h block, 1003h console, 1005h entropy.
   */
  default int legacyId() {
    int type = type();
    return 0x0FFF + type + (type == 4 ? 2 : type == 3 ? 1 : 0) << 16 | 0x1AF4;
  }

  /** {@return feature bits that it offers, without those of the transport} */
  default long features() {
    return 0;
  }

  /** {@return how many queues it has} */
  int queues();

  /** {@return a byte of its configuration space} */
  default int config(int offset) {
    return 0;
  }

  /** Takes what the driver writes into its configuration space. */
  default void configure(int offset, int value) {}

  /**
   * Works on a request, as far as {@link VirtioRequest#spent} allows.
   *
   * @return bytes written into the buffers, {@link #KEPT} or {@link #UNFINISHED}
   */
  int process(int queue, VirtioRequest request);

  /**
   * A driver has agreed on features.
   *
   * @param modern the header formats of virtio 1.0 are in use
   */
  default void negotiated(boolean modern) {}

  /** The device is reset: requests that it keeps are no more. */
  default void reset() {}

  /** Hands over a way to go on with queues later. */
  default void connect(Poll poll) {}
}
