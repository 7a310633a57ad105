package dev.vesper.guest;

import dev.vesper.x86.Assembler;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The reference guest: takes the path of an OpenBSD kernel under SEV-ES from its first CPUID to its
 * final #VC handler, then tests itself and says so on COM1.
 *
 * <p>It ends through port 0xf4 with {@link #PASS} or {@link #FAIL}.
 */
public final class Locore {
  /** Value that the guest writes to port 0xf4 when every step passed. */
  public static final int PASS = 0x10;

  /** Value that it writes when one failed. */
  public static final int FAIL = 0x11;

  /** Physical address of the image. */
  private static final long BASE = 0x100_0000;

  private static final String[] SOURCES = {"locore0", "machdep", "vctrap", "main", "data"};

  private Locore() {}

  /** {@return the kernel as an ELF64 with a multiboot header and symbols} */
  public static byte[] image() {
    return image("", "");
  }

  /**
   * {@return the kernel with one piece of its source replaced, for tests that break it on purpose}
   *
   * @param find source text, or empty for none; all its occurrences are replaced
   */
  public static byte[] image(String find, String replacement) {
    Assembler a = new Assembler(BASE, 32);
    for (String s : SOURCES) {
      String text = source(s);
      a.add(find.isEmpty() ? text : text.replace(find, replacement));
    }
    byte[] all = a.finish();
    long bss = a.labels().getOrDefault("bss", a.here());
    byte[] stored = Arrays.copyOf(all, (int) (bss - BASE));
    long entry = a.labels().getOrDefault("start", BASE);
    return ElfWriter.write(stored, BASE, all.length, entry, a.labels());
  }

  private static String source(String name) {
    try (InputStream in = Locore.class.getResourceAsStream(name + ".s")) {
      if (in == null) {
        throw new IllegalStateException(name + ".s is missing from the module");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
