package dev.vesper.guest;

import dev.vesper.x86.Assembler;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The service module (SVSM): runs at VMPL0 of an SEV-SNP guest, gives the kernel at VMPL2 its
 * memory, and serves its calls of the core and the attestation protocol. An ELF64 whose physical
 * addresses count from where a loader puts it, at a multiple of 2 MiB; entered in 32-bit code with
 * that address in EBX. What else a loader leaves it is in {@code svsm_boot.s}.
 */
public final class ServiceModule {
  /** What linked addresses have more than places behind the module's own. */
  private static final long BASE = 0xFFFF_FFFF_8000_0000L;

  private static final int READ_WRITE_EXECUTE = 7;

  private static final List<String> SOURCES =
      List.of(
          "abi",
          "svsm_boot",
          "ghcb_msr",
          "svsm_call",
          "svsm_core",
          "svsm_attest",
          "svsm_crypto",
          "svsm_data");

  private ServiceModule() {}

  /** {@return the module as an ELF64 with symbols} */
  public static byte[] image() {
    return image(Map.of());
  }

  /**
   * {@return the module with pieces of its source replaced, for tests that break it on purpose}
   *
   * @param pieces source text and what takes its place
   */
  public static byte[] image(Map<String, String> pieces) {
    Assembler a = new Assembler(BASE, 32);
    for (String s : SOURCES) {
      String text = Sources.read(s);
      for (Map.Entry<String, String> p : pieces.entrySet()) {
        text = text.replace(p.getKey(), p.getValue());
      }
      a.add(text);
    }
    byte[] all = a.finish();
    Map<String, Long> symbols = new TreeMap<>(a.labels());
    symbols.keySet().removeIf(n -> n.startsWith("."));
    long entry = symbols.getOrDefault("svsm_start", 0L);
    int end = all.length;
    while (end > 0 && all[end - 1] == 0) {
      end--;
    }
    return new ElfWriter(BASE)
        .segment(".text", BASE, Arrays.copyOf(all, end), all.length, READ_WRITE_EXECUTE)
        .write(entry, symbols);
  }
}
