package dev.vesper.machine.observe.format;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.FieldValues;
import dev.vesper.machine.observe.Operand;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.observe.RmpState;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * How the values of events are spelled, and how they are read again. What a reader is given may be
 * anything: it throws IllegalArgumentException for what no writer writes.
 */
final class Grammar {
  private static final GhcbField[] ALL_FIELDS = GhcbField.values();
  private static final Map<String, GhcbField> FIELDS = new HashMap<>();

  /** {@code RAX=0x} for each field. */
  private static final byte[][] ASSIGNED = new byte[ALL_FIELDS.length][];

  private static final Accesses.Kind[] KINDS = Accesses.Kind.values();
  private static final Set<String> STATE_PARTS = Set.of("asid", "gpa", "permissions", "vmsa");

  static {
    for (GhcbField f : ALL_FIELDS) {
      FIELDS.put(f.name(), f);
      ASSIGNED[f.ordinal()] = (f.name() + "=0x").getBytes(StandardCharsets.US_ASCII);
    }
  }

  private Grammar() {}

  // ---- writing

  /** Appends a number in hex with its prefix. */
  static void number(TextBuffer b, long v) {
    b.add('0').add('x').hex(v);
  }

  /** Appends {@code 1 2f ...}: sixteen numbers. */
  static void registers(TextBuffer b, Registers r) {
    b.hex(r.get(0));
    for (int i = 1; i < Registers.COUNT; i++) {
      b.hex(' ', r.get(i));
    }
  }

  /** Appends bytes in hex, with a space between them or without. */
  static void bytes(TextBuffer b, Bytes v, boolean spaced) {
    for (int i = 0; i < v.length(); i++) {
      if (spaced && i != 0) {
        b.add(' ');
      }
      b.hexByte(v.get(i));
    }
  }

  /** Appends {@code RAX=0x1 RCX=0x2}. */
  static void fields(TextBuffer b, FieldValues v) {
    for (int rest = v.bits(); rest != 0; rest &= rest - 1) {
      if (rest != v.bits()) {
        b.add(' ');
      }
      GhcbField f = ALL_FIELDS[Integer.numberOfTrailingZeros(rest)];
      b.add(ASSIGNED[f.ordinal()]).hex(v.value(f));
    }
  }

  /** Appends {@code 3f0-3ff 800-807}. */
  static void ranges(TextBuffer b, List<?> ranges) {
    for (int i = 0; i < ranges.size(); i++) {
      if (i != 0) {
        b.add(' ');
      }
      ByteRange r = (ByteRange) ranges.get(i);
      b.hex(r.from()).add('-').hex(r.to());
    }
  }

  /** Appends {@code 0x1000 0x2000 c=1 u=0}, or {@code 0x1000 unmapped}. */
  static void operand(TextBuffer b, Operand o) {
    number(b, o.linear());
    if (!o.mapped()) {
      b.add(" unmapped");
      return;
    }
    b.add(' ');
    number(b, o.gpa());
    b.add(o.isPrivate() ? " c=1" : " c=0").add(o.user() ? " u=1" : " u=0");
  }

  /** Appends {@code r398:8=0@ffffffff81000000}: kind, offset, bytes, value, address. */
  static void accesses(TextBuffer b, Accesses a) {
    for (int i = 0; i < a.size(); i++) {
      if (i != 0) {
        b.add(' ');
      }
      b.hex(letter(a.kind(i)), a.offset(i)).add(':').decimal(a.bytes(i));
      b.hex('=', a.value(i)).hex('@', a.rip(i));
    }
  }

  private static char letter(Accesses.Kind kind) {
    return switch (kind) {
      case READ -> 'r';
      case WRITE -> 'w';
      case MSR_READ -> 'R';
      case MSR_WRITE -> 'W';
      case COMPARE -> 'c';
    };
  }

  /** Appends {@code Guest-Valid 4K asid=0x1 gpa=0x2000 permissions=0x1f vmsa}. */
  static void rmpState(TextBuffer b, RmpState s) {
    b.add(s.kind().toString()).add(s.large() ? " 2M" : " 4K");
    if (s.asid() != 0) {
      number(b.add(" asid="), s.asid());
    }
    if (s.gpa() != 0) {
      number(b.add(" gpa="), s.gpa());
    }
    if (s.permissions() != 0) {
      number(b.add(" permissions="), s.permissions() & 0xFFFF_FFFFL);
    }
    if (s.vmsa()) {
      b.add(" vmsa");
    }
  }

  // ---- reading

  /** {@return what is between spaces, one after the other: there may be millions} */
  private static Iterable<String> words(String s) {
    return () ->
        new Iterator<>() {
          private int at;

          @Override
          public boolean hasNext() {
            return at <= s.length();
          }

          @Override
          public String next() {
            int space = s.indexOf(' ', at);
            int end = space < 0 ? s.length() : space;
            String word = s.substring(at, end);
            at = end + 1;
            return word;
          }
        };
  }

  private static Accesses.Kind kind(Key k, char letter) {
    for (Accesses.Kind kind : KINDS) {
      if (letter(kind) == letter) {
        return kind;
      }
    }
    throw damaged(k);
  }

  private static IllegalArgumentException damaged(Object k) {
    return new IllegalArgumentException("its " + k + " is damaged");
  }

  /** {@return a number: hex with its prefix, or decimal} */
  static long number(String s) {
    return s.startsWith("0x") ? Long.parseUnsignedLong(s, 2, s.length(), 16) : Long.parseLong(s);
  }

  static Registers registers(Key k, String s) {
    String[] t = s.split(" ", Registers.COUNT + 1);
    if (t.length != Registers.COUNT) {
      throw damaged(k);
    }
    long[] r = new long[Registers.COUNT];
    for (int i = 0; i < r.length; i++) {
      r[i] = Long.parseUnsignedLong(t[i], 16);
    }
    return Registers.of(r);
  }

  static Bytes bytes(Key k, String s) {
    String hex = s.indexOf(' ') < 0 ? s : s.replace(" ", "");
    if (hex.length() % 2 != 0) {
      throw damaged(k);
    }
    byte[] b = new byte[hex.length() / 2];
    for (int i = 0; i < hex.length(); i++) {
      if (!HexFormat.isHexDigit(hex.charAt(i))) {
        throw damaged(k);
      }
      b[i / 2] = (byte) (b[i / 2] << 4 | HexFormat.fromHexDigit(hex.charAt(i)));
    }
    return Bytes.of(b);
  }

  static FieldValues fields(Key k, String s) {
    Map<GhcbField, Long> m = new EnumMap<>(GhcbField.class);
    for (String t : words(s)) {
      int at = t.indexOf('=');
      GhcbField f = at < 0 ? null : FIELDS.get(t.substring(0, at));
      if (f == null) {
        throw damaged(k);
      }
      m.put(f, number(t.substring(at + 1)));
    }
    return FieldValues.of(m);
  }

  static List<ByteRange> ranges(Key k, String s) {
    List<ByteRange> l = new ArrayList<>();
    for (String t : words(s)) {
      int hyphen = t.indexOf('-');
      if (hyphen < 1) {
        throw damaged(k);
      }
      int from = Integer.parseInt(t, 0, hyphen, 16);
      int to = Integer.parseInt(t, hyphen + 1, t.length(), 16);
      if (from < 0 || from > to || to >= GhcbPage.SIZE || l.size() >= GhcbPage.SIZE) {
        throw damaged(k);
      }
      l.add(new ByteRange(from, to));
    }
    return List.copyOf(l);
  }

  static Operand operand(Key k, String s) {
    String[] t = s.split(" ", 5);
    if (t.length == 2 && t[1].equals("unmapped")) {
      return Operand.unmapped(number(t[0]));
    }
    if (t.length != 4 || !t[2].matches("c=[01]") || !t[3].matches("u=[01]")) {
      throw damaged(k);
    }
    return new Operand(number(t[0]), true, number(t[1]), t[2].equals("c=1"), t[3].equals("u=1"));
  }

  static Accesses accesses(Key k, String s) {
    Accesses a = new Accesses();
    for (String t : words(s)) {
      int colon = t.indexOf(':');
      int equals = t.indexOf('=', colon + 1);
      int at = t.indexOf('@', equals + 1);
      if (colon < 2 || equals < 0 || at < 0) {
        throw damaged(k);
      }
      Accesses.Kind kind = kind(k, t.charAt(0));
      int offset = Integer.parseInt(t, 1, colon, 16);
      int bytes = Integer.parseInt(t, colon + 1, equals, 10);
      if (offset < 0 || offset >= GhcbPage.SIZE || bytes < 0 || bytes > Accesses.MOST_BYTES) {
        throw damaged(k);
      }
      a.add(
          kind,
          offset,
          bytes,
          Long.parseUnsignedLong(t, equals + 1, at, 16),
          Long.parseUnsignedLong(t, at + 1, t.length(), 16));
    }
    return a;
  }

  static RmpState rmpState(Key k, String s) {
    String[] t = s.split(" ", 7);
    if (t.length < 2 || t.length == 7 || !t[1].equals("2M") && !t[1].equals("4K")) {
      throw damaged(k);
    }
    Map<String, Long> rest = new HashMap<>();
    for (int i = 2; i < t.length; i++) {
      int at = t[i].indexOf('=');
      String name = at < 0 ? t[i] : t[i].substring(0, at);
      boolean flag = name.equals("vmsa");
      if (!STATE_PARTS.contains(name) || flag != at < 0) {
        throw damaged(k);
      }
      rest.put(name, flag ? 1 : number(t[i].substring(at + 1)));
    }
    return new RmpState(
        word(k, t[0], RmpState.Kind.class),
        t[1].equals("2M"),
        rest.containsKey("vmsa"),
        rest.getOrDefault("asid", 0L).intValue(),
        rest.getOrDefault("gpa", 0L),
        rest.getOrDefault("permissions", 0L).intValue());
  }

  /**
   * {@return the constant of an enum whose text this is}
   *
   * @param k the member that has it, for messages
   */
  static <T extends Enum<T>> T word(Object k, String s, Class<T> type) {
    for (T c : type.getEnumConstants()) {
      if (c.toString().equals(s)) {
        return c;
      }
    }
    throw damaged(k);
  }

  /** {@return a stranger's text for a message: cut, and on one line} */
  static String shown(String s) {
    return Visible.of(s.length() > 40 ? s.substring(0, 40) + "..." : s);
  }
}
