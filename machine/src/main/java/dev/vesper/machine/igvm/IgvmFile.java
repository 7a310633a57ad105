package dev.vesper.machine.igvm;

import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.foreign.ForeignBytes;
import dev.vesper.machine.launch.IdAuthentication;
import dev.vesper.machine.launch.IdBlock;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.spec.BootException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * An IGVM file, taken apart.
 *
 * <p>Little endian. The fixed header: "IGVM", the version u32, which is 1 or 2, offset and size of
 * the headers u32 each, the size of the file u32, the CRC-32 of fixed header and headers, itself
 * taken as zero, u32; with version 2 the architecture u32, which is 0 for x86-64, and the page size
 * u32. A header: type u32, length of its content u32, the content, and what fills it up to a
 * multiple of 8. Platforms come first, then what initializes a guest, then directives in the order
 * in which a loader obeys them. Offsets of contents count from the beginning of the file.
 */
public final class IgvmFile {
  /** "IGVM". */
  private static final int MAGIC = 0x4D56_4749;

  private static final int FIXED = 24;
  private static final int FIXED_2 = 32;
  private static final int CHECKSUM = 20;
  private static final int HEADER = 8;
  private static final int PAGE = 4096;

  /** The longest area of parameters: one is made as a whole, whatever its file's length. */
  private static final int MOST_PARAMETERS = 64 << 20;

  private static final int PART_OF_KEY = 72;
  private static final int PART_OF_SIGNATURE = 2 * PART_OF_KEY;

  private final ForeignBytes bytes;
  private final List<IgvmHeader> headers = new ArrayList<>();
  private int version;

  private IgvmFile(byte[] file) {
    bytes = ForeignBytes.of(file);
  }

  /** {@return whether bytes begin as an IGVM file does} */
  public static boolean isOne(byte[] file) {
    return file.length >= 4 && ForeignBytes.of(file).at(0, 4) == MAGIC;
  }

  /**
   * Takes a file apart.
   *
   * @throws BootException if it is damaged, or has what is not known here and must be
   */
  public static IgvmFile parse(byte[] file) throws BootException {
    IgvmFile f = new IgvmFile(file);
    try {
      f.read(file);
    } catch (Damaged e) {
      throw damaged(String.valueOf(e.getMessage()));
    }
    return f;
  }

  private static BootException damaged(String why) {
    return new BootException("the IGVM file is damaged: " + why);
  }

  private static BootException refused(String why) {
    return new BootException("the IGVM file " + why);
  }

  private static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  // ---- what there is

  /** {@return all headers in their order} */
  public List<IgvmHeader> headers() {
    return List.copyOf(headers);
  }

  /** {@return the version of the format, 1 or 2} */
  public int version() {
    return version;
  }

  /**
   * {@return the header of a platform}
   *
   * @throws BootException if the file is not for it
   */
  public IgvmHeader.Platform platform(IgvmPlatform wanted) throws BootException {
    List<String> others = new ArrayList<>();
    for (IgvmHeader h : headers) {
      if (h instanceof IgvmHeader.Platform p) {
        IgvmPlatform there = p.platform();
        if (there == wanted) {
          return p;
        }
        others.add(there == null ? "platform " + p.number() : there.words());
      }
    }
    throw refused(
        "is not for "
            + wanted.words()
            + (others.isEmpty() ? ", nor for anything else" : ", but for ")
            + String.join(", ", others));
  }

  /**
   * {@return a copy of part of the file}
   *
   * @param whose what it belongs to, for messages
   * @throws BootException if there is no such part, or the file asks for too many
   */
  public byte[] data(String whose, long offset, long length) throws BootException {
    try {
      return bytes.part(offset, length).toArray();
    } catch (Damaged e) {
      throw damaged(whose + ": " + e.getMessage());
    }
  }

  // ---- reading

  private void read(byte[] file) throws BootException {
    ForeignBytes b = bytes;
    if (file.length < FIXED || b.u32() != MAGIC) {
      throw refused("does not begin with \"IGVM\": check that it is one");
    }
    version = (int) b.u32();
    if (version != 1 && version != 2) {
      throw refused("has format version " + hex(version & 0xFFFF_FFFFL) + ": there are 1 and 2");
    }
    long at = b.u32();
    long size = b.u32();
    long total = b.u32();
    long sum = b.u32();
    if (version == 2) {
      long architecture = b.u32();
      long pageSize = b.u32();
      if (architecture != 0 || pageSize != PAGE) {
        throw refused(
            "is for architecture "
                + architecture
                + " with pages of "
                + pageSize
                + " bytes: x86-64 is 0, and has 4096");
      }
    }
    if (total != file.length) {
      throw damaged("it says that it has " + total + " bytes, and has " + file.length);
    }
    if (at < (version == 2 ? FIXED_2 : FIXED) || (at & 7) != 0) {
      throw damaged("its headers lie at " + hex(at));
    }
    ForeignBytes all = b.part(at, size);
    CRC32 crc = new CRC32();
    crc.update(file, 0, CHECKSUM);
    crc.update(new byte[4]);
    crc.update(file, FIXED, (version == 2 ? FIXED_2 : FIXED) - FIXED);
    crc.update(file, (int) at, (int) size);
    if (crc.getValue() != sum) {
      throw damaged(
          "the CRC-32 of its headers is " + hex(crc.getValue()) + ", and it says " + hex(sum));
    }
    headers(all);
  }

  private void headers(ForeignBytes all) throws BootException {
    Set<IgvmPlatform> platforms = EnumSet.noneOf(IgvmPlatform.class);
    Map<Integer, Boolean> areas = new HashMap<>();
    int part = 0;
    while (all.left() >= HEADER) {
      int place = all.position();
      long code = all.u32();
      long length = all.u32();
      ForeignBytes content = all.next(length);
      all.skip(Math.min(-length & 7, all.left()));
      long plain = code & ~IgvmHeaderType.OPTIONAL;
      IgvmHeaderType type = IgvmHeaderType.of(plain);
      if (type == null) {
        if (code == plain) {
          throw refused(
              "has a header of type "
                  + hex(code)
                  + " at "
                  + hex(place)
                  + " of its headers, which is not known here and may not be passed over");
        }
        headers.add(new IgvmHeader.Unknown(code, (int) length));
        continue;
      }
      int own = IgvmHeaderType.part(plain);
      if (own < part) {
        throw refused(
            "has "
                + type.words()
                + " behind headers that it must come before: platforms, initialization, directives");
      }
      part = own;
      if (length != type.bytes) {
        throw damaged(type.words() + " has " + length + " bytes, not " + type.bytes);
      }
      IgvmHeader h = header(type, content);
      require(h, platforms, areas);
      headers.add(h);
    }
    if (platforms.isEmpty()) {
      throw refused("names no platform that it is for");
    }
  }

  private static IgvmHeader header(IgvmHeaderType type, ForeignBytes b) throws BootException {
    return switch (type) {
      case SUPPORTED_PLATFORM -> {
        int mask = (int) b.u32();
        yield new IgvmHeader.Platform(mask, b.u8(), b.u8(), b.u16(), b.u64());
      }
      case GUEST_POLICY -> new IgvmHeader.Policy(b.u64(), (int) b.u32());
      case RELOCATABLE_REGION -> {
        int mask = (int) b.u32();
        b.skip(12);
        yield new IgvmHeader.Region(type, mask, b.u64(), b.u64());
      }
      case PAGE_TABLE_RELOCATION_REGION -> {
        int mask = (int) b.u32();
        b.skip(4);
        yield new IgvmHeader.Region(type, mask, b.u64(), b.u64());
      }
      case PARAMETER_AREA -> {
        long length = b.u64();
        yield new IgvmHeader.ParameterArea((int) b.u32(), length, b.u32());
      }
      case PAGE_DATA -> new IgvmHeader.PageData(b.u64(), (int) b.u32(), b.u32(), b.u32(), b.u16());
      case PARAMETER_INSERT ->
          new IgvmHeader.ParameterInsert(b.u64(), (int) b.u32(), (int) b.u32());
      case VP_CONTEXT -> new IgvmHeader.VpContext(b.u64(), (int) b.u32(), b.u32(), b.u16());
      case REQUIRED_MEMORY -> new IgvmHeader.RequiredMemory(b.u64(), (int) b.u32(), b.u32());
      case ERROR_RANGE -> new IgvmHeader.ErrorRange(b.u64(), (int) b.u32(), b.u32());
      case SNP_ID_BLOCK -> idBlock(b);
      case VP_COUNT_PARAMETER,
          SRAT,
          MADT,
          MMIO_RANGES,
          MEMORY_MAP,
          COMMAND_LINE,
          SLIT,
          PPTT,
          DEVICE_TREE,
          ENVIRONMENT_INFO_PARAMETER ->
          new IgvmHeader.Parameter(type, (int) b.u32(), b.u32());
      case CORIM_DOCUMENT, CORIM_SIGNATURE, CCA_POLICY, VBS_MEASUREMENT ->
          new IgvmHeader.Foreign(type, (int) b.u32());
    };
  }

  /**
   * Content: mask u32, whether the author key is used u8 at 4, the digest at 8, family and image at
   * 0x38 and 0x48, the block's version u32 at 0x58, the security version u32 at 0x5C, algorithms of
   * ID key and author key u32 at 0x60 and 0x64; signature and key of the one at 0x68 and 0xF8, of
   * the other at 0x190 and 0x220. A key has four bytes behind its curve that firmware's has not.
   */
  private static IgvmHeader idBlock(ForeignBytes b) throws BootException {
    int mask = (int) b.u32();
    boolean author = b.u8() != 0;
    byte[] block = b.part(8, 0x50).toArray();
    int blockVersion = (int) b.at(0x58, 4);
    if (blockVersion != IdBlock.VERSION) {
      throw refused("has an ID block of version " + blockVersion + ": there is 1");
    }
    byte[] auth = new byte[IdAuthentication.BYTES];
    copy(b, 0x60, auth, 0, 8);
    copy(b, 0x68, auth, 0x40, PART_OF_SIGNATURE);
    key(b, 0xF8, auth, 0x240);
    copy(b, 0x190, auth, 0x680, PART_OF_SIGNATURE);
    key(b, 0x220, auth, 0x880);
    return new IgvmHeader.SnpIdBlock(
        mask,
        author,
        new IdBlock(
            Arrays.copyOf(block, 0x30),
            Arrays.copyOfRange(block, 0x30, 0x40),
            Arrays.copyOfRange(block, 0x40, 0x50),
            blockVersion,
            (int) b.at(0x5C, 4),
            new SnpPolicy(0)),
        new IdAuthentication(auth));
  }

  private static void key(ForeignBytes b, int from, byte[] to, int at) {
    copy(b, from, to, at, 4);
    copy(b, from + 8, to, at + 4, 2 * PART_OF_KEY);
  }

  private static void copy(ForeignBytes b, int from, byte[] to, int at, int n) {
    System.arraycopy(b.part(from, n).toArray(), 0, to, at, n);
  }

  /** Refuses a header that must not be where it is, or say what it says. */
  private static void require(
      IgvmHeader h, Set<IgvmPlatform> platforms, Map<Integer, Boolean> areas) throws BootException {
    switch (h) {
      case IgvmHeader.Platform p -> {
        IgvmPlatform named = p.platform();
        if (Integer.bitCount(p.mask()) != 1) {
          throw refused("gives a platform the mask " + hex(p.mask() & 0xFFFF_FFFFL) + ": one bit");
        }
        if (named != null && !platforms.add(named)) {
          throw refused("is for " + named.words() + " twice");
        }
        if (named != null && p.version() != 1) {
          throw refused("is for " + named.words() + " of version " + p.version() + ": there is 1");
        }
      }
      case IgvmHeader.ParameterArea a -> {
        if (areas.put(a.index(), true) != null) {
          throw refused("has parameter area " + a.index() + " twice");
        }
        if (a.length() <= 0 || a.length() > MOST_PARAMETERS || (a.length() & PAGE - 1) != 0) {
          throw refused(
              "has a parameter area of "
                  + hex(a.length())
                  + " bytes: there are whole pages, of up to 64 MiB");
        }
      }
      case IgvmHeader.Parameter p -> requireArea(areas.get(p.area()), p.area(), p.type());
      case IgvmHeader.ParameterInsert i ->
          requireArea(areas.replace(i.area(), false), i.area(), i.type());
      default -> {
        // Whoever loads it looks at the rest, if it is for the platform.
      }
    }
  }

  private static void requireArea(@Nullable Boolean open, int index, IgvmHeaderType who)
      throws BootException {
    if (!Boolean.TRUE.equals(open)) {
      throw refused(
          "uses parameter area "
              + index
              + (open == null ? " before it has it" : " after it was inserted")
              + ": "
              + who.words());
    }
  }
}
