package dev.vesper.machine.device.virtio;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.memory.HostView;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The buffers of one descriptor chain, read and written as two streams through the host view: a
 * guest that does not share its buffers has its ciphertext read and garbled.
 *
 * <p>A record, so that one of which a part is done can be made again in another process.
 */
public record VirtioRequest(
    HostView memory, DeviceWork work, List<Buffer> readable, List<Buffer> writable) {
  /** A piece of guest memory. */
  record Buffer(long address, long length) {}

  /**
   * @param work pays for what is moved
   */
  VirtioRequest(HostView memory, DeviceWork work) {
    this(memory, work, new ArrayList<>(), new ArrayList<>());
  }

  @Override
  public boolean equals(@Nullable Object o) {
    // One request is not another that looks like it.
    return this == o;
  }

  @Override
  public int hashCode() {
    return System.identityHashCode(this);
  }

  void add(long address, long length, boolean deviceWrites) {
    (deviceWrites ? writable : readable).add(new Buffer(address, length));
  }

  private static long total(List<Buffer> l) {
    return l.stream().mapToLong(Buffer::length).sum();
  }

  /**
   * Counts what it costs besides what is moved in its buffers, as bytes that could have been moved
   * instead.
   */
  public void spend(long bytes) {
    work.spend(bytes);
  }

  /** {@return whether the rest of it is to be put off, if it can be divided} */
  public boolean spent() {
    return work.spent();
  }

  /** {@return bytes that the device may read} */
  public long readableBytes() {
    return total(readable);
  }

  /** {@return bytes that the device may write} */
  public long writableBytes() {
    return total(writable);
  }

  /** Copies from the readable stream; the range must lie in it. */
  public void read(long offset, byte[] to, int length) {
    move(readable, offset, to, length, false);
  }

  /** Copies into the writable stream; the range must lie in it. */
  public void write(long offset, byte[] from, int length) {
    move(writable, offset, from, length, true);
  }

  private void move(List<Buffer> list, long offset, byte[] data, int length, boolean store) {
    if (length == 0) {
      return;
    }
    work.spend(length);
    long skip = offset;
    int done = 0;
    for (Buffer b : list) {
      if (skip >= b.length) {
        skip -= b.length;
        continue;
      }
      int n = (int) Math.min(b.length - skip, length - done);
      if (store) {
        memory.write(b.address + skip, data, done, n);
      } else {
        memory.read(b.address + skip, data, done, n);
      }
      skip = 0;
      done += n;
      if (done == length) {
        return;
      }
    }
    throw new IndexOutOfBoundsException("request of " + length + " bytes at " + offset);
  }
}
