package dev.vesper.cli;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.FileStorage;
import dev.vesper.machine.device.disk.Qcow2Disk;
import dev.vesper.machine.device.disk.RawDisk;
import dev.vesper.machine.device.disk.SnapshotDisk;
import dev.vesper.machine.device.disk.Storage;
import dev.vesper.machine.spec.Hardware;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** The disks of {@code -drive} options, open until this is closed. */
final class Drives implements Closeable {
  private static final String USAGE =
      "-drive takes file=F[,format=raw|qcow2][,if=virtio|ide][,readonly=on][,snapshot=on]";

  /** Where readers lock: behind the end of any image. */
  private static final long FIRST_READER = 1L << 60;

  private static final AtomicInteger READERS = new AtomicInteger();

  private final List<Hardware.Drive> open = new ArrayList<>();

  /**
   * Opens disks.
   *
   * @param allSnapshots what is written to any of them is forgotten
   * @throws UserError if one cannot be opened, or is in use by somebody else
   */
  Drives(List<String> options, boolean allSnapshots) {
    try {
      for (String o : options) {
        open.add(one(o, allSnapshots));
      }
    } catch (UserError e) {
      closeAll();
      throw e;
    }
  }

  List<Hardware.Drive> list() {
    return List.copyOf(open);
  }

  private static Hardware.Drive one(String option, boolean allSnapshots) {
    Path path = null;
    String format = null;
    boolean virtio = true;
    boolean readOnly = false;
    boolean snapshot = allSnapshots;
    for (String part : option.split(",")) {
      int eq = part.indexOf('=');
      String key = eq < 0 ? part : part.substring(0, eq);
      String value = eq < 0 ? "" : part.substring(eq + 1);
      switch (key) {
        case "file" -> path = Path.of(value);
        case "format" -> {
          if (!value.equals("raw") && !value.equals("qcow2")) {
            throw new UserError("-drive " + part + ": there are raw and qcow2");
          }
          format = value;
        }
        case "if" -> {
          if (!value.equals("virtio") && !value.equals("ide")) {
            throw new UserError("-drive " + part + ": there are virtio and ide");
          }
          virtio = value.equals("virtio");
        }
        case "readonly" -> readOnly = flag(part, value);
        case "snapshot" -> snapshot = flag(part, value) || allSnapshots;
        default -> throw new UserError(USAGE + ", not '" + part + "'");
      }
    }
    if (path == null) {
      throw new UserError("-drive needs file=F");
    }
    return new Hardware.Drive(disk(path, format, readOnly, snapshot), virtio);
  }

  private static boolean flag(String part, String value) {
    return switch (value) {
      case "on" -> true;
      case "off" -> false;
      default -> throw new UserError("-drive " + part + ": say on or off");
    };
  }

  private static Disk disk(Path path, @Nullable String format, boolean readOnly, boolean snapshot) {
    if (!Files.isRegularFile(path)) {
      throw new UserError("the disk " + path + " is no file: name a disk image");
    }
    boolean fixed = readOnly || snapshot;
    FileChannel c = null;
    try {
      c =
          fixed
              ? FileChannel.open(path, StandardOpenOption.READ)
              : FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
      lock(c, fixed);
      Storage s = new FileStorage(c);
      boolean qcow2 = format == null ? magic(c) == Qcow2Disk.MAGIC : format.equals("qcow2");
      Disk d = qcow2 ? new Qcow2Disk(s, fixed) : new RawDisk(s, fixed);
      return snapshot ? new SnapshotDisk(d) : d;
    } catch (IOException | OverlappingFileLockException e) {
      try {
        if (c != null) {
          c.close();
        }
      } catch (IOException suppressed) {
        e.addSuppressed(suppressed);
      }
      String why =
          e instanceof IOException io
              ? UserError.reason(io)
              : "it is named twice; a disk can be written by one only";
      throw new UserError("cannot open the disk " + path + ": " + why);
    }
  }

  /**
   * Readers share an image, a writer has it alone. A reader locks a byte of its own, because one
   * program cannot lock a byte twice, and a writer locks them all.
   */
  private static void lock(FileChannel c, boolean reader) throws IOException {
    if (reader) {
      if (c.tryLock(FIRST_READER + READERS.getAndIncrement(), 1, true) == null) {
        throw new IOException("another program writes it");
      }
    } else if (c.tryLock() == null) {
      throw new IOException("another program uses it");
    }
  }

  private static int magic(FileChannel c) throws IOException {
    ByteBuffer b = ByteBuffer.allocate(4);
    return c.read(b, 0) == 4 ? b.getInt(0) : 0;
  }

  private void closeAll() {
    for (Hardware.Drive d : open) {
      try {
        d.disk().close();
      } catch (IOException e) {
        // nothing more can be done for it; what was flushed is safe
      }
    }
  }

  @Override
  public void close() throws IOException {
    for (Hardware.Drive d : open) {
      d.disk().flush();
      d.disk().close();
    }
  }
}
