package dev.vesper.machine.cpu.emit;

import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.memory.SystemCall;
import java.io.Closeable;
import java.io.IOException;
import java.lang.module.ResolvedModule;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Native code that outlives runs, in a folder: a file for each kind of processor that guests have
 * and each build of Vesper, of code that no other computer's processor would be given.
 *
 * <p>Code is executed with all rights of the process: folder and file must be the user's own, and
 * nobody else may be able to write to them. The file is opened once, so that a process that has
 * given up its rights can still write it. What is not used is said, and no reason to fail.
 */
public final class KeptCode implements Closeable {
  /** Bytes of all files; of more, those go first that were written longest ago. */
  private static final long FOLDER_BYTES = 256L << 20;

  private static final String SUFFIX = ".code";

  /** A run that has made less than this part of what there is writes nothing. */
  private static final int WORTH = 64;

  private static final long GETUID = 102;
  private static final int OTHERS_WRITE = 0022;
  private static final String UNUSED = "no cache of native code: ";

  private final FileChannel channel;
  private final byte[] key;
  private final CodeStore store;
  private final Consumer<String> notes;
  private final Path file;

  /** Bytes that came from the file. */
  private int had;

  /** What the file's header was then. */
  private long seen;

  private KeptCode(
      Path file, FileChannel channel, byte[] key, CodeStore store, Consumer<String> notes) {
    this.file = file;
    this.channel = channel;
    this.key = key;
    this.store = store;
    this.notes = notes;
  }

  /**
   * {@return what there is in a folder, or null if nothing can be kept} The folder is made if need
   * be.
   *
   * @param guest what the guest's processors have
   * @param notes told in a line each what is not used, and why
   */
  public static @Nullable KeptCode open(Path folder, CpuFeatures guest, Consumer<String> notes) {
    NativeEntry entry = NativeEntry.get();
    if (entry == null) {
      return null;
    }
    try {
      String build = build();
      if (build == null) {
        notes.accept(UNUSED + "this build cannot be told from others");
        return null;
      }
      return open(folder, key(build, entry.features(), guest), notes);
    } catch (IOException e) {
      notes.accept(UNUSED + e);
      return null;
    }
  }

  /** {@return the same for a key of 32 bytes} */
  static @Nullable KeptCode open(Path folder, byte[] key, Consumer<String> notes)
      throws IOException {
    Files.createDirectories(
        folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    Path file = folder.resolve(HexFormat.of().formatHex(key, 0, 8) + SUFFIX);
    String why = refusal(folder, true);
    if (why == null && Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      why = refusal(file, false);
    }
    if (why != null) {
      notes.accept(UNUSED + why);
      return null;
    }
    Set<OpenOption> how =
        Set.of(
            StandardOpenOption.READ,
            StandardOpenOption.WRITE,
            StandardOpenOption.CREATE,
            LinkOption.NOFOLLOW_LINKS);
    FileChannel c =
        FileChannel.open(
            file,
            how,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    KeptCode k = new KeptCode(file, c, key, new CodeStore(), notes);
    k.read(k.store);
    k.had = k.store.used();
    k.seen = CodeFile.check(c);
    clean(folder, file);
    return k;
  }

  private void read(CodeStore to) throws IOException {
    if (channel.size() != 0) {
      try {
        CodeFile.read(channel, key, to);
      } catch (CodeFile.Unusable e) {
        notes.accept("native code is made anew: " + file + " " + e.getMessage());
      }
    }
  }

  /** {@return what a translator is to use and to add to} */
  CodeStore store() {
    return store;
  }

  /** {@return why a file or folder must not be used, or null} */
  private static @Nullable String refusal(Path p, boolean isFolder) throws IOException {
    Map<String, Object> a = Files.readAttributes(p, "unix:uid,mode", LinkOption.NOFOLLOW_LINKS);
    boolean good =
        isFolder
            ? Files.isDirectory(p, LinkOption.NOFOLLOW_LINKS)
            : Files.isRegularFile(p, LinkOption.NOFOLLOW_LINKS);
    if (!good) {
      return p + (isFolder ? " is no folder" : " is no file");
    }
    if (!Integer.valueOf((int) SystemCall.call(GETUID, 0, 0, 0, 0, 0, 0)).equals(a.get("uid"))) {
      return p + " is not yours";
    }
    return !(a.get("mode") instanceof Integer mode) || (mode & OTHERS_WRITE) != 0
        ? p + " can be written to by others: chmod go-w"
        : null;
  }

  // ---- the key

  /**
   * {@return what tells this build's translation from that of any other, or null if nothing does}
   */
  private static @Nullable String build() throws IOException {
    StringBuilder b = new StringBuilder();
    for (Class<?> c : List.of(KeptCode.class, dev.vesper.x86.Decoder.class)) {
      Path p = place(c);
      if (p == null) {
        return null;
      }
      if (Files.isDirectory(p)) {
        // Classes that a compiler has just written: any of them may have changed.
        try (Stream<Path> all = Files.walk(p)) {
          for (Path f : (Iterable<Path>) all.filter(Files::isRegularFile).sorted()::iterator) {
            b.append(state(f)).append('\n');
          }
        }
      }
      b.append(p).append(' ').append(state(p)).append('\n');
    }
    return b.toString();
  }

  /** {@return the archive or folder that a class comes from, or null} */
  private static @Nullable Path place(Class<?> c) {
    Module m = c.getModule();
    URI at = null;
    if (m.getLayer() != null) {
      at =
          m.getLayer()
              .configuration()
              .findModule(m.getName())
              .map(ResolvedModule::reference)
              .flatMap(r -> r.location())
              .orElse(null);
    } else if (c.getProtectionDomain().getCodeSource() != null) {
      at = URI.create(c.getProtectionDomain().getCodeSource().getLocation().toString());
    }
    if (at == null) {
      return null;
    }
    return at.getScheme().equals("file")
        ? Path.of(at)
        : Path.of(System.getProperty("java.home"), "lib", "modules");
  }

  private static String state(Path file) throws IOException {
    BasicFileAttributes a = Files.readAttributes(file, BasicFileAttributes.class);
    return a.fileKey() + " " + a.lastModifiedTime() + " " + a.size();
  }

  private static byte[] key(String build, HostFeatures host, CpuFeatures guest) {
    String all =
        String.join(
            "\n",
            build,
            host.processor(),
            new TreeSet<>(host.names()).toString(),
            new TreeSet<>(guest.names()).toString(),
            System.getProperty(HostTrial.PROPERTY, ""));
    try {
      return MessageDigest.getInstance("SHA-256").digest(all.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  // ---- writing

  /**
   * Writes what there is if enough of it is new. Another run may have written meanwhile: then what
   * this one has used is added to that. One that writes now is let alone.
   */
  public void save() {
    int made = store.used() - had;
    if (made == 0 || made < had / WORTH) {
      return;
    }
    try (FileLock lock = channel.tryLock()) {
      if (lock != null) {
        CodeFile.write(channel, key, merged());
        had = store.used();
        seen = CodeFile.check(channel);
      }
    } catch (OverlappingFileLockException e) {
      // Another machine of this process writes.
    } catch (IOException e) {
      notes.accept("native code is not kept: " + file + ": " + e.getMessage());
    }
  }

  private CodeStore merged() throws IOException {
    if (CodeFile.check(channel) == seen) {
      return store;
    }
    CodeStore other = new CodeStore();
    read(other);
    other.addUsed(store);
    return other;
  }

  /** Keeps a folder within its bounds. */
  private static void clean(Path folder, Path own) throws IOException {
    record Old(Path path, long time, long size) {}
    List<Old> all = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path p : (Iterable<Path>) files::iterator) {
        BasicFileAttributes a =
            Files.readAttributes(p, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        if (a.isRegularFile() && p.toString().endsWith(SUFFIX)) {
          all.add(new Old(p, a.lastModifiedTime().toMillis(), a.size()));
        }
      }
    }
    all.sort(Comparator.comparing(Old::time).thenComparing(Old::path));
    long total = all.stream().mapToLong(Old::size).sum();
    for (Old o : all) {
      if (total > FOLDER_BYTES && !o.path.equals(own)) {
        total -= o.size;
        Files.deleteIfExists(o.path);
      }
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
