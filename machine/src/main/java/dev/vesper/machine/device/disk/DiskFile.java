package dev.vesper.machine.device.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Disk images in files of the computer: several may read one, or one may write it. */
public final class DiskFile {
  /** What an image looks like. */
  public enum Format {
    RAW,
    QCOW2
  }

  /** Where readers lock: behind the end of any image. */
  private static final long FIRST_READER = 1L << 60;

  private static final AtomicInteger READERS = new AtomicInteger();

  private DiskFile() {}

  /**
   * Opens an image.
   *
   * @param format or null for what the file is
   * @param readOnly writes are refused
   * @param snapshot what is written is forgotten when the disk is closed
   * @throws IOException if it cannot be opened, is no such image, or somebody else uses it
   */
  public static Disk open(Path file, @Nullable Format format, boolean readOnly, boolean snapshot)
      throws IOException {
    return open(file, format, readOnly, snapshot, n -> {});
  }

  /**
   * Opens an image.
   *
   * @param format or null for what the file is; a disk that is found to be raw refuses its guest to
   *     make it look otherwise ({@link ProbedDisk})
   * @param readOnly writes are refused
   * @param snapshot what is written is forgotten when the disk is closed
   * @param notices is told in a line what the user should know while the guest runs
   * @throws IOException if it cannot be opened, is no such image, or somebody else uses it
   */
  public static Disk open(
      Path file,
      @Nullable Format format,
      boolean readOnly,
      boolean snapshot,
      Consumer<String> notices)
      throws IOException {
    boolean fixed = readOnly || snapshot;
    FileChannel c =
        fixed
            ? FileChannel.open(file, StandardOpenOption.READ)
            : FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
    try {
      lock(c, fixed);
      Storage s = new FileStorage(c);
      boolean qcow2 = format == null ? magic(c) == Qcow2Disk.MAGIC : format == Format.QCOW2;
      Disk d = qcow2 ? new Qcow2Disk(s, fixed) : new RawDisk(s, fixed);
      if (snapshot) {
        return new SnapshotDisk(d, SnapshotDisk.MOST_BYTES, n -> notices.accept(file + ": " + n));
      }
      boolean guessed = format == null && !qcow2 && !readOnly;
      return guessed ? new ProbedDisk(d, n -> notices.accept(file + ": " + n)) : d;
    } catch (IOException e) {
      try {
        c.close();
      } catch (IOException second) {
        e.addSuppressed(second);
      }
      throw e;
    }
  }

  /**
   * Readers share an image, a writer has it alone. A reader locks a byte of its own, because one
   * program cannot lock a byte twice, and a writer locks them all.
   */
  private static void lock(FileChannel c, boolean reader) throws IOException {
    try {
      if (reader) {
        if (c.tryLock(FIRST_READER + READERS.getAndIncrement(), 1, true) == null) {
          throw new IOException("another program writes it");
        }
      } else if (c.tryLock() == null) {
        throw new IOException("another program uses it");
      }
    } catch (OverlappingFileLockException e) {
      throw new IOException("it is named twice; a disk can be written by one only", e);
    }
  }

  private static int magic(FileChannel c) throws IOException {
    ByteBuffer b = ByteBuffer.allocate(4);
    return c.read(b, 0) == 4 ? b.getInt(0) : 0;
  }
}
