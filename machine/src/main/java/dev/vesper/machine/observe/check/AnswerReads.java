package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.Accesses.Kind;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.VcReturned;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/** Follows how the guest reads an answer: what it looks at first, and what it never looks at. */
final class AnswerReads {
  private static final int SAVE_AREA = 0x400;

  /** Only somebody who copies the whole page reads these reserved bytes. */
  private static final int RESERVED = 0xC8;

  /** In the order of the fields. */
  private static final GhcbField[] OUTPUTS = {
    GhcbField.DR7, GhcbField.RAX, GhcbField.RCX, GhcbField.RDX, GhcbField.RBX
  };

  private final GhcbExchange exchange;
  private final Findings findings;
  private final BitSet bitmap = new BitSet();

  /** Bytes of fields that were read. */
  private final BitSet read = new BitSet();

  private @Nullable VcReturned clobbered;
  private boolean info1;
  private boolean over;

  AnswerReads(GhcbExchange exchange, Findings findings) {
    this.exchange = exchange;
    this.findings = findings;
  }

  /** The guest is through with the answer: a failure that it did not look at is remembered. */
  void finish(VcpuState v) {
    VcpuState.Service s = v.find(exchange.vc());
    if (s != null && exchange.status() != 0 && !info1) {
      s.ignored = exchange;
    }
    v.answer = null;
  }

  private String name() {
    return ExitCode.name(exchange.exit());
  }

  /** A nested #VC has changed the page while the answer was still in it. */
  void clobbered(VcReturned by) {
    clobbered = by;
  }

  /**
   * Takes an access, in order.
   *
   * @param i which of {@code a}
   * @param seen the event that brought it
   */
  void access(Accesses a, int i, At seen, long current) {
    if (over || current != exchange.vc()) {
      return;
    }
    if (a.kind(i) == Kind.WRITE) {
      over = a.offset(i) < SAVE_AREA;
      return;
    }
    if (a.kind(i) != Kind.READ) {
      return;
    }
    if (a.offset(i) < RESERVED) {
      over = true;
      return;
    }
    VcReturned by = clobbered;
    if (by != null && (a.offset(i) < SAVE_AREA || readsBuffer(a, i))) {
      findings.add(
          Rule.NESTED_CLOBBER,
          by.at(),
          by.vcRip(),
          exchange.vc(),
          () ->
              "a #VC within the service of "
                  + name()
                  + " changed the answer (bytes "
                  + ByteRange.text(by.ghcbChanged())
                  + ") that is read at "
                  + "0x"
                  + Long.toHexString(a.rip(i))
                  + " afterwards");
      clobbered = null;
    }
    if (a.touches(i, GhcbPage.VALID_BITMAP, 16)) {
      int from = Math.max(0, a.offset(i) - GhcbPage.VALID_BITMAP) * 8;
      bitmap.set(from, from + a.bytes(i) * 8);
    }
    if (a.touches(i, GhcbField.SW_EXITINFO1.offset, 8)) {
      info1 = true;
      once(a, i, seen, GhcbField.SW_EXITINFO1);
    }
    for (GhcbField f : OUTPUTS) {
      if (a.touches(i, f.offset, f.bytes)) {
        output(a, i, seen, f);
      }
    }
    if (readsBuffer(a, i) && !info1) {
      early(a, i, seen, "the shared buffer");
    }
  }

  private boolean readsBuffer(Accesses a, int i) {
    boolean returnsData =
        exchange.exit() == ExitCode.MMIO_READ
            || exchange.exit() == ExitCode.IOIO
                && (exchange.request().get(GhcbField.SW_EXITINFO1) & 5) == 5;
    return returnsData && a.touches(i, GhcbPage.SHARED_BUFFER, GhcbPage.SHARED_BUFFER_SIZE);
  }

  private void output(Accesses a, int i, At seen, GhcbField f) {
    if (!info1) {
      early(a, i, seen, f.name());
    }
    if (!bitmap.get(f.bit())) {
      findings.add(
          Rule.OUTPUT_UNCHECKED,
          seen,
          a.rip(i),
          exchange.vc(),
          () ->
              f
                  + " of the answer to "
                  + name()
                  + " is read without a look at bit "
                  + f.bit()
                  + " of the valid bitmap");
    }
    once(a, i, seen, f);
  }

  private void early(Accesses a, int i, At seen, String what) {
    findings.add(
        Rule.INFO1_UNREAD,
        seen,
        a.rip(i),
        exchange.vc(),
        () ->
            what
                + " of the answer to "
                + name()
                + " is read before SW_EXITINFO1, which is 0x"
                + Long.toHexString(exchange.answer().get(GhcbField.SW_EXITINFO1)));
  }

  private void once(Accesses a, int i, At seen, GhcbField f) {
    boolean again = false;
    for (int n = 0; n < a.bytes(i); n++) {
      int at = a.offset(i) + n;
      if (at >= f.offset && at < f.offset + f.bytes) {
        again |= read.get(at);
        read.set(at);
      }
    }
    if (again) {
      findings.add(
          Rule.DOUBLE_FETCH,
          seen,
          a.rip(i),
          exchange.vc(),
          () -> f + " of the answer to " + name() + " is read a second time");
    }
  }
}
