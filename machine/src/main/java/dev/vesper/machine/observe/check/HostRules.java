package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.NaeEvent;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.DmaNoise;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.HostAccess;
import dev.vesper.machine.observe.Event.Injected;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumSet;

/** The rules for what the hypervisor answers. */
final class HostRules {
  private static final long EVENT_VALID = 1L << 31;
  private static final int TYPE_EXCEPTION = 3;
  private static final int VC = 29;

  /** XSAVE area with x87 and SSE state alone, and with AVX state: the same on every processor. */
  private static final int XSAVE_LEGACY = 576;

  private static final int XSAVE_AVX = 832;

  private static final int INFOS = GhcbField.SW_EXITINFO1.mask() | GhcbField.SW_EXITINFO2.mask();

  /** Which bytes of the page every answer may change: the bitmap, and fields that answers have. */
  private static final boolean[] ANSWERED = new boolean[GhcbPage.SIZE];

  static {
    Arrays.fill(ANSWERED, GhcbPage.VALID_BITMAP, GhcbPage.VALID_BITMAP + 16, true);
    for (GhcbField f :
        EnumSet.of(
            GhcbField.RAX,
            GhcbField.RBX,
            GhcbField.RCX,
            GhcbField.RDX,
            GhcbField.DR7,
            GhcbField.SW_EXITINFO1,
            GhcbField.SW_EXITINFO2)) {
      Arrays.fill(ANSWERED, f.offset, f.offset + f.bytes, true);
    }
  }

  private final Findings findings;

  HostRules(Findings findings) {
    this.findings = findings;
  }

  private static String name(GhcbExchange x) {
    return ExitCode.name(x.exit());
  }

  /** Judges an answer. */
  void answer(GhcbExchange x) {
    int code = x.exit();
    String ended = x.ended();
    if (ended != null) {
      if (code != ExitCode.TERMINATION && code != ExitCode.UNSUPPORTED_EVENT) {
        findings.add(
            Rule.HOST_EVENT_FATAL,
            x.at(),
            x.vc(),
            () -> "the hypervisor ends the guest at " + name(x) + ": " + ended);
      }
      return;
    }
    if (code == ExitCode.AP_RESET_HOLD) {
      // The answer comes with the SIPI.
      return;
    }
    infos(x);
    NaeEvent event = NaeEvent.of(code);
    int outputs = INFOS;
    if (event != null && x.status() == 0) {
      outputs |= event.answeredMask(x.request()::get);
    }
    int missing = outputs & ~x.answer().valid().bits();
    if (missing != 0) {
      findings.add(
          Rule.HOST_OUTPUT_INVALID,
          x.at(),
          x.vc(),
          () -> "the answer to " + name(x) + " does not mark valid: " + GhcbField.set(missing));
    }
    touches(x);
    if (code == ExitCode.CPUID && x.status() == 0) {
      xsave(x);
    }
  }

  private void infos(GhcbExchange x) {
    long info1 = x.answer().get(GhcbField.SW_EXITINFO1);
    long info2 = x.answer().get(GhcbField.SW_EXITINFO2);
    boolean same =
        info1 != 0
            && info1 == x.request().get(GhcbField.SW_EXITINFO1)
            && info2 == x.request().get(GhcbField.SW_EXITINFO2);
    if (same || x.status() < 0 || x.status() > 2) {
      findings.add(
          Rule.HOST_STALE_INFO,
          x.at(),
          x.vc(),
          () ->
              "SW_EXITINFO1 of the answer to "
                  + name(x)
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
            x.at(),
            x.vc(),
            () -> "the answer to " + name(x) + " asks for the exception " + Event.hex(info2));
      }
    }
  }

  private void touches(GhcbExchange x) {
    // Ranges of a trace may say the same bytes again and again.
    BitSet touched = new BitSet(GhcbPage.SIZE);
    x.changed().forEach(r -> touched.set(r.from(), r.to() + 1));
    for (int i = touched.nextSetBit(0); i >= 0; i = touched.nextSetBit(i + 1)) {
      if (mayTouch(i, x)) {
        touched.clear(i);
      }
    }
    for (ByteRange range : x.changed()) {
      int first = touched.nextSetBit(range.from());
      if (first >= 0 && first <= range.to()) {
        findings.add(
            Rule.HOST_TOUCHES,
            x.at(),
            x.vc(),
            () -> "the answer to " + name(x) + " changes bytes " + range + " of the GHCB");
        return;
      }
    }
  }

  /** {@return whether an answer may change a byte of the page} */
  private static boolean mayTouch(int at, GhcbExchange x) {
    if (ANSWERED[at]) {
      return true;
    }
    boolean data =
        x.exit() == ExitCode.MMIO_READ
            || x.exit() == ExitCode.IOIO && (x.request().get(GhcbField.SW_EXITINFO1) & 5) == 5;
    boolean list = x.exit() == ExitCode.SNP_PAGE_STATE_CHANGE;
    long offset = x.request().get(GhcbField.SW_SCRATCH) - x.ghcb();
    return (data || list) && at >= offset && at < offset + x.answer().buffer().length();
  }

  private void xsave(GhcbExchange x) {
    long xcr0 = x.request().get(GhcbField.XCR0);
    boolean sizes =
        x.request().get(GhcbField.RAX) == 0xD && (int) x.request().get(GhcbField.RCX) == 0;
    if (!sizes
        || !x.request().has(GhcbField.XCR0)
        || xcr0 == 0
        || xcr0 > 7
        || x.answer().get(GhcbField.RAX) == 0) {
      return;
    }
    int want = (xcr0 & 4) != 0 ? XSAVE_AVX : XSAVE_LEGACY;
    if (x.answer().get(GhcbField.RBX) != want) {
      findings.add(
          Rule.HOST_XSAVE_SIZE,
          x.at(),
          x.vc(),
          () ->
              "CPUID leaf 0xD returns EBX "
                  + x.answer().get(GhcbField.RBX)
                  + " for XCR0 "
                  + Event.hex(xcr0)
                  + ", which needs "
                  + want);
    }
  }

  /** Judges an injected event. */
  void injected(Injected e, long vc) {
    long event = e.event();
    if ((event & 0xFF) == VC && (event >>> 8 & 7) == TYPE_EXCEPTION) {
      findings.add(
          Rule.HOST_INJECTED_VC,
          e.at(),
          vc,
          () ->
              "the hypervisor injects #VC with error code " + ExitCode.name((int) (event >>> 32)));
    }
  }

  /**
   * Judges an access of the host's side to a page that the guest touched last as private. A device
   * that writes to one does no harm if the guest has shared it meanwhile: {@link #noise} tells.
   *
   * @param snp the guest is one under SEV-SNP
   */
  void privateAccess(HostAccess e, long vc, boolean snp) {
    String what = (e.write() ? "write" : "read") + " of the private page at " + Event.hex(e.gpa());
    if (!e.device()) {
      if (snp) {
        findings.add(Rule.HOST_GUEST_PAGE, e.at(), vc, () -> "the hypervisor's " + what);
      } else if (e.write()) {
        findings.add(Rule.HOST_TOUCHES, e.at(), vc, () -> "the hypervisor's " + what);
      }
    } else if (!e.write()) {
      findings.add(
          Rule.DMA_PRIVATE, e.at(), vc, () -> "a device's " + what + ": it is given ciphertext");
    }
  }

  /** Judges a read of what a device has written, by a private mapping. */
  void noise(DmaNoise e, long vc) {
    findings.add(
        Rule.DMA_PRIVATE,
        e.at(),
        vc,
        () ->
            "what a device has written to "
                + Event.hex(e.gpa())
                + " is read by a private mapping: it is noise");
  }
}
