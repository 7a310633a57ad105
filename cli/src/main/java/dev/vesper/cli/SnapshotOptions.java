package dev.vesper.cli;

import dev.vesper.machine.Machine;
import dev.vesper.machine.SnapshotException;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.EventSink;
import java.io.IOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where a run is written to a snapshot, and from which one it goes on. */
final class SnapshotOptions {
  private @Nullable Path out;
  private String at = "";
  private @Nullable Path load;

  void addTo(Options o) {
    o.path(
        "F",
        "write the machine to a file from which -loadvm goes on: where --snapshot-at says, or else"
            + " where the run is ended by --limit-insns, --timeout, --break-on or a signal; disks"
            + " and variable store stay as they are",
        v -> out = v,
        "--snapshot-out");
    o.text(
        "N|SYMBOL",
        "write --snapshot-out after N instructions, or before the instruction that a symbol names,"
            + " and run on",
        v -> at = v,
        "--snapshot-at");
    o.path(
        "F",
        "go on from a snapshot; the rest of the line describes the same machine. Disks and variable"
            + " store stay as they are",
        v -> load = v,
        "-loadvm",
        "--loadvm");
  }

  /** {@return whether what the guest writes to disks is to be part of the machine} */
  boolean areGiven() {
    return out != null || load != null;
  }

  /** {@return the file that is written, or null} */
  @Nullable Path out() {
    return out;
  }

  /** {@return the file that is read, or null} */
  @Nullable Path load() {
    return load;
  }

  /** {@return whether the run itself says where it is written, and goes on behind it} */
  boolean isPlaced() {
    return !at.isEmpty();
  }

  /**
   * Refuses what cannot be.
   *
   * @throws UserError if the options cannot be meant
   */
  void validate(RunOptions said) {
    Path written = out;
    if (written == null && isPlaced()) {
      throw new UserError("--snapshot-at " + at + ": name the file with --snapshot-out F");
    }
    if (!areGiven()) {
      return;
    }
    String option = written != null ? "--snapshot-out" : "-loadvm";
    if (!said.share.isEmpty()) {
      throw new UserError(
          option + ": a snapshot cannot hold a shared folder; leave --share out of both runs");
    }
    for (String n : said.nic) {
      if (n.contains("fwd=")) {
        throw new UserError(
            option
                + ": a snapshot cannot hold connections to the computer; leave hostfwd and"
                + " guestfwd out of -nic "
                + n);
      }
    }
    if (written == null) {
      return;
    }
    UserFiles.requireFolder(written);
    if (said.record != null && !isPlaced()) {
      throw new UserError(
          "--snapshot-out in a run that is recorded has a place: add --snapshot-at N|SYMBOL");
    }
    if (said.debug.isWanted()) {
      throw new UserError("--snapshot-out is for a run without a debugger; leave -gdb, -s out");
    }
    if (said.measureOnly) {
      throw new UserError("--snapshot-out: --measure-only runs nothing that could be written");
    }
    if (isPlaced() && count() >= said.limitInsns && count() != Long.MAX_VALUE) {
      throw new UserError("--snapshot-at " + at + " is not before --limit-insns");
    }
  }

  /** {@return after how many instructions it is written, or {@link Long#MAX_VALUE}} */
  long count() {
    if (!isPlaced() || !Character.isDigit(at.charAt(0))) {
      return Long.MAX_VALUE;
    }
    try {
      return Quantities.count(at);
    } catch (NumberFormatException e) {
      throw new UserError(
          "--snapshot-at takes a number of instructions, as in 500M, or a symbol, not '"
              + at
              + "'");
    }
  }

  /** {@return where it is written} */
  Until place() {
    long n = count();
    return n == Long.MAX_VALUE ? Until.symbol(at) : Until.instructions(n);
  }

  /** {@return the place in words} */
  String placeName() {
    return at;
  }

  /**
   * Opens the file that is read, which a confined process cannot.
   *
   * @return null if there is none
   * @throws UserError if it cannot be opened
   */
  @Nullable SeekableByteChannel open() {
    Path p = load;
    if (p == null) {
      return null;
    }
    if (!Files.isRegularFile(p)) {
      throw new UserError(
          "-loadvm " + p + ": " + (Files.exists(p) ? "it is no file" : "there is no such file"));
    }
    try {
      return Files.newByteChannel(p, StandardOpenOption.READ);
    } catch (IOException e) {
      throw new UserError("-loadvm " + p + ": " + UserError.reason(e));
    }
  }

  /**
   * Has a machine go on from a file.
   *
   * @param past is told what happened before; null if nobody asks
   * @throws UserError if it cannot, in one line
   */
  void load(Machine m, SeekableByteChannel file, @Nullable EventSink past) {
    try {
      if (!m.load(file, past) && past != null) {
        Terminal.say(
            "-loadvm "
                + load
                + ": it does not say what happened before, as one of a run with --check does:"
                + " checking starts here");
      }
    } catch (SnapshotException e) {
      throw new UserError("-loadvm " + load + ": " + e.getMessage());
    } catch (IOException e) {
      throw new UserError("-loadvm " + load + ": " + UserError.reason(e));
    }
    if (out != null && m.instructions() >= count()) {
      throw new UserError(
          "--snapshot-at %s: -loadvm %s stands at %d instructions; name a later place"
              .formatted(at, load, m.instructions()));
    }
  }

  /** Says that images are left alone which a guest writes to, if there are any. */
  void sayDisks(List<String> drives) {
    if (areGiven() && !drives.isEmpty()) {
      Terminal.say(
          "with snapshots no image is written to: what the guest writes to its disks is in the"
              + " snapshot, or forgotten at the end");
    }
  }
}
