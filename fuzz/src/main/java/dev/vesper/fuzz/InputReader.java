package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.host.DescriptorField;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads inputs, which somebody else may have written. */
public final class InputReader {
  private static final Pattern LIE =
      Pattern.compile("([a-z-]{1,16}):([0-9a-fx]{1,18})(?::([0-9a-fx]{1,18}))?@(\\*|[0-9]{1,9})");
  private static final Pattern BUFFER =
      Pattern.compile("buf\\+([0-9]{1,4})/([1248])=([0-9a-fx]{1,18})");
  private static final Pattern FILE =
      Pattern.compile("file:([^+=\" ]{1,55})\\+([0-9]{1,8})=([0-9a-fA-F]{2,128})");
  private static final Pattern SHARED =
      Pattern.compile("shared:([0-9a-fx]{1,18})/([1248])=([0-9a-fx]{1,20})");
  private static final Pattern NUMBER = Pattern.compile("([a-z0-9_-]{1,16})=([0-9a-fx]{1,20})");

  private InputReader() {}

  /**
   * {@return the input that bytes stand for}
   *
   * @throws CampaignException saying which line is no lie
   */
  public static Input read(byte[] bytes) throws CampaignException {
    if (bytes.length > CampaignStore.LARGEST_ENTRY) {
      throw new CampaignException(
          "an input has at most " + CampaignStore.LARGEST_ENTRY + " bytes, not " + bytes.length);
    }
    List<Lie> lies = new ArrayList<>();
    int number = 0;
    for (String line : new String(bytes, StandardCharsets.ISO_8859_1).lines().toList()) {
      number++;
      String l = line.strip();
      if (l.isEmpty() || l.startsWith("#")) {
        continue;
      }
      if (lies.size() == Input.MOST) {
        throw new CampaignException(
            "line " + number + ": an input has at most " + Input.MOST + " lies");
      }
      lies.add(lie(l, number));
    }
    return new Input(lies);
  }

  private static Lie lie(String line, int number) throws CampaignException {
    List<String> words = words(line);
    Matcher m = LIE.matcher(words.get(0));
    if (!m.matches()) {
      throw wrong(number, "a lie begins as cpuid:0x1:0x0@1 does: what is asked for, and when");
    }
    try {
      String sub = m.group(3);
      Site site = new Site(kind(m.group(1)), number(m.group(2)), sub == null ? 0 : number(sub));
      int nth = m.group(4).equals("*") ? 0 : Integer.parseInt(m.group(4));
      if (nth == 0 && !m.group(4).equals("*")) {
        throw wrong(number, "the first time is @1, and each time is @*");
      }
      List<Change> changes = new ArrayList<>();
      for (String w : words.subList(1, words.size())) {
        changes.add(change(w));
      }
      return new Lie(site, nth, changes);
    } catch (IllegalArgumentException e) {
      throw wrong(
          number,
          e instanceof NumberFormatException
              ? "a number has hex digits"
              : String.valueOf(e.getMessage()));
    }
  }

  private static CampaignException wrong(int line, String why) {
    return new CampaignException("line " + line + ": " + why);
  }

  private static List<String> words(String line) {
    List<String> all = new ArrayList<>();
    int from = 0;
    for (int i = 0; i <= line.length(); i++) {
      if (i == line.length() || line.charAt(i) == ' ') {
        if (i > from) {
          all.add(line.substring(from, i));
        }
        from = i + 1;
      }
    }
    return all;
  }

  private static Site.Kind kind(String word) {
    for (Site.Kind k : Site.Kind.values()) {
      if (k.word().equals(word)) {
        return k;
      }
    }
    throw new IllegalArgumentException("guests ask for cpuid, msr, port, mmio, vc, proto, ...");
  }

  /** {@return a number: hexadecimal with 0x before it, else decimal} */
  static long number(String s) {
    return s.startsWith("0x")
        ? Long.parseUnsignedLong(s.substring(2), 16)
        : Long.parseUnsignedLong(s);
  }

  private static Change change(String word) {
    if (word.startsWith("!")) {
      return new Change.Invalid(field(word.substring(1)));
    }
    Matcher b = BUFFER.matcher(word);
    if (b.matches()) {
      return new Change.Buffer(
          Integer.parseInt(b.group(1)), Integer.parseInt(b.group(2)), number(b.group(3)));
    }
    Matcher f = FILE.matcher(word);
    if (f.matches()) {
      return new Change.File(f.group(1), Integer.parseInt(f.group(2)), f.group(3));
    }
    Matcher s = SHARED.matcher(word);
    if (s.matches()) {
      return new Change.Shared(
          number(s.group(1)), Integer.parseInt(s.group(2)), number(s.group(3)));
    }
    Matcher n = NUMBER.matcher(word);
    if (!n.matches()) {
      throw new IllegalArgumentException("a change is as rax=0x1, !rax, buf+0/4=0x1 or irq=48");
    }
    long v = number(n.group(2));
    for (DescriptorField d : DescriptorField.values()) {
      if (n.group(1).equals(d.word())) {
        return new Change.Descriptor(d, v);
      }
    }
    return switch (n.group(1)) {
      case "msr" -> new Change.Response(v);
      case "irq" -> new Change.Interrupt((int) Math.min(v & Long.MAX_VALUE, 256));
      case "vc" -> new Change.Raise((int) Math.min(v >>> 31 == 0 ? v : -1, Integer.MAX_VALUE));
      case "delay" -> new Change.Delay(v);
      case "used-id" -> new Change.Used(false, (int) v);
      case "used-length" -> new Change.Used(true, (int) v);
      default -> new Change.Field(field(n.group(1)), v);
    };
  }

  private static GhcbField field(String name) {
    for (GhcbField f : GhcbField.values()) {
      if (f.name().toLowerCase(Locale.ROOT).equals(name)) {
        return f;
      }
    }
    throw new IllegalArgumentException("the GHCB has no such field");
  }
}
