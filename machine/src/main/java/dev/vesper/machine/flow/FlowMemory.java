package dev.vesper.machine.flow;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.observe.flow.FlowKind;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Loads and stores of labels, and what is found there. */
final class FlowMemory {
  private final FlowTracker tracker;
  private final Labels labels;
  private final Places places;
  private final ShadowMemory shadow;
  private final PhysicalMemory memory;
  private final boolean leaks;
  private final boolean taint;

  /** Where the last look-up has led. */
  private int frame;

  private boolean shared;

  FlowMemory(FlowTracker tracker, PhysicalMemory memory) {
    this.tracker = tracker;
    this.memory = memory;
    labels = tracker.labels;
    places = tracker.places;
    shadow = tracker.memory;
    leaks = tracker.leaks;
    taint = tracker.taint;
  }

  /** Finds the page of an address that was just accessed; {@return false if there is none} */
  private boolean find(Cpu c, long la) {
    Page p = c.pageAtHand(la);
    if (p != null) {
      frame = p.frame;
    } else {
      long gpa = c.translateQuietly(la);
      if (gpa < 0 || !c.nested.readable(gpa >>> 12)) {
        return false;
      }
      frame = (int) c.nested.backing(gpa >>> 12);
    }
    shared = memory.domain(frame) == Page.SHARED;
    return true;
  }

  /** Reads the labels of memory that an instruction has read. */
  void load(Cpu c, long la, char[] to, int bytes) {
    for (int done = 0; done < bytes; ) {
      long a = la + done & c.linearMask();
      int in = (int) a & Page.SIZE - 1;
      int n = Math.min(bytes - done, Page.SIZE - in);
      if (!find(c, a)) {
        Arrays.fill(to, done, done + n, Labels.PUBLIC);
      } else {
        char[] page = shadow.page(frame);
        for (int i = 0; i < n; i++) {
          char label = page[in + i];
          if (label == Labels.UNKNOWN) {
            // Nothing that has a name or a page of its own is smaller than four bytes.
            boolean alike = i > 0 && (a + i & 3) != 0;
            label = alike ? to[done + i - 1] : untouched(a + i);
            page[in + i] = label;
          }
          to[done + i] = label;
        }
        if (places.hasAreas() && !shared) {
          addSecrets(c, a, to, done, n);
        }
      }
      done += n;
    }
  }

  /** {@return a number that was just accessed, 0 if it lies in no page or in two} */
  long value(Cpu c, long la, int bytes) {
    int in = (int) la & Page.SIZE - 1;
    if (in + bytes > Page.SIZE || !find(c, la)) {
      return 0;
    }
    int domain = memory.domain(frame);
    long low = memory.peekLong(frame, domain, in & ~7) >>> 8 * (in & 7);
    return (in & 7) + bytes <= 8
        ? low
        : low | memory.peekLong(frame, domain, in + bytes - 1 & ~7) << 64 - 8 * (in & 7);
  }

  private void addSecrets(Cpu c, long la, char[] to, int from, int n) {
    for (int i = 0; i < n; i++) {
      long gpa = ((long) frame << 12) + (la + i & Page.SIZE - 1);
      to[from + i] = places.named(c, to[from + i], la + i, gpa);
    }
  }

  private char untouched(long la) {
    long gpa = ((long) frame << 12) + (la & Page.SIZE - 1);
    if (shared) {
      return taint
          ? labels.origin(false, "shared page 0x" + Long.toHexString(gpa & -Page.SIZE), 0)
          : Labels.PUBLIC;
    }
    return places.untouched(la, gpa);
  }

  /** Writes the labels of memory that an instruction has written. */
  void store(Cpu c, long la, char[] from, int bytes, long rip) {
    for (int done = 0; done < bytes; ) {
      long a = la + done & c.linearMask();
      int in = (int) a & Page.SIZE - 1;
      int n = Math.min(bytes - done, Page.SIZE - in);
      if (find(c, a)) {
        System.arraycopy(from, done, shadow.page(frame), in, n);
        judge(c, in, from, done, n, rip);
      }
      done += n;
    }
  }

  private void judge(Cpu c, int in, char[] from, int first, int n, long rip) {
    if (shared) {
      for (int i = in & ~7; i < in + n; i += 8) {
        shadow.stored(frame, i, rip);
      }
    }
    char last = Labels.PUBLIC;
    for (int i = first; i < first + n; i++) {
      char label = from[i];
      if (label == last) {
        continue;
      }
      last = label;
      labels.passes(label, rip);
      if (shared) {
        if (leaks && labels.secret(label)) {
          leaked(c, label, in + i - first, rip);
        }
      } else if (taint) {
        Origin o = labels.unchecked(label);
        if (o != null) {
          tracker.found(FlowKind.STORE, c, rip, o, "", "private memory");
        }
      }
    }
  }

  private void leaked(Cpu c, char label, int offset, long rip) {
    String sink =
        frame == tracker.ghcbFrame(c)
            ? "GHCB " + field(offset)
            : "shared page 0x" + Long.toHexString((long) frame << 12);
    report(FlowKind.LEAK, c, label, rip, sink);
  }

  /** Reports each private origin of a value. */
  void report(FlowKind kind, Cpu c, char label, long rip, String sink) {
    boolean any = false;
    for (Origin o : labels.origins(label)) {
      if (o.secret) {
        any = true;
        tracker.found(kind, c, rip, o, "", sink);
      }
    }
    if (!any) {
      tracker.found(kind, c, rip, null, "private memory", sink);
    }
  }

  /** {@return what lies in a GHCB at an offset} */
  static String field(int offset) {
    for (GhcbField f : GhcbField.values()) {
      if (offset >= f.offset && offset < f.offset + f.bytes) {
        return f.name();
      }
    }
    return offset >= GhcbPage.SHARED_BUFFER
            && offset < GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE
        ? "shared buffer"
        : offset >= GhcbPage.VALID_BITMAP && offset < GhcbPage.VALID_BITMAP + 16
            ? "valid bitmap"
            : "outside all fields";
  }

  /** The host has written to memory that it shares with the guest. */
  void hostWrote(int page, int offset, int n, String name, long exchange) {
    char label = taint ? labels.origin(false, name, exchange) : Labels.PUBLIC;
    Arrays.fill(shadow.page(page), offset, offset + n, label);
  }

  /** A device was given bytes of shared memory. */
  void deviceRead(Cpu c, int page, int offset, int n) {
    char @Nullable [] known = shadow.known(page);
    if (known == null || !leaks) {
      return;
    }
    char last = Labels.PUBLIC;
    for (int i = offset; i < offset + n; i++) {
      if (known[i] != last && labels.secret(known[i])) {
        report(FlowKind.DEVICE, c, known[i], shadow.storedBy(page, i), "device");
      }
      last = known[i];
    }
  }
}
