package dev.vesper.machine.cpu.emit;

import static dev.vesper.x86.Decoder.MAX_LENGTH;

import dev.vesper.machine.cpu.Block;
import dev.vesper.machine.cpu.KnownBlock;
import dev.vesper.machine.cpu.NativeState;
import dev.vesper.machine.memory.LazyMemory;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.RawMemory;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Native code of blocks by the bytes that the guest has there: what a run has translated and what
 * earlier runs have, which {@link CodeFile} keeps. Code of a block depends on nothing but its
 * bytes, its offset in the page, its mode and its kind of TLB; the processors of the guest and of
 * the computer are the same for all of a store.
 *
 * <p>A record is a multiple of eight bytes, little-endian: 0 its size, 4 hash, 8 offset in the page
 * (16 bits), A mode, B kind, C bytes of guest code (16 bits), E number of instructions, F flags
 * ({@link #TRANSFERS} and so on), 10 bytes of native code, 14 the last run that has used it, 18 and
 * 20 which operations are reached with vector registers loaded, 28 where its two jumps are and 2C
 * which offsets in the page they go to (16 bits each), 30 where each operation begins (16 bits
 * each), then guest code, then native code. Guest code of one instruction may run on into another
 * page.
 */
final class CodeStore {
  private static final int SIZE = 0;
  private static final int HASH = 4;
  private static final int START = 8;
  private static final int MODE = 0xA;
  private static final int KIND = 0xB;
  private static final int SPAN = 0xC;
  private static final int LENGTH = 0xE;
  private static final int FLAGS = 0xF;
  private static final int CODE_LENGTH = 0x10;
  private static final int USED = 0x14;
  private static final int SSE = 0x18;
  private static final int AVX = 0x20;
  private static final int JUMPS = 0x28;
  private static final int TARGETS = 0x2C;
  private static final int RESUME = 0x30;

  private static final int TRANSFERS = 1;
  private static final int INDIRECT = 2;
  private static final int LOADS_VECTORS = 4;

  /** Where the number of jumps begins. */
  private static final int JUMP_COUNT = 3;

  private static final int MOST_INSTRUCTIONS = 64;

  /** Bytes that the hash is made of, if the page has them. */
  private static final int HASHED = 16;

  /** Bytes of all records; a boot of Linux needs a third of it. */
  static final int CAPACITY = 64 << 20;

  private final MemorySegment memory = LazyMemory.mapLarge(CAPACITY);
  private final long base = memory.address();
  private int used;
  private int count;

  /** The number of this run, behind those that have written the records. */
  private int run = 1;

  /** Records by their hashes: where they begin, in units of eight bytes and from 1 on. */
  private int[] table = new int[1 << 12];

  /** {@return bytes of all records} */
  int used() {
    return used;
  }

  /** {@return how many there are} */
  int count() {
    return count;
  }

  /**
   * {@return the address of the record of a block, or 0}
   *
   * @param second the page that its only instruction runs on into, or null
   */
  long find(Page page, @Nullable Page second, int start, int mode, int kind) {
    int hash = hash(page, start, mode, kind);
    int n = table.length;
    for (int i = hash & n - 1; table[i] != 0; i = i + 1 & n - 1) {
      long r = base + 8L * (table[i] - 1);
      if (RawMemory.get32(r + HASH) == hash
          && isWhole(r)
          && is(r, page, second, start, mode, kind)) {
        RawMemory.put32(r + USED, run);
        return r;
      }
    }
    return 0;
  }

  private static int hash(Page page, int start, int mode, int kind) {
    int from = Math.min(start, Page.SIZE - HASHED);
    long h = page.get64(from) * 0x9E37_79B9_7F4A_7C15L;
    h ^= h >>> 29;
    h += page.get64(from + 8);
    h *= 0xBF58_476D_1CE4_E5B9L;
    h ^= h >>> 32;
    h += start << 5 | mode << 2 | kind;
    h *= 0x94D0_49BB_1331_11EBL;
    return (int) (h >>> 32);
  }

  private static boolean is(
      long r, Page page, @Nullable Page second, int start, int mode, int kind) {
    int span = RawMemory.get16(r + SPAN);
    int behind = start + span - Page.SIZE;
    if (RawMemory.get16(r + START) != start
        || RawMemory.get8(r + MODE) != mode
        || RawMemory.get8(r + KIND) != kind
        || behind > 0 != (second != null)) {
      return false;
    }
    long guest = guest(r);
    return second == null
        ? has(guest, span, page, start)
        : has(guest, span - behind, page, start) && has(guest + span - behind, behind, second, 0);
  }

  /** {@return whether bytes are those of a page} */
  private static boolean has(long bytes, int count, Page page, int start) {
    int i = 0;
    for (; i + 8 <= count; i += 8) {
      if (RawMemory.get64(bytes + i) != page.get64(start + i)) {
        return false;
      }
    }
    for (; i < count; i++) {
      if (RawMemory.get8(bytes + i) != page.get8(start + i)) {
        return false;
      }
    }
    return true;
  }

  private static long guest(long r) {
    return r + RESUME + 2L * RawMemory.get8(r + LENGTH);
  }

  /** {@return whether a record that was found for a block has as much of the code as the block} */
  static boolean isOf(long r, Block b) {
    return RawMemory.get8(r + LENGTH) == b.length() && RawMemory.get16(r + SPAN) == b.span();
  }

  /** {@return what a record says of its block} */
  static KnownBlock known(long r) {
    int flags = RawMemory.get8(r + FLAGS);
    return new KnownBlock(
        RawMemory.get8(r + LENGTH),
        RawMemory.get16(r + SPAN),
        (flags & TRANSFERS) != 0,
        (flags & INDIRECT) != 0,
        RawMemory.get8(r + KIND),
        r);
  }

  /**
   * A translation.
   *
   * @param resume where each operation begins
   * @param sse which are reached with vector registers loaded
   * @param avx the same where instructions with VEX have been
   * @param jumps where its direct jumps are
   * @param targets where they go to in the page
   * @param loadsVectors whether it may load vector registers
   */
  record Translation(
      int[] resume, long sse, long avx, int[] jumps, int[] targets, boolean loadsVectors) {}

  /** {@return the translation that a record has} */
  static Translation translation(long r) {
    int[] resume = new int[RawMemory.get8(r + LENGTH)];
    for (int i = 0; i < resume.length; i++) {
      resume[i] = RawMemory.get16(r + RESUME + 2L * i);
    }
    int flags = RawMemory.get8(r + FLAGS);
    int[] jumps = new int[flags >> JUMP_COUNT];
    int[] targets = new int[2];
    for (int i = 0; i < jumps.length; i++) {
      jumps[i] = RawMemory.get16(r + JUMPS + 2L * i);
      targets[i] = RawMemory.get16(r + TARGETS + 2L * i);
    }
    return new Translation(
        resume,
        RawMemory.get64(r + SSE),
        RawMemory.get64(r + AVX),
        jumps,
        targets,
        (flags & LOADS_VECTORS) != 0);
  }

  /** {@return the number of bytes of native code that a record has} */
  static int codeLength(long r) {
    return RawMemory.get32(r + CODE_LENGTH);
  }

  /** Copies native code out of a record. */
  static void code(long r, byte[] to) {
    RawMemory.copy(guest(r) + RawMemory.get16(r + SPAN), to, 0, codeLength(r));
  }

  /** Adds the translation of a block, if there is room and it fits into a record. */
  void add(
      Page page,
      @Nullable Page second,
      int start,
      int mode,
      int kind,
      KnownBlock block,
      Translation t,
      byte[] code,
      int codeLength) {
    int length = block.length();
    int span = block.span();
    int size = RESUME + 2 * length + span + codeLength + 7 & -8;
    if (used + size > CAPACITY || codeLength > 0xFFFF) {
      return;
    }
    long r = base + used;
    int hash = hash(page, start, mode, kind);
    RawMemory.put32(r + SIZE, size);
    RawMemory.put32(r + HASH, hash);
    RawMemory.put16(r + START, start);
    RawMemory.put8(r + MODE, mode);
    RawMemory.put8(r + KIND, kind);
    RawMemory.put16(r + SPAN, span);
    RawMemory.put8(r + LENGTH, length);
    RawMemory.put8(
        r + FLAGS,
        (block.transfers() ? TRANSFERS : 0)
            | (block.indirect() ? INDIRECT : 0)
            | (t.loadsVectors ? LOADS_VECTORS : 0)
            | t.jumps.length << JUMP_COUNT);
    RawMemory.put32(r + CODE_LENGTH, codeLength);
    RawMemory.put32(r + USED, run);
    RawMemory.put64(r + SSE, t.sse);
    RawMemory.put64(r + AVX, t.avx);
    for (int i = 0; i < 2; i++) {
      RawMemory.put16(r + JUMPS + 2L * i, i < t.jumps.length ? t.jumps[i] : 0);
      RawMemory.put16(r + TARGETS + 2L * i, i < t.jumps.length ? t.targets[i] : 0);
    }
    for (int i = 0; i < length; i++) {
      RawMemory.put16(r + RESUME + 2L * i, t.resume[i]);
    }
    long guest = guest(r);
    int own = Math.min(span, Page.SIZE - start);
    RawMemory.move(page.address + start, guest, own);
    if (second != null) {
      RawMemory.move(second.address, guest + own, span - own);
    }
    RawMemory.copy(code, 0, guest + span, codeLength);
    used += size;
    enter(used - size, hash);
  }

  private void enter(int offset, int hash) {
    if (2 * (count + 1) > table.length) {
      int[] old = table;
      table = new int[2 * old.length];
      for (int entry : old) {
        if (entry != 0) {
          enterAt(entry, RawMemory.get32(base + 8L * (entry - 1) + HASH));
        }
      }
    }
    enterAt((offset >> 3) + 1, hash);
    count++;
  }

  private void enterAt(int entry, int hash) {
    int n = table.length;
    int i = hash & n - 1;
    while (table[i] != 0) {
      i = i + 1 & n - 1;
    }
    table[i] = entry;
  }

  /**
   * {@return whether reading a record stays within it, whoever has written it}
   *
   * @param r where one may begin
   */
  private boolean isWhole(long r) {
    long room = base + used - r;
    if (room < RESUME) {
      return false;
    }
    int n = RawMemory.get32(r + SIZE);
    return n >= RESUME && n <= room && good(r, n);
  }

  private static boolean good(long r, int size) {
    int length = RawMemory.get8(r + LENGTH);
    int span = RawMemory.get16(r + SPAN);
    int code = RawMemory.get32(r + CODE_LENGTH);
    if (length == 0
        || length > MOST_INSTRUCTIONS
        || span < length
        || code < BlockEmitter.SHORTEST
        || code > 0xFFFF
        || size != (RESUME + 2 * length + span + code + 7 & -8)
        || RawMemory.get16(r + START) >= Page.SIZE
        || RawMemory.get16(r + START) + span > Page.SIZE && (length > 1 || span > MAX_LENGTH)
        || RawMemory.get8(r + KIND) >= NativeState.KINDS
        || RawMemory.get8(r + FLAGS) >> JUMP_COUNT > 2) {
      return false;
    }
    for (int i = 0; i < length; i++) {
      if (RawMemory.get16(r + RESUME + 2L * i) >= code) {
        return false;
      }
    }
    for (int i = 0; i < 2; i++) {
      if (RawMemory.get16(r + JUMPS + 2L * i) > code - 4
          || RawMemory.get16(r + TARGETS + 2L * i) >= Page.SIZE) {
        return false;
      }
    }
    return true;
  }

  /** {@return how often the records have been used by runs, this one included} */
  int run() {
    return run;
  }

  /** {@return where the records begin, which are written as they are} */
  ByteBuffer records() {
    return memory.asSlice(0, used).asByteBuffer();
  }

  /** {@return the table of hashes, which is written with them} */
  int[] table() {
    return table;
  }

  /** {@return room for the records of a file, for {@link #take}} */
  ByteBuffer room(int bytes) {
    return memory.asSlice(0, bytes).asByteBuffer();
  }

  /** Entries of a table that are looked at in one go: the JVM compiles what is called often. */
  private static final int PART = 256;

  /**
   * Takes over what a file has, of whose records nothing is looked at before it is needed.
   *
   * @param bytes of {@link #room} that have been filled
   * @param hashes their table; as many entries as a power of two
   * @param before the number of the run that wrote them
   * @return false if the table leads elsewhere, or is too full to be searched; then the store is
   *     empty
   */
  boolean take(int bytes, int[] hashes, int before) {
    int records = 0;
    for (int from = 0; from < hashes.length; from += PART) {
      int n = entries(hashes, from, Math.min(hashes.length, from + PART), bytes >> 3);
      if (n < 0) {
        return false;
      }
      records += n;
    }
    if (2L * records > hashes.length) {
      return false;
    }
    used = bytes;
    count = records;
    table = hashes;
    run = before + 1;
    return true;
  }

  /** {@return how many entries lead somewhere, or -1 if one leads elsewhere} */
  private static int entries(int[] hashes, int from, int to, int most) {
    int n = 0;
    for (int i = from; i < to; i++) {
      int entry = hashes[i];
      if (entry != 0) {
        if (entry < 0 || entry > most) {
          return -1;
        }
        n++;
      }
    }
    return n;
  }

  /** {@return this, or if it takes more than half of what it may, what this run has used of it} */
  CodeStore worthKeeping() {
    if (used <= CAPACITY / 2) {
      return this;
    }
    CodeStore kept = new CodeStore();
    kept.run = run;
    for (int entry : table) {
      long r = base + 8L * (entry - 1);
      if (entry != 0 && isWhole(r) && RawMemory.get32(r + USED) == run) {
        kept.addCopy(r);
      }
    }
    return kept;
  }

  /** Adds what this run has used of another store, if it is not here. */
  void addUsed(CodeStore other) {
    for (int entry : other.table) {
      long r = other.base + 8L * (entry - 1);
      if (entry != 0
          && other.isWhole(r)
          && RawMemory.get32(r + USED) == other.run
          && used + RawMemory.get32(r + SIZE) <= CAPACITY
          && !has(r)) {
        addCopy(r);
      }
    }
  }

  /** {@return whether there is a record of the same block} */
  private boolean has(long r) {
    int hash = RawMemory.get32(r + HASH);
    int n = table.length;
    for (int i = hash & n - 1; table[i] != 0; i = i + 1 & n - 1) {
      long own = base + 8L * (table[i] - 1);
      if (RawMemory.get32(own + HASH) == hash && isWhole(own) && sameBlock(own, r)) {
        return true;
      }
    }
    return false;
  }

  private static boolean sameBlock(long r, long s) {
    boolean same = RawMemory.get64(r + START) == RawMemory.get64(s + START);
    for (int i = 0; same && i < RawMemory.get16(r + SPAN); i++) {
      same = RawMemory.get8(guest(r) + i) == RawMemory.get8(guest(s) + i);
    }
    return same;
  }

  private void addCopy(long r) {
    int size = RawMemory.get32(r + SIZE);
    RawMemory.move(r, base + used, size);
    RawMemory.put32(base + used + USED, run);
    used += size;
    enter(used - size, RawMemory.get32(r + HASH));
  }
}
