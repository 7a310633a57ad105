package dev.vesper.guest;

import dev.vesper.x86.Assembler;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The reference guest: takes the path of an OpenBSD kernel under SEV-ES from its first CPUID to its
 * final #VC handler, then tests itself and says so on COM1. Under SEV-SNP it does what Linux does
 * besides. An ELF64 that is linked at the upper 2 GiB and entered in 32-bit code with an OpenBSD
 * kernel's arguments on the stack.
 *
 * <p>It ends through port 0xf4 with {@link #PASS} or {@link #FAIL}.
 */
public final class Locore {
  /** Value that the guest writes to port 0xf4 when every step passed. */
  public static final int PASS = 0x10;

  /** Value that it writes when one failed. */
  public static final int FAIL = 0x11;

  /** What linked addresses have more than physical ones. */
  static final long KERNBASE = 0xFFFF_FFFF_8000_0000L;

  private static final long TEXT = KERNBASE + 0x100_0000;
  private static final long TRAMPOLINE = 0x7000;
  private static final int PF_X = 1;
  private static final int PF_W = 2;
  private static final int PF_R = 4;

  private static final List<String> TEXT_SOURCES =
      List.of(
          "abi",
          "locore0",
          "vector",
          "machdep",
          "ghcb",
          "ghcb_msr",
          "snp",
          "svsm",
          "trap",
          "snp_cpuid",
          "vc_ioio",
          "vc_mmio",
          "process",
          "mp",
          "virtio",
          "main",
          "snp_test");

  private Locore() {}

  /** Resource that an installed build has: the kernel, assembled once. */
  private static final String ASSEMBLED = "locore.elf";

  /** {@return the kernel as an ELF64 with symbols} */
  public static byte[] image() {
    try (InputStream in = Locore.class.getResourceAsStream(ASSEMBLED)) {
      return in == null ? image("", "") : in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Assembles the kernel into a file, for a build to put beside this class.
   *
   * @param args a folder
   */
  public static void main(String[] args) throws IOException {
    Files.write(Path.of(args[0], ASSEMBLED), image("", ""));
  }

  /**
   * {@return the kernel with one piece of its source replaced, for tests that break it on purpose}
   *
   * @param find source text, or empty for none; all its occurrences are replaced
   */
  public static byte[] image(String find, String replacement) {
    return build(Map.of(find, replacement));
  }

  /**
   * {@return the kernel with another {@code main}: a way to run a few instructions on top of its
   * #VC handler}
   *
   * @param source of main in 64-bit code; it may use what the kernel has, {@code puts} and {@code
   *     check} among it
   */
  public static byte[] withMain(String source) {
    return withMain(source, "", "");
  }

  /** {@return the kernel with another {@code main} and one more piece of its source replaced} */
  public static byte[] withMain(String source, String find, String replacement) {
    return variant(source, Map.of(find, replacement));
  }

  /**
   * {@return the kernel with pieces of its source replaced}
   *
   * @param main source of another {@code main}, or empty
   * @param pieces source text and what takes its place, in the order to do it
   */
  public static byte[] variant(String main, Map<String, String> pieces) {
    Map<String, String> changes = new LinkedHashMap<>(pieces);
    if (!main.isEmpty()) {
      changes.put("\nmain:\n", "\nmain:\n" + main + "\nself_test:\n");
    }
    return build(changes);
  }

  private static byte[] build(Map<String, String> changes) {
    Assembler a = new Assembler(TEXT, 32);
    for (String s : TEXT_SOURCES) {
      a.add(changed(Sources.read(s), changes));
    }
    a.add("align 4096\ndata_start:");
    a.add(changed(Sources.read("data"), changes));
    a.add("align 16\nmptramp:");
    a.bytes(new Assembler(TRAMPOLINE, 16).add(changed(Sources.read("mptramp"), changes)).finish());
    a.add("align 16\nopenbsd_randomdata:\nskip 16");
    a.add(Sources.read("bss"));
    byte[] all = a.finish();
    long data = address(a, "data_start");
    long bss = address(a, "bss");
    byte[] text = Arrays.copyOfRange(all, 0, (int) (data - TEXT));
    byte[] stored = Arrays.copyOfRange(all, (int) (data - TEXT), (int) (bss - TEXT));
    return new ElfWriter(KERNBASE)
        .segment(".text", TEXT, text, text.length, PF_R | PF_X)
        .segment(".data", data, stored, all.length - text.length, PF_R | PF_W)
        .randomData(address(a, "openbsd_randomdata"), 16)
        .write(address(a, "start"), symbols(a));
  }

  private static String changed(String text, Map<String, String> changes) {
    String t = text;
    for (Map.Entry<String, String> c : changes.entrySet()) {
      t = c.getKey().isEmpty() ? t : t.replace(c.getKey(), c.getValue());
    }
    return t;
  }

  private static long address(Assembler a, String label) {
    Long v = a.labels().get(label);
    if (v == null) {
      throw new AssertionError("locore has no label " + label);
    }
    return v;
  }

  /** Labels that begin with a dot are places inside a function. */
  private static Map<String, Long> symbols(Assembler a) {
    Map<String, Long> out = new TreeMap<>(a.labels());
    out.keySet().removeIf(n -> n.startsWith("."));
    return out;
  }
}
