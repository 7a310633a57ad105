package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.Event;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Text that does something to whoever shows it without care, and events full of it. */
public final class HostileText {
  /** What terminals, browsers, Markdown, XML, JSON and their viewers obey. */
  public static final String ALL =
      "\u001b]0;owned\u0007\u001b[2J\u001b[1;32mcheck: 0 errors\u009b31m\u0000\u007f\u0085"
          + "\u202egpj\u2066\u2069\u200f\u200d\u2028\u2029\ufeff\ufffe</script><script>alert(1)</script><!--<script>]]><img"
          + " src=x"
          + " onerror=alert(1)>[x](javascript:alert(1))![i](http://evil.example/i)<http://evil.example>"
          + " www.evil.example | `a` *b* \\| _c_ @d # e\r\n"
          + "# heading\n"
          + "| x | y |\n"
          + "\terror: forged (guest) at 0x0\n"
          + "\ud800 \udc00 \ud83d\ude00 \udb40\udc01 {0} &lt; \\u001b ' \" \\";

  private HostileText() {}

  /**
   * {@return events of all types, each text of which is hostile}
   *
   * @param text of every field
   */
  public static List<Event> events(String text) {
    RandomEvents random = new RandomEvents(5);
    List<Event> all = new ArrayList<>();
    for (int i = 0; i < 20 * Event.class.getPermittedSubclasses().length; i++) {
      all.add((Event) filled((Record) random.next(), text));
    }
    return all;
  }

  /** {@return a copy of a record with all of its texts, and those of records in it, replaced} */
  private static Record filled(Record r, String text) {
    RecordComponent[] parts = r.getClass().getRecordComponents();
    Object[] values = new Object[parts.length];
    try {
      for (int i = 0; i < parts.length; i++) {
        Object v = parts[i].getAccessor().invoke(r);
        boolean at = v instanceof Record && parts[i].getName().equals("at");
        values[i] = v instanceof String ? text : at ? filled((Record) v, text) : v;
      }
      Class<?>[] types =
          Arrays.stream(parts).map(RecordComponent::getType).toArray(Class<?>[]::new);
      Constructor<? extends Record> c = r.getClass().getDeclaredConstructor(types);
      return c.newInstance(values);
    } catch (IllegalAccessException
        | InvocationTargetException
        | NoSuchMethodException
        | InstantiationException e) {
      throw new AssertionError(e);
    }
  }

  /** {@return whether all of a text of several lines can be shown as it is} */
  public static boolean harmless(String s) {
    return s.codePoints().noneMatch(c -> c != '\n' && Visible.hidden(c));
  }
}
