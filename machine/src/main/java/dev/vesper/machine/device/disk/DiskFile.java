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
      Storage s = new FileStorage(c, file.toString());
      boolean qcow2 = format == null ? isQcow2(c) : format == Format.QCOW2;
      Disk d = qcow2 ? whole(new Qcow2Disk(s, fixed)) : new RawDisk(s, fixed);
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

  /**
   * {@return whether an image is qcow2, and not raw}
   *
   * @throws IOException if it is an image of another format, whose bytes are nobody's disk
   */
  private static boolean isQcow2(FileChannel c) throws IOException {
    ByteBuffer b = ByteBuffer.allocate(Disk.SECTOR);
    while (b.hasRemaining() && c.read(b, b.position()) > 0) {
      // until there is a sector, or no more
    }
    if (b.position() >= 4 && b.getInt(0) == Qcow2Disk.MAGIC) {
      return true;
    }
    if (ProbedDisk.isImage(b.array())) {
      throw new IOException(
          "it is an image of a format that is not supported: make it one with 'qemu-img convert -O"
              + " qcow2', or say format=raw if the guest is to see it as it is");
    }
    return false;
  }

  private static Disk whole(Qcow2Disk d) throws IOException {
    d.requireWhole();
    return d;
  }
}
