package dev.vesper.fuzz;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.host.DescriptorField;
import java.util.HexFormat;
import java.util.Locale;

/** What is otherwise in one answer of a host, behind what its profile has answered. */
public sealed interface Change {
  /** {@return the action of a hostile script that does the same, without its end of line} */
  String action();

  /** A field of the GHCB is another number, and valid. */
  record Field(GhcbField field, long value) implements Change {
    @Override
    public String action() {
      return "answer " + word(field) + " = " + Site.hex(value);
    }

    @Override
    public String toString() {
      return word(field) + "=" + Site.hex(value);
    }
  }

  /** A field of the GHCB is not marked valid. */
  record Invalid(GhcbField field) implements Change {
    @Override
    public String action() {
      return "invalid " + word(field);
    }

    @Override
    public String toString() {
      return "!" + word(field);
    }
  }

  /**
   * Bytes of the shared buffer that the guest has named are others.
   *
   * @param at offset from SW_SCRATCH on, 0 to 4095
   * @param bytes 1, 2, 4 or 8
   */
  record Buffer(int at, int bytes, long value) implements Change {
    /** Makes a change. */
    public Buffer {
      if (at < 0 || at > 0xFFF || bytes < 1 || bytes > 8 || Integer.bitCount(bytes) != 1) {
        throw new IllegalArgumentException("a change of a buffer has 1, 2, 4 or 8 bytes in 4096");
      }
    }

    @Override
    public String action() {
      return "poke u%d[request.sw_scratch + %d] = %s".formatted(bytes * 8, at, Site.hex(value));
    }

    @Override
    public String toString() {
      return "buf+" + at + "/" + bytes + "=" + Site.hex(value);
    }
  }

  /** The guest reads another number from the GHCB MSR. */
  record Response(long value) implements Change {
    @Override
    public String action() {
      return "msr-answer " + Site.hex(value);
    }

    @Override
    public String toString() {
      return "msr=" + Site.hex(value);
    }
  }

  /**
   * An interrupt is injected at the next entry.
   *
   * @param vector 32 to 255
   */
  record Interrupt(int vector) implements Change {
    /** Makes a change. */
    public Interrupt {
      if (vector < 32 || vector > 255) {
        throw new IllegalArgumentException("an interrupt has a vector of 32 to 255");
      }
    }

    @Override
    public String action() {
      return "inject " + vector + " interrupt";
    }

    @Override
    public String toString() {
      return "irq=" + vector;
    }
  }

  /**
   * #VC is injected at the next entry, which no instruction has raised.
   *
   * @param code the error code: an exit code that the guest is to believe
   */
  record Raise(int code) implements Change {
    /** Makes a change. */
    public Raise {
      if (code < 0) {
        throw new IllegalArgumentException("an error code has 31 bits");
      }
    }

    @Override
    public String action() {
      return "inject vc " + Site.hex(code);
    }

    @Override
    public String toString() {
      return "vc=" + Site.hex(code);
    }
  }

  /**
   * A number in memory that the guest shares is another from then on, until somebody writes there.
   *
   * @param gpa guest physical address
   * @param bytes 1, 2, 4 or 8
   */
  record Shared(long gpa, int bytes, long value) implements Change {
    /** Makes a change. */
    public Shared {
      if (gpa < 0 || bytes < 1 || bytes > 8 || Integer.bitCount(bytes) != 1) {
        throw new IllegalArgumentException("a number in shared memory has 1, 2, 4 or 8 bytes");
      }
      value = bytes == 8 ? value : value & (1L << 8 * bytes) - 1;
    }

    @Override
    public String action() {
      return "poke u%d[%s] = %s".formatted(bytes * 8, Site.hex(gpa), Site.hex(value));
    }

    @Override
    public String toString() {
      return "shared:" + Site.hex(gpa) + "/" + bytes + "=" + Site.hex(value);
    }
  }

  /**
   * The host takes longer.
   *
   * @param nanos 1 to {@link #LONGEST}
   */
  record Delay(long nanos) implements Change {
    /** Ten seconds. */
    public static final long LONGEST = 10_000_000_000L;

    /** Makes a change. */
    public Delay {
      if (nanos < 1 || nanos > LONGEST) {
        throw new IllegalArgumentException("a delay is 1 to " + LONGEST + " ns");
      }
    }

    @Override
    public String action() {
      return "delay " + nanos + " ns";
    }

    @Override
    public String toString() {
      return "delay=" + nanos;
    }
  }

  /**
   * A virtio device says something else of the next request that it has done.
   *
   * @param ofLength whether it is the length that is another, and not the number of the chain
   */
  record Used(boolean ofLength, int value) implements Change {
    @Override
    public String action() {
      return "used " + (ofLength ? "length " : "id ") + Site.hex(value & 0xFFFF_FFFFL);
    }

    @Override
    public String toString() {
      return (ofLength ? "used-length=" : "used-id=") + Site.hex(value & 0xFFFF_FFFFL);
    }
  }

  /**
   * A virtio device changes the first descriptor of the next request that it has done, in the table
   * that it shares with the driver.
   *
   * @param value its low bits, as many as the field has
   */
  record Descriptor(DescriptorField field, long value) implements Change {
    /** Makes a change. */
    public Descriptor {
      value &= -1L >>> 64 - 8 * field.bytes();
    }

    @Override
    public String action() {
      return "used " + field.word() + " " + Site.hex(value);
    }

    @Override
    public String toString() {
      return field.word() + "=" + Site.hex(value);
    }
  }

  /**
   * Bytes of a file of fw_cfg are others.
   *
   * @param name of the file: 1 to 55 characters without blanks or quotes
   * @param at offset of the first byte
   * @param hex digits of 1 to 64 bytes
   */
  record File(String name, int at, String hex) implements Change {
    private static final int LONGEST_NAME = 55;
    private static final int MOST_DIGITS = 128;

    /** Makes a change. */
    public File {
      boolean plain = name.chars().allMatch(c -> c > ' ' && c < 0x7F && "\"=+".indexOf(c) < 0);
      if (name.isEmpty() || name.length() > LONGEST_NAME || !plain || at < 0 || at > 1 << 20) {
        throw new IllegalArgumentException("fw_cfg has no such file or place in it");
      }
      if (hex.isEmpty()
          || hex.length() > MOST_DIGITS
          || (hex.length() & 1) != 0
          || !hex.chars().allMatch(HexFormat::isHexDigit)) {
        throw new IllegalArgumentException("1 to 64 bytes of a file are written as hex digits");
      }
    }

    @Override
    public String action() {
      return "fw-cfg \"" + name + "\" at " + at + " = \"" + hex + "\"";
    }

    @Override
    public String toString() {
      return "file:" + name + "+" + at + "=" + hex;
    }
  }

  private static String word(GhcbField f) {
    return f.name().toLowerCase(Locale.ROOT);
  }
}
