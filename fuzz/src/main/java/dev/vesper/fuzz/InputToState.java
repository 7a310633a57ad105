package dev.vesper.fuzz;

import dev.vesper.ghcb.GhcbField;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Inputs in which an answer is what the guest has compared it with, or beside that: where a
 * compared number is found in an answer or in shared memory, the other one is put there (Redqueen's
 * input-to-state correspondence).
 */
final class InputToState {
  /** Inputs that are made of one entry. */
  private static final int MOST = 1024;

  /** Places of answers at which one comparison is tried. */
  private static final int PLACES = 4;

  /** How often the same question is looked at. */
  private static final int OF_A_SITE = 3;

  private final SiteFilter sites;
  private final Set<Lie> lies = new LinkedHashSet<>();

  private InputToState(SiteFilter sites) {
    this.sites = sites;
  }

  /** Puts a number into the place of an answer that it was found in. */
  private interface Put {
    Change change(long value);
  }

  /**
   * A number that the host has told.
   *
   * @param bytes how wide it is
   */
  private record Told(Site site, int nth, long value, int bytes, Put put) {}

  /** {@return lies that are worth trying, each by itself} */
  static List<Lie> of(Noted noted, SiteFilter sites) {
    InputToState s = new InputToState(sites);
    List<Told> told = s.told(noted);
    for (Comparison c : noted.comparisons()) {
      s.match(told, c.left(), c.right(), c.bytes());
      s.match(told, c.right(), c.left(), c.bytes());
    }
    return List.copyOf(s.lies);
  }

  private List<Told> told(Noted noted) {
    List<Told> all = new ArrayList<>();
    Map<Site, Integer> times = new HashMap<>();
    if (sites.takesValues()) {
      for (Seen s : noted.seen()) {
        if (sites.takes(s.site()) && times.merge(s.site(), 1, Integer::sum) <= OF_A_SITE) {
          answer(all, s);
        }
      }
    }
    if (sites.takes(SiteFilter.Way.SHARED)) {
      for (SharedRead r : noted.reads()) {
        all.add(
            new Told(
                r.site(),
                r.nth(),
                r.value(),
                r.bytes(),
                v -> new Change.Shared(r.gpa(), r.bytes(), v)));
      }
    }
    return all;
  }

  private static void answer(List<Told> to, Seen s) {
    switch (s.site().kind()) {
      case CPUID -> {
        field(to, s, GhcbField.RAX, s.rax(), 4);
        field(to, s, GhcbField.RBX, s.rbx(), 4);
        field(to, s, GhcbField.RCX, s.rcx(), 4);
        field(to, s, GhcbField.RDX, s.rdx(), 4);
      }
      case MSR -> {
        field(to, s, GhcbField.RAX, s.rax(), 4);
        field(to, s, GhcbField.RDX, s.rdx(), 4);
      }
      case PORT, PCI -> {
        if (s.buffer() == 0) {
          field(to, s, GhcbField.RAX, s.rax(), 4);
        }
      }
      case PROTO ->
          to.add(
              new Told(
                  s.site(),
                  s.nth(),
                  s.rax() >>> 32,
                  4,
                  v -> new Change.Response(s.rax() & 0xFFFF_FFFFL | v << 32)));
      case MMIO, VC, WRMSR, OUT, MMIO_WRITE -> {
        // What these answer with is in the buffer, if there is any.
      }
    }
    for (int i = 0; i < s.words().size(); i++) {
      int at = 8 * i;
      int n = Math.min(8, s.buffer() - at);
      int width = n >= 8 ? 8 : Integer.highestOneBit(n);
      to.add(
          new Told(
              s.site(), s.nth(), s.words().get(i), width, v -> new Change.Buffer(at, width, v)));
    }
  }

  private static void field(List<Told> to, Seen s, GhcbField f, long v, int bytes) {
    to.add(new Told(s.site(), s.nth(), v, bytes, x -> new Change.Field(f, x)));
  }

  private void match(List<Told> told, long found, long other, int bytes) {
    int places = 0;
    for (Told t : told) {
      for (int at = 0; at + bytes <= t.bytes; at += bytes) {
        if ((t.value >>> 8 * at & mask(bytes)) != found || places == PLACES) {
          continue;
        }
        // Nothing is told by a zero that is found somewhere inside.
        if (found == 0 && bytes < t.bytes && t.value != 0) {
          continue;
        }
        places++;
        put(t, at, bytes, other);
        put(t, at, bytes, other + 1);
        put(t, at, bytes, other - 1);
        put(t, at, bytes, found | other);
        put(t, at, bytes, found & ~other);
      }
    }
  }

  private void put(Told t, int at, int bytes, long v) {
    long mask = mask(bytes) << 8 * at;
    long value = t.value & ~mask | v << 8 * at & mask;
    if (value != t.value && lies.size() < MOST) {
      lies.add(new Lie(t.site, t.nth, List.of(t.put.change(value))));
    }
  }

  private static long mask(int bytes) {
    return bytes == 8 ? -1 : (1L << 8 * bytes) - 1;
  }
}
