package dev.vesper.cli;

import dev.vesper.machine.Machine;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.input.Recording;
import dev.vesper.machine.input.RecordingReader;
import dev.vesper.machine.input.RunEnd;
import dev.vesper.machine.observe.Producer;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A run that is had again from its recording, which may be a stranger's: it names files that are
 * read, and none that is written.
 */
final class Replay {
  private final Path file;
  private final Recording recording;
  private final RecordingHeader header;

  private Replay(Path file, Recording recording, RecordingHeader header) {
    this.file = file;
    this.recording = recording;
    this.header = header;
  }

  /**
   * {@return the replay of a recording}
   *
   * @throws UserError if it cannot be read, or is none
   */
  static Replay open(Path file) {
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new UserError("the recording " + file + " is no file");
    }
    byte[] bytes = UserFiles.read(file, "recording");
    try {
      Recording r = RecordingReader.read(bytes);
      return new Replay(file, r, RecordingHeader.parse(r.header()));
    } catch (IllegalArgumentException e) {
      throw new UserError(file + " " + Visible.of(reason(e)));
    }
  }

  private static String reason(IllegalArgumentException e) {
    String m = String.valueOf(e.getMessage());
    return m.startsWith("is ") || m.startsWith("ends ") ? m : "is a damaged recording: " + m;
  }

  /**
   * Sets the options of the machine as the recording has them.
   *
   * @param given what the line says, by the first name of each option
   * @param to takes the others
   * @param changed whether the line may have another machine
   * @throws UserError if the line has another one, or the recording none
   */
  void fill(Map<String, List<?>> given, Options to, boolean changed) {
    Path folder = Objects.requireNonNullElse(file.toAbsolutePath().getParent(), file);
    List<String> said = RecordedOptions.words(given);
    List<String> words = new ArrayList<>();
    for (String w : header.words()) {
      String name = RecordedOptions.name(w);
      if (!RecordedOptions.has(name)) {
        throw new UserError(
            file + " is a damaged recording: a machine has no option " + Visible.of(name));
      }
      if (said.stream().noneMatch(s -> RecordedOptions.name(s).equals(name))) {
        words.add(RecordedOptions.located(w, folder));
      }
    }
    if (!changed) {
      requireSame(said);
    }
    try {
      to.readWords(words);
    } catch (IllegalArgumentException e) {
      throw new UserError(
          file + " is a damaged recording: " + Visible.of(String.valueOf(e.getMessage())));
    }
  }

  /** Refuses options that are not those of the recording but for where files are. */
  private void requireSame(List<String> said) {
    List<String> names = said.stream().map(RecordedOptions::name).distinct().toList();
    for (String name : names) {
      List<String> now = plain(said, name);
      List<String> then = plain(header.words(), name);
      if (!now.equals(then)) {
        throw new UserError(
            name
                + " is the recording's: it has "
                + (then.isEmpty() ? "none" : Visible.of(String.join(" ", then)))
                + "; --changed replays with another machine, up to where that differs");
      }
    }
  }

  private static List<String> plain(List<String> words, String name) {
    return words.stream()
        .filter(w -> RecordedOptions.name(w).equals(name))
        .map(RecordedOptions::withoutFiles)
        .toList();
  }

  /**
   * Holds files to the recording's.
   *
   * @param files that the machine is made of now
   * @param changed whether others are only spoken of
   * @throws UserError if one is another one
   */
  void check(List<Path> files, boolean changed) {
    List<RecordingHeader.Named> then = header.files();
    if (files.size() != then.size()) {
      unlike(
          "the recording is of " + then.size() + " files, and its options name " + files.size(),
          changed);
      return;
    }
    for (int i = 0; i < then.size(); i++) {
      RecordingHeader.Named n = RecordingHeader.Named.of(files.get(i));
      RecordingHeader.Named t = then.get(i);
      if (n.bytes() != t.bytes() || !n.sha256().equals(t.sha256())) {
        unlike(
            files.get(i)
                + " is not the file of the recording: SHA-256 "
                + n.sha256()
                + ", not "
                + Visible.of(t.sha256()),
            changed);
      }
    }
  }

  private static void unlike(String what, boolean changed) {
    if (!changed) {
      throw new UserError(what + "; --changed replays all the same, up to where the run differs");
    }
    Terminal.say(what);
  }

  /** Says what is to be known before the run. */
  void announce(MachineSpec spec, boolean changed) {
    if (!header.vesper().equals(Producer.VERSION)) {
      Terminal.say(
          "recorded by Vesper "
              + Visible.of(header.vesper())
              + ", and this is "
              + Producer.VERSION
              + ": the replay may differ");
    }
    if (recording.isCut()) {
      Terminal.say(
          "the recording has no end, as whoever wrote it was killed: it is replayed as far as it"
              + " goes");
    }
    boolean same =
        header.cpu().equals(spec.cpuModel())
            && header.memory() == spec.memoryBytes()
            && header.processors() == spec.processors()
            && header.seed() == spec.seed()
            && header.time() == spec.hardware().startSeconds();
    if (!same) {
      unlike("processors, memory, seed or time of day are not the recording's", changed);
    }
  }

  /** {@return what gives the machine what was recorded} */
  InputLog log() {
    return InputLog.replaying(recording);
  }

  /**
   * {@return the outcome of the replay: that of the run, or that it is another run}
   *
   * @param traceDigest of its events; empty if there is none
   */
  Outcome conclude(Machine m, Outcome life, String traceDigest) {
    if (life.is(Outcome.DIFFERS)) {
      return life;
    }
    String unlike = m.unlikeRecorded(life, traceDigest);
    if (unlike != null) {
      return new Outcome(Outcome.DIFFERS, "the replay differs from the recording: " + unlike);
    }
    RunEnd e = recording.end();
    if (m.isRecordedEnd() && !recording.isCut()) {
      Terminal.say(
          "the replay is the recorded run, to its end after " + e.instructions() + " instructions");
    }
    return life;
  }
}
