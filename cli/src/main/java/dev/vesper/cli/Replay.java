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
import org.jspecify.annotations.Nullable;

/**
 * A run that is had again from its recording, which may be a stranger's: it names files that are
 * read, and none that is written.
 */
final class Replay {
  private final Path file;
  private final Recording recording;
  private final RecordingHeader header;
  private final boolean changed;
  private final String sha256;

  private Replay(
      Path file, Recording recording, RecordingHeader header, boolean changed, String sha256) {
    this.sha256 = sha256;
    this.file = file;
    this.recording = recording;
    this.header = header;
    this.changed = changed;
  }

  /** {@return what the recording's bytes come to, in hex} */
  String sha256() {
    return sha256;
  }

  /** {@return options of the command but for those of a run} */
  static Options options() {
    return new Options(
        "Has a run again that 'vesper run --record F' has written, and says where it differs.",
        "",
        "What the guest is made of and all that it hears are the recording's; who looks on, and"
            + " what is written, is said anew. Nobody else is heard, no socket is opened, and no"
            + " disk is written.",
        "Exit status: the run's own; 121 if the replay differs from the recording.",
        "Example: vesper replay F --trace T.jsonl --check");
  }

  /**
   * Has a command's options say what a recording does of the machine.
   *
   * @param file the recording, or null if none was named
   * @param said what the line says of those who look on; the machine is added
   * @param to sets it
   * @param changed whether files and options may be other ones
   * @throws UserError if it cannot be replayed
   */
  static Replay prepare(@Nullable Path file, RunOptions said, Options to, boolean changed) {
    if (file == null) {
      throw new UserError("name the recording to replay: 'vesper run --record F' writes one");
    }
    if (said.record != null || !said.share.isEmpty()) {
      throw new UserError(
          said.record != null
              ? "--record is of a run: a replay has its recording"
              : "--share: a replay has what its recording has, and no folders");
    }
    Replay r = open(file, changed);
    // What stands for itself is the recording.
    said.given.remove("");
    boolean console = said.given.containsKey("--virtio-console");
    r.fill(said.given, to);
    // Such a console is there for the guest, but nobody has asked to see it.
    said.virtioConsoleMuted = !console && !said.virtioConsole.equals("none");
    r.check(said.machineFiles());
    said.snapshot = true;
    said.noShutdown = false;
    return r;
  }

  /**
   * {@return the replay of a recording}
   *
   * @throws UserError if it cannot be read, or is none
   */
  private static Replay open(Path file, boolean changed) {
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new UserError("the recording " + file + " is no file");
    }
    byte[] bytes = UserFiles.read(file, "recording");
    try {
      Recording r = RecordingReader.read(bytes);
      return new Replay(
          file, r, RecordingHeader.parse(r.header()), changed, Manifest.sha256(bytes));
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
   * @throws UserError if the line has another one, or the recording none
   */
  private void fill(Map<String, List<?>> given, Options to) {
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
   * @throws UserError if one is another one
   */
  private void check(List<Path> files) {
    List<RecordingHeader.Named> then = header.files();
    if (files.size() != then.size()) {
      unlike("the recording is of " + then.size() + " files, and its options name " + files.size());
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
                + Visible.of(t.sha256()));
      }
    }
  }

  private void unlike(String what) {
    if (!changed) {
      throw new UserError(what + "; --changed replays all the same, up to where the run differs");
    }
    Terminal.say(what);
  }

  /** Says what is to be known before the run; {@return what gives the machine what was recorded} */
  InputLog begin(MachineSpec spec) {
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
      unlike("processors, memory, seed or time of day are not the recording's");
    }
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
