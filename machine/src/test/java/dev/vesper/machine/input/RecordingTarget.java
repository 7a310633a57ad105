package dev.vesper.machine.input;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import java.util.List;
import java.util.zip.CRC32C;

/** Recordings whose sums are right whatever they say, so that what they say is looked at. */
public final class RecordingTarget implements FuzzTarget {
  private static final int HEAD = 16;
  private static final int SUM = 4;

  @Override
  public String name() {
    return "recording";
  }

  @Override
  public List<String> covers() {
    return List.of("dev.vesper.machine.input.RecordingReader");
  }

  @Override
  public List<byte[]> seeds() {
    return List.of(RecordingFilesTest.file(0), RecordingFilesTest.file(12));
  }

  @Override
  public void take(byte[] input) {
    byte[] file = signed(input.clone());
    try {
      Recording r = RecordingReader.read(file);
      replay(r);
    } catch (IllegalArgumentException e) {
      if (String.valueOf(e.getMessage()).contains("\n")) {
        throw new AssertionError("more than a line", e);
      }
    }
  }

  /** Asks as a machine does, which takes what it is given. */
  private static void replay(Recording r) {
    InputLog log = InputLog.replaying(r);
    long[] instructions = {0};
    log.clock(() -> instructions[0]);
    for (InputRecord i : r.inputs()) {
      instructions[0] = i.instructions();
      for (int n = 0; n < 64 && log.at() < i.point() && log.endsHere(false) == null; n++) {
        log.ask(i.source(), () -> null);
      }
      log.digests().turn(i.point(), instructions[0], 0);
    }
  }

  /** Makes the sums of a file anew, as far as its lengths lead. */
  static byte[] signed(byte[] file) {
    if (file.length < HEAD) {
      return file;
    }
    CRC32C sum = new CRC32C();
    int at = HEAD;
    int summed = 0;
    int length = 0;
    for (int i = 0; i < 4; i++) {
      length |= (file[HEAD - 4 + i] & 0xFF) << 8 * i;
    }
    while (length >= 0 && length <= file.length - at - SUM) {
      at += length;
      sum.update(file, summed, at - summed);
      for (int i = 0; i < SUM; i++) {
        file[at + i] = (byte) (sum.getValue() >> 8 * i);
      }
      sum.update(file, at, SUM);
      at += SUM;
      summed = at;
      length = 0;
      for (int shift = 0; at < file.length && shift < 28; shift += 7) {
        length |= (file[at] & 0x7F) << shift;
        if (file[at++] >= 0) {
          break;
        }
      }
      if (at == file.length) {
        break;
      }
    }
    return file;
  }
}
