package dev.vesper.machine.model;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A line of {@code features.txt}: a CPUID flag by name.
 *
 * @param register 0 EAX, 1 EBX, 2 ECX, 3 EDX
 * @param processor what the processor then does, or null if the flag changes nothing in it
 */
record CpuidFlag(int leaf, int subleaf, int register, int bit, @Nullable String processor) {
  /** {@return all flags by name} */
  static Map<String, CpuidFlag> load() {
    Map<String, CpuidFlag> all = new TreeMap<>();
    try (var in = CpuidFlag.class.getResourceAsStream("features.txt")) {
      if (in == null) {
        throw new AssertionError("features.txt is missing from the module");
      }
      var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (!line.isBlank() && line.charAt(0) != '#') {
          String[] f = line.split("\\s+");
          all.put(
              f[0],
              new CpuidFlag(
                  Integer.parseUnsignedInt(f[1], 16),
                  Integer.parseInt(f[2]),
                  List.of("eax", "ebx", "ecx", "edx").indexOf(f[3]),
                  Integer.parseInt(f[4]),
                  f[5].equals("-") ? null : f[5]));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return all;
  }
}
