package dev.vesper.cli.gdb;

import java.io.ByteArrayOutputStream;
import org.jspecify.annotations.Nullable;

/** Takes the bytes that a client sends apart into packets. */
final class PacketReader {
  /** What a client has said. */
  sealed interface Message {}

  /** A packet whose checksum is right. */
  record Packet(byte[] data) implements Message {}

  /** Ctrl-C: the guest shall stand still. */
  record Interrupt() implements Message {}

  /** The last answer has not come through. */
  record Again() implements Message {}

  /** A packet that has not come through, or is too long to be one. */
  record Broken() implements Message {}

  private enum At {
    BETWEEN,
    DATA,
    FIRST_DIGIT,
    SECOND_DIGIT
  }

  private static final int INTERRUPT = 3;

  private final ByteArrayOutputStream data = new ByteArrayOutputStream();
  private At at = At.BETWEEN;
  private int sum;
  private int wanted;

  /** {@return what a byte completes, or null if nothing} */
  @Nullable Message take(int b) {
    switch (at) {
      case BETWEEN -> {
        if (b == '$') {
          begin();
        }
        return b == INTERRUPT ? new Interrupt() : b == '-' ? new Again() : null;
      }
      case DATA -> {
        if (b == '$') {
          begin();
        } else if (b == '#') {
          at = At.FIRST_DIGIT;
        } else {
          sum += b;
          if (data.size() <= Packets.LARGEST) {
            data.write(b);
          }
        }
        return null;
      }
      case FIRST_DIGIT -> {
        wanted = Character.digit(b, 16) << 4;
        at = At.SECOND_DIGIT;
        return null;
      }
      case SECOND_DIGIT -> {
        at = At.BETWEEN;
        wanted |= Character.digit(b, 16);
        boolean good = wanted == (sum & 0xFF) && data.size() <= Packets.LARGEST;
        return good ? new Packet(data.toByteArray()) : new Broken();
      }
    }
    throw new AssertionError(at);
  }

  private void begin() {
    data.reset();
    sum = 0;
    at = At.DATA;
  }
}
