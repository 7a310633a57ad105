package dev.vesper.machine.device.share;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A folder that a guest lists. Nothing is read before the guest asks. The names of a folder that is
 * not large are read at once and given in their order, so that a run can be repeated; those of a
 * large one a part at a time, in the computer's order.
 */
final class Listing {
  /** The largest folder that is given in order: bytes of its entries as the guest gets them. */
  static final int MOST_SORTED = 1 << 18;

  /** What is read of a folder at once, in bytes: there is room for the longest name in any. */
  private static final int PART = 1 << 15;

  private static final int LEAST_PART = 1 << 10;

  /** Bytes of an entry before its name. */
  private static final int HEAD = 24;

  /** What is left for all listings in order of one share, in bytes. */
  static final class Budget {
    private int left = 1 << 24;
  }

  private record Entry(long inode, long next, int kind, byte[] name) {
    int bytes() {
      return HEAD + name.length + 7 & ~7;
    }

    /** Puts it as a struct fuse_dirent. */
    void put(ByteBuffer to, long offset) {
      int end = to.position() + bytes();
      to.putLong(inode).putLong(offset).putInt(name.length).putInt(kind).put(name);
      to.position(end);
    }
  }

  private final Posix posix;
  private final Budget budget;
  private final int folder;
  private final long inode;
  private @Nullable List<Entry> sorted;
  private boolean begun;
  private int taken;

  /**
   * @param folder a descriptor open for it, which this closes
   * @param inode of the folder
   */
  Listing(Posix posix, Budget budget, int folder, long inode) {
    this.posix = posix;
    this.budget = budget;
    this.folder = folder;
    this.inode = inode;
  }

  /**
   * {@return entries, as many as there is room for}
   *
   * @param offset what an entry says is behind it; 0 for the first
   * @param size of the room, in bytes
   */
  byte[] read(long offset, int size) throws FuseError {
    if (offset == 0 || !begun) {
      begin();
    }
    ByteBuffer o = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    List<Entry> all = sorted;
    if (all == null) {
      readOn(offset, o);
    } else {
      for (long i = Math.max(0, offset); i < all.size(); i++) {
        Entry e = all.get((int) i);
        if (e.bytes() > o.remaining()) {
          break;
        }
        e.put(o, i + 1);
      }
    }
    return Arrays.copyOf(o.array(), o.position());
  }

  /** Reads the folder whole, if it is not too large and others are not. */
  private void begin() throws FuseError {
    drop();
    begun = true;
    List<Entry> all = new ArrayList<>();
    posix.seek(folder, 0);
    int bytes = 0;
    while (true) {
      int had = all.size();
      add(all, posix.entries(folder, PART));
      if (all.size() == had) {
        break;
      }
      for (Entry e : all.subList(had, all.size())) {
        bytes += e.bytes();
      }
      if (bytes > Math.min(MOST_SORTED, budget.left)) {
        return;
      }
    }
    all.sort((a, b) -> Arrays.compareUnsigned(a.name, b.name));
    sorted = all;
    taken = bytes;
    budget.left -= bytes;
  }

  private void readOn(long offset, ByteBuffer o) throws FuseError {
    posix.seek(folder, offset);
    while (true) {
      List<Entry> some = new ArrayList<>();
      add(some, posix.entries(folder, Math.clamp(o.remaining(), LEAST_PART, PART)));
      if (some.isEmpty()) {
        return;
      }
      for (Entry e : some) {
        if (e.bytes() > o.remaining()) {
          return;
        }
        e.put(o, e.next);
      }
    }
  }

  private void add(List<Entry> to, MemorySegment read) {
    for (long at = 0; at < read.byteSize(); at += read.get(JAVA_SHORT, at + 16) & 0xFFFF) {
      long name = at + 19;
      long end = name;
      while (read.get(JAVA_BYTE, end) != 0) {
        end++;
      }
      byte[] n = read.asSlice(name, end - name).toArray(JAVA_BYTE);
      // What is above the folder is nobody's business.
      boolean self = n[0] == '.' && (n.length == 1 || n.length == 2 && n[1] == '.');
      to.add(
          new Entry(
              self ? inode : read.get(JAVA_LONG, at),
              read.get(JAVA_LONG, at + 8),
              read.get(JAVA_BYTE, at + 18) & 15,
              n));
    }
  }

  private void drop() {
    budget.left += taken;
    taken = 0;
    sorted = null;
  }

  void close() {
    drop();
    posix.close(folder);
  }
}
