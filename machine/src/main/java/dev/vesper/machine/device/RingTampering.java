package dev.vesper.machine.device;

import dev.vesper.machine.memory.HostView;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a host has devices do otherwise when a request is done: which chain is done and how much of
 * it, as used rings say, and what the chain's first descriptor is then.
 */
public final class RingTampering {
  /** Another value of a field, and for how many more requests. */
  private record Other(int bytes, long value, long left) {}

  /** By where they are in a descriptor. */
  private final Map<Integer, Other> fields = new LinkedHashMap<>();

  /** What the device itself says. */
  public static final long OWN = -1;

  private long id = OWN;
  private long length = OWN;
  private long left;

  /**
   * Has the next elements be others.
   *
   * @param times how many of them
   * @param otherId what their id is, 32 bits, or {@link #OWN}
   * @param otherLength what their length is, 32 bits, or {@link #OWN}
   */
  public void next(long times, long otherId, long otherLength) {
    left = times;
    id = otherId;
    length = otherLength;
  }

  /**
   * Has a field of the first descriptors of the next requests be another.
   *
   * @param times of how many; 0 for none any more
   * @param offset of the field in a descriptor
   * @param bytes of the field
   */
  public void descriptor(long times, int offset, int bytes, long value) {
    if (times == 0) {
      fields.remove(offset);
    } else {
      fields.put(offset, new Other(bytes, value, times));
    }
  }

  /**
   * An element is written.
   *
   * @param at address of the chain's first descriptor, which is in memory
   */
  public void written(HostView memory, long at) {
    left = Math.max(0, left - 1);
    if (!fields.isEmpty()) {
      fields.forEach((offset, o) -> memory.write(at + offset, o.bytes, o.value));
      fields.replaceAll((offset, o) -> new Other(o.bytes, o.value, o.left - 1));
      fields.values().removeIf(o -> o.left == 0);
    }
  }

  /** {@return the id of an element, given the device's} */
  public int id(int own) {
    return left == 0 || id == OWN ? own : (int) id;
  }

  /** {@return the length of an element, given the device's} */
  public int length(int own) {
    return left == 0 || length == OWN ? own : (int) length;
  }
}
