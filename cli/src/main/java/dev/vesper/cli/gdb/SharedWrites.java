package dev.vesper.cli.gdb;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Registration;
import dev.vesper.machine.Stop;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Event;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Pages that a client waits to be written to by the guest while they are shared. */
final class SharedWrites {
  private static final long PAGE = 4096;

  /**
   * @param gpa of the page, or of the first one
   * @param bytes from there on
   */
  private record Asked(long gpa, long bytes, Registration set) {
    boolean has(long address) {
      return address >= 0 && address - gpa >= 0 && address - gpa < bytes;
    }
  }

  private final Machine machine;
  private final Map<String, Asked> asked = new LinkedHashMap<>();

  SharedWrites(Machine machine) {
    this.machine = machine;
  }

  /**
   * Waits for writes to a page.
   *
   * @param words that have asked for it
   * @param gpa of the page, or -1 for all
   */
  void add(String words, long gpa) {
    remove(words);
    long from = gpa < 0 ? 0 : gpa & -PAGE;
    long bytes = gpa < 0 ? Long.MAX_VALUE : PAGE;
    asked.put(words, new Asked(from, bytes, machine.sharedWrites(from, bytes)));
  }

  void remove(String words) {
    Asked a = asked.remove(words);
    if (a != null) {
      a.set.close();
    }
  }

  void clear() {
    asked.values().forEach(a -> a.set.close());
    asked.clear();
  }

  /**
   * {@return what an access has come to, for people in one line, or null if nobody waits for it}
   *
   * @param v the vCPU that has made it
   */
  @Nullable String why(Stop.Watchpoint w, VcpuView v) {
    if (!w.write() || asked.isEmpty()) {
      return null;
    }
    for (long at : new long[] {w.address(), w.address() + w.bytes() - 1}) {
      long gpa = v.physical(at);
      if (gpa >= 0 && !v.mapsPrivate(at) && asked.values().stream().anyMatch(a -> a.has(gpa))) {
        return "shared write of %d bytes to %s by %s"
            .formatted(w.bytes(), Event.hex(gpa), Event.hex(w.rip()));
      }
    }
    return null;
  }
}
