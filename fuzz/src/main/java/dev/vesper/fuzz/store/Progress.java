package dev.vesper.fuzz.store;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * How far a member of a campaign is.
 *
 * @param member its name, 1 to 64 characters of {@code A-Z a-z 0-9 . _ -}
 * @param started when it has begun, in seconds since 1970
 * @param reported when it has said this, in seconds since 1970
 * @param executions that it has done
 * @param perSecond executions a second, of the last while
 * @param edges that the campaign has reached, as the member knows it
 * @param queue entries that the member knows
 * @param crashes findings that it knows, each once
 * @param hangs that it knows, each once
 * @param cycles how often it has worked through the queue
 * @param lastNew the number of the execution that has last reached something new
 */
public record Progress(
    String member,
    long started,
    long reported,
    long executions,
    double perSecond,
    int edges,
    int queue,
    int crashes,
    int hangs,
    int cycles,
    long lastNew) {
  private static final int VERSION = 1;
  private static final int LONGEST_NAME = 64;
  private static final int NUMBERS = 5 * Long.BYTES + 5 * Integer.BYTES;

  /**
   * Makes one.
   *
   * @throws IllegalArgumentException if the name is none or a number is negative or none
   */
  public Progress {
    if (!isName(member)) {
      throw new IllegalArgumentException(
          "a member's name has 1 to 64 characters of A-Z a-z 0-9 . _ -");
    }
    long all = started | reported | executions | lastNew | edges | queue | crashes | hangs | cycles;
    if (all < 0 || !Double.isFinite(perSecond) || perSecond < 0) {
      throw new IllegalArgumentException("a number of a member's progress is negative");
    }
  }

  /** {@return whether a member may be called so} */
  public static boolean isName(String s) {
    return !s.isEmpty()
        && s.length() <= LONGEST_NAME
        && s.chars()
            .allMatch(
                c ->
                    c >= 'a' && c <= 'z'
                        || c >= 'A' && c <= 'Z'
                        || c >= '0' && c <= '9'
                        || ".-_".indexOf(c) >= 0);
  }

  /** {@return it as bytes: the format's version, the numbers, big-endian, and the name} */
  public byte[] encode() {
    byte[] name = member.getBytes(StandardCharsets.US_ASCII);
    return ByteBuffer.allocate(1 + NUMBERS + name.length)
        .put((byte) VERSION)
        .putLong(started)
        .putLong(reported)
        .putLong(executions)
        .putLong(lastNew)
        .putDouble(perSecond)
        .putInt(edges)
        .putInt(queue)
        .putInt(crashes)
        .putInt(hangs)
        .putInt(cycles)
        .put(name)
        .array();
  }

  /** {@return what bytes say, empty if they are no {@link #encode()}d progress} */
  public static Optional<Progress> decode(byte[] bytes) {
    int name = bytes.length - 1 - NUMBERS;
    if (name < 1 || name > LONGEST_NAME || bytes[0] != VERSION) {
      return Optional.empty();
    }
    ByteBuffer b = ByteBuffer.wrap(bytes, 1, NUMBERS);
    long started = b.getLong();
    long reported = b.getLong();
    long executions = b.getLong();
    long lastNew = b.getLong();
    double perSecond = b.getDouble();
    int edges = b.getInt();
    int queue = b.getInt();
    int crashes = b.getInt();
    int hangs = b.getInt();
    int cycles = b.getInt();
    String member = new String(bytes, 1 + NUMBERS, name, StandardCharsets.US_ASCII);
    try {
      return Optional.of(
          new Progress(
              member,
              started,
              reported,
              executions,
              perSecond,
              edges,
              queue,
              crashes,
              hangs,
              cycles,
              lastNew));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }
}
