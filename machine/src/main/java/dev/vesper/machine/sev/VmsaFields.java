package dev.vesper.machine.sev;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The VMSA page by name, for people. Every byte is there: what has no name, and the quadwords of
 * fields longer than one, are called by their offsets.
 */
public final class VmsaFields {
  private static final int NUMBER = 8;

  private VmsaFields() {}

  /** {@return the fields of a page that are not zero, in the order of their offsets} */
  public static Map<String, Long> of(byte[] page) {
    Map<String, Long> out = new LinkedHashMap<>();
    int at = 0;
    for (VmsaField f : VmsaField.values()) {
      if (!f.segment() && f.bytes > NUMBER) {
        continue;
      }
      unnamed(page, at, f.offset, out);
      if (f.segment()) {
        part(page, f, "selector", VmsaField.SELECTOR, 2, out);
        part(page, f, "attributes", VmsaField.ATTRIBUTES, 2, out);
        part(page, f, "limit", VmsaField.LIMIT, 4, out);
        part(page, f, "base", VmsaField.BASE, 8, out);
      } else {
        put(out, f.name(), number(page, f.offset, f.bytes));
      }
      at = f.offset + f.bytes;
    }
    unnamed(page, at, page.length, out);
    return out;
  }

  private static void part(
      byte[] page, VmsaField f, String name, int offset, int bytes, Map<String, Long> out) {
    put(out, f + "." + name, number(page, f.offset + offset, bytes));
  }

  private static void unnamed(byte[] page, int from, int to, Map<String, Long> out) {
    for (int at = from; at < to; ) {
      int n = Math.min(8 - (at & 7), to - at);
      put(out, "offset 0x" + Integer.toHexString(at), number(page, at, n));
      at += n;
    }
  }

  private static void put(Map<String, Long> out, String name, long v) {
    if (v != 0) {
      out.put(name, v);
    }
  }

  private static long number(byte[] page, int at, int bytes) {
    long v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      v = v << 8 | page[at + i] & 0xFF;
    }
    return v;
  }
}
