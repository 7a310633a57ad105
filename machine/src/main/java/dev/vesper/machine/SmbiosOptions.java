package dev.vesper.machine;

import dev.vesper.machine.spec.Smbios;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * QEMU's {@code -smbios} and {@code -uuid}: SMBIOS tables in words.
 *
 * <p>All throw IllegalArgumentException for what cannot be: one line that says what and how to mend
 * it, with the option's name.
 */
public final class SmbiosOptions {
  private static final Map<Integer, List<String>> FIELDS =
      new TreeMap<>(
          Map.of(
              0, List.of("vendor", "version", "date", "release", "uefi"),
              1, List.of("manufacturer", "product", "version", "serial", "uuid", "sku", "family"),
              2, List.of("manufacturer", "product", "version", "serial", "asset", "location"),
              3, List.of("manufacturer", "version", "serial", "asset", "sku"),
              4,
                  List.of(
                      "sock_pfx",
                      "manufacturer",
                      "version",
                      "serial",
                      "asset",
                      "part",
                      "max-speed",
                      "current-speed",
                      "processor-id"),
              11, List.of("value", "path"),
              17, List.of("loc_pfx", "bank", "manufacturer", "serial", "asset", "part", "speed")));

  private static final List<String> NUMBERS =
      List.of("max-speed", "current-speed", "processor-id", "speed");

  private static final int HEADER = 4;
  private static final int LONGEST = 1 << 15;
  private static final int LONGEST_TEXT = 1024;

  private SmbiosOptions() {}

  private static IllegalArgumentException wrong(String message) {
    return new IllegalArgumentException(message);
  }

  /** A key of an option and its value; two commas are one of the value. */
  private record Pair(String key, String value) {
    static List<Pair> of(String name, String option) {
      List<Pair> all = new ArrayList<>();
      for (String part : option.split("(?<!,),(?!,)", -1)) {
        int eq = part.indexOf('=');
        if (eq < 0) {
          throw wrong(name + " takes type=N,KEY=VALUE... or file=F, not '" + option + "'");
        }
        all.add(new Pair(part.substring(0, eq), part.substring(eq + 1).replace(",,", ",")));
      }
      return all;
    }
  }

  /**
   * Reads options.
   *
   * @param name of the option, for messages
   * @param options each {@code type=N,KEY=VALUE...} or {@code file=F}
   * @param uuid the machine's, or null
   */
  public static Smbios read(String name, List<String> options, @Nullable UUID uuid) {
    Map<Integer, Map<String, String>> fields = new TreeMap<>();
    List<String> strings = new ArrayList<>();
    List<byte[]> structures = new ArrayList<>();
    for (String option : options) {
      List<Pair> pairs = Pair.of(name, option);
      Pair first = pairs.get(0);
      if (first.key.equals("file") && pairs.size() == 1) {
        structures.add(structure(name, option, first.value));
        continue;
      }
      if (!first.key.equals("type")) {
        throw wrong(name + " takes type=N,KEY=VALUE... or file=F, not '" + option + "'");
      }
      int type = type(name, option, first.value);
      Map<String, String> f = fields.computeIfAbsent(type, t -> new LinkedHashMap<>());
      for (Pair p : pairs.subList(1, pairs.size())) {
        add(name, option, type, p, f, strings);
      }
    }
    for (byte[] s : structures) {
      if (fields.containsKey(s[0] & 0xFF)) {
        throw wrong(
            name + ": type " + (s[0] & 0xFF) + " is given by a file and by fields: leave one out");
      }
    }
    return new Smbios(fields, List.copyOf(strings), List.copyOf(structures), uuid);
  }

  private static int type(String name, String option, String type) {
    if (!type.matches("\\d{1,3}") || !FIELDS.containsKey(Integer.parseInt(type))) {
      throw wrong(
          name
              + " "
              + option
              + ": there are types "
              + String.join(", ", FIELDS.keySet().stream().map(String::valueOf).toList())
              + ", and file=F");
    }
    return Integer.parseInt(type);
  }

  private static void add(
      String name,
      String option,
      int type,
      Pair p,
      Map<String, String> fields,
      List<String> strings) {
    List<String> known = FIELDS.getOrDefault(type, List.of());
    if (!known.contains(p.key)) {
      throw wrong(name + " " + option + ": type " + type + " has " + String.join(", ", known));
    }
    String v = p.value;
    if (p.key.equals("path")) {
      v = text(name, v);
    }
    if (v.length() > LONGEST_TEXT || !v.chars().allMatch(c -> c >= ' ' && c < 127)) {
      throw wrong(
          name
              + " "
              + option
              + ": a value is printable ASCII, at most "
              + LONGEST_TEXT
              + " characters");
    }
    if (type == 11) {
      if (strings.size() == 255) {
        throw wrong(name + " " + option + ": there can be 255 strings of type 11");
      }
      if (v.isEmpty()) {
        throw wrong(name + " " + option + ": an empty string has no place");
      }
      strings.add(v);
      return;
    }
    boolean fine =
        switch (p.key) {
          case "uuid" -> isUuid(v);
          case "uefi" -> v.equals("on") || v.equals("off");
          case "release" -> v.matches("\\d{1,3}\\.\\d{1,3}") && bytes(v);
          default -> !NUMBERS.contains(p.key) || number(v, p.key.equals("processor-id"));
        };
    if (!fine) {
      throw wrong(name + " " + option + ": " + p.key + " cannot be '" + v + "'");
    }
    fields.put(p.key, v);
  }

  private static boolean bytes(String release) {
    for (String n : release.split("\\.", -1)) {
      if (Integer.parseInt(n) > 255) {
        return false;
      }
    }
    return true;
  }

  private static boolean number(String v, boolean wide) {
    return v.matches(wide ? "0x[0-9a-fA-F]{1,15}|[1-9]\\d{0,17}|0" : "[1-9]\\d{0,3}|[1-5]\\d{4}|0");
  }

  private static boolean isUuid(String v) {
    return v.matches("[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}");
  }

  /**
   * {@return a machine's UUID}
   *
   * @param name of the option, for messages
   */
  public static UUID uuid(String name, String v) {
    if (!isUuid(v)) {
      throw wrong(
          name + " takes a UUID such as 550e8400-e29b-41d4-a716-446655440000, not '" + v + "'");
    }
    return UUID.fromString(v);
  }

  /** {@return the file that an option names, or null} */
  public static @Nullable Path file(String option) {
    int at = option.startsWith("file=") ? 0 : option.indexOf("path=");
    if (at < 0) {
      return null;
    }
    try {
      String name = option.substring(at + 5).replaceFirst("(?<!,),(?!,).*", "");
      return Path.of(name.replace(",,", ","));
    } catch (InvalidPathException e) {
      return null;
    }
  }

  private static byte[] content(String name, String file) {
    try (InputStream in = Files.newInputStream(Path.of(file))) {
      byte[] b = in.readNBytes(LONGEST + 1);
      if (b.length > LONGEST) {
        throw wrong(name + ": " + file + " is larger than 32 KiB");
      }
      return b;
    } catch (InvalidPathException e) {
      throw wrong(name + ": no file can be called '" + file + "'");
    } catch (IOException e) {
      throw wrong(name + ": cannot read " + file + ": " + HardwareOptions.reason(e));
    }
  }

  private static String text(String name, String file) {
    return new String(content(name, file), StandardCharsets.ISO_8859_1).stripTrailing();
  }

  /** {@return a structure with its strings and their end} */
  private static byte[] structure(String name, String option, String file) {
    byte[] b = content(name, file);
    int n = b.length;
    int length = n < HEADER ? 0 : b[1] & 0xFF;
    if (length < HEADER || n < length + 2 || b[n - 1] != 0 || b[n - 2] != 0 || b[0] == 127) {
      throw wrong(
          name
              + " "
              + option
              + ": it is no SMBIOS structure: header, fields, strings and two zeros");
    }
    return b;
  }
}
