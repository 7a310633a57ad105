package dev.vesper.machine.device.share;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Answers FUSE requests (Linux, include/uapi/linux/fuse.h, version 7.31) from a folder. Files have
 * the computer's owners and permissions; what the guest makes belongs to who runs it. Files,
 * folders and symbolic links are all that can be used; pipes, sockets and devices can only be seen.
 */
public final class FuseServer implements Closeable {
  private static final int HEADER = 40;
  private static final int OUT_HEADER = 16;
  private static final int MAJOR = 7;
  private static final int MINOR = 31;
  private static final int MOST_OPEN = 4096;

  private static final int SET_MODE = 1;
  private static final int SET_SIZE = 8;
  private static final int SET_ATIME = 16;
  private static final int SET_MTIME = 32;
  private static final int SET_FILE = 64;
  private static final int SET_ATIME_NOW = 128;
  private static final int SET_MTIME_NOW = 256;

  private static final int GET_FILE = 1;
  private static final int RENAME_NOREPLACE = 1;
  private static final int PERMISSIONS = 0777;

  private final Posix posix;
  private final SharedFolder folder;
  private final boolean readOnly;
  private final Path named;

  /** Descriptors of open files by handle. */
  private final Map<Long, Integer> open = new HashMap<>();

  private final Map<Long, Listing> listings = new HashMap<>();
  private final Listing.Budget budget = new Listing.Budget();
  private long nextHandle = 1;
  private boolean closed;
  private @Nullable FrozenFolder frozen;

  /**
   * Opens a folder: whatever becomes of its name, it stays this one.
   *
   * @param root what the guest sees as the root of the file system
   * @throws IOException if it is no folder that can be read, or the system is none that can share
   */
  public FuseServer(Path root, boolean readOnly) throws IOException {
    posix = Posix.load();
    folder = new SharedFolder(root, posix);
    this.readOnly = readOnly;
    named = root.toAbsolutePath();
  }

  /**
   * {@return a folder as it is now, with all that is below it} Nothing that is done to it
   * afterwards is seen, and nobody can change it. It may be given to any number of machines, and
   * stays when they close it.
   *
   * @throws IOException as the constructor, or if there is more in it than 64 MiB or 65,536 files
   */
  public static FuseServer frozen(Path root) throws IOException {
    FuseServer s = new FuseServer(root, true);
    try (s) {
      s.frozen = FrozenFolder.of(s);
    }
    return s;
  }

  /** {@return the folder as it was named, links and all} */
  Path named() {
    return named;
  }

  /** {@return the number of the folder's file system, as stat(2) has it} */
  long device() {
    return folder.device();
  }

  /** {@return where the folder was when it was opened, without symbolic links} */
  public Path root() {
    return folder.path();
  }

  /** {@return whether the guest cannot change it} */
  public boolean readOnly() {
    return readOnly;
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
    FrozenFolder f = frozen;
    try {
      if (code == 2 || code == 42) {
        if (f == null) {
          forget(code, node, arguments);
        }
        return new byte[0];
      }
      body = f == null ? serve(code, node, arguments) : f.serve(code, node, arguments);
    } catch (FuseError e) {
      error = e.number;
    } catch (IndexOutOfBoundsException | java.nio.BufferUnderflowException e) {
      // The arguments are shorter than they must be.
      error = FuseError.EINVAL;
    }
    ByteBuffer o = out(OUT_HEADER + body.length);
    o.putInt(o.capacity()).putInt(-error).putLong(r.getLong(8)).put(body);
    return o.array();
  }

  /** {@return how often the system has been called since this was asked last} */
  public synchronized long takeCalls() {
    // What it took to have it in memory is no request's cost.
    return frozen != null ? 0 : posix.takeCalls();
  }

  static ByteBuffer out(int n) {
    return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
  }

  private synchronized void forget(int code, long node, ByteBuffer a) {
    if (code == 2) {
      folder.forget(node, a.getLong(0));
      return;
    }
    int n = Math.min(a.getInt(0), (a.capacity() - 8) / 16);
    for (int i = 0; i < n; i++) {
      folder.forget(a.getLong(8 + 16 * i), a.getLong(16 + 16 * i));
    }
  }

  /** {@return the bytes up to a zero, one in each character} */
  static String text(ByteBuffer a, int from) {
    byte[] b = new byte[after(a, from) - 1 - from];
    a.get(from, b);
    return new String(b, StandardCharsets.ISO_8859_1);
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

  /** {@return the body of the answer to a request, in the order of its bytes} */
  ByteBuffer live(int code, long node, ByteBuffer a) throws FuseError {
    return ByteBuffer.wrap(serve(code, node, a)).order(ByteOrder.LITTLE_ENDIAN);
  }

  private synchronized byte[] serve(int code, long node, ByteBuffer a) throws FuseError {
    if (closed) {
      throw new FuseError(FuseError.ENODEV);
    }
    return switch (code) {
      case 1 -> entry(folder.lookUp(node, text(a, 0)));
      case 3 -> getAttributes(node, a);
      case 4 -> setAttributes(node, a);
      case 5 -> readLink(node);
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
      case 25 -> flush(a.getLong(0));
      case 26 -> initialise(a);
      case 27 -> openFolder(node);
      case 28 -> readFolder(a);
      case 30 -> syncFolder(a.getLong(0));
      case 34 -> access(node);
      case 35 -> create(node, a);
      case 36 -> new byte[0];
      case 38 -> destroy();
      case 45 -> rename(node, a.getLong(0), a, 16, a.getInt(8));
      default -> throw new FuseError(FuseError.ENOSYS);
    };
  }

  /** A guest that starts anew has nothing of what it had. */
  private byte[] initialise(ByteBuffer a) throws FuseError {
    byte[] o = initialised(a);
    forgetAll();
    return o;
  }

  static byte[] initialised(ByteBuffer a) throws FuseError {
    if (a.getInt(0) != MAJOR) {
      throw new FuseError(FuseError.EINVAL);
    }
    ByteBuffer o = out(64);
    o.putInt(MAJOR).putInt(MINOR).putInt(a.getInt(8));
    // FUSE_BIG_WRITES
    o.putInt(a.getInt(12) & 1 << 5).putInt(0).putInt(Posix.MOST).putInt(1);
    return o.array();
  }

  private byte[] destroy() {
    forgetAll();
    return new byte[0];
  }

  private void forgetAll() {
    open.values().forEach(posix::close);
    open.clear();
    listings.values().forEach(Listing::close);
    listings.clear();
    folder.forgetAll();
  }

  // ---- attributes

  private static void attributes(ByteBuffer o, Posix.Stat s) {
    int at = o.position();
    o.putLong(at, s.inode());
    o.putLong(at + 8, s.size()).putLong(at + 16, (s.size() + 511) / 512);
    for (int i = 0; i < 3; i++) {
      o.putLong(at + 24 + 8 * i, s.seconds()[i]);
      o.putInt(at + 48 + 4 * i, s.nanoseconds()[i]);
    }
    o.putInt(at + 60, s.mode()).putInt(at + 64, s.links());
    o.putInt(at + 68, s.user()).putInt(at + 72, s.group());
    o.putInt(at + 80, 4096);
    o.position(at + 88);
  }

  private static byte[] attributes(Posix.Stat s) {
    ByteBuffer o = out(104);
    o.position(16);
    attributes(o, s);
    return o.array();
  }

  private static byte[] entry(SharedFolder.Found f) {
    ByteBuffer o = out(128);
    o.position(40);
    attributes(o, f.stat());
    o.putLong(0, f.number());
    return o.array();
  }

  private byte[] getAttributes(long node, ByteBuffer a) throws FuseError {
    // A handle helps where the file has no name any more; without one the node is enough.
    Integer file = (a.getInt(0) & GET_FILE) == 0 ? null : open.get(a.getLong(8));
    return attributes(posix.stat(file == null ? folder.file(node) : file));
  }

  private byte[] setAttributes(long node, ByteBuffer a) throws FuseError {
    writable();
    int what = a.getInt(0);
    if ((what & SET_FILE) != 0) {
      int file = file(a.getLong(8));
      if ((what & SET_SIZE) != 0) {
        posix.resize(file, a.getLong(16));
      }
      setOthers(file, true, Posix.Stat.REGULAR, a);
      return attributes(posix.stat(file));
    }
    int kind = requireUsable(folder.node(node).kind);
    int file = folder.file(node);
    if ((what & SET_SIZE) != 0) {
      requireRegular(kind);
      int f = posix.reopen(file, Posix.O_WRONLY);
      try {
        posix.resize(f, a.getLong(16));
      } finally {
        posix.close(f);
      }
    }
    setOthers(file, false, kind, a);
    return attributes(posix.stat(file));
  }

  /** Sets permissions and times. */
  private void setOthers(int file, boolean opened, int kind, ByteBuffer a) throws FuseError {
    int what = a.getInt(0);
    boolean link = kind == Posix.Stat.LINK;
    if ((what & SET_MODE) != 0 && !link) {
      posix.permit(file, opened, a.getInt(68) & PERMISSIONS);
    }
    if ((what & (SET_ATIME | SET_MTIME)) == 0) {
      return;
    }
    long[] t = new long[4];
    time(t, 0, what & SET_ATIME, what & SET_ATIME_NOW, a.getLong(32), a.getInt(56));
    time(t, 2, what & SET_MTIME, what & SET_MTIME_NOW, a.getLong(40), a.getInt(60));
    posix.times(file, opened, link, t);
  }

  private static void time(long[] to, int at, int set, int now, long seconds, int nanoseconds)
      throws FuseError {
    if (set == 0) {
      to[at + 1] = Posix.UTIME_OMIT;
    } else if (now != 0) {
      to[at + 1] = Posix.UTIME_NOW;
    } else if (nanoseconds < 0 || nanoseconds >= 1_000_000_000) {
      throw new FuseError(FuseError.EINVAL);
    } else {
      to[at] = seconds;
      to[at + 1] = nanoseconds;
    }
  }

  /** Refuses the computer's pipes, sockets and devices. */
  static int requireUsable(int kind) throws FuseError {
    return switch (kind) {
      case Posix.Stat.REGULAR, Posix.Stat.DIRECTORY, Posix.Stat.LINK -> kind;
      default -> throw new FuseError(FuseError.EACCES);
    };
  }

  static void requireRegular(int kind) throws FuseError {
    switch (requireUsable(kind)) {
      case Posix.Stat.DIRECTORY -> throw new FuseError(FuseError.EISDIR);
      case Posix.Stat.LINK -> throw new FuseError(FuseError.ELOOP);
      default -> {
        // a file
      }
    }
  }

  private byte[] access(long node) throws FuseError {
    // The guest's kernel judges by the permissions; what it must not do fails when it does it.
    requireUsable(folder.node(node).kind);
    return new byte[0];
  }

  // ---- names

  private byte[] readLink(long node) throws FuseError {
    if (requireUsable(folder.node(node).kind) != Posix.Stat.LINK) {
      throw new FuseError(FuseError.EINVAL);
    }
    return posix.target(folder.file(node));
  }

  private byte[] symbolicLink(long node, ByteBuffer a) throws FuseError {
    writable();
    String name = SharedFolder.requireName(text(a, 0));
    posix.makeLink(folder.folder(node), name, text(a, after(a, 0)));
    return entry(folder.lookUp(node, name));
  }

  /** Makes an empty file, and opens it. */
  private int make(long node, String name, int access, int mode) throws FuseError {
    int file = posix.create(folder.folder(node), SharedFolder.requireName(name), access);
    boolean done = false;
    try {
      posix.permit(file, true, mode & PERMISSIONS);
      done = true;
      return file;
    } finally {
      if (!done) {
        posix.close(file);
      }
    }
  }

  private SharedFolder.Found found(long node, String name, int file) throws FuseError {
    Posix.Stat s = posix.stat(file);
    return new SharedFolder.Found(folder.found(node, name, s).number, s);
  }

  private byte[] makeNode(long node, ByteBuffer a) throws FuseError {
    writable();
    // Regular files alone: no devices of the computer.
    if ((a.getInt(0) & 0xF000) != 0x8000) {
      throw new FuseError(FuseError.EPERM);
    }
    String name = text(a, 16);
    int file = make(node, name, Posix.O_WRONLY, a.getInt(0));
    try {
      return entry(found(node, name, file));
    } finally {
      posix.close(file);
    }
  }

  private byte[] makeFolder(long node, ByteBuffer a) throws FuseError {
    writable();
    String name = SharedFolder.requireName(text(a, 8));
    int mode = a.getInt(0) & PERMISSIONS;
    posix.makeFolder(folder.folder(node), name, mode);
    SharedFolder.Found f = folder.lookUp(node, name);
    if ((f.stat().mode() & PERMISSIONS) == mode || f.stat().kind() != Posix.Stat.DIRECTORY) {
      return entry(f);
    }
    // The process's own mask has taken permissions away.
    int file = folder.file(f.number());
    posix.permit(file, false, mode);
    return entry(new SharedFolder.Found(f.number(), posix.stat(file)));
  }

  private byte[] remove(long node, String name, boolean directory) throws FuseError {
    writable();
    posix.remove(folder.folder(node), SharedFolder.requireName(name), directory);
    folder.removed(node, name);
    return new byte[0];
  }

  private byte[] rename(long node, long to, ByteBuffer a, int names, int flags) throws FuseError {
    writable();
    if ((flags & ~RENAME_NOREPLACE) != 0) {
      throw new FuseError(FuseError.EINVAL);
    }
    String from = SharedFolder.requireName(text(a, names));
    String name = SharedFolder.requireName(text(a, after(a, names)));
    posix.rename(folder.folder(node), from, folder.folder(to), name, flags);
    folder.renamed(node, from, to, name);
    return new byte[0];
  }

  private byte[] link(long node, ByteBuffer a) throws FuseError {
    writable();
    long existing = a.getLong(0);
    if (requireUsable(folder.node(existing).kind) != Posix.Stat.REGULAR) {
      throw new FuseError(FuseError.EPERM);
    }
    String name = SharedFolder.requireName(text(a, 8));
    posix.link(folder.file(existing), folder.folder(node), name);
    return entry(folder.lookUp(node, name));
  }

  // ---- files

  private void requireRoom(Map<Long, ?> handles) throws FuseError {
    if (handles.size() >= MOST_OPEN) {
      throw new FuseError(FuseError.ENFILE);
    }
  }

  private byte[] openOut(int file) {
    open.put(nextHandle, file);
    return out(16).putLong(nextHandle++).array();
  }

  static int access(int flags) throws FuseError {
    int access = flags & Posix.O_ACCMODE;
    if (access == Posix.O_ACCMODE) {
      throw new FuseError(FuseError.EINVAL);
    }
    return access;
  }

  private int open(long node, int flags) throws FuseError {
    requireRegular(folder.node(node).kind);
    int access = access(flags);
    boolean truncate = (flags & Posix.O_TRUNC) != 0;
    if (access != 0 || truncate) {
      writable();
    }
    requireRoom(open);
    return posix.reopen(
        folder.file(node), access != 0 && truncate ? access | Posix.O_TRUNC : access);
  }

  private byte[] openFile(long node, int flags) throws FuseError {
    return openOut(open(node, flags));
  }

  private byte[] create(long node, ByteBuffer a) throws FuseError {
    writable();
    String name = text(a, 16);
    int flags = a.getInt(0);
    requireRoom(open);
    int file;
    SharedFolder.Found f;
    try {
      file = make(node, name, access(flags), a.getInt(4));
    } catch (FuseError e) {
      if (e.number != FuseError.EEXIST || (flags & Posix.O_EXCL) != 0) {
        throw e;
      }
      return openThere(node, name, flags);
    }
    boolean done = false;
    try {
      f = found(node, name, file);
      done = true;
    } finally {
      if (!done) {
        posix.close(file);
      }
    }
    return created(f, openOut(file));
  }

  /** Opens a file that was to be made and is there already. */
  private byte[] openThere(long node, String name, int flags) throws FuseError {
    SharedFolder.Found f = folder.lookUp(node, name);
    boolean done = false;
    try {
      byte[] handle = openOut(open(f.number(), flags));
      done = true;
      return created(f, handle);
    } finally {
      if (!done) {
        folder.forget(f.number(), 1);
      }
    }
  }

  private static byte[] created(SharedFolder.Found f, byte[] handle) {
    return out(144).put(entry(f)).put(handle).array();
  }

  private int file(long handle) throws FuseError {
    Integer file = open.get(handle);
    if (file == null) {
      throw new FuseError(FuseError.EBADF);
    }
    return file;
  }

  private byte[] read(ByteBuffer a) throws FuseError {
    return posix.read(file(a.getLong(0)), a.getLong(8), Math.max(0, a.getInt(16)));
  }

  private byte[] write(ByteBuffer a) throws FuseError {
    int file = file(a.getLong(0));
    int size = a.getInt(16);
    if (size < 0 || size > a.capacity() - 40) {
      throw new FuseError(FuseError.EINVAL);
    }
    posix.write(file, a.getLong(8), a.array(), a.arrayOffset() + 40, size);
    return out(8).putInt(size).array();
  }

  private byte[] sync(long handle) throws FuseError {
    posix.sync(file(handle));
    return new byte[0];
  }

  private byte[] flush(long handle) throws FuseError {
    file(handle);
    return new byte[0];
  }

  private byte[] release(long handle) {
    Listing l = listings.remove(handle);
    if (l != null) {
      l.close();
    }
    Integer file = open.remove(handle);
    if (file != null) {
      posix.close(file);
    }
    return new byte[0];
  }

  private byte[] statistics() throws FuseError {
    long[] s = posix.statistics(folder.file(SharedFolder.ROOT));
    long unit = s[1];
    ByteBuffer o = out(80);
    for (int i = 2; i < 5; i++) {
      o.putLong(s[i] * unit / 4096);
    }
    o.putLong(1 << 20).putLong(1 << 20);
    return o.putInt(4096).putInt(255).putInt(4096).array();
  }

  // ---- folders

  private byte[] openFolder(long node) throws FuseError {
    int file = folder.folder(node);
    requireRoom(listings);
    long inode = posix.stat(file).inode();
    int opened = posix.reopen(file, Posix.O_DIRECTORY);
    listings.put(nextHandle, new Listing(posix, budget, opened, inode));
    return out(16).putLong(nextHandle++).array();
  }

  private Listing listing(long handle) throws FuseError {
    Listing l = listings.get(handle);
    if (l == null) {
      throw new FuseError(FuseError.EBADF);
    }
    return l;
  }

  private byte[] readFolder(ByteBuffer a) throws FuseError {
    int size = Math.clamp(a.getInt(16), 0, Posix.MOST);
    return listing(a.getLong(0)).read(a.getLong(8), size);
  }

  private byte[] syncFolder(long handle) throws FuseError {
    listing(handle);
    return new byte[0];
  }

  /** Closes all files; a guest that still asks is told that there is no device. */
  @Override
  public synchronized void close() {
    if (!closed) {
      forgetAll();
      folder.close();
      closed = true;
    }
  }
}
