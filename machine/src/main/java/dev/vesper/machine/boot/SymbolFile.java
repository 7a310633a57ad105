package dev.vesper.machine.boot;

import dev.vesper.machine.observe.LineTable;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.BootException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Names from a file beside the image: an ELF file, or a {@code System.map}. */
public final class SymbolFile {
  /** Address, type, name: {@code nm} and {@code /proc/kallsyms} write the same. */
  private static final Pattern LINE =
      Pattern.compile("([0-9a-fA-F]{1,16})\\s+([A-Za-z])\\s+(\\S+)(\\s+\\[.*])?");

  private SymbolFile() {}

  /**
   * Reads names and, from an ELF file with DWARF, source lines.
   *
   * @param name of the file, for messages
   * @throws BootException if it is neither
   */
  public static Symbols read(String name, byte[] b) throws BootException {
    if (ElfImage.isElf(b)) {
      Symbols s = ElfSymbols.read(b, alias(name, b));
      if (s.all().isEmpty()) {
        throw new BootException(
            name + " has no symbol table: take the file from before strip, or a System.map");
      }
      return s;
    }
    return systemMap(name, new String(b, StandardCharsets.ISO_8859_1));
  }

  private static long alias(String name, byte[] b) {
    try {
      ElfImage.Segment first = ElfImage.parse(name, b).segments().get(0);
      return first.virtual() - first.physical();
    } catch (BootException e) {
      // A file of symbols alone has nothing to load.
      return 0;
    }
  }

  private static Symbols systemMap(String name, String text) throws BootException {
    List<Symbols.Symbol> out = new ArrayList<>();
    boolean named = false;
    int number = 0;
    for (String line : text.split("\n")) {
      number++;
      if (line.isBlank()) {
        continue;
      }
      Matcher m = LINE.matcher(line.strip());
      if (!m.matches()) {
        throw new BootException(
            name
                + " is neither an ELF file nor a System.map: line "
                + number
                + " is not 'address type name'");
      }
      long address = Long.parseUnsignedLong(m.group(1), 16);
      // Absolute symbols below the image are offsets into per-CPU areas and sizes; data ends code.
      boolean code = "tTwWvV".contains(m.group(2)) && address != 0;
      named |= code;
      out.add(new Symbols.Symbol(m.group(3), address, 0, code));
    }
    if (!named) {
      throw new BootException(
          name
              + " names no code with an address; /proc/kallsyms shows addresses to root alone, and"
              + " Debian's /boot/System.map is a stub");
    }
    return new Symbols(out, LineTable.NONE, 0);
  }
}
