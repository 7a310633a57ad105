package dev.vesper.machine.device.share;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Answers FUSE requests (Linux, include/uapi/linux/fuse.h, version 7.31) from a folder. Files have
 * the computer's owners and permissions; what the guest makes belongs to who runs it.
 */
public final class FuseServer implements Closeable {
  private static final int HEADER = 40;
  private static final int OUT_HEADER = 16;
  private static final int MAJOR = 7;
  private static final int MINOR = 31;
  private static final int MOST = 1 << 17;
  private static final int MOST_OPEN = 4096;
  private static final int O_TRUNC = 0x200;
  private static final int O_EXCL = 0x80;

  private static final int SET_MODE = 1;
  private static final int SET_SIZE = 8;
  private static final int SET_MTIME = 32;
  private static final int SET_MTIME_NOW = 256;

  private final SharedFolder folder;
  private final boolean readOnly;
  private final Map<Long, FileChannel> open = new HashMap<>();
  private final Map<Long, List<byte[]>> listings = new HashMap<>();
  private long nextHandle = 1;

  /**
   * @param root what the guest sees as the root of the file system
   * @throws IOException if it is no folder that can be read
   */
  public FuseServer(Path root, boolean readOnly) throws IOException {
    if (!Files.isDirectory(root)) {
      throw new IOException("it is no folder");
    }
    folder = new SharedFolder(root);
    this.readOnly = readOnly;
  }

  /**
   * {@return the answer to a request, empty if there is to be none}
   *
   * @param request header and arguments
   */
  public byte[] answer(byte[] request) {
    if (request.length < HEADER) {
      return new byte[0];
    }
    ByteBuffer r = ByteBuffer.wrap(request).order(ByteOrder.LITTLE_ENDIAN);
    int code = r.getInt(4);
    long node = r.getLong(16);
    ByteBuffer arguments = r.slice(HEADER, r.capacity() - HEADER).order(ByteOrder.LITTLE_ENDIAN);
    byte[] body = {};
    int error = 0;
    try {
      if (code == 2 || code == 42) {
        forget(code, node, arguments);
        return new byte[0];
      }
      body = serve(code, node, arguments);
    } catch (FuseError e) {
      error = e.number;
    } catch (IOException e) {
      error = number(e);
    } catch (IndexOutOfBoundsException | java.nio.BufferUnderflowException e) {
      // The arguments are shorter than they must be.
      error = FuseError.EINVAL;
    }
    ByteBuffer o = out(OUT_HEADER + body.length);
    o.putInt(o.capacity()).putInt(-error).putLong(r.getLong(8)).put(body);
    return o.array();
  }

  private static ByteBuffer out(int n) {
    return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static int number(IOException e) {
    return switch (e) {
      case NoSuchFileException n -> FuseError.ENOENT;
      case FileAlreadyExistsException f -> FuseError.EEXIST;
      case DirectoryNotEmptyException d -> FuseError.ENOTEMPTY;
      case AccessDeniedException a -> FuseError.EACCES;
      default -> FuseError.EIO;
    };
  }

  private void forget(int code, long node, ByteBuffer a) {
    if (code == 2) {
      folder.forget(node, a.getLong(0));
      return;
    }
    int n = Math.min(a.getInt(0), (a.capacity() - 8) / 16);
    for (int i = 0; i < n; i++) {
      folder.forget(a.getLong(8 + 16 * i), a.getLong(16 + 16 * i));
    }
  }

  private static String text(ByteBuffer a, int from) {
    int end = from;
    while (a.get(end) != 0) {
      end++;
    }
    byte[] b = new byte[end - from];
    a.get(from, b);
    return new String(b, StandardCharsets.UTF_8);
  }

  private static int after(ByteBuffer a, int from) {
    int end = from;
    while (a.get(end) != 0) {
      end++;
    }
    return end + 1;
  }

  private void writable() throws FuseError {
    if (readOnly) {
      throw new FuseError(FuseError.EROFS);
    }
  }

  private byte[] serve(int code, long node, ByteBuffer a) throws FuseError, IOException {
    return switch (code) {
      case 1 -> entry(node, text(a, 0));
      case 3 -> attributesOut(folder.path(node));
      case 4 -> setAttributes(node, a);
      case 5 ->
          Files.readSymbolicLink(folder.path(node)).toString().getBytes(StandardCharsets.UTF_8);
      case 6 -> symbolicLink(node, a);
      case 8 -> makeNode(node, a);
      case 9 -> makeFolder(node, a);
      case 10, 11 -> remove(node, text(a, 0), code == 11);
      case 12 -> rename(node, a.getLong(0), a, 8, 0);
      case 13 -> link(node, a);
      case 14 -> openFile(node, a.getInt(0));
      case 15 -> read(a);
      case 16 -> write(a);
      case 17 -> statistics();
      case 18, 29 -> release(a.getLong(0));
      case 20 -> sync(a.getLong(0));
      case 25, 30, 34, 36, 38 -> new byte[0];
      case 26 -> initialise(a);
      case 27 -> openFolder(node);
      case 28 -> readFolder(a);
      case 35 -> create(node, a);
      case 45 -> rename(node, a.getLong(0), a, 16, a.getInt(8));
      default -> throw new FuseError(FuseError.ENOSYS);
    };
  }

  private static byte[] initialise(ByteBuffer a) throws FuseError {
    if (a.getInt(0) != MAJOR) {
      throw new FuseError(FuseError.EINVAL);
    }
    ByteBuffer o = out(64);
    o.putInt(MAJOR).putInt(MINOR).putInt(a.getInt(8));
    // FUSE_BIG_WRITES
    o.putInt(a.getInt(12) & 1 << 5).putInt(0).putInt(MOST).putInt(1);
    return o.array();
  }

  // ---- attributes

  private static Map<String, Object> unix(Path p) throws IOException {
    return Files.readAttributes(p, "unix:*", LinkOption.NOFOLLOW_LINKS);
  }

  private static long number(Map<String, Object> attributes, String name) {
    return ((Number) Objects.requireNonNull(attributes.get(name))).longValue();
  }

  private static void attributes(ByteBuffer o, Path p) throws IOException {
    Map<String, Object> m = unix(p);
    int at = o.position();
    long size = number(m, "size");
    o.putLong(at, number(m, "ino"));
    o.putLong(at + 8, size).putLong(at + 16, (size + 511) / 512);
    String[] times = {"lastAccessTime", "lastModifiedTime", "ctime"};
    for (int i = 0; i < 3; i++) {
      long t = ((FileTime) Objects.requireNonNull(m.get(times[i]))).to(TimeUnit.NANOSECONDS);
      o.putLong(at + 24 + 8 * i, Math.floorDiv(t, 1_000_000_000L));
      o.putInt(at + 48 + 4 * i, (int) Math.floorMod(t, 1_000_000_000L));
    }
    o.putInt(at + 60, (int) number(m, "mode")).putInt(at + 64, (int) number(m, "nlink"));
    o.putInt(at + 68, (int) number(m, "uid")).putInt(at + 72, (int) number(m, "gid"));
    o.putInt(at + 80, 4096);
    o.position(at + 88);
  }

  private static byte[] attributesOut(Path p) throws IOException {
    ByteBuffer o = out(104);
    o.position(16);
    attributes(o, p);
    return o.array();
  }

  private byte[] entry(long parent, String name) throws FuseError, IOException {
    Path p = folder.path(parent, name);
    ByteBuffer o = out(128);
    o.position(40);
    attributes(o, p);
    o.putLong(0, folder.lookUp(parent, name));
    return o.array();
  }

  private static Set<PosixFilePermission> permissions(int mode) {
    PosixFilePermission[] all = PosixFilePermission.values();
    Set<PosixFilePermission> s = EnumSet.noneOf(PosixFilePermission.class);
    for (int i = 0; i < 9; i++) {
      if ((mode >> 8 - i & 1) != 0) {
        s.add(all[i]);
      }
    }
    return s;
  }

  private byte[] setAttributes(long node, ByteBuffer a) throws FuseError, IOException {
    writable();
    Path p = folder.path(node);
    int what = a.getInt(0);
    boolean link = Files.isSymbolicLink(p);
    if ((what & SET_SIZE) != 0) {
      try (FileChannel c =
          FileChannel.open(p, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
        resize(c, a.getLong(16));
      }
    }
    if ((what & SET_MODE) != 0 && !link) {
      Files.setPosixFilePermissions(p, permissions(a.getInt(68)));
    }
    if ((what & SET_MTIME) != 0 && (what & SET_MTIME_NOW) == 0 && !link) {
      long t = a.getLong(40) * 1_000_000_000L + a.getInt(60);
      Files.setLastModifiedTime(p, FileTime.from(t, TimeUnit.NANOSECONDS));
    }
    return attributesOut(p);
  }

  private static void resize(FileChannel c, long size) throws FuseError, IOException {
    if (size < 0) {
      throw new FuseError(FuseError.EINVAL);
    }
    if (size < c.size()) {
      c.truncate(size);
    } else if (size > c.size()) {
      c.write(ByteBuffer.allocate(1), size - 1);
    }
  }

  // ---- names

  private byte[] symbolicLink(long node, ByteBuffer a) throws FuseError, IOException {
    writable();
    String name = text(a, 0);
    Files.createSymbolicLink(folder.path(node, name), Path.of(text(a, after(a, 0))));
    return entry(node, name);
  }

  private byte[] makeNode(long node, ByteBuffer a) throws FuseError, IOException {
    writable();
    // Regular files alone: no devices of the computer.
    if ((a.getInt(0) & 0xF000) != 0x8000) {
      throw new FuseError(FuseError.EPERM);
    }
    String name = text(a, 16);
    Path p = Files.createFile(folder.path(node, name));
    Files.setPosixFilePermissions(p, permissions(a.getInt(0)));
    return entry(node, name);
  }

  private byte[] makeFolder(long node, ByteBuffer a) throws FuseError, IOException {
    writable();
    String name = text(a, 8);
    Path p = Files.createDirectory(folder.path(node, name));
    Files.setPosixFilePermissions(p, permissions(a.getInt(0)));
    return entry(node, name);
  }

  private byte[] remove(long node, String name, boolean directory) throws FuseError, IOException {
    writable();
    Path p = folder.path(node, name);
    if (directory != Files.isDirectory(p, LinkOption.NOFOLLOW_LINKS)) {
      throw new FuseError(directory ? FuseError.ENOTDIR : FuseError.EPERM);
    }
    Files.delete(p);
    folder.removed(node, name);
    return new byte[0];
  }

  private byte[] rename(long node, long to, ByteBuffer a, int names, int flags)
      throws FuseError, IOException {
    writable();
    if ((flags & ~1) != 0) {
      throw new FuseError(FuseError.EINVAL);
    }
    String from = text(a, names);
    String name = text(a, after(a, names));
    Path target = folder.path(to, name);
    if ((flags & 1) != 0 && Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
      throw new FuseError(FuseError.EEXIST);
    }
    Files.move(folder.path(node, from), target, StandardCopyOption.ATOMIC_MOVE);
    folder.renamed(node, from, to, name);
    return new byte[0];
  }

  private byte[] link(long node, ByteBuffer a) throws FuseError, IOException {
    writable();
    Path existing = folder.path(a.getLong(0));
    if (!Files.isRegularFile(existing, LinkOption.NOFOLLOW_LINKS)) {
      throw new FuseError(FuseError.EPERM);
    }
    String name = text(a, 8);
    Files.createLink(folder.path(node, name), existing);
    return entry(node, name);
  }

  // ---- files

  private byte[] openOut(FileChannel c) throws FuseError, IOException {
    if (open.size() >= MOST_OPEN) {
      c.close();
      throw new FuseError(FuseError.ENFILE);
    }
    open.put(nextHandle, c);
    return out(16).putLong(nextHandle++).array();
  }

  private FileChannel openChannel(Path p, int flags, OpenOption... more)
      throws FuseError, IOException {
    Set<OpenOption> o = new HashSet<>(Arrays.asList(more));
    o.add(LinkOption.NOFOLLOW_LINKS);
    int access = flags & 3;
    if (access != 0 || (flags & O_TRUNC) != 0) {
      writable();
    }
    if (access != 1) {
      o.add(StandardOpenOption.READ);
    }
    if (access != 0) {
      o.add(StandardOpenOption.WRITE);
    }
    if (access != 0 && (flags & O_TRUNC) != 0) {
      o.add(StandardOpenOption.TRUNCATE_EXISTING);
    }
    return FileChannel.open(p, o);
  }

  private byte[] openFile(long node, int flags) throws FuseError, IOException {
    Path p = folder.path(node);
    if (!Files.isRegularFile(p, LinkOption.NOFOLLOW_LINKS)) {
      // Not the computer's devices and pipes.
      throw new FuseError(FuseError.EACCES);
    }
    return openOut(openChannel(p, flags));
  }

  private byte[] create(long node, ByteBuffer a) throws FuseError, IOException {
    writable();
    String name = text(a, 16);
    Path p = folder.path(node, name);
    boolean there = Files.exists(p, LinkOption.NOFOLLOW_LINKS);
    int flags = a.getInt(0);
    if (there && ((flags & O_EXCL) != 0 || !Files.isRegularFile(p, LinkOption.NOFOLLOW_LINKS))) {
      throw new FuseError(FuseError.EEXIST);
    }
    FileChannel c =
        there
            ? openChannel(p, flags)
            : openChannel(p, flags & 3 | 2, StandardOpenOption.CREATE_NEW);
    if (!there) {
      Files.setPosixFilePermissions(p, permissions(a.getInt(4)));
    }
    byte[] handle = openOut(c);
    ByteBuffer o = out(144);
    return o.put(entry(node, name)).put(handle).array();
  }

  private FileChannel channel(long handle) throws FuseError {
    FileChannel c = open.get(handle);
    if (c == null) {
      throw new FuseError(FuseError.EBADF);
    }
    return c;
  }

  private byte[] read(ByteBuffer a) throws FuseError, IOException {
    long at = a.getLong(8);
    int size = Math.min(Math.max(0, a.getInt(16)), MOST);
    if (at < 0) {
      throw new FuseError(FuseError.EINVAL);
    }
    ByteBuffer b = ByteBuffer.allocate(size);
    FileChannel c = channel(a.getLong(0));
    while (b.hasRemaining() && c.read(b, at + b.position()) > 0) {
      // until all is there, or the file ends
    }
    return Arrays.copyOf(b.array(), b.position());
  }

  private byte[] write(ByteBuffer a) throws FuseError, IOException {
    long at = a.getLong(8);
    int size = a.getInt(16);
    if (at < 0 || size < 0 || size > a.capacity() - 40) {
      throw new FuseError(FuseError.EINVAL);
    }
    ByteBuffer b = a.slice(40, size);
    FileChannel c = channel(a.getLong(0));
    try {
      while (b.hasRemaining()) {
        c.write(b, at + b.position());
      }
    } catch (java.nio.channels.NonWritableChannelException e) {
      throw new FuseError(FuseError.EBADF);
    }
    return out(8).putInt(size).array();
  }

  private byte[] sync(long handle) throws FuseError, IOException {
    channel(handle).force(true);
    return new byte[0];
  }

  private byte[] release(long handle) throws IOException {
    listings.remove(handle);
    FileChannel c = open.remove(handle);
    if (c != null) {
      c.close();
    }
    return new byte[0];
  }

  private byte[] statistics() throws FuseError, IOException {
    FileStore s = Files.getFileStore(folder.path(SharedFolder.ROOT));
    ByteBuffer o = out(80);
    o.putLong(s.getTotalSpace() / 4096).putLong(s.getUnallocatedSpace() / 4096);
    o.putLong(s.getUsableSpace() / 4096).putLong(1 << 20).putLong(1 << 20);
    return o.putInt(4096).putInt(255).putInt(4096).array();
  }

  // ---- folders

  private byte[] openFolder(long node) throws FuseError, IOException {
    if (listings.size() >= MOST_OPEN) {
      throw new FuseError(FuseError.ENFILE);
    }
    List<byte[]> all = new ArrayList<>();
    Path p = folder.path(node);
    if (!Files.isDirectory(p, LinkOption.NOFOLLOW_LINKS)) {
      throw new FuseError(FuseError.ENOTDIR);
    }
    all.add(entryOf(p, ".", 1));
    all.add(entryOf(p, "..", 2));
    try (Stream<Path> s = Files.list(p)) {
      // In the order of names, so that a run can be repeated.
      for (Path f : s.sorted().toList()) {
        all.add(entryOf(f, f.getFileName().toString(), all.size() + 1));
      }
    }
    listings.put(nextHandle, all);
    return out(16).putLong(nextHandle++).array();
  }

  private static byte[] entryOf(Path p, String name, int offset) throws IOException {
    byte[] n = name.getBytes(StandardCharsets.UTF_8);
    ByteBuffer o = out(24 + n.length + 7 & ~7);
    Map<String, Object> m = unix(p);
    o.putLong(number(m, "ino")).putLong(offset).putInt(n.length);
    return o.putInt((int) number(m, "mode") >> 12 & 15).put(n).array();
  }

  private byte[] readFolder(ByteBuffer a) throws FuseError {
    List<byte[]> all = listings.get(a.getLong(0));
    if (all == null) {
      throw new FuseError(FuseError.EBADF);
    }
    int size = Math.min(Math.max(0, a.getInt(16)), MOST);
    ByteBuffer o = out(size);
    for (long i = Math.max(0, a.getLong(8)); i < all.size(); i++) {
      byte[] e = all.get((int) i);
      if (e.length > o.remaining()) {
        break;
      }
      o.put(e);
    }
    return Arrays.copyOf(o.array(), o.position());
  }

  @Override
  public void close() throws IOException {
    for (FileChannel c : open.values()) {
      c.close();
    }
    open.clear();
  }
}
