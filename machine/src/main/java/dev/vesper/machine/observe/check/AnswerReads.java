package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.observe.Accesses.Access;
import dev.vesper.machine.observe.Accesses.Kind;
import dev.vesper.machine.observe.Event;
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

  private final Event event;
  private final Exchange exchange;
  private final long vc;
  private final Findings findings;
  private final BitSet bitmap = new BitSet();

  /** Bytes of fields that were read. */
  private final BitSet read = new BitSet();

  private @Nullable Event clobbered;
  private boolean info1;
  private boolean over;

  AnswerReads(Event event, Exchange exchange, long vc, Findings findings) {
    this.event = event;
    this.exchange = exchange;
    this.vc = vc;
    this.findings = findings;
  }

  /** The guest is through with the answer: a failure that it did not look at is remembered. */
  void finish(VcpuState v) {
    VcpuState.Service s = v.find(vc);
    if (s != null && exchange.status() != 0 && !info1) {
      s.ignored = event;
    }
    v.answer = null;
  }

  /** A nested #VC has changed the page while the answer was still in it. */
  void clobbered(Event by) {
    clobbered = by;
  }

  /** Takes an access, in order; {@code seen} is the event that brought it. */
  void access(Access a, Event seen, long current) {
    if (over || current != vc) {
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
          clobbered,
          clobbered.number("vc_rip"),
          vc,
          "a #VC within the service of "
              + event.name()
              + " changed the answer (bytes "
              + clobbered.text("ghcb_changed")
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
        exchange.code() == ExitCode.MMIO_READ
            || exchange.code() == ExitCode.IOIO
                && (exchange.asked(GhcbField.SW_EXITINFO1) & 5) == 5;
    return returnsData && a.touches(GhcbPage.SHARED_BUFFER, GhcbPage.SHARED_BUFFER_SIZE);
  }

  private void output(Access a, Event seen, GhcbField f) {
    if (!info1) {
      early(a, seen, f.name());
    }
    if (!bitmap.get(f.bit())) {
      findings.add(
          Rule.OUTPUT_UNCHECKED,
          seen,
          a.rip(),
          vc,
          f
              + " of the answer to "
              + event.name()
              + " is read without a look at bit "
              + f.bit()
              + " of the valid bitmap");
    }
    once(a, seen, f);
  }

  private void early(Access a, Event seen, String what) {
    findings.add(
        Rule.INFO1_UNREAD,
        seen,
        a.rip(),
        vc,
        what
            + " of the answer to "
            + event.name()
            + " is read before SW_EXITINFO1, which is 0x"
            + Long.toHexString(exchange.answered(GhcbField.SW_EXITINFO1)));
  }

  private void once(Access a, Event seen, GhcbField f) {
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
          vc,
          f + " of the answer to " + event.name() + " is read a second time");
    }
  }
}
