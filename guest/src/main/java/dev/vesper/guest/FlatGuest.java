package dev.vesper.guest;

import dev.vesper.x86.Assembler;
import java.util.LinkedHashMap;
import java.util.Map;

/** Small guests for tests and benchmarks: one piece of 64-bit code in an ELF64. */
public final class FlatGuest {
  /** Where the code is loaded and entered. */
  public static final long BASE = 0x10_0000;

  private FlatGuest() {}

  /**
   * {@return an ELF64 that is entered in 64-bit mode with identity tables, private where there is
   * encryption}
   *
   * @param source what {@link Assembler} takes
   */
  public static byte[] image(String source) {
    return image(source, Map.of());
  }

  /**
   * {@return the same}
   *
   * @param names symbols besides the labels, with their addresses
   */
  public static byte[] image(String source, Map<String, Long> names) {
    Assembler a = new Assembler(BASE, 64);
    a.add(source);
    byte[] code = a.finish();
    Map<String, Long> symbols = new LinkedHashMap<>(a.labels());
    symbols.putAll(names);
    return new ElfWriter(0).segment(".text", BASE, code, code.length, 7).write(BASE, symbols);
  }
}
