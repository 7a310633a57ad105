package dev.vesper.cli;

import dev.vesper.machine.LaunchPlan;
import dev.vesper.machine.Machine;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.input.RecordingWriter;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import java.io.FilterOutputStream;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Writes a run's recording. Its file is open, and what it names was read, before a guest runs. */
final class Recorder {
  private static final String CLOCK = "-rtc";

  private final OutputStream out;
  private final RunOptions said;
  private final List<RecordingHeader.Named> files;
  private @Nullable RecordingWriter writer;
  private @Nullable InputLog log;

  /** Of what is written, and in the end of all. */
  private final MessageDigest digest = LaunchPlan.sha256();

  private String sha256 = "";

  /**
   * Opens it.
   *
   * @param file takes what is written as it comes
   * @param ending is told if it takes no more, which ends the run
   */
  Recorder(OutputStream file, RunOptions said, Ending ending) {
    out =
        new FilterOutputStream(file) {
          @Override
          public void write(byte[] b, int off, int len) {
            digest.update(b, off, len);
            ending.write("the recording", () -> file.write(b, off, len));
          }
        };
    this.said = said;
    files = said.machineFiles().stream().map(RecordingHeader.Named::of).toList();
  }

  /** Begins it; {@return what the machine asks for what comes from outside} */
  InputLog begin(MachineSpec spec) {
    List<String> words = RecordedOptions.words(said.given);
    if (words.removeIf(w -> RecordedOptions.name(w).equals(CLOCK))) {
      // What the computer's clock says now is not what it says at the replay.
      long start = spec.hardware().startSeconds();
      words.add(CLOCK + "=base=" + LocalDateTime.ofEpochSecond(start, 0, ZoneOffset.UTC));
    }
    RecordingWriter w = new RecordingWriter(out, RecordingHeader.of(spec, words, files).text());
    writer = w;
    InputLog l = InputLog.recording(w);
    log = l;
    return l;
  }

  /** Writes how the run has ended. */
  void end(Machine last, Outcome life, String traceDigest) {
    if (writer != null && log != null) {
      writer.end(log, last.end(life, traceDigest));
      sha256 = HexFormat.of().formatHex(digest.digest());
    }
  }

  /** {@return what all its bytes come to, in hex, or empty before its end} */
  String sha256() {
    return sha256;
  }
}
