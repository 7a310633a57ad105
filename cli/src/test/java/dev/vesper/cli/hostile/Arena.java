package dev.vesper.cli.hostile;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Where guests run: a folder that they may change, disks that they may write, what a run writes,
 * and around all of it things that nobody may touch.
 */
public final class Arena {
  /** What is in every file that no guest may read. */
  public static final String SECRET = "SECRET-OF-THE-COMPUTER";

  private static final int DISK_BYTES = 1 << 20;
  private static final int CLUSTER_BITS = 16;

  private final Path root;
  private final Path free;

  /**
   * Makes one.
   *
   * @param root an empty folder
   */
  public Arena(Path root) throws IOException, InterruptedException {
    this.root = root;
    free = root.resolve("free");
    Files.createDirectories(root.resolve("kept/folder/deep"));
    for (String n : List.of("secret", "file", "kept/file", "kept/folder/file", "kept/.hidden")) {
      Files.writeString(root.resolve(n), SECRET);
    }
    Files.createSymbolicLink(root.resolve("kept/link"), Path.of("../secret"));
    if (new ProcessBuilder("mkfifo", root.resolve("kept/pipe").toString()).start().waitFor() != 0) {
      throw new IOException("mkfifo");
    }
    // What is shared for reading holds no secret, and leads to some.
    Path shared = Files.createDirectories(root.resolve("kept-share/folder"));
    Files.writeString(shared.resolve("file"), "known");
    Files.createSymbolicLink(shared.resolve("link"), root.resolve("secret"));
    Files.createSymbolicLink(shared.resolve("up"), Path.of("../.."));
    Files.write(root.resolve("kept.img"), new byte[DISK_BYTES]);
    Files.createDirectories(free);
  }

  /** {@return the folder that guests change} */
  Path share() {
    return free.resolve("share");
  }

  Path keptShare() {
    return root.resolve("kept-share");
  }

  Path disk() {
    return free.resolve("disk.img");
  }

  Path secondDisk() {
    return free.resolve("second.img");
  }

  Path image() {
    return free.resolve("disk.qcow2");
  }

  Path keptDisk() {
    return root.resolve("kept.img");
  }

  /** {@return the folder that the process is started in} */
  public Path kept() {
    return root.resolve("kept");
  }

  /** {@return a file that a run writes or is given} */
  public Path output(String name) {
    return free.resolve("out").resolve(name);
  }

  /** Makes everything that may be changed new. */
  public void reset() throws IOException, InterruptedException {
    if (Files.exists(free)) {
      // A guest may have taken permissions away, and made folders that are deeper than any path.
      String f = free.toString();
      new ProcessBuilder("chmod", "-R", "u+rwx", f).start().waitFor();
      if (new ProcessBuilder("rm", "-rf", f).start().waitFor() != 0) {
        throw new IOException("cannot remove " + f);
      }
    }
    Files.createDirectories(free.resolve("out"));
    Path s = Files.createDirectories(share().resolve("folder"));
    Files.writeString(share().resolve("file"), "the guest's");
    Files.writeString(s.resolve("file"), "the guest's too");
    Files.createSymbolicLink(share().resolve("link"), Path.of("../../secret"));
    Files.createSymbolicLink(share().resolve("up"), Path.of(".."));
    Files.createSymbolicLink(share().resolve("absolute"), root.resolve("kept"));
    for (Path p : List.of(disk(), secondDisk())) {
      try (RandomAccessFile f = new RandomAccessFile(p.toFile(), "rw")) {
        f.setLength(DISK_BYTES);
      }
    }
    Files.write(image(), qcow2());
  }

  /** An empty qcow2 image of version 2: header, table and block of counts, table of clusters. */
  private static byte[] qcow2() {
    int cluster = 1 << CLUSTER_BITS;
    ByteBuffer b = ByteBuffer.allocate(4 * cluster);
    b.putInt(0x5146_49FB).putInt(2).putLong(0).putInt(0).putInt(CLUSTER_BITS).putLong(16L << 20);
    b.putInt(0).putInt(1).putLong(3L * cluster).putLong(cluster).putInt(1);
    b.putLong(cluster, 2L * cluster);
    for (int i = 0; i < 4; i++) {
      b.putShort(2 * cluster + 2 * i, (short) 1);
    }
    return b.array();
  }

  /** {@return all that can be said of what may not be changed} */
  public Map<String, String> described() throws IOException {
    Map<String, String> all = new TreeMap<>();
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path p, BasicFileAttributes a)
              throws IOException {
            if (p.equals(free)) {
              // Nothing appears beside what it has.
              all.put(p.toString(), String.join(" ", new TreeSet<>(List.of(names(p)))));
              return FileVisitResult.SKIP_SUBTREE;
            }
            describe(p, "");
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path p, BasicFileAttributes a) throws IOException {
            boolean text = a.isRegularFile();
            describe(p, text ? Files.readString(p, StandardCharsets.ISO_8859_1) : "");
            return FileVisitResult.CONTINUE;
          }

          private void describe(Path p, String contents) throws IOException {
            Map<String, Object> m =
                new TreeMap<>(
                    Files.readAttributes(
                        p,
                        "unix:ino,mode,uid,gid,nlink,size,lastModifiedTime,ctime",
                        LinkOption.NOFOLLOW_LINKS));
            if (p.equals(root)) {
              m.remove("lastModifiedTime");
              m.remove("ctime");
            }
            all.put(p.toString(), m + " " + contents.hashCode());
          }
        });
    return all;
  }

  private static String[] names(Path folder) {
    String[] n = folder.toFile().list();
    return n == null ? new String[0] : n;
  }
}
