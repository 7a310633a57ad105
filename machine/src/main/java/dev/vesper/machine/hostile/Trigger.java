package dev.vesper.machine.hostile;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.MsrRequest;
import java.util.List;

/** When a rule's actions are done. */
public sealed interface Trigger {
  /**
   * Code of a page is entered from another page. Its nested entry forbids fetches until then; the
   * actions come before the first instruction.
   */
  record Fetch(Place page) implements Trigger {}

  /**
   * Code of pages is entered one after the other, as in caller, callee, caller for a return. The
   * actions come before the first instruction in the last one.
   *
   * @param pages at least one
   */
  record FetchSequence(List<Place> pages) implements Trigger {
    /** Makes a sequence. */
    public FetchSequence {
      pages = List.copyOf(pages);
      if (pages.isEmpty()) {
        throw new IllegalArgumentException("a sequence has at least one page");
      }
    }
  }

  /** A page is about to be written to. */
  record Write(Place page) implements Trigger {}

  /** A page is about to be read or written, by data accesses or by the processor's own. */
  record Read(Place page) implements Trigger {}

  /**
   * All vCPUs together have executed so many instructions, exactly.
   *
   * @param count not negative
   */
  record AfterInstruction(long count) implements Trigger {
    /** Makes a trigger. */
    public AfterInstruction {
      if (count < 0) {
        throw new IllegalArgumentException("a count of instructions is not negative: " + count);
      }
    }
  }

  /** An instruction is the next that a vCPU executes, which no host sees. */
  record AtRip(Place where) implements Trigger {
    /** Makes a trigger. */
    public AtRip {
      if (where instanceof Place.Gpa) {
        throw new IllegalArgumentException("RIP is a linear address, or a symbol");
      }
    }
  }

  /**
   * VMGEXIT with a request in a GHCB page. Actions come behind the profile's answer, unless one of
   * them is {@link LawfulAction.Unanswered}.
   *
   * @param code SW_EXITCODE
   * @param nth from the n-th of them on, counted from 1
   */
  record Vmgexit(int code, int nth) implements Trigger {
    /** Makes a trigger. */
    public Vmgexit {
      requireNth(nth);
    }
  }

  /**
   * VMGEXIT with a request of the MSR protocol. Actions come behind the profile's answer.
   *
   * @param info GHCBInfo, bits 11:0 of the request
   * @param nth from the n-th of them on, counted from 1
   */
  record Msr(int info, int nth) implements Trigger {
    /** Makes a trigger. */
    public Msr {
      requireNth(nth);
    }
  }

  /**
   * VMRUN of any vCPU, before it.
   *
   * @param nth from the n-th on, counted from 1
   */
  record Entry(int nth) implements Trigger {
    /** Makes a trigger. */
    public Entry {
      requireNth(nth);
    }
  }

  /**
   * Virtual time has come so far.
   *
   * @param nanos since the machine began
   */
  record AtTime(long nanos) implements Trigger {
    /** Makes a trigger. */
    public AtTime {
      if (nanos < 0) {
        throw new IllegalArgumentException("virtual time is not negative: " + nanos);
      }
    }
  }

  /**
   * The console's line that is being written contains a text. Actions come before the next VMRUN.
   */
  record ConsoleText(String text) implements Trigger {
    /** Makes a trigger. */
    public ConsoleText {
      if (text.isEmpty()) {
        throw new IllegalArgumentException("every line contains the empty text: give one");
      }
    }
  }

  /** The launch has come to a step. */
  record LaunchStep(Step step) implements Trigger {}

  /** Steps of a launch that a host can interfere at. */
  enum Step {
    /** Guest memory has what is to be launched, in plaintext; no command was given. */
    LOADED,
    /** The guest is measured, and what is launched is encrypted; the launch is not finished. */
    MEASURED,
    /** The launch is finished, and no vCPU has run. */
    FINISHED
  }

  private static void requireNth(int nth) {
    if (nth < 1) {
      throw new IllegalArgumentException("the first is number 1, and not " + nth);
    }
  }

  /** {@return whether it takes somebody who sees more than a host} */
  default boolean aided() {
    return switch (this) {
      case AtRip r -> true;
      case Fetch f -> f.page.aided();
      case FetchSequence s -> s.pages.stream().anyMatch(Place::aided);
      case Write w -> w.page.aided();
      case Read r -> r.page.aided();
      case AfterInstruction i -> false;
      case Vmgexit v -> false;
      case Msr m -> false;
      case Entry e -> false;
      case AtTime t -> false;
      case ConsoleText c -> false;
      case LaunchStep l -> false;
    };
  }

  /** {@return for people, in a few words} */
  default String words() {
    return switch (this) {
      case AtRip r -> "rip " + words(r.where);
      case Fetch f -> "fetch " + words(f.page);
      case FetchSequence s ->
          "fetch-seq " + String.join(" ", s.pages.stream().map(Trigger::words).toList());
      case Write w -> "write " + words(w.page);
      case Read r -> "read " + words(r.page);
      case AfterInstruction i -> "insn " + i.count;
      case Vmgexit v -> "vmgexit " + ExitCode.name(v.code) + nth(v.nth);
      case Msr m -> "msr " + MsrRequest.name(m.info) + nth(m.nth);
      case Entry e -> "entry" + nth(e.nth);
      case AtTime t -> "time " + t.nanos;
      case ConsoleText c -> "console " + c.text;
      case LaunchStep l -> "launch " + l.step;
    };
  }

  private static String nth(int nth) {
    return nth == 1 ? "" : " nth " + nth;
  }

  private static String words(Place p) {
    return switch (p) {
      case Place.Gpa g -> "0x" + Long.toHexString(g.address());
      case Place.Linear l -> "linear 0x" + Long.toHexString(l.address());
      case Place.Symbol s ->
          s.name() + (s.offset() == 0 ? "" : "+0x" + Long.toHexString(s.offset()));
    };
  }
}
