package dev.vesper.machine.host;

/** A field of a descriptor in a split virtqueue's table (virtio 1.2, 2.7.5). */
public enum DescriptorField {
  /** Guest physical address of the buffer. */
  ADDRESS("desc-addr", 0, 8),
  /** Bytes of the buffer. */
  LENGTH("desc-len", 8, 4),
  /** NEXT 1, WRITE 2, INDIRECT 4. */
  FLAGS("desc-flags", 12, 2),
  /** Number of the chain's next descriptor, if there is one. */
  NEXT("desc-next", 14, 2);

  private final String word;
  private final int offset;
  private final int bytes;

  DescriptorField(String word, int offset, int bytes) {
    this.word = word;
    this.offset = offset;
    this.bytes = bytes;
  }

  /** {@return its name in texts} */
  public String word() {
    return word;
  }

  /** {@return where it is in a descriptor} */
  public int offset() {
    return offset;
  }

  /** {@return 2, 4 or 8} */
  public int bytes() {
    return bytes;
  }
}
