package dev.vesper.machine.input;

import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.foreign.ForeignBytes;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** Takes apart what {@link RecordingWriter} writes, or what somebody says is such a file. */
public final class RecordingReader {
  /** Longest record, in bytes: that of an answer, or of turns. */
  private static final int LONGEST = InputRecord.MOST_BYTES + 64;

  /** The first version had no changes. */
  private static final int OLDEST = 1;

  private static final int SUM = 4;
  private static final int HASH = 32;

  private final byte[] file;
  private final ForeignBytes in;
  private final CRC32C sum = new CRC32C();
  private final List<InputRecord> inputs = new ArrayList<>();
  private final ByteArrayOutputStream turns = new ByteArrayOutputStream();
  private final List<Recording.Look> looks = new ArrayList<>();
  private final List<InputChange> changes = new ArrayList<>();
  private int summed;
  private long point;
  private long instructions;
  private @Nullable RunEnd end;

  private RecordingReader(byte[] file) {
    this.file = file;
    in = ForeignBytes.of(file);
  }

  /**
   * {@return what a file has} A file that ends before its run did is one that a killed process has
   * left: then there is what is complete of it.
   *
   * @throws IllegalArgumentException saying in a line, which goes on from the file's name, why it
   *     is no recording that can be replayed
   */
  public static Recording read(byte[] file) {
    try {
      return new RecordingReader(file).read();
    } catch (Damaged e) {
      throw new IllegalArgumentException("is a damaged recording: " + e.getMessage());
    }
  }

  private Recording read() {
    String header = header();
    while (end == null && record()) {
      // it has been taken apart
    }
    if (end != null && in.left() > 0) {
      throw new Damaged("it goes on behind its end, at byte " + in.position());
    }
    RunEnd e = end;
    if (e == null) {
      e = RunEnd.cut(inputs.isEmpty() ? null : inputs.getLast(), point, instructions);
    }
    return new Recording(
        header,
        List.copyOf(inputs),
        turns.toByteArray(),
        List.copyOf(looks),
        List.copyOf(changes),
        e);
  }

  private String header() {
    byte[] magic = RecordingWriter.MAGIC.getBytes(StandardCharsets.US_ASCII);
    for (int i = 0; i < magic.length; i++) {
      if (i >= file.length && i > 0) {
        throw new IllegalArgumentException("ends within the header of a recording");
      }
      if (i >= file.length || file[i] != magic[i]) {
        throw new IllegalArgumentException(
            "is no recording: name a file that 'vesper run --record' has written");
      }
    }
    if (file.length < magic.length + 8) {
      throw new IllegalArgumentException("ends within the header of a recording");
    }
    in.skip(magic.length);
    long version = in.u32();
    if (version < OLDEST || version > RecordingWriter.VERSION) {
      throw new IllegalArgumentException(
          "is a recording of format "
              + version
              + ", and this Vesper reads format "
              + RecordingWriter.VERSION
              + ": replay it with the Vesper that wrote it");
    }
    long length = in.u32();
    if (length > RecordingWriter.LONGEST_HEADER) {
      throw new Damaged("its header would have " + length + " bytes");
    }
    if (length + SUM > in.left()) {
      throw new IllegalArgumentException("ends within the header of a recording");
    }
    String text = new String(file, in.position(), (int) length, StandardCharsets.UTF_8);
    in.skip(length);
    checkSum();
    return text;
  }

  /** Compares the sum that is next with that of everything before. */
  private void checkSum() {
    int at = in.position();
    sum.update(file, summed, at - summed);
    if (in.u32() != sum.getValue()) {
      throw new Damaged("the sum at byte " + at + " is not that of what is before it");
    }
    sum.update(file, at, SUM);
    summed = at + SUM;
  }

  /** Takes the next record; {@return false if there is no complete one any more} */
  private boolean record() {
    int start = in.position();
    long length = 0;
    for (int shift = 0; ; shift += 7) {
      if (in.left() == 0) {
        return false;
      }
      int b = in.u8();
      length |= (long) (b & 0x7F) << shift;
      if (b < 0x80) {
        break;
      }
      if (shift > 14) {
        throw new Damaged("a record at byte " + start + " is longer than any can be");
      }
    }
    if (length < 1 || length > LONGEST) {
      throw new Damaged("a record at byte " + start + " would have " + length + " bytes");
    }
    if (length + SUM > in.left()) {
      return false;
    }
    ForeignBytes body = in.next(length);
    checkSum();
    take(body, start);
    return true;
  }

  private void take(ForeignBytes b, int start) {
    int kind = b.u8();
    Source s = Source.of(kind);
    if (s != null) {
      place(b);
      if (!inputs.isEmpty() && inputs.getLast().point() >= point) {
        throw new Damaged("two records are for one point, at byte " + start);
      }
      inputs.add(new InputRecord(point, instructions, s, b.next(b.left()).toArray()));
      return;
    }
    switch (kind) {
      case RecordingWriter.TURNS -> {
        long first = b.uleb();
        if (first != turns.size() / 2 || b.left() % 2 != 0) {
          throw new Damaged("turns are missing before byte " + start);
        }
        turns.writeBytes(b.next(b.left()).toArray());
      }
      case RecordingWriter.LOOK -> {
        place(b);
        looks.add(new Recording.Look(point, instructions, b.u64()));
      }
      case RecordingWriter.CHANGE -> {
        place(b);
        boolean inside = b.u8() != 0;
        long registers = b.u64();
        byte[] what = b.next(b.left()).toArray();
        changes.add(new InputChange(point, instructions, inside, registers, what));
      }
      case RecordingWriter.END -> end = end(b);
      default -> throw new Damaged("there is no record of kind " + kind + ", as at byte " + start);
    }
  }

  private void place(ForeignBytes b) {
    long forward = b.uleb();
    if (forward < 0 || point + forward < 0) {
      throw new Damaged("a point is beyond all that can be");
    }
    point += forward;
    long zigzag = b.uleb();
    instructions += zigzag >>> 1 ^ -(zigzag & 1);
    if (instructions < 0) {
      throw new Damaged("a count of instructions is negative");
    }
  }

  private RunEnd end(ForeignBytes b) {
    place(b);
    int cause = b.u8();
    if (cause > RunEnd.Cause.TIME.ordinal()) {
      throw new Damaged("nothing ends a run as " + cause + " says");
    }
    boolean inside = b.u8() != 0;
    long status = b.uleb();
    long value = b.uleb();
    if (status < 0 || status > 255 || value < 0 || value > 256) {
      throw new Damaged("there is no status such as that of its end");
    }
    String state = hash(b);
    String trace = hash(b);
    String reason = new String(b.next(b.left()).toArray(), StandardCharsets.UTF_8);
    return new RunEnd(
        RunEnd.Cause.values()[cause],
        point,
        instructions,
        inside,
        (int) status,
        reason,
        (int) value - 1,
        state,
        trace);
  }

  private static String hash(ForeignBytes b) {
    int n = b.u8();
    if (n != 0 && n != HASH) {
      throw new Damaged("a hash of its end has " + n + " bytes");
    }
    return HexFormat.of().formatHex(b.next(n).toArray());
  }
}
