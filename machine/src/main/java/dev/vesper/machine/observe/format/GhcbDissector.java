package dev.vesper.machine.observe.format;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.NaeEvent;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/** The Wireshark dissector, in Lua, for the packets of {@link PcapngWriter}. */
public final class GhcbDissector {
  private GhcbDissector() {}

  /** {@return the script: its tables come from those of the GHCB library} */
  public static String lua() {
    StringBuilder t = new StringBuilder("local FIELDS = {\n");
    for (GhcbField f : GhcbField.values()) {
      t.append("  { \"").append(f).append("\", ").append(f.offset).append(", ");
      t.append(f.bytes).append(", ").append(f.bit()).append(" },\n");
    }
    t.append("}\nlocal EXITS = {\n");
    Map<Long, String> exits = new TreeMap<>();
    for (NaeEvent e : NaeEvent.values()) {
      exits.put(e.code & 0xFFFF_FFFFL, ExitCode.name(e.code));
    }
    exits.put((long) ExitCode.NPF, ExitCode.name(ExitCode.NPF));
    exits.forEach((c, n) -> t.append("  [").append(c).append("] = \"").append(n).append("\",\n"));
    t.append("}\nlocal MSR_CODES = {\n");
    for (int i = 0; i < 0x1000; i++) {
      String n = MsrRequest.name(i);
      if (!n.startsWith("unknown")) {
        t.append("  [").append(i).append("] = \"").append(i == 0 ? "GHCB GPA" : n).append("\",\n");
      }
    }
    t.append("}\n");
    try (InputStream in = GhcbDissector.class.getResourceAsStream("ghcb.lua")) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8)
          .replace("-- TABLES\n", t);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }
}
