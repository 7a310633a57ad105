package dev.vesper.machine.assembly;

import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.memory.MemoryImage;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.format.PackedEvents;
import dev.vesper.machine.snapshot.MachineDescription;
import dev.vesper.machine.snapshot.SnapshotFile;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.List;
import java.util.function.Function;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/** A machine as a file: its description, all state but memory's, and memory. */
public final class Snapshot {
  private static final String HEADER = "header";
  private static final String STATE = "state";
  private static final String MEMORY = "memory";
  private static final String EVENTS = "events";

  private Snapshot() {}

  /**
   * Writes a machine as it is now, between runs.
   *
   * @param roots where its state is found from
   * @param told what has happened, or null if nobody need know it
   * @throws IllegalStateException if a part of it has no form in a file, saying which
   */
  public static void write(
      Assembly parts,
      List<?> roots,
      MachineDescription description,
      @Nullable PackedEvents told,
      OutputStream to)
      throws IOException {
    Kept now = Kept.now(parts, roots, null);
    try {
      SnapshotFile.Writer w = new SnapshotFile.Writer(to);
      w.section(HEADER, description.bytes());
      w.section(STATE, now.state());
      try (DataOutputStream pages = w.sections(MEMORY)) {
        MemoryImage.write(parts.memory, pages);
      }
      if (told != null && told.isWhole()) {
        try (OutputStream events = w.pieces(EVENTS)) {
          told.writeTo(events);
        }
      }
      w.end();
    } finally {
      now.forget();
    }
  }

  /**
   * Gives a machine what another one is now, between runs, without a file.
   *
   * @param roots where its state is found from
   * @param toRoots the same of the machine that is given it
   * @throws Damaged if they are not alike; the other machine is of no use then
   */
  public static void copy(Assembly from, List<?> roots, Assembly to, List<?> toRoots)
      throws IOException {
    Kept now = Kept.now(from, roots, null);
    try {
      MemoryImage.copy(from.memory, to.memory);
      Kept.read(toRoots, now.state());
    } finally {
      now.forget();
    }
  }

  /**
   * Makes sure that a file is whole, and of a machine like this.
   *
   * @throws Damaged if it is not, saying why
   */
  public static void verify(MachineDescription own, InputStream from) throws IOException {
    SnapshotFile.Reader r = new SnapshotFile.Reader(from);
    String difference = MachineDescription.read(r.content(HEADER)).difference(own);
    if (difference != null) {
      throw new Damaged(difference);
    }
    r.verify();
  }

  /**
   * Gives a machine the state of a file that was verified.
   *
   * @param roots where the state begins, of a file with such a description
   * @param past is told what happened before, if it is in the file; null for nobody
   * @return whether it was there to be told
   * @throws Damaged if there is none in it; the machine is of no use then
   */
  public static boolean read(
      Assembly parts,
      Function<MachineDescription, ? extends List<?>> roots,
      @Nullable EventSink past,
      InputStream from)
      throws IOException {
    SnapshotFile.Reader r = new SnapshotFile.Reader(from);
    MachineDescription of = MachineDescription.read(r.content(HEADER));
    byte[] state = r.content(STATE);
    try (DataInputStream pages = r.contents(MEMORY)) {
      MemoryImage.read(parts.memory, pages);
    } catch (EOFException e) {
      throw new Damaged("its memory ends within a page");
    } catch (ZipException e) {
      throw new Damaged("its memory is not compressed as it must be: " + e.getMessage());
    }
    Kept.read(roots.apply(of), state);
    boolean there = r.hasNext(EVENTS);
    if (there && past != null) {
      try (InputStream events = r.pieces(EVENTS)) {
        PackedEvents.read(events, past);
      }
    }
    return there;
  }
}
