package dev.vesper.machine.boot;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/** The section headers of an ELF file. Sections that lie outside the file are left out. */
final class ElfSections {
  private static final int SHT_NOBITS = 8;
  private static final int SHF_COMPRESSED = 0x800;
  private static final int MOST_INFLATED = 512 << 20;

  /**
   * Debug information shrinks to a quarter; what shrinks to much less says little in many words.
   */
  private static final int MOST_RATIO = 16;

  private static final int SMALL = 4 << 20;

  /**
   * One section.
   *
   * @param size in the file, 0 if it lies outside of it
   * @param address linked address, 0 if it is not loaded
   * @param length in memory
   */
  record Section(
      String name,
      int type,
      long flags,
      long offset,
      long size,
      int link,
      long address,
      long length) {}

  private final byte[] b;
  private final boolean wide;
  private final List<Section> all = new ArrayList<>();

  ElfSections(byte[] b) {
    this.b = b;
    wide = Bytes.u8(b, 4) == 2;
    long table = wide ? Bytes.u64(b, 40) : Bytes.u32(b, 32);
    int entry = Bytes.u16(b, wide ? 58 : 46);
    int count = Bytes.u16(b, wide ? 60 : 48);
    int names = Bytes.u16(b, wide ? 62 : 50);
    if (table <= 0 || table >= b.length || entry == 0) {
      return;
    }
    long strings = offset(table + (long) names * entry);
    for (int i = 0; i < count; i++) {
      long h = table + (long) i * entry;
      int type = (int) Bytes.u32(b, h + 4);
      long flags = wide ? Bytes.u64(b, h + 8) : Bytes.u32(b, h + 8);
      long size = wide ? Bytes.u64(b, h + 32) : Bytes.u32(b, h + 20);
      int link = (int) Bytes.u32(b, wide ? h + 40 : h + 24);
      boolean inside = offset(h) >= 0 && size >= 0 && offset(h) <= b.length - size;
      all.add(
          new Section(
              name(strings < 0 ? -1 : strings + Bytes.u32(b, h)),
              inside && type != SHT_NOBITS ? type : 0,
              flags,
              offset(h),
              inside && type != SHT_NOBITS ? size : 0,
              link < 0 ? Integer.MAX_VALUE : link,
              wide ? Bytes.u64(b, h + 16) : Bytes.u32(b, h + 12),
              size));
    }
  }

  private long offset(long header) {
    return wide ? Bytes.u64(b, header + 24) : Bytes.u32(b, header + 16);
  }

  private String name(long at) {
    int n = 0;
    while (n < 64 && Bytes.u8(b, at + n) != 0) {
      n++;
    }
    return at < 0 || at >= b.length ? "" : new String(b, (int) at, n, StandardCharsets.ISO_8859_1);
  }

  /** {@return the sections by number} */
  List<Section> all() {
    return all;
  }

  /** {@return the bytes of a section, inflated if need be; empty if there is none} */
  byte[] contents(String name) {
    for (Section s : all) {
      if (s.name.equals(name) && s.type != 0) {
        byte[] raw = Arrays.copyOfRange(b, (int) s.offset, (int) (s.offset + s.size));
        return (s.flags & SHF_COMPRESSED) == 0 ? raw : inflate(raw);
      }
    }
    return new byte[0];
  }

  private byte[] inflate(byte[] raw) {
    int header = wide ? 24 : 12;
    long size = wide ? Bytes.u64(raw, 8) : Bytes.u32(raw, 4);
    long most = Math.min(MOST_INFLATED, SMALL + (long) MOST_RATIO * raw.length);
    if (raw.length < header || Bytes.u32(raw, 0) != 1 || size < 0 || size > most) {
      return new byte[0];
    }
    byte[] out = new byte[(int) size];
    Inflater inflater = new Inflater();
    try {
      inflater.setInput(raw, header, raw.length - header);
      int n = 0;
      while (n < out.length && !inflater.finished()) {
        int got = inflater.inflate(out, n, out.length - n);
        if (got == 0) {
          break;
        }
        n += got;
      }
      return n == out.length ? out : new byte[0];
    } catch (DataFormatException e) {
      return new byte[0];
    } finally {
      inflater.end();
    }
  }
}
