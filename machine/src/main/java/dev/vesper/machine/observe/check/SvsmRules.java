package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.SvsmCall;
import dev.vesper.ghcb.SvsmResult;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.SvsmCalled;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The rules for calls of a service module at VMPL0. */
final class SvsmRules {
  private static final int PAGE = 4096;
  private static final int ENTRY = 8;

  private final Findings findings;

  /** The last call of each vCPU at each level. */
  private final Map<Long, SvsmCalled> last = new HashMap<>();

  SvsmRules(Findings findings) {
    this.findings = findings;
  }

  /** Judges a call, with its answer if there is one. */
  void called(SvsmCalled c) {
    follows(last.put((long) c.at().vcpu() << 2 | c.level() & 3, c), c);
    if (c.pending() == 0) {
      add(Rule.SVSM_NOT_PENDING, c, "call_pending of its calling area is 0");
    }
    if (SvsmCall.of(c.call()) == null && !hasOtherCalls(c.call())) {
      add(Rule.SVSM_UNKNOWN_CALL, c, "RAX is " + Event.hex(c.call()));
    }
    if (c.entries() >= 0) {
      list(c);
    }
  }

  /** {@return whether a protocol is one whose calls are not in the table} */
  private static boolean hasOtherCalls(long rax) {
    return SvsmCall.isProtocol(rax) && rax >>> 32 > SvsmCall.VTPM_QUERY.protocol;
  }

  /** What was not taken, or is to be made again, is made again before another. */
  private void follows(@Nullable SvsmCalled before, SvsmCalled c) {
    if (before == null
        || !before.answered()
        || before.call() == c.call() && before.rcx() == c.rcx()) {
      return;
    }
    if (before.left() > 0) {
      add(
          Rule.SVSM_NOT_TAKEN,
          before,
          "call_pending is still set when it runs again, and "
              + SvsmCall.name(c.call())
              + " is its next call");
    } else if (SvsmResult.isRetried(before.result())) {
      add(
          Rule.SVSM_NOT_RETRIED,
          before,
          "the result is '"
              + SvsmResult.name(before.result())
              + "', and "
              + SvsmCall.name(c.call())
              + " is its next call");
    }
  }

  private void list(SvsmCalled c) {
    int n = c.entries();
    long in = c.rcx() & PAGE - 1;
    if (n == 0 || n > SvsmCall.MOST_ENTRIES) {
      add(Rule.SVSM_LIST, c, "its list has " + n + " entries");
    } else if (c.next() >= n) {
      add(Rule.SVSM_LIST, c, "its list begins with entry " + c.next() + " of " + n);
    } else if ((c.rcx() & ENTRY - 1) != 0 || in + SvsmCall.LIST_HEADER + (long) ENTRY * n > PAGE) {
      add(
          Rule.SVSM_LIST,
          c,
          "its list of " + n + " entries at " + Event.hex(c.rcx()) + " does not lie in a page");
    }
  }

  private void add(Rule rule, SvsmCalled c, String what) {
    findings.add(
        rule, c.at(), 0, () -> SvsmCall.name(c.call()) + " of VMPL" + c.level() + ": " + what);
  }
}
