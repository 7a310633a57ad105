package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.NaeEvent;
import dev.vesper.machine.observe.Event;
import java.util.EnumSet;
import java.util.Set;

/** The rules for what the hypervisor answers. */
final class HostRules {
  private static final long EVENT_VALID = 1L << 31;
  private static final int TYPE_EXCEPTION = 3;
  private static final int VC = 29;

  /** XSAVE area with x87 and SSE state alone, and with AVX state: the same on every processor. */
  private static final int XSAVE_LEGACY = 576;

  private static final int XSAVE_AVX = 832;

  private final Findings findings;

  HostRules(Findings findings) {
    this.findings = findings;
  }

  /** Judges an answer. */
  void answer(Event e, Exchange x, long vc) {
    int code = x.code();
    if (e.has("ended")) {
      if (code != ExitCode.TERMINATION && code != ExitCode.UNSUPPORTED_EVENT) {
        findings.add(
            Rule.HOST_EVENT_FATAL,
            e,
            vc,
            "the hypervisor ends the guest at " + e.name() + ": " + e.text("ended"));
      }
      return;
    }
    if (code == ExitCode.AP_RESET_HOLD) {
      // The answer comes with the SIPI.
      return;
    }
    infos(e, x, vc);
    NaeEvent event = NaeEvent.of(code);
    Set<GhcbField> outputs = EnumSet.noneOf(GhcbField.class);
    if (event != null && x.status() == 0) {
      outputs.addAll(event.answered(x::asked));
    }
    outputs.add(GhcbField.SW_EXITINFO1);
    outputs.add(GhcbField.SW_EXITINFO2);
    Set<GhcbField> missing = EnumSet.copyOf(outputs);
    missing.removeAll(x.answer().keySet());
    if (!missing.isEmpty()) {
      findings.add(
          Rule.HOST_OUTPUT_INVALID,
          e,
          vc,
          "the answer to " + e.name() + " does not mark valid: " + missing);
    }
    touches(e, x, vc);
    if (code == ExitCode.CPUID && x.status() == 0) {
      xsave(e, x, vc);
    }
  }

  private void infos(Event e, Exchange x, long vc) {
    long info1 = x.answered(GhcbField.SW_EXITINFO1);
    long info2 = x.answered(GhcbField.SW_EXITINFO2);
    boolean same =
        info1 != 0
            && info1 == x.asked(GhcbField.SW_EXITINFO1)
            && info2 == x.asked(GhcbField.SW_EXITINFO2);
    if (same || x.status() < 0 || x.status() > 2) {
      findings.add(
          Rule.HOST_STALE_INFO,
          e,
          vc,
          "SW_EXITINFO1 of the answer to "
              + e.name()
              + " is "
              + Event.hex(info1)
              + (same ? ", as the guest sent it" : ""));
    } else if (x.status() == 1) {
      boolean good =
          (info2 & EVENT_VALID) != 0
              && (info2 >>> 8 & 7) == TYPE_EXCEPTION
              && ((info2 & 0xFF) == 13 || (info2 & 0xFF) == 6);
      if (!good) {
        findings.add(
            Rule.HOST_BAD_EXCEPTION,
            e,
            vc,
            "the answer to " + e.name() + " asks for the exception " + Event.hex(info2));
      }
    }
  }

  private void touches(Event e, Exchange x, long vc) {
    for (String range : e.text("changed").split(" ")) {
      String[] t = range.split("-");
      if (t.length != 2) {
        continue;
      }
      int from = Integer.parseInt(t[0], 16);
      int to = Integer.parseInt(t[1], 16);
      for (int i = from; i <= to; i++) {
        if (!mayTouch(i, e, x)) {
          findings.add(
              Rule.HOST_TOUCHES,
              e,
              vc,
              "the answer to " + e.name() + " changes bytes " + range + " of the GHCB");
          return;
        }
      }
    }
  }

  /** {@return whether an answer may change a byte of the page} */
  private static boolean mayTouch(int at, Event e, Exchange x) {
    if (at >= GhcbPage.VALID_BITMAP && at < GhcbPage.VALID_BITMAP + 16) {
      return true;
    }
    for (GhcbField f :
        EnumSet.of(
            GhcbField.RAX,
            GhcbField.RBX,
            GhcbField.RCX,
            GhcbField.RDX,
            GhcbField.DR7,
            GhcbField.SW_EXITINFO1,
            GhcbField.SW_EXITINFO2)) {
      if (at >= f.offset && at < f.offset + f.bytes) {
        return true;
      }
    }
    boolean data =
        x.code() == ExitCode.MMIO_READ
            || x.code() == ExitCode.IOIO && (x.asked(GhcbField.SW_EXITINFO1) & 5) == 5;
    long offset = x.asked(GhcbField.SW_SCRATCH) - e.number("ghcb");
    return data && at >= offset && at < offset + x.answerBuffer().length;
  }

  private void xsave(Event e, Exchange x, long vc) {
    long xcr0 = x.asked(GhcbField.XCR0);
    boolean sizes = x.asked(GhcbField.RAX) == 0xD && (int) x.asked(GhcbField.RCX) == 0;
    if (!sizes
        || !x.request().containsKey(GhcbField.XCR0)
        || xcr0 == 0
        || xcr0 > 7
        || x.answered(GhcbField.RAX) == 0) {
      return;
    }
    int want = (xcr0 & 4) != 0 ? XSAVE_AVX : XSAVE_LEGACY;
    if (x.answered(GhcbField.RBX) != want) {
      findings.add(
          Rule.HOST_XSAVE_SIZE,
          e,
          vc,
          "CPUID leaf 0xD returns EBX "
              + x.answered(GhcbField.RBX)
              + " for XCR0 "
              + Event.hex(xcr0)
              + ", which needs "
              + want);
    }
  }

  /** Judges an injected event. */
  void injected(Event e, long vc) {
    long event = e.number("eventinj");
    if ((event & 0xFF) == VC && (event >>> 8 & 7) == TYPE_EXCEPTION) {
      findings.add(
          Rule.HOST_INJECTED_VC,
          e,
          vc,
          "the hypervisor injects #VC with error code " + ExitCode.name((int) (event >>> 32)));
    }
  }

  /**
   * Judges an access of the host's side to a page that the guest touched last as private. A device
   * that writes to one does no harm if the guest has shared it meanwhile: {@link #noise} tells.
   */
  void privateAccess(Event e, long vc) {
    String what = e.name() + " of the private page at " + Event.hex(e.number("gpa"));
    boolean write = e.name().equals("write");
    if (!e.text("by").equals("device")) {
      if (write) {
        findings.add(Rule.HOST_TOUCHES, e, vc, "the hypervisor's " + what);
      }
    } else if (!write) {
      findings.add(Rule.DMA_PRIVATE, e, vc, "a device's " + what + ": it is given ciphertext");
    }
  }

  /** Judges a read of what a device has written, by a private mapping. */
  void noise(Event e, long vc) {
    findings.add(
        Rule.DMA_PRIVATE,
        e,
        vc,
        "what a device has written to "
            + Event.hex(e.number("gpa"))
            + " is read by a private mapping: it is noise");
  }
}
