package dev.vesper.cli;

import dev.vesper.machine.HardwareOptions;
import org.jspecify.annotations.Nullable;

/**
 * How much memory the whole process may take. {@code ./vesper} has the Java runtime keep to it;
 * what a guest of some size needs at least is known here.
 */
final class MemoryLimit {
  private static final int SHIFT = 20;

  /** What is needed besides the guest's memory, in bytes: most of it is the Java runtime's own. */
  private static final long BESIDES = 448L << SHIFT;

  private static final String OPTION = "--memory-limit";

  /**
   * System property in which {@code ./vesper} says what it has left for guest and machine, in MiB.
   */
  private static final String ROOM = "vesper.room";

  private MemoryLimit() {}

  /**
   * {@return bytes that the Java runtime may have for the guest's memory, which lies outside its
   * heap, and for objects} Without {@code ./vesper} the limit of either is that of the heap.
   */
  static long room() {
    Long mebibytes = Long.getLong(ROOM);
    return mebibytes == null ? Runtime.getRuntime().maxMemory() : mebibytes << SHIFT;
  }

  /** {@return what a guest needs at most, in bytes, all included} */
  static long needed(long guestBytes) {
    // What the machine keeps of each page is a thirty-second of it.
    return guestBytes + (guestBytes >> 5) + BESIDES;
  }

  /**
   * Refuses a limit that a guest does not fit in or that nobody keeps to. Without a limit a guest
   * may be larger than the room: it takes what it touches.
   *
   * @param size as in 900M or 2G, or null if none was said
   * @param guestBytes the guest's memory
   * @param room bytes that the Java runtime may have, as {@link #room} tells
   */
  static void check(@Nullable String size, long guestBytes, long room) {
    if (size == null) {
      return;
    }
    String guest = "a guest of " + (guestBytes >> SHIFT) + "M";
    long limit = UserError.of(() -> HardwareOptions.memory(OPTION, size));
    long needed = needed(guestBytes);
    if (limit < needed) {
      throw new UserError(
          OPTION
              + " "
              + size
              + " is too little for "
              + guest
              + ", which takes "
              + (needed + (1 << SHIFT) - 1 >> SHIFT)
              + "M: allow so much, or give the guest less with -m");
    }
    if (room > limit) {
      throw new UserError(
          OPTION + " is kept by ./vesper alone, which says it to the Java runtime: start it so");
    }
  }
}
