package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.observe.Accesses.Access;
import dev.vesper.machine.observe.Accesses.Kind;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.VcReturned;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Follows how the guest reads an answer: what it looks at first, and what it never looks at. */
final class AnswerReads {
  private static final int SAVE_AREA = 0x400;

  /** Only somebody who copies the whole page reads these reserved bytes. */
  private static final int RESERVED = 0xC8;

  private static final Set<GhcbField> OUTPUTS =
      EnumSet.of(GhcbField.RAX, GhcbField.RBX, GhcbField.RCX, GhcbField.RDX, GhcbField.DR7);

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

  /** Takes an access, in order; {@code seen} is the event that brought it. */
  void access(Access a, At seen, long current) {
    if (over || current != exchange.vc()) {
      return;
    }
    if (a.kind() == Kind.WRITE) {
      over = a.offset() < SAVE_AREA;
      return;
    }
    if (a.kind() != Kind.READ) {
      return;
    }
    if (a.offset() < RESERVED) {
      over = true;
      return;
    }
    if (clobbered != null && (a.offset() < SAVE_AREA || readsBuffer(a))) {
      findings.add(
          Rule.NESTED_CLOBBER,
          clobbered.at(),
          clobbered.vcRip(),
          exchange.vc(),
          "a #VC within the service of "
              + name()
              + " changed the answer (bytes "
              + ByteRange.text(clobbered.ghcbChanged())
              + ") that is read at "
              + "0x"
              + Long.toHexString(a.rip())
              + " afterwards");
      clobbered = null;
    }
    if (a.touches(GhcbPage.VALID_BITMAP, 16)) {
      int from = Math.max(0, a.offset() - GhcbPage.VALID_BITMAP) * 8;
      bitmap.set(from, from + a.bytes() * 8);
    }
    if (a.touches(GhcbField.SW_EXITINFO1.offset, 8)) {
      info1 = true;
      once(a, seen, GhcbField.SW_EXITINFO1);
    }
    for (GhcbField f : OUTPUTS) {
      if (a.touches(f.offset, f.bytes)) {
        output(a, seen, f);
      }
    }
    if (readsBuffer(a) && !info1) {
      early(a, seen, "the shared buffer");
    }
  }

  private boolean readsBuffer(Access a) {
    boolean returnsData =
        exchange.exit() == ExitCode.MMIO_READ
            || exchange.exit() == ExitCode.IOIO
                && (exchange.request().get(GhcbField.SW_EXITINFO1) & 5) == 5;
    return returnsData && a.touches(GhcbPage.SHARED_BUFFER, GhcbPage.SHARED_BUFFER_SIZE);
  }

  private void output(Access a, At seen, GhcbField f) {
    if (!info1) {
      early(a, seen, f.name());
    }
    if (!bitmap.get(f.bit())) {
      findings.add(
          Rule.OUTPUT_UNCHECKED,
          seen,
          a.rip(),
          exchange.vc(),
          f
              + " of the answer to "
              + name()
              + " is read without a look at bit "
              + f.bit()
              + " of the valid bitmap");
    }
    once(a, seen, f);
  }

  private void early(Access a, At seen, String what) {
    findings.add(
        Rule.INFO1_UNREAD,
        seen,
        a.rip(),
        exchange.vc(),
        what
            + " of the answer to "
            + name()
            + " is read before SW_EXITINFO1, which is 0x"
            + Long.toHexString(exchange.answer().get(GhcbField.SW_EXITINFO1)));
  }

  private void once(Access a, At seen, GhcbField f) {
    boolean again = false;
    for (int i = 0; i < a.bytes(); i++) {
      int at = a.offset() + i;
      if (at >= f.offset && at < f.offset + f.bytes) {
        again |= read.get(at);
        read.set(at);
      }
    }
    if (again) {
      findings.add(
          Rule.DOUBLE_FETCH,
          seen,
          a.rip(),
          exchange.vc(),
          f + " of the answer to " + name() + " is read a second time");
    }
  }
}
