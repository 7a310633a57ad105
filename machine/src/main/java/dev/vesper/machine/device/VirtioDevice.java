package dev.vesper.machine.device;

/** A virtio device without its transport (virtio 0.9.5, appendices C to F). */
public interface VirtioDevice {
  /** {@return the subsystem ID: 2 block, 3 console, 4 entropy} */
  int type();

  /** {@return the PCI class word} */
  int classCode();

  /** {@return feature bits that it offers} */
  int features();

  /** {@return how many queues it has} */
  int queues();

  /** {@return a byte of its configuration space} */
  int config(int offset);

  /**
   * Works on a request.
   *
   * @return bytes written into the buffers, or -1 to keep the request for later
   */
  int process(int queue, VirtioRequest request);
}
