package dev.vesper.machine.observe.format;

import java.util.HashMap;
import java.util.Map;

/**
 * JSON strings that were written before, ready to be copied: places, instructions and names of
 * events are few and come again and again.
 */
final class QuotedTexts {
  /** A guest may run through ever new places. */
  private static final int MOST = 1 << 12;

  /** A longer text is a line of the console or its like, which hardly comes twice. */
  private static final int LONGEST = 128;

  private final Map<String, byte[]> known = new HashMap<>();

  /** Appends a text as a JSON string with its quotes. */
  void append(TextBuffer b, String s) {
    byte[] quoted = known.get(s);
    if (quoted != null) {
      b.add(quoted);
    } else if (s.length() > LONGEST) {
      Json.quote(b, s);
    } else {
      TextBuffer t = new TextBuffer();
      Json.quote(t, s);
      if (known.size() >= MOST) {
        known.clear();
      }
      byte[] bytes = t.toBytes();
      known.put(s, bytes);
      b.add(bytes);
    }
  }
}
